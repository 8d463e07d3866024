/* SPDX-License-Identifier: Apache-2.0 */
/* Which hooks a stage has: both folders merged, overrides and masks applied. */
#include "hooks/list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/must.h"

void hook_escape(const char *text, size_t len, bool keep_newlines, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 5 < size; i++) {
		unsigned char c = (unsigned char)text[i];
		bool plain = (c >= 0x20 && c < 0x7f) || (keep_newlines && c == '\n');
		if (plain)
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, size - n, "\\x%02x", c);
	}
	out[n] = 0;
}

/*
 * Nobody but root, or who runs the agent, may decide what the agent executes.
 * Others may never write; a group may, where a person tries things out.
 */
static bool is_safe(const struct stat *st)
{
	uid_t me = geteuid();
	mode_t others = me == 0 ? S_IWGRP | S_IWOTH : S_IWOTH;

	return MUST("hooks.owner", st->st_uid == 0 || st->st_uid == me) &&
	       MUST("hooks.writable", (st->st_mode & others) == 0);
}

static bool is_plain_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	size_t len = strlen(name);

	return len <= HOOK_NAME_MAX && strspn(name, allowed) == len;
}

/* Is `path`, with all links followed, below folder `dir`? */
static bool is_below(const char *path, const char *dir)
{
	AUTO_FREE char *real = realpath(dir, NULL);
	size_t len = real ? strlen(real) : 0;

	return real && strncmp(path, real, len) == 0 && path[len] == '/';
}

static const char *find_fault(const struct hook_config *c, const char *name, const char *path)
{
	AUTO_FREE char *real = realpath(path, NULL);
	struct stat st;

	if (!is_plain_name(name))
		return "its name has other characters than A-Z a-z 0-9 . _ - or is too long";
	if (!real || stat(real, &st) < 0)
		return "it cannot be found (a link to nowhere?)";
	if (!MUST("hooks.link", is_below(real, c->image_dir) || is_below(real, c->local_dir)))
		return "it is a link that leaves the folders of hooks";
	if (!S_ISREG(st.st_mode))
		return "it is not a regular file";
	if (!is_safe(&st))
		return "others than root can change it; set owner root and mode 0755";
	if (!(st.st_mode & 0111))
		return "it is not executable; chmod 755, or mask it by an empty file";
	return "";
}

/* An empty file, or a link to /dev/null, in the integrator's folder switches a hook off. */
static bool is_mask(const char *path)
{
	AUTO_FREE char *real = realpath(path, NULL);
	struct stat st;

	if (!real)
		return false;
	return strcmp(real, "/dev/null") == 0 ||
	       (stat(real, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0);
}

static int add_entry(
	struct hook_list *l, const char *dir, const char *name, bool local, struct err *e)
{
	if (l->count == HOOK_LIST_MAX)
		return err_set(e, E_HOOK, "%s: more than %d hooks", dir, HOOK_LIST_MAX);
	struct hook_entry *more = realloc(l->entries, (l->count + 1) * sizeof(*more));
	if (!more)
		return err_set(e, E_NOMEM, "no memory for the list of hooks");
	l->entries = more;
	struct hook_entry *h = &more[l->count];
	*h = (struct hook_entry){.local = local};
	hook_escape(name, strlen(name), false, h->name, sizeof(h->name));
	if (file_join(h->path, sizeof(h->path), dir, name, e) < 0)
		return -1;
	l->count++;
	return 0;
}

static bool is_skipped(const char *name)
{
	return name[0] == '.' || name[strlen(name) - 1] == '~';
}

/* Does the integrator's folder have this name? A link to nowhere counts, too. */
static bool is_overridden(const char *local, const char *name)
{
	char path[1024];
	struct stat st;
	struct err ignored;

	return file_join(path, sizeof(path), local, name, &ignored) == 0 && lstat(path, &st) == 0;
}

/* Adds what is in `dir`, but for what `over` has under the same name (NULL: `dir` is local). */
static int read_folder(struct hook_list *l, const char *dir, const char *over, struct err *e)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		int sys = errno;
		cleanup_close(&fd);
		return err_sys(e, E_HOOK, sys, "cannot read the folder of hooks %s", dir);
	}
	int rc = 0;
	if (fstat(fd, &st) < 0 || !is_safe(&st))
		rc = err_set(e, E_HOOK,
			"%s: others than root can change this folder; set owner root and mode 0755",
			dir);
	while (rc == 0) {
		errno = 0;
		const struct dirent *entry = readdir(d);
		if (!entry) {
			/* A folder that ends in an error is not one without checks. */
			if (!MUST("hooks.list-read", errno == 0))
				rc = err_sys(e, E_HOOK, errno, "cannot read the folder of hooks %s",
					dir);
			break;
		}
		if (!is_skipped(entry->d_name) && !(over && is_overridden(over, entry->d_name)))
			rc = add_entry(l, dir, entry->d_name, over == NULL, e);
	}
	closedir(d);
	return rc;
}

static int compare(const void *a, const void *b)
{
	const struct hook_entry *x = a;
	const struct hook_entry *y = b;

	return strcmp(strrchr(x->path, '/'), strrchr(y->path, '/'));
}

/* Takes masks out, and notes what may not be run. */
static void check_entries(const struct hook_config *c, struct hook_list *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++) {
		struct hook_entry *h = &l->entries[i];
		const char *name = strrchr(h->path, '/') + 1;
		if (h->local && is_mask(h->path))
			continue;
		snprintf(h->fault, sizeof(h->fault), "%s", find_fault(c, name, h->path));
		l->entries[kept++] = *h;
	}
	l->count = kept;
}

int hook_list_make(
	const struct hook_config *c, enum hook_stage stage, struct hook_list *out, struct err *e)
{
	AUTO_HOOK_LIST struct hook_list l = {0};
	char image[768];
	char local[768];
	const char *folder = hook_stage_folder(stage);

	if (file_join(image, sizeof(image), c->image_dir, folder, e) < 0 ||
		file_join(local, sizeof(local), c->local_dir, folder, e) < 0)
		return -1;
	if (read_folder(&l, image, local, e) < 0 || read_folder(&l, local, NULL, e) < 0)
		return -1;
	if (l.count > 0)
		qsort(l.entries, l.count, sizeof(*l.entries), compare);
	check_entries(c, &l);
	*out = l;
	l = (struct hook_list){0};
	return 0;
}

void hook_list_free(struct hook_list *l)
{
	free(l->entries);
	*l = (struct hook_list){0};
}
