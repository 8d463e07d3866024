/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a target slot: every precaution before the first write. */
#include "partitions/slot/target.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/must.h"
#include "partitions/slot/in_use.h"

#define SYSTEM_ROOT "" /* before "/proc" and "/sys" */

int slot_part_size(const char *path, uint64_t *size, struct err *e)
{
	AUTO_DEVICE struct device d = {.fd = -1};

	if (device_open_read(path, &d, e) < 0)
		return -1;
	*size = d.size;
	return 0;
}

void slot_close_target(struct slot_target *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++) {
		device_close(&t->part[i].device);
		pages_free(&t->part[i].leaf0);
	}
	free(t);
}

static void cleanup_target(struct slot_target **t)
{
	slot_close_target(*t);
}

/*
 * The running and the committed slot. A device that cannot be found cannot be
 * compared, and an agent that does not know what runs must not write.
 */
static int check_forbidden(const struct device_id *id, const char *path,
	const struct slot_part *forbidden, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		struct device_id other;
		if (device_identify(forbidden[i].path, &other, e) < 0)
			return err_wrap(e, "cannot tell that %s is not in use", path);
		bool overlap = in_use_overlap(SYSTEM_ROOT, id, &other);
		if (!MUST("slot.forbidden", !overlap))
			return err_set(e, E_SLOT,
				"%s is (part of) %s, which holds %s of the running or the committed slot",
				path, forbidden[i].path, forbidden[i].image);
	}
	return 0;
}

static int check_twice(const struct slot_target *t, const struct device_id *id,
	const struct slot_part *part, struct err *e)
{
	for (size_t i = 0; i < t->count; i++) {
		bool overlap = in_use_overlap(SYSTEM_ROOT, id, &t->part[i].device.id);
		if (!MUST("slot.same-twice", !overlap))
			return err_set(e, E_SLOT, "%s for image %s and %s for image %s share bytes",
				part->path, part->image, t->part[i].device.path, t->part[i].image);
	}
	return 0;
}

static int check_size(const struct device *d, uint64_t needed, struct err *e)
{
	if (needed < SLOT_BLOCK_SIZE)
		needed = SLOT_BLOCK_SIZE; /* the head that is zeroed */
	if (!MUST("slot.target-size", d->size >= needed))
		return err_set(e, E_SLOT, "%s is too small: %llu bytes, %llu are needed", d->path,
			(unsigned long long)d->size, (unsigned long long)needed);
	return 0;
}

/* Questions that need no open descriptor come first, because they give better reasons than EBUSY. */
static int open_part(struct slot_target *t, const struct slot_part *part, uint64_t needed,
	const struct slot_part *forbidden, size_t forbidden_count, struct err *e)
{
	struct target_part *p = &t->part[t->count];
	struct device_id id;

	if (device_identify(part->path, &id, e) < 0 ||
		check_forbidden(&id, part->path, forbidden, forbidden_count, e) < 0 ||
		check_twice(t, &id, part, e) < 0 ||
		in_use_check(SYSTEM_ROOT, &id, part->path, e) < 0)
		return -1;
	if (device_open_write(part->path, &p->device, e) < 0)
		return -1;
	memcpy(p->image, part->image, sizeof(p->image));
	t->count++; /* from here on slot_close_target closes it */
	if (p->device.id.block != id.block || p->device.id.dev != id.dev ||
		p->device.id.ino != id.ino)
		return err_set(e, E_SLOT, "%s was replaced while it was opened", part->path);
	return check_size(&p->device, needed, e);
}

int slot_open_target(const struct slot_part *parts, const uint64_t *needed, size_t count,
	const struct slot_part *forbidden, size_t forbidden_count, struct slot_target **out,
	struct err *e)
{
	__attribute__((cleanup(cleanup_target))) struct slot_target *t = NULL;

	if (count == 0 || count > SLOT_PARTS_MAX)
		return err_set(
			e, E_SLOT, "a slot has 1 to %d parts, not %zu", SLOT_PARTS_MAX, count);
	t = calloc(1, sizeof(*t));
	if (!t)
		return err_set(e, E_NOMEM, "no memory for a target slot");
	for (size_t i = 0; i < count; i++) {
		if (open_part(t, &parts[i], needed ? needed[i] : 0, forbidden, forbidden_count, e) <
			0)
			return err_wrap(e, "image %s", parts[i].image);
	}
	*out = steal_ptr(t);
	return 0;
}
