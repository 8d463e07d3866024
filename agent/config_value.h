/* SPDX-License-Identifier: Apache-2.0 */
/* Values of pawl.conf: one strict reader for each form. Only for agent/config*.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/config.h"

/* Where a value goes and what it may be. */
struct config_place {
	size_t offset; /* in struct config */
	size_t size; /* bytes there, texts only */
	uint64_t min, max; /* numbers only */
};

/*
 * Reads `text` into the place; E_CONFIG says what is wrong with it, without
 * naming the key (the caller does). `c->root` must be set: paths go below it.
 */
typedef int config_read_fn(
	const struct config_place *p, const char *text, struct config *c, struct err *e);

config_read_fn config_read_name; /* [a-z0-9][a-z0-9._-]{0,31} */
config_read_fn config_read_text; /* printable, not empty */
config_read_fn config_read_path; /* absolute, without "." and ".."; stored below the root */
config_read_fn config_read_yes_no; /* bool */
config_read_fn config_read_uint; /* unsigned */
config_read_fn config_read_u64; /* uint64_t */
config_read_fn config_read_urls; /* added to c->urls */
config_read_fn config_read_proxy; /* URL of a proxy */
config_read_fn config_read_auto; /* c->automatic */
config_read_fn config_read_reboot; /* c->reboot and its window */
config_read_fn config_read_expiry; /* c->offline_expiry_refuse */
config_read_fn config_read_watchdog; /* c->watchdog_leave */
config_read_fn config_read_loader; /* c->loader */
config_read_fn config_read_device; /* a path into an array of CONFIG_PATH_SIZE */

/* Do the values fit together? E_CONFIG names section and key. */
int config_check(const struct config *c, struct err *e);
