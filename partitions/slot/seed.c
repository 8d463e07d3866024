/* SPDX-License-Identifier: Apache-2.0 */
/* A seed: opened, read through, asked, and read again where it is used. */
#include "partitions/slot/seed.h"

#include <stdlib.h>
#include <string.h>

#include "partitions/slot/device.h"
#include "partitions/slot/pages.h"
#include "partitions/slot/seed_scan.h"

#define WINDOW_SIZE (512u * 1024)
#define WINDOW_STEP (16u * 1024) /* the first read of a run; each further one is twice as long */
#define WINDOW_GAP  (64u * 1024) /* a run goes on over gaps of this size */

struct slot_seed {
	struct device device;
	uint64_t size; /* bytes that count, whole blocks */
	struct seed_table table;
	/* What was read last, and how reading goes on. */
	struct pages window;
	uint64_t from;
	uint64_t to;
	uint64_t step;
};

/* The bytes that count. */
static int decide_size(const struct slot_seed_request *r, struct slot_seed *s, struct err *e)
{
	uint64_t size = r->size ? r->size : s->device.size;

	if (size > s->device.size)
		return err_set(e, E_SLOT, "%s has %llu bytes, its old image %llu", r->path,
			(unsigned long long)s->device.size, (unsigned long long)size);
	s->size = size - size % SLOT_BLOCK_SIZE;
	return 0;
}

int slot_seed_open(const struct slot_seed_request *r, struct slot_seed **out, struct err *e)
{
	if (r->rule > SLOT_RULE_CHUNKS)
		return err_set(e, E_COMPAT,
			"entries that were cut by rule %u cannot be searched for in %s: this "
			"version knows rules up to %u",
			r->rule, r->path, SLOT_RULE_CHUNKS);
	struct slot_seed *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, E_NOMEM, "no memory for a seed");
	s->device.fd = -1;
	s->step = WINDOW_STEP;
	if (device_open_read(r->path, &s->device, e) < 0 || decide_size(r, s, e) < 0 ||
		pages_get(WINDOW_SIZE, &s->window, e) < 0 ||
		seed_scan(&s->device, s->size, r->rule, r->scratch_dir, &s->table, e) < 0) {
		slot_seed_close(s);
		return -1;
	}
	*out = s;
	return 0;
}

void slot_seed_close(struct slot_seed *s)
{
	if (!s)
		return;
	device_close(&s->device);
	seed_table_free(&s->table);
	pages_free(&s->window);
	free(s);
}

bool slot_seed_find(
	const struct slot_seed *s, uint64_t hash, uint32_t length, uint64_t near, uint64_t *offset)
{
	return seed_table_find(&s->table, hash, length, near, offset);
}

void slot_seed_rest(const struct slot_seed *s)
{
	seed_table_rest(&s->table);
}

void slot_seed_settle(struct slot_seed *s)
{
	seed_table_free(&s->table);
}

const char *slot_seed_path(const struct slot_seed *s)
{
	return s->device.path;
}

static int read_window(struct slot_seed *s, uint64_t from, uint64_t len, struct err *e)
{
	s->from = from;
	s->to = from;
	if (device_read(&s->device, s->window.data, (size_t)len, from, e) < 0)
		return -1;
	s->to = from + len;
	return 0;
}

/* Brings the byte at `offset`, and what probably follows it, into the window. */
static int fill(struct slot_seed *s, uint64_t offset, size_t len, struct err *e)
{
	bool follows = offset >= s->to && offset - s->to <= WINDOW_GAP;
	uint64_t from = offset - offset % SLOT_BLOCK_SIZE;
	uint64_t need = offset + len - from;

	s->step = follows ? s->step * 2 : WINDOW_STEP;
	if (s->step > WINDOW_SIZE)
		s->step = WINDOW_SIZE;
	need += (SLOT_BLOCK_SIZE - need % SLOT_BLOCK_SIZE) % SLOT_BLOCK_SIZE;
	if (need > WINDOW_SIZE)
		need = WINDOW_SIZE;
	uint64_t more = need > s->step ? need : s->step;
	if (more > s->size - from)
		more = s->size - from;
	if (read_window(s, from, more, e) == 0)
		return 0;
	/* The unreadable place may lie in what nobody asked for. */
	return more > need ? read_window(s, from, need, e) : -1;
}

int slot_seed_read(struct slot_seed *s, uint64_t offset, void *data, size_t len, struct err *e)
{
	uint8_t *out = data;

	if (offset > s->size || len > s->size - offset)
		return err_set(e, E_IO, "%s: bytes %llu to %llu lie behind the end at %llu",
			s->device.path, (unsigned long long)offset,
			(unsigned long long)(offset + len), (unsigned long long)s->size);
	while (len > 0) {
		if ((offset < s->from || offset >= s->to) && fill(s, offset, len, e) < 0)
			return -1;
		size_t n = s->to - offset < len ? (size_t)(s->to - offset) : len;
		memcpy(out, s->window.data + (offset - s->from), n);
		out += n;
		offset += n;
		len -= n;
	}
	return 0;
}
