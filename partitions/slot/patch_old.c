/* SPDX-License-Identifier: Apache-2.0 */
/* A window on the old image. */
#include "partitions/slot/patch_old.h"

#include <assert.h>

#include "agent/base/must.h"
#include "partitions/slot/format.h"

int patch_old_open(const char *path, uint64_t size, struct patch_old *out, struct err *e)
{
	struct patch_old o = {.device = {.fd = -1}, .size = size};

	if (device_open_read(path, &o.device, e) < 0)
		return err_wrap(e, "old image of a patch");
	if (!MUST("slot.patch-old-device", o.device.size >= size)) {
		err_set(e, E_SLOT, "%s has %llu bytes, the patch is from an image of %llu", path,
			(unsigned long long)o.device.size, (unsigned long long)size);
		patch_old_close(&o);
		return -1;
	}
	if (pages_get(PATCH_OLD_WINDOW, &o.window, e) < 0) {
		patch_old_close(&o);
		return -1;
	}
	*out = o;
	return 0;
}

void patch_old_close(struct patch_old *o)
{
	device_close(&o->device);
	pages_free(&o->window);
}

void patch_old_forget(struct patch_old *o)
{
	o->len = 0;
}

/*
 * How much to read from `from` on. A step to another place is mostly short and
 * alone; where steps follow each other, a full window saves reads.
 */
static size_t read_size(const struct patch_old *o, uint64_t from, uint64_t to)
{
	uint64_t end = o->from + o->len;
	bool follows = o->len > 0 && from >= o->from && from <= end + PATCH_OLD_JUMP;
	uint64_t size = follows ? PATCH_OLD_WINDOW : to - from;

	size += (SLOT_BLOCK_SIZE - size % SLOT_BLOCK_SIZE) % SLOT_BLOCK_SIZE;
	if (size < PATCH_OLD_JUMP)
		size = PATCH_OLD_JUMP;
	if (size > PATCH_OLD_WINDOW)
		size = PATCH_OLD_WINDOW;
	return size < o->size - from ? (size_t)size : (size_t)(o->size - from);
}

int patch_old_get(struct patch_old *o, uint64_t at, uint64_t want, const uint8_t **data,
	size_t *len, struct err *e)
{
	assert(at < o->size); /* the steps have seen to it; there are no bytes to be had there */
	if (at < o->from || at >= o->from + o->len) {
		uint64_t from = at - at % SLOT_BLOCK_SIZE;
		size_t size = read_size(o, from, at + want);
		o->len = 0;
		if (device_read(&o->device, o->window.data, size, from, e) < 0)
			return err_wrap(e, "old image of a patch");
		o->from = from;
		o->len = size;
	}
	size_t skip = (size_t)(at - o->from);
	*data = o->window.data + skip;
	*len = o->len - skip;
	return 0;
}
