/* SPDX-License-Identifier: Apache-2.0 */
/* A repository on a web server, as a fetcher of metadata, of manifests, and a source of objects. */
#pragma once

#include "agent/base/err.h"
#include "agent/base/fetcher.h"
#include "agent/poll/http.h"

struct repository; /* one base URL; opaque; keeps `h` borrowed */

/* E_CONFIG for a URL that is not https (or http where allowed), has a query, or is too long. */
int repository_open(struct http *h, const char *base_url, struct repository **out, struct err *e);
void repository_close(struct repository *r);

/* Names below metadata/ and targets/. Valid while the repository is open. */
struct fetcher repository_metadata(struct repository *r);
struct fetcher repository_targets(struct repository *r);

/* objects/<2 hex>/<sha256>. */
struct object_source repository_objects(struct repository *r);
