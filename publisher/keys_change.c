/* SPDX-License-Identifier: Apache-2.0 */
/* The key folders: making keys, and replacing one so that an interruption loses none. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/json.h"
#include "agent/trust/key.h"
#include "publisher/keys.h"

#define FILE_SIZE (KEYS_NAME_SIZE + 96)

/* Writes NAME.pub.pem of a private key. */
static int write_public(int dir, const char *name, EVP_PKEY *key, struct err *e)
{
	AUTO_BUF struct buf pem = buf_make(KEYS_PEM_MAX);
	char file[FILE_SIZE];

	snprintf(file, sizeof(file), "%s.pub.pem", name);
	if (keys_pem_write_public(key, &pem, e) < 0)
		return -1;
	return file_replace(dir, file, pem.data, pem.len, 0644, e);
}

/* The first passphrase encrypts new keys. */
static int write_private(
	struct publisher *p, int dir, const char *name, EVP_PKEY *key, struct err *e)
{
	AUTO_SECRET struct buf pem = buf_make(KEYS_PEM_MAX);
	AUTO_SECRET struct buf first = buf_make(KEYS_PEM_MAX);
	const char *passphrases;
	char file[FILE_SIZE];

	if (keys_passphrases(p, &passphrases, e) < 0)
		return -1;
	if (passphrases && buf_add(&first, passphrases, strcspn(passphrases, "\n"), e) < 0)
		return -1;
	snprintf(file, sizeof(file), "%s.pem", name);
	if (keys_pem_write_private(key, passphrases ? buf_text(&first) : NULL, &pem, e) < 0)
		return -1;
	return file_replace(dir, file, pem.data, pem.len, 0600, e);
}

int keys_ensure(struct publisher *p, const char *name, struct keys_entry *out, struct err *e)
{
	AUTO_PKEY EVP_PKEY *key = NULL;
	AUTO_CLOSE int dir = -1;

	if (keys_read_public(p, name, out, e) == 0)
		return 0;
	if (e->code != E_NOTFOUND || keys_open_folder(p, 0, true, &dir, e) < 0)
		return -1;
	/* The private half is written first: a public key whose private half is lost is worse. */
	if (keys_open_private(p, name, &key, e) < 0) {
		if (e->code != E_NOTFOUND)
			return -1;
		if (keys_pem_generate(&key, e) < 0 || write_private(p, dir, name, key, e) < 0)
			return err_wrap(e, "key %s", name);
	}
	if (write_public(dir, name, key, e) < 0)
		return err_wrap(e, "key %s", name);
	return keys_read_public(p, name, out, e);
}

/* Takes a public key from outside (its private half is in an HSM) as NAME.pub.pem. */
static int import_public(struct publisher *p, const char *name, const char *path, struct err *e)
{
	AUTO_BUF struct buf pem = buf_make(KEYS_PEM_MAX);
	AUTO_CLOSE int dir = -1;
	JSON_AUTO json_t *object = NULL;
	char file[FILE_SIZE];

	if (file_read(AT_FDCWD, path, &pem, e) < 0 ||
		key_object_from_pem(buf_text(&pem), pem.len, &object, e) < 0)
		return err_wrap(e, "--new-key %s", path);
	if (keys_open_folder(p, 0, true, &dir, e) < 0)
		return -1;
	/* A private half that an earlier try made belongs to no key that was ever published. */
	snprintf(file, sizeof(file), "%s.pem", name);
	if (file_remove(dir, file, e) < 0)
		return -1;
	snprintf(file, sizeof(file), "%s.pub.pem", name);
	return file_replace(dir, file, pem.data, pem.len, 0644, e);
}

int keys_prepare_next(struct publisher *p, const char *name, const char *public_pem,
	struct keys_entry *out, struct err *e)
{
	char next[KEYS_NAME_SIZE];

	snprintf(next, sizeof(next), "%.*s.next", KEYS_NAME_SIZE - 8, name);
	if (public_pem && import_public(p, next, public_pem, e) < 0)
		return -1;
	return keys_ensure(p, next, out, e);
}

/* Renames within a folder; a missing `from` was renamed before an interruption. */
static int move(int dir, const char *from, int to_dir, const char *to, struct err *e)
{
	if (renameat(dir, from, to_dir, to) < 0 && errno != ENOENT)
		return err_sys(e, E_IO, errno, "cannot rename %s to %s", from, to);
	return file_sync(to_dir, e) < 0 || file_sync(dir, e) < 0 ? -1 : 0;
}

/* Moves NAME's files of one folder to retired/, unless they are the key `next` itself. */
static int retire_in(int dir, const char *name, const char *next_keyid, struct err *e)
{
	AUTO_BUF struct buf pem = buf_make(KEYS_PEM_MAX);
	JSON_AUTO json_t *object = NULL;
	AUTO_CLOSE int retired = -1;
	char keyid[HASH_HEX_SIZE];
	char from[FILE_SIZE];
	char to[FILE_SIZE];

	snprintf(from, sizeof(from), "%s.pub.pem", name);
	if (file_read(dir, from, &pem, e) < 0)
		return e->code == E_NOTFOUND ? 0 : -1;
	if (key_object_from_pem(buf_text(&pem), pem.len, &object, e) < 0 ||
		key_id_of(object, keyid, e) < 0)
		return err_wrap(e, "%s", from);
	if (strcmp(keyid, next_keyid) == 0)
		return 0;
	if (file_make_dir(dir, "retired", &retired, e) < 0)
		return -1;
	/* NAME.pub.pem goes last: while it is there, an interrupted run can repeat this. */
	snprintf(from, sizeof(from), "%s.pem", name);
	snprintf(to, sizeof(to), "%s-%.16s.pem", name, keyid);
	if (move(dir, from, retired, to, e) < 0)
		return -1;
	snprintf(from, sizeof(from), "%s.pub.pem", name);
	snprintf(to, sizeof(to), "%s-%.16s.pub.pem", name, keyid);
	return move(dir, from, retired, to, e);
}

/* Gives NAME.next of one folder its final name; NAME.next.pub.pem last, which marks what is unfinished. */
static int promote_in(int dir, const char *name, const char *next_keyid, struct err *e)
{
	static const char *const suffix[] = {".pem", ".pub.pem"};
	char from[FILE_SIZE];
	char to[FILE_SIZE];

	(void)next_keyid;
	for (size_t i = 0; i < sizeof(suffix) / sizeof(suffix[0]); i++) {
		snprintf(from, sizeof(from), "%s.next%s", name, suffix[i]);
		snprintf(to, sizeof(to), "%s%s", name, suffix[i]);
		if (move(dir, from, dir, to, e) < 0)
			return -1;
	}
	return 0;
}

/* Calls `step` for each key folder that holds something to do. */
static int in_each_folder(struct publisher *p, const char *name, const char *next_keyid,
	int (*step)(int dir, const char *name, const char *next_keyid, struct err *e),
	struct err *e)
{
	for (size_t i = 0;; i++) {
		AUTO_CLOSE int dir = -1;
		if (keys_open_folder(p, i, false, &dir, e) < 0)
			return e->code == E_NOTFOUND ? 0 : -1;
		if (step(dir, name, next_keyid, e) < 0)
			return err_wrap(e, "key folder");
	}
}

int keys_settle_next(struct publisher *p, const char *name, struct err *e)
{
	AUTO_ENTRY struct keys_entry next = {0};
	char next_name[KEYS_NAME_SIZE];

	snprintf(next_name, sizeof(next_name), "%.*s.next", KEYS_NAME_SIZE - 8, name);
	if (keys_read_public(p, next_name, &next, e) < 0)
		return -1;
	if (in_each_folder(p, name, next.keyid, retire_in, e) < 0)
		return -1;
	return in_each_folder(p, name, next.keyid, promote_in, e);
}
