/* SPDX-License-Identifier: Apache-2.0 */
/* What the files share that write a manifest. */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "agent/base/err.h"
#include "agent/plan/plan.h"

/* Adds a value, which is handed over; NULL is one that could not be made. E_USAGE names the key. */
int release_put(json_t *obj, const char *key, json_t *value, struct err *e);

/* Adds "images". E_NOMEM, E_USAGE. */
int release_put_images(json_t *obj, const struct plan_image *images, size_t count, struct err *e);
