/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of records that could not be written, kept over restarts. */
#include "agent/journal/losses.h"

#include <fcntl.h>
#include <unistd.h>

#include "agent/base/file.h"

#define LOSSES_SIZE (8 * CHAIN_KINDS)

static void store(const struct losses *l)
{
	uint8_t bytes[LOSSES_SIZE];
	struct err ignored;

	if (l->fd < 0)
		return;
	for (int k = 0; k < CHAIN_KINDS; k++)
		le64_put(bytes + 8 * k, l->pending[k]);
	/* The count of losses may itself be lost: there is nowhere left to say so. */
	(void)file_pwrite_full(l->fd, bytes, sizeof(bytes), 0, &ignored);
	(void)fdatasync(l->fd);
}

void losses_open(struct losses *l, int dir, const char *name)
{
	uint8_t bytes[LOSSES_SIZE];
	struct err ignored;

	*l = (struct losses){
		.fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
	if (l->fd < 0)
		return;
	if (file_pread_full(l->fd, bytes, sizeof(bytes), 0, &ignored) < 0) {
		store(l);
		return;
	}
	for (int k = 0; k < CHAIN_KINDS; k++)
		l->pending[k] = le64_get(bytes + 8 * k);
}

void losses_set(struct losses *l, enum chain_kind k, uint64_t count)
{
	if (l->pending[k] == count)
		return;
	l->pending[k] = count;
	store(l);
}

void losses_close(struct losses *l)
{
	cleanup_close(&l->fd);
	l->fd = -1;
}
