/* SPDX-License-Identifier: Apache-2.0 */
/* Replacing a key: new key, new root, everything that it signed, then the key files' names. */
#pragma once

#include "publisher/roles.h"

/* One replacement. */
struct rotation {
	const char *name; /* key file that is replaced: "root-2", "release", "online" */
	const char *signer; /* its role in root.json: "root", "targets", "timestamp" */
	const char *keyid_out; /* key that leaves the role; NULL = the new one is added */
	const char *new_key; /* public key in PEM to use; NULL = make one */
};

/*
 * Does it, in an order that can be interrupted anywhere: the new key is made as
 * NAME.next; the root that names it is published with all that had to be signed
 * again; then the old files go to retired/ and NAME.next becomes NAME. Nothing
 * is published unless everything could be signed. Says what it did.
 */
int rotation_run(
	struct publisher *p, struct roles *r, const struct rotation *rotation, struct err *e);

/* What is left of the interrupted one that change_begin found (r->resumed). Says so. */
int rotation_finish(struct publisher *p, struct roles *r, struct err *e);
