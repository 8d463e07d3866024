/* SPDX-License-Identifier: Apache-2.0 */
/* Two folders of hooks in a scratch place, and what came back, for the tests of hooks/. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "hooks/health.h"
#include "hooks/hooks.h"

#define SH "#!/bin/sh\n"

struct world {
	char path[64];
	char image[96];
	char local[96];
	struct hook_config config;
	struct hook_sink sink;
	/* Filled by the sink. */
	char ran[1024]; /* "name=verdict " ... in order */
	struct hook_result last;
};

static inline void sink_result(void *ctx, enum hook_stage stage, const struct hook_result *r)
{
	static const char *const verdicts[] = {"good", "later", "bad"};
	struct world *w = ctx;
	size_t n = strlen(w->ran);

	(void)stage;
	snprintf(w->ran + n, sizeof(w->ran) - n, "%s=%s ", r->name, verdicts[r->verdict]);
	w->last = *r;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static inline void world_free(struct world *w)
{
	nftw(w->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(w);
}

static inline void world_cleanup(struct world **w)
{
	world_free(*w);
}
#define AUTO_WORLD __attribute__((cleanup(world_cleanup)))

static inline struct world *world_make(void)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	umask(022);
	strcpy(w->path, "/tmp/pawl-hooks-XXXXXX");
	assert_non_null(mkdtemp(w->path));
	snprintf(w->image, sizeof(w->image), "%s/usr", w->path);
	snprintf(w->local, sizeof(w->local), "%s/etc", w->path);
	w->config =
		(struct hook_config){.image_dir = w->image, .local_dir = w->local, .seconds = 20};
	w->sink = (struct hook_sink){.ctx = w, .result = sink_result};
	return w;
}

/* "usr" or "etc", stage folder, name. */
static inline void world_path(const struct world *w, const char *where, enum hook_stage stage,
	const char *name, char *out, size_t size)
{
	struct err e;

	snprintf(out, size, "%s/%s/%s", w->path, where, hook_stage_folder(stage));
	if (file_make_path(out, 0755, &e) < 0)
		fail_msg("%s", e.text);
	size_t n = strlen(out);
	snprintf(out + n, size - n, "/%s", name);
}

static inline void put_mode(const struct world *w, const char *where, enum hook_stage stage,
	const char *name, const char *content, mode_t mode)
{
	char path[512];
	struct err e;

	world_path(w, where, stage, name, path, sizeof(path));
	unlink(path);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(file_write_full(fd, content, strlen(content), &e), 0);
	assert_int_equal(fchmod(fd, mode), 0);
}

static inline void put(const struct world *w, const char *where, enum hook_stage stage,
	const char *name, const char *content)
{
	put_mode(w, where, stage, name, content, 0755);
}

static inline void put_link(const struct world *w, const char *where, enum hook_stage stage,
	const char *name, const char *target)
{
	char path[512];

	world_path(w, where, stage, name, path, sizeof(path));
	assert_int_equal(symlink(target, path), 0);
}

static inline int run_stage(struct world *w, enum hook_stage stage, struct err *e)
{
	*e = (struct err){0};
	w->ran[0] = 0;
	w->last = (struct hook_result){0};
	return hooks_run(&w->config, stage, NULL, 0, &w->sink, e);
}
