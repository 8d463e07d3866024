/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The publisher's workspace, a folder:
 *   pawl-repo.json   settings: product, days until expiry, signing commands; written by init
 *   root.json        the newest root, for the image
 *   keys/            private keys (mode 0700/0600) and NAME.pub.pem; may be moved away or replaced
 *   public/          what the web server serves: metadata/ targets/ objects/
 *   staging/         releases that are made, not yet published:
 *     PRODUCT-RELEASE/manifest.json  objects/<2 hex>/<sha256>
 *   allotted/        PRODUCT.json: the highest release number that was given out
 *   lock             taken by whatever changes the workspace
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/base/file.h"
#include "agent/base/hash.h"
#include "agent/base/verb.h"

#define PUBLISHER_SETTINGS     "pawl-repo.json"
#define PUBLISHER_SETTINGS_MAX (64 * 1024)

/* An opened workspace and what the command line said before the verb. */
struct publisher {
	char dir[512]; /* --repo DIR, default "." */
	int fd; /* the folder; -1 until publisher_open */
	int lock; /* -1 = not taken */
	char product[33]; /* of pawl-repo.json (--product overrides it) */
	const char *sign_with; /* --sign-with COMMAND, NULL = key files */
	const char *passphrase_file; /* --passphrase-file FILE, NULL */
	int passphrase_fd; /* --passphrase-fd N, -1 */
	const char *keys_dir; /* --keys DIR[:DIR…], NULL = <dir>/keys */
	bool quiet;
	struct buf passphrases; /* what the two above gave, one a line; see keys.h */
	bool passphrases_read;
	int64_t now; /* SOURCE_DATE_EPOCH where set, else the clock */
	json_t *settings; /* pawl-repo.json as it was read, NULL until publisher_open */
};

/* Opens the workspace; with `write`, takes the lock. E_CONFIG when it is none; E_BUSY. */
int publisher_open(struct publisher *p, bool write, struct err *e);

/* Gives the lock and the workspace back; the options stay, so it can be opened again. */
void publisher_close(struct publisher *p);

/*
 * Opens a folder of the workspace ("public/metadata"), which it makes with its
 * parents (mode 0755) when `make` is set. E_IO, E_NOTFOUND.
 */
int publisher_open_dir(struct publisher *p, const char *path, bool make, int *fd, struct err *e);

/*
 * Next release number of a product: highest of what was allotted and what is
 * published or staged, plus one. publisher_allot_release records it.
 */
int publisher_next_release(
	struct publisher *p, const char *product, uint64_t *release, struct err *e);
int publisher_allot_release(
	struct publisher *p, const char *product, uint64_t release, struct err *e);

/*
 * Puts a file into an objects folder by its hash (hard link where possible, else
 * a copy), durably and with mode 0644. E_HASH when its content has another hash;
 * an object that is there already with the same length is left alone.
 */
int publisher_store_object(
	int objects_dir, const char *from_path, const uint8_t sha256[HASH_SIZE], struct err *e);

/* SHA-256 and length of an open file's bytes from where it stands. E_IO. */
int publisher_hash_file(int fd, uint8_t digest[HASH_SIZE], uint64_t *length, struct err *e);

/* Highest root version in public/metadata; E_NOTFOUND when there is none. */
int publisher_root_version(struct publisher *p, uint64_t *version, struct err *e);

/* Days until a new file of `role` ("root", "targets", "snapshot", "timestamp") expires. */
int publisher_expiry_days(
	const struct publisher *p, const char *role, int64_t *days, struct err *e);

/* A line for the person at the terminal (standard output), not with --quiet. */
void publisher_say(const struct publisher *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* What main, help and man pages know of the program; in publisher/verbs.c. */
extern const struct verb_program publisher_program;

/* Options that stand before the verb, in the order of publisher_program.options. */
enum publisher_option {
	PUBLISHER_REPO,
	PUBLISHER_PRODUCT,
	PUBLISHER_KEYS,
	PUBLISHER_SIGN_WITH,
	PUBLISHER_PASSPHRASE_FILE,
	PUBLISHER_PASSPHRASE_FD,
	PUBLISHER_QUIET,
	PUBLISHER_HELP,
	PUBLISHER_VERSION,
	PUBLISHER_OPTION_COUNT
};

/* Options of single verbs, for their cmd_*.c and the table in publisher/verbs.c. */
extern const struct verb_option publisher_init_options[];
extern const struct verb_option publisher_refresh_options[];
extern const struct verb_option publisher_rotate_options[];
extern const struct verb_option publisher_revoke_options[];
extern const struct verb_option publisher_show_options[];
extern const struct verb_option publisher_estimate_options[];
extern const struct verb_option publisher_factory_options[];

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
int cmd_estimate(void *ctx, int argc, char **argv, struct err *e);
int cmd_factory(void *ctx, int argc, char **argv, struct err *e);
int cmd_verify(void *ctx, int argc, char **argv, struct err *e);
int cmd_show(void *ctx, int argc, char **argv, struct err *e);
