/* SPDX-License-Identifier: Apache-2.0 */
/* A list of operations in which neighbours become one. */
#include "publisher/patch_ops.h"

#include <stdbool.h>
#include <stdlib.h>

/* More zeros are faster made than read; the operations for them do not count then. */
#define ZEROS_READ_MAX (1024u * 1024)

static bool reads_old(const struct patch_op *op)
{
	return op->kind == SLOT_PATCH_COPY || op->kind == SLOT_PATCH_ADD;
}

static bool goes_on(const struct patch_op *last, const struct patch_op *op)
{
	if (last->kind != op->kind || op->length > UINT32_MAX - last->length)
		return false;
	return !reads_old(op) || last->old_at + last->length == op->old_at;
}

/* Copies with zeros between them, which the old image has between the two places as well? */
static bool bridges_zeros(
	const struct patch_ops *ops, const struct patch_text *old, const struct patch_op *op)
{
	if (!old || ops->count < 2 || !reads_old(op))
		return false;
	const struct patch_op *zeros = &ops->op[ops->count - 1];
	const struct patch_op *before = zeros - 1;
	if (zeros->kind != SLOT_PATCH_ZERO || zeros->length > ZEROS_READ_MAX || !reads_old(before))
		return false;
	uint32_t place = before->old_at + before->length;
	return place + (uint64_t)zeros->length == op->old_at &&
	       patch_text_is_zero(old, place, zeros->length);
}

static int append(struct patch_ops *ops, struct patch_op op, struct err *e)
{
	if (ops->count > 0 && goes_on(&ops->op[ops->count - 1], &op)) {
		ops->op[ops->count - 1].length += op.length;
		return 0;
	}
	if (ops->count == ops->room) {
		size_t room = ops->room ? 2 * ops->room : 256;
		struct patch_op *more = reallocarray(ops->op, room, sizeof(*more));
		if (!more)
			return err_set(e, E_NOMEM, "no memory for %zu operations of a patch", room);
		ops->op = more;
		ops->room = room;
	}
	ops->op[ops->count++] = op;
	return 0;
}

int patch_ops_add(
	struct patch_ops *ops, const struct patch_text *old, struct patch_op op, struct err *e)
{
	if (op.length == 0)
		return 0;
	if (bridges_zeros(ops, old, &op)) {
		struct patch_op zeros = ops->op[--ops->count];
		zeros.kind = SLOT_PATCH_COPY;
		zeros.old_at = op.old_at - zeros.length;
		if (append(ops, zeros, e) < 0)
			return -1;
	}
	return append(ops, op, e);
}

void patch_ops_clear(struct patch_ops *ops)
{
	ops->count = 0;
}

void patch_ops_free(struct patch_ops *ops)
{
	free(ops->op);
	*ops = (struct patch_ops){0};
}
