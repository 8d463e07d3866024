/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls that fail_at knows: of what kind they are, and which file they work on. */
#pragma once

#include <limits.h>
#include <linux/seccomp.h>

enum kind {
	KIND_READ = 1,
	KIND_WRITE = 2,
	KIND_SYNC = 4,
	KIND_OPEN = 8,
	KIND_MAKE = 16,
	KIND_NAME = 32,
	KIND_SIZE = 64,
	KIND_ALL = 127
};

/* Which argument tells the file: a descriptor, or a folder's descriptor and a name behind it. */
enum fail_where { BY_FD, BY_DIR, BY_NAME };

struct fail_call {
	unsigned number;
	const char *name;
	enum kind kind;
	enum fail_where where;
	int arg;
};

#define FAIL_CALLS_MAX 64

/* The table; *count: its rows, at most FAIL_CALLS_MAX. */
const struct fail_call *fail_calls(unsigned short *count);

/* The row of a call that a thread makes; NULL for others. */
const struct fail_call *fail_call_of(const struct seccomp_notif *n);

/* Opening with O_CREAT is KIND_MAKE, whatever the table says. */
enum kind fail_kind_of(const struct fail_call *c, const struct seccomp_notif *n);

/* The whole path of the file; -1 when it cannot be told. Links are not followed. */
int fail_path_of(const struct fail_call *c, const struct seccomp_notif *n, char out[PATH_MAX]);

/* "read", "write" ... for one kind; the kind of a name, 0 for an unknown one. */
const char *fail_kind_name(enum kind kind);
unsigned fail_kind_find(const char *name);
