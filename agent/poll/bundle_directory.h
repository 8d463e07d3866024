/* SPDX-License-Identifier: Apache-2.0 */
/* The directory of a bundle. Private to bundle*.c; the contract is bundle.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/reader.h"
#include "agent/poll/bundle.h"

/* Whether the content of a member can be read. */
enum bundle_state {
	BUNDLE_STORED, /* at any place, from `from` */
	BUNDLE_COMING, /* forward only: it comes out of the pipe now */
	BUNDLE_GONE, /* it came out of the pipe and was not kept */
};

struct bundle_member {
	char *name;
	uint64_t offset; /* of its content */
	uint64_t size;
	enum bundle_state state;
	bool was_opened;
};

struct bundle_object;
struct bundle_pipe;
struct bundle_walk;

struct bundle {
	struct reader from; /* the whole bundle, or what was kept of a pipe */
	struct bundle_pipe *pipe; /* NULL: `from` has everything */
	struct bundle_walk *walk; /* a pipe that is read on; NULL: all headers are read */
	const struct bundle_object *announced; /* whose ranges `from` was told last */
	uint64_t size; /* UINT64_MAX for a pipe */
	char name[256]; /* for messages */
	struct bundle_member *members; /* in their order; they stay where they are */
	size_t count;
	const struct bundle_member *target; /* the one release */
};

/* Its pipe; NULL where pipes are not built in, which the compiler sees and leaves their code out. */
static inline struct bundle_pipe *bundle_pipe_of(const struct bundle *b)
{
#ifdef CONFIG_BUNDLE_PIPE
	return b->pipe;
#else
	(void)b;
	return NULL;
#endif
}

/*
 * Fills members and target from the headers: from all of them, or from a pipe up
 * to the header of the first object. On failure (E_BUNDLE, or the reader's
 * error) what was added stays for bundle_close.
 */
int bundle_read_directory(struct bundle *b, struct err *e);

/* Reads the next header of a pipe; what is left of the member before it is kept or dropped. */
int bundle_walk_next(struct bundle *b, bool *more, struct err *e);
void bundle_walk_end(struct bundle *b);

/* The member with this full name, or NULL. */
struct bundle_member *bundle_find(const struct bundle *b, const char *name);
