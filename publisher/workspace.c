/* SPDX-License-Identifier: Apache-2.0 */
/* The publisher's workspace: opening it, its settings, its folders, its lock. */
#include "publisher/publisher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/json.h"
#include "agent/plan/manifest.h"

/* A CI job may wait this long for another one that publishes. */
#define LOCK_WAIT_SECONDS 30

/* Days until a new file expires where pawl-repo.json says nothing (docs/formats.md). */
static const struct {
	const char *role;
	int64_t days;
} standard_expiry[] = {{"root", 1826}, {"targets", 365}, {"snapshot", 365}, {"timestamp", 30}};

static int read_settings(struct publisher *p, struct err *e)
{
	AUTO_BUF struct buf text = buf_make(PUBLISHER_SETTINGS_MAX);
	JSON_AUTO json_t *settings = NULL;
	const char *product;
	int64_t schema;

	if (file_read(p->fd, PUBLISHER_SETTINGS, &text, e) < 0) {
		if (e->code == E_NOTFOUND)
			return err_set(e, E_CONFIG,
				"%s holds no %s: not a workspace; give --repo DIR or run `pawl-repo init`",
				p->dir, PUBLISHER_SETTINGS);
		return -1;
	}
	if (json_read(text.data, text.len, &settings, e) < 0 ||
		json_want_int(settings, "schema", PUBLISHER_SETTINGS, 1, 1, &schema, e) < 0 ||
		json_want_string(settings, "product", PUBLISHER_SETTINGS, &product, e) < 0) {
		e->code = E_CONFIG;
		return err_wrap(e, "%s/%s", p->dir, PUBLISHER_SETTINGS);
	}
	if (!p->product[0]) {
		if (!manifest_name_is_valid(product))
			return err_set(e, E_CONFIG, "%s: product \"%s\" is not a name",
				PUBLISHER_SETTINGS, product);
		snprintf(p->product, sizeof(p->product), "%s", product);
	}
	p->settings = json_incref(settings);
	return 0;
}

int publisher_open(struct publisher *p, bool write, struct err *e)
{
	if (file_open_dir(p->dir, &p->fd, e) < 0)
		return -1;
	/* The lock comes first: settings that are read before it may be another run's old ones. */
	if ((write && file_lock(p->fd, "lock", LOCK_WAIT_SECONDS, &p->lock, e) < 0) ||
		read_settings(p, e) < 0) {
		publisher_close(p);
		return -1;
	}
	return 0;
}

void publisher_close(struct publisher *p)
{
	json_decref(p->settings);
	p->settings = NULL;
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	if (p->lock >= 0)
		close(p->lock);
	p->lock = -1;
}

/* Opens `name` below `dirfd`; makes it, world-readable, when that is wanted. */
static int open_step(int dirfd, const char *name, bool make, struct err *e)
{
	if (make && mkdirat(dirfd, name, 0755) == 0) {
		/* An object whose folder is gone after a power cut was not published. */
		if (file_sync(dirfd, e) < 0)
			return err_wrap(e, "folder of %s", name);
	} else if (make && errno != EEXIST) {
		return err_sys(e, file_code_of(errno), errno, "cannot make folder %s", name);
	}
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno == ENOENT ? E_NOTFOUND : E_IO, errno,
			"cannot open folder %s", name);
	return fd;
}

int publisher_open_dir(struct publisher *p, const char *path, bool make, int *fd, struct err *e)
{
	char part[256];
	AUTO_CLOSE int at = openat(p->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (at < 0)
		return err_sys(e, E_IO, errno, "cannot open folder %s", p->dir);
	while (*path) {
		size_t len = strcspn(path, "/");
		if (len == 0 || len >= sizeof(part))
			return err_set(e, E_INTERNAL, "%s is not a path in the workspace", path);
		memcpy(part, path, len);
		part[len] = 0;
		int next = open_step(at, part, make, e);
		if (next < 0)
			return err_wrap(e, "%s", p->dir);
		close(at);
		at = next;
		path += len + (path[len] == '/');
	}
	*fd = steal_fd(&at);
	return 0;
}

int publisher_expiry_days(const struct publisher *p, const char *role, int64_t *days, struct err *e)
{
	json_t *expiry = json_object_get(p->settings, "expiry");

	for (size_t i = 0; i < sizeof(standard_expiry) / sizeof(standard_expiry[0]); i++) {
		if (strcmp(role, standard_expiry[i].role) != 0)
			continue;
		if (!json_object_get(expiry, role)) {
			*days = standard_expiry[i].days;
			return 0;
		}
		if (json_want_int(expiry, role, PUBLISHER_SETTINGS ": expiry", 1, 36500, days, e) <
			0) {
			e->code = E_CONFIG;
			return -1;
		}
		return 0;
	}
	return err_set(e, E_INTERNAL, "no role %s", role);
}

void publisher_say(const struct publisher *p, const char *fmt, ...)
{
	va_list args;

	if (p->quiet)
		return;
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}
