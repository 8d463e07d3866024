/* SPDX-License-Identifier: Apache-2.0 */
/* What all verbs that change the published metadata begin and end with. */
#pragma once

#include "publisher/publisher.h"
#include "publisher/roles.h"

/*
 * Opens the workspace with its lock and reads the roles. A key rotation that
 * was interrupted after its root was published is finished here. Warns when the
 * clock is behind what was signed last.
 */
int change_begin(struct publisher *p, struct roles *r, struct err *e);

/*
 * Reads "[PRODUCT] RELEASE" (product: the workspace's) and makes sure that the
 * release is published. E_USAGE, E_NOTFOUND.
 */
int change_read_release(struct publisher *p, const struct roles *r, int argc, char **argv,
	const char **product, uint64_t *release, json_t **target, struct err *e);

/* For verbs without options: E_USAGE unless argc is between min and max. */
int change_check_words(int argc, char **argv, int min, int max, struct err *e);

/* Names of the keys that `init` makes, in its order; root keys first. */
#define CHANGE_KEYS 5
extern const char *const change_key_names[CHANGE_KEYS];
