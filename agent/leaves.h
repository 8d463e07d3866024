/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaf lists of what the slots hold, kept in leaves/ beside the state: for the
 * trial's second look, and to prove that an old image is intact. Each is
 * compared with the hash in the state before it is used.
 */
#pragma once

#include "agent/base/buf.h"
#include "agent/session.h"

/* The folder, for one who looks for a list by its hash; the caller's. -1: there is none. */
int leaves_open(const struct session *s);

/* Keeps a verified list. E_IO, E_SPACE. */
int leaves_keep(
	struct session *s, const struct plan_image *image, const uint8_t *leaves, struct err *e);

/* Loads it into *out (the caller's). E_NOTFOUND, E_HASH, E_IO. */
int leaves_load(struct session *s, const struct plan_image *image, struct buf *out, struct err *e);

/* Removes lists of images that are in no slot any more; what cannot be removed stays. */
void leaves_drop_old(struct session *s);
