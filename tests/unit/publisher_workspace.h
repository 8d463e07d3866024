/* SPDX-License-Identifier: Apache-2.0 */
/* A workspace in a temporary folder, opened, for unit tests of the publisher. */
#pragma once

#include "publisher/change.h"
#include "publisher/publisher.h"
#include "publisher_tree.h"

#define WORKSPACE_NOW 1800000000

/* Makes and opens it. `dir` is the folder, to be removed by workspace_end. */
static inline void workspace_begin(struct publisher *p)
{
	static const char settings[] = "{\"schema\": 1, \"product\": \"demo\"}";
	char dir[64];
	char path[128];
	struct err e = {0};

	tree_make(dir);
	snprintf(path, sizeof(path), "%s/pawl-repo.json", dir);
	tree_write(path, settings, sizeof(settings) - 1);
	*p = (struct publisher){.fd = -1, .lock = -1, .passphrase_fd = -1, .quiet = true};
	snprintf(p->dir, sizeof(p->dir), "%s", dir);
	p->now = WORKSPACE_NOW;
	if (publisher_open(p, true, &e) < 0)
		abort();
}

static inline void workspace_end(struct publisher *p)
{
	publisher_close(p);
	keys_forget_passphrases(p);
	tree_remove(p->dir);
}

/* The five keys, and an empty repository committed as version 1. */
static inline void workspace_publish_empty(struct publisher *p, struct roles *r)
{
	struct keys_entry keys[CHANGE_KEYS] = {0};
	struct err e = {0};
	bool wrote = false;

	for (size_t i = 0; i < CHANGE_KEYS; i++) {
		if (keys_ensure(p, change_key_names[i], &keys[i], &e) < 0)
			abort();
	}
	if (roles_make_new(r, keys, &keys[3], &keys[4], &e) < 0 ||
		roles_commit(p, r, &wrote, &e) < 0 || !wrote)
		abort();
	for (size_t i = 0; i < CHANGE_KEYS; i++)
		keys_entry_free(&keys[i]);
	roles_free(r);
	if (roles_load(p, r, &e) < 0)
		abort();
}

static inline bool workspace_has(const struct publisher *p, const char *path)
{
	return faccessat(p->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}
