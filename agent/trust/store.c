/* SPDX-License-Identifier: Apache-2.0 */
/* The folder with verified metadata. */
#include "agent/trust/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/file.h"
#include "agent/base/must.h"

#define STORE_MODE        0644
#define STORE_ENCODED_MAX (STORE_NAME_MAX - 40) /* room for version, suffix, temporary name */

static const char *const top_level[] = {"root", "timestamp", "snapshot", "targets"};

static bool keeps(const struct store *s)
{
	return s->dir >= 0;
}

static bool is_top_level(const char *role)
{
	for (size_t i = 0; i < sizeof(top_level) / sizeof(top_level[0]); i++) {
		if (strcmp(top_level[i], role) == 0)
			return true;
	}
	return false;
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("_.-~", c));
}

int store_encode(const char *role, bool delegated, char out[STORE_NAME_MAX], struct err *e)
{
	size_t n = 0;

	/* A delegation named "timestamp" would overwrite the real one. */
	if (delegated && !MUST("store.delegated-name", role[0] && !is_top_level(role)))
		return err_set(e, E_META, "a delegated role cannot be named \"%s\"", role);
	for (const char *p = role; *p; p++) {
		if (n + 3 > STORE_ENCODED_MAX)
			return err_set(e, E_META, "role name \"%.60s\" is too long", role);
		if (is_plain(*p))
			out[n++] = *p;
		else
			n += (size_t)snprintf(out + n, 4, "%%%02X", (unsigned char)*p);
	}
	out[n] = 0;
	return 0;
}

static int file_name(char out[STORE_NAME_MAX], const char *role, struct err *e)
{
	if (snprintf(out, STORE_NAME_MAX, "%s.json", role) >= STORE_NAME_MAX)
		return err_set(e, E_META, "role name \"%.60s\" is too long", role);
	return 0;
}

/* What fails here is this device, whatever server the metadata came from. */
static int on_this_device(int rc, struct err *e)
{
	return rc < 0 ? err_wrap(e, "keeping metadata on this device, in tuf/") : 0;
}

static int nothing_kept(struct err *e)
{
	return err_set(e, E_NOTFOUND, "no metadata is kept");
}

int store_read(const struct store *s, const char *role, struct buf *out, struct err *e)
{
	char name[STORE_NAME_MAX];

	if (!keeps(s))
		return nothing_kept(e);
	if (file_name(name, role, e) < 0)
		return -1;
	return file_read(s->dir, name, out, e);
}

int store_write(const struct store *s, const char *role, const struct buf *bytes, struct err *e)
{
	char name[STORE_NAME_MAX];

	if (!keeps(s))
		return 0;
	if (file_name(name, role, e) < 0)
		return -1;
	return on_this_device(
		file_replace(s->dir, name, bytes->data, bytes->len, STORE_MODE, e), e);
}

int store_remove(const struct store *s, const char *role, struct err *e)
{
	char name[STORE_NAME_MAX];

	if (!keeps(s))
		return 0;
	if (file_name(name, role, e) < 0)
		return -1;
	return on_this_device(file_remove(s->dir, name, e), e);
}

static void root_name(char out[STORE_NAME_MAX], const char *folder, uint64_t version)
{
	snprintf(out, STORE_NAME_MAX, "%s%" PRIu64 ".root.json", folder, version);
}

int store_read_root(const struct store *s, uint64_t version, struct buf *out, struct err *e)
{
	char name[STORE_NAME_MAX];

	if (!keeps(s))
		return nothing_kept(e);
	root_name(name, "roots/", version);
	return file_read(s->dir, name, out, e);
}

int store_write_root(
	const struct store *s, uint64_t version, const struct buf *bytes, struct err *e)
{
	char name[STORE_NAME_MAX];
	AUTO_CLOSE int dir = -1;

	if (!keeps(s))
		return 0;
	root_name(name, "", version);
	if (file_make_dir(s->dir, "roots", &dir, e) < 0)
		return on_this_device(-1, e);
	return on_this_device(file_replace(dir, name, bytes->data, bytes->len, STORE_MODE, e), e);
}

void store_read_tag(const struct store *s, struct fetch_tag *out)
{
	AUTO_BUF struct buf text = buf_make(sizeof(out->text) - 1);
	struct err none = {0};

	*out = (struct fetch_tag){0};
	if (!keeps(s) || file_read(s->dir, "cache/timestamp.tag", &text, &none) < 0)
		return;
	memcpy(out->text, buf_text(&text), text.len);
}

int store_write_tag(const struct store *s, const struct fetch_tag *tag, struct err *e)
{
	AUTO_CLOSE int dir = -1;

	if (!keeps(s))
		return 0;
	if (file_make_dir(s->dir, "cache", &dir, e) < 0)
		return on_this_device(-1, e);
	size_t len = strnlen(tag->text, sizeof(tag->text));
	return on_this_device(file_replace(dir, "timestamp.tag", tag->text, len, STORE_MODE, e), e);
}

int store_forget_online(const struct store *s, struct err *e)
{
	static const struct fetch_tag none;

	if (!keeps(s))
		return 0;
	if (store_remove(s, "timestamp", e) < 0 || store_remove(s, "snapshot", e) < 0)
		return -1;
	return store_write_tag(s, &none, e);
}
