/* SPDX-License-Identifier: Apache-2.0 */
/* pawl-repo init: keys, an empty signed repository, settings. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/plan/manifest.h"
#include "publisher/change.h"

#define FOLDER_COUNT 5

const struct verb_option publisher_init_options[] = {
	{"--product", "NAME", "the product whose releases this repository carries"},
	{NULL, NULL, NULL},
};

static int open_workspace(struct publisher *p, struct err *e)
{
	AUTO_BUF struct buf text = buf_make(PUBLISHER_SETTINGS_MAX);

	if (file_make_path(p->dir, 0755, e) < 0 || file_open_dir(p->dir, &p->fd, e) < 0 ||
		file_lock(p->fd, "lock", 0, &p->lock, e) < 0)
		return -1;
	if (file_read(p->fd, PUBLISHER_SETTINGS, &text, e) == 0)
		return err_set(e, E_CONFIG, "%s/%s exists: this is a workspace already", p->dir,
			PUBLISHER_SETTINGS);
	return e->code == E_NOTFOUND ? 0 : -1;
}

/*
 * An interrupted init leaves at most version 1 of everything; more than that is
 * somebody's repository whose settings were lost, and must not start anew.
 */
static int refuse_published(struct publisher *p, struct err *e)
{
	AUTO_ROLES struct roles r = {0};
	uint64_t root;

	if (publisher_root_version(p, &root, e) < 0)
		return e->code == E_NOTFOUND ? 0 : -1;
	if (root == 1 && roles_load(p, &r, e) < 0)
		return e->code == E_NOTFOUND ? 0 : -1;
	if (root > 1 || roles_version(&r, ROLE_TIMESTAMP) > 1)
		return err_set(e, E_CONFIG,
			"%s/public holds a published repository, but %s is missing: bring that "
			"file back instead of making new keys",
			p->dir, PUBLISHER_SETTINGS);
	return 0;
}

static int make_folders(struct publisher *p, struct err *e)
{
	static const char *const folders[FOLDER_COUNT] = {
		"public/metadata", "public/targets", "public/objects", "staging", "allotted"};

	for (size_t i = 0; i < FOLDER_COUNT; i++) {
		AUTO_CLOSE int fd = -1;
		if (publisher_open_dir(p, folders[i], true, &fd, e) < 0)
			return -1;
	}
	return 0;
}

static int make_keys(struct publisher *p, struct keys_entry keys[CHANGE_KEYS], struct err *e)
{
	for (size_t i = 0; i < CHANGE_KEYS; i++) {
		if (keys_ensure(p, change_key_names[i], &keys[i], e) < 0)
			return -1;
	}
	return 0;
}

static int write_settings(struct publisher *p, struct err *e)
{
	AUTO_BUF struct buf text = buf_make(PUBLISHER_SETTINGS_MAX);

	if (buf_printf(&text, e,
		    "{\n \"schema\": 1,\n \"product\": \"%s\",\n"
		    " \"expiry\": {\"root\": 1826, \"targets\": 365, \"snapshot\": 365, "
		    "\"timestamp\": 30},\n \"sign_with\": {}\n}\n",
		    p->product) < 0)
		return -1;
	return file_replace(p->fd, PUBLISHER_SETTINGS, text.data, text.len, 0644, e);
}

static int make_repository(struct publisher *p, struct keys_entry keys[CHANGE_KEYS], struct err *e)
{
	AUTO_ROLES struct roles r = {0};
	bool wrote;

	if (make_keys(p, keys, e) < 0 ||
		roles_make_new(&r, keys, &keys[ROLES_ROOT_KEYS], &keys[ROLES_ROOT_KEYS + 1], e) <
			0 ||
		roles_commit(p, &r, &wrote, e) < 0)
		return -1;
	/* Last: only a whole workspace is one. */
	return write_settings(p, e);
}

static void tell(const struct publisher *p)
{
	publisher_say(p, "made %s for product %s", p->dir, p->product);
	publisher_say(p, "  root.json   into the image as /usr/share/pawl/root.json");
	publisher_say(p, "  public/     onto the web server");
	publisher_say(
		p, "  keys/       move root-1, root-2 and root-3 (.pem) to three places that are");
	publisher_say(p, "              not connected to a network; see docs/keys.md");
}

int cmd_init(void *ctx, int argc, char **argv, struct err *e)
{
	struct publisher *p = ctx;
	struct keys_entry keys[CHANGE_KEYS] = {0};
	const char *values[1];
	int rest;

	if (verb_read_options(publisher_init_options, argc, argv, values, &rest, e) < 0 ||
		change_check_words(rest, argv, 0, 0, e) < 0)
		return -1;
	if (values[0])
		snprintf(p->product, sizeof(p->product), "%.32s", values[0]);
	if (!p->product[0])
		return err_set(e, E_USAGE, "which product? give --product NAME");
	if (!manifest_name_is_valid(p->product) || (values[0] && strlen(values[0]) > 32))
		return err_set(e, E_USAGE,
			"product \"%s\" is not a name: up to 32 of a-z 0-9 . _ -, starting with a letter or digit",
			values[0] ? values[0] : p->product);
	if (open_workspace(p, e) < 0 || refuse_published(p, e) < 0 || make_folders(p, e) < 0)
		return -1;
	int rc = make_repository(p, keys, e);
	for (size_t i = 0; i < CHANGE_KEYS; i++)
		keys_entry_free(&keys[i]);
	if (rc == 0)
		tell(p);
	return rc;
}
