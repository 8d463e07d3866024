/* SPDX-License-Identifier: Apache-2.0 */
/* Which hooks a stage has: both folders merged, overrides and masks applied. Internal. */
#pragma once

#include <stddef.h>

#include "hooks/hooks.h"

#define HOOK_LIST_MAX 128
#define HOOK_NAME_MAX 95

/* One hook. `fault`, when set, says why it may not be run. */
struct hook_entry {
	char name[96]; /* printable */
	char path[1024];
	bool local; /* from the integrator's folder */
	char fault[160];
};

struct hook_list {
	struct hook_entry *entries;
	size_t count;
};

/*
 * The hooks of a stage in name order (bytes). An absent folder is empty. E_HOOK
 * when a folder cannot be read, can be written by others, or holds too much.
 */
int hook_list_make(
	const struct hook_config *c, enum hook_stage stage, struct hook_list *out, struct err *e);
void hook_list_free(struct hook_list *l);
#define AUTO_HOOK_LIST __attribute__((cleanup(hook_list_free)))

/* Writes `text` as printable ASCII; everything else as \xNN, but for newlines when kept. */
void hook_escape(const char *text, size_t len, bool keep_newlines, char *out, size_t size);

/*
 * Runs one hook for at most `seconds` and fills *out. What may not or cannot
 * run is HOOK_BAD with the reason as its output; so this cannot fail.
 */
void hook_run_one(const struct hook_config *c, enum hook_stage stage, const struct hook_entry *h,
	const struct hook_fact *facts, size_t fact_count, unsigned seconds,
	struct hook_result *out);

/* "exit 3", "killed by signal 11", "no end within its limit" ... for messages. */
void hook_describe(const struct hook_result *r, char *out, size_t size);
