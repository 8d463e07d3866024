/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The publisher's workspace, a folder:
 *   pawl-repo.json   settings: product, expiry, role keys' files; written by init
 *   keys/            private keys (mode 0700/0600) and NAME.pub.pem; may be moved away or replaced
 *   public/          what the web server serves: metadata/ targets/ objects/
 *   staging/         releases that are made, not yet published:
 *     PRODUCT-RELEASE/manifest.json  objects/<2 hex>/<sha256>
 *   allotted/        PRODUCT.json: next release number
 *   lock             taken by whatever changes the workspace
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/file.h"
#include "agent/base/hash.h"
#include "agent/base/verb.h"

/* An opened workspace and what the command line said before the verb. */
struct publisher {
	char dir[512];		  /* --repo DIR, default "." */
	int fd;			  /* the folder; -1 until publisher_open */
	int lock;		  /* -1 = not taken */
	char product[33];	  /* of pawl-repo.json (--product overrides it) */
	const char *sign_with;	  /* --sign-with COMMAND, NULL = key files */
	const char *passphrase_file; /* --passphrase-file FILE, NULL */
	int passphrase_fd;	  /* --passphrase-fd N, -1 */
	const char *keys_dir;	  /* --keys DIR, NULL = <dir>/keys */
	bool quiet;
	int64_t now;		  /* SOURCE_DATE_EPOCH where set, else the clock */
};

/* Opens the workspace; with `write`, takes the lock. E_CONFIG when it is none; E_BUSY. */
int publisher_open(struct publisher *p, bool write, struct err *e);
void publisher_close(struct publisher *p);

/*
 * Next release number of a product: highest of what was allotted and what is
 * published or staged, plus one. publisher_allot_release records it.
 */
int publisher_next_release(struct publisher *p, const char *product, uint64_t *release,
	struct err *e);
int publisher_allot_release(struct publisher *p, const char *product, uint64_t release,
	struct err *e);

/* Copies a file into public/ or staging/ objects by its hash (hard link where possible), durably. */
int publisher_store_object(int objects_dir, const char *from_path, const uint8_t sha256[HASH_SIZE],
	struct err *e);

/* Highest root version in public/metadata. */
int publisher_root_version(struct publisher *p, uint64_t *version, struct err *e);

/* Verbs; `ctx` is struct publisher. Each in its cmd_*.c; table in publisher/verbs.c. */
int cmd_init(void *ctx, int argc, char **argv, struct err *e);
int cmd_allot(void *ctx, int argc, char **argv, struct err *e);
int cmd_adopt(void *ctx, int argc, char **argv, struct err *e);
int cmd_release(void *ctx, int argc, char **argv, struct err *e);
int cmd_publish(void *ctx, int argc, char **argv, struct err *e);
int cmd_refresh(void *ctx, int argc, char **argv, struct err *e);
int cmd_hold(void *ctx, int argc, char **argv, struct err *e);
int cmd_unhold(void *ctx, int argc, char **argv, struct err *e);
int cmd_cap(void *ctx, int argc, char **argv, struct err *e);
int cmd_withdraw(void *ctx, int argc, char **argv, struct err *e);
int cmd_rotate(void *ctx, int argc, char **argv, struct err *e);
int cmd_revoke_key(void *ctx, int argc, char **argv, struct err *e);
int cmd_bundle(void *ctx, int argc, char **argv, struct err *e);
int cmd_verify(void *ctx, int argc, char **argv, struct err *e);
int cmd_show(void *ctx, int argc, char **argv, struct err *e);
