/* SPDX-License-Identifier: Apache-2.0 */
/* Signing everything that changed, then writing it in the one order that is safe. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "publisher/roles.h"

/* Bytes of each role that is to be written, made before the first is written. */
struct pending {
	struct buf bytes[ROLE_COUNT];
};

static void pending_free(struct pending *w)
{
	for (int i = 0; i < ROLE_COUNT; i++)
		buf_free(&w->bytes[i]);
}

/* targets delegates to today's release key; else the delegation would outlive the key. */
static int update_delegation(struct roles *r, struct err *e)
{
	json_t *root = roles_signed(r, ROLE_ROOT);
	json_t *targets = roles_signed(r, ROLE_TARGETS);
	json_t *ids = roles_keyids(root, "targets");
	JSON_AUTO json_t *keys = json_object();
	size_t i;
	json_t *id;

	json_array_foreach (ids, i, id) {
		const char *keyid = json_string_value(id);
		json_object_set(keys, keyid, json_object_get(json_object_get(root, "keys"), keyid));
	}
	JSON_AUTO json_t *wanted = json_pack("{s:O,s:[{s:s,s:O,s:i,s:b,s:[s]}]}", "keys", keys,
		"roles", "name", "releases", "keyids", ids, "threshold", 1, "terminating", 1,
		"paths", "*/releases/*.json");
	if (!wanted)
		return err_set(e, E_NOMEM, "out of memory");
	if (json_equal(json_object_get(targets, "delegations"), wanted))
		return 0;
	r->changed[ROLE_TARGETS] = true;
	/* A copy: the arrays of the root must not be shared with what is edited elsewhere. */
	return json_object_set_new(targets, "delegations", json_deep_copy(wanted)) < 0
		       ? err_set(e, E_NOMEM, "out of memory")
		       : 0;
}

/* Marks roles whose stored signatures today's root would not accept. */
static int find_stale(struct roles *r, struct err *e)
{
	const json_t *root = roles_signed(r, ROLE_ROOT);

	for (enum role i = ROLE_TARGETS; i < ROLE_COUNT; i++) {
		unsigned n = 0;
		if (r->changed[i])
			continue;
		if (roles_count_signatures(root, roles_info[i].signer, r->file[i], &n, e) < 0)
			return err_wrap(e, "%s", roles_info[i].name);
		r->changed[i] = n < roles_threshold(root, roles_info[i].signer);
	}
	return 0;
}

/* The file's bytes: compact, because timestamp.json is what every poll fetches. */
static int dump(const struct roles *r, enum role role, struct buf *out, struct err *e)
{
	AUTO_FREE char *text = json_dumps(r->file[role], JSON_COMPACT | JSON_SORT_KEYS);

	if (!text)
		return err_set(e, E_NOMEM, "out of memory");
	*out = buf_make(roles_info[role].max);
	if (buf_add_text(out, text, e) < 0 || buf_add_text(out, "\n", e) < 0)
		return err_wrap(e, "%s would be larger than devices read", roles_info[role].name);
	return 0;
}

/* Enters a file that was just signed into the `meta` of snapshot or timestamp. */
static int enter_meta(
	struct roles *r, enum role into, enum role of, const struct buf *bytes, struct err *e)
{
	uint8_t digest[HASH_SIZE];
	char hex[HASH_HEX_SIZE];
	char key[32];

	if (hash_bytes(HASH_SHA256, bytes->data, bytes->len, digest, e) < 0)
		return -1;
	hash_to_hex(digest, hex);
	snprintf(key, sizeof(key), "%s.json", roles_info[of].name);
	json_t *entry = json_pack("{s:I,s:I,s:{s:s}}", "version", (json_int_t)roles_version(r, of),
		"length", (json_int_t)bytes->len, "hashes", "sha256", hex);
	json_t *meta = json_object_get(roles_signed(r, into), "meta");
	if (!entry || json_object_set_new(meta, key, entry) < 0)
		return err_set(e, E_NOMEM, "out of memory");
	r->changed[into] = true;
	return 0;
}

/* Signs upwards, so that each file names the final bytes of those below it. */
static int sign_changed(struct publisher *p, struct roles *r, struct pending *w, struct err *e)
{
	static const struct {
		enum role role;
		enum role parent; /* whose `meta` lists it; itself = none */
	} order[] = {
		{ROLE_ROOT, ROLE_ROOT},
		{ROLE_RELEASES, ROLE_SNAPSHOT},
		{ROLE_TARGETS, ROLE_SNAPSHOT},
		{ROLE_SNAPSHOT, ROLE_TIMESTAMP},
		{ROLE_TIMESTAMP, ROLE_TIMESTAMP},
	};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		enum role role = order[i].role;
		if (!r->changed[role])
			continue;
		if (roles_sign(p, r, role, e) < 0 || dump(r, role, &w->bytes[role], e) < 0)
			return -1;
		if (order[i].parent != role &&
			enter_meta(r, order[i].parent, role, &w->bytes[role], e) < 0)
			return -1;
	}
	return 0;
}

/* Whole seconds of a file's last change, 0 where it is not there. */
static time_t seconds_of(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_mtim.tv_sec : 0;
}

/*
 * Web servers make a file's ETag of its size and the second of its last change. Two
 * versions within one second would be one to them, and a device that has seen the
 * first would not hear of a hold until the next refresh.
 */
static int move_to_next_second(int dir, const char *name, time_t before, struct err *e)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = before + 1}};

	if (seconds_of(dir, name) > before)
		return 0;
	if (utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, E_IO, errno, "cannot set the time of %s", name);
	return 0;
}

/*
 * Files with a version in their name first: nothing refers to them yet. Then the
 * root, which takes effect at once, then timestamp.json, the commit point of
 * all the others. Between these two renames a device may see a new root with an
 * old timestamp; it keeps what it has and asks again. After a cut there, the
 * next run finds the stale signatures and goes on.
 */
static int write_pending(
	struct publisher *p, const struct roles *r, const struct pending *w, struct err *e)
{
	static const enum role order[] = {
		ROLE_RELEASES, ROLE_TARGETS, ROLE_SNAPSHOT, ROLE_ROOT, ROLE_TIMESTAMP};
	AUTO_CLOSE int dir = -1;

	if (publisher_open_dir(p, "public/metadata", true, &dir, e) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		char name[64];
		const struct buf *b = &w->bytes[order[i]];
		if (!b->data)
			continue;
		roles_file_name(order[i], roles_version(r, order[i]), name, sizeof(name));
		time_t before = seconds_of(dir, name);
		if (file_replace(dir, name, b->data, b->len, 0644, e) < 0 ||
			move_to_next_second(dir, name, before, e) < 0)
			return err_wrap(e, "public/metadata");
	}
	return 0;
}

/* The copy for the image follows the newest root, also after a cut. */
static int write_image_root(struct publisher *p, const struct roles *r, struct err *e)
{
	AUTO_BUF struct buf bytes = {0};
	AUTO_BUF struct buf there = buf_make(ROLES_ROOT_MAX);

	if (dump(r, ROLE_ROOT, &bytes, e) < 0)
		return -1;
	if (file_read(p->fd, "root.json", &there, e) == 0 && there.len == bytes.len &&
		memcmp(there.data, bytes.data, bytes.len) == 0)
		return 0;
	return file_replace(p->fd, "root.json", bytes.data, bytes.len, 0644, e);
}

int roles_commit(struct publisher *p, struct roles *r, bool *wrote, struct err *e)
{
	__attribute__((cleanup(pending_free))) struct pending w = {0};

	*wrote = false;
	if (update_delegation(r, e) < 0 || find_stale(r, e) < 0 || sign_changed(p, r, &w, e) < 0)
		return -1;
	for (int i = 0; i < ROLE_COUNT; i++)
		*wrote |= w.bytes[i].data != NULL;
	if (*wrote && write_pending(p, r, &w, e) < 0)
		return -1;
	return write_image_root(p, r, e);
}
