/* SPDX-License-Identifier: Apache-2.0 */
/* Tables as their differences from older ones. */
#include "agent/tables_from.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/must.h"
#include "agent/tables_parts.h"
#include "partitions/slot/difference.h"
#include "partitions/slot/scratch.h"

static bool is_there(int dir, const uint8_t sha256[HASH_SIZE])
{
	char name[HASH_HEX_SIZE];
	struct stat st;

	hash_to_hex(sha256, name);
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

const struct plan_difference *tables_find_difference(int dir, const struct plan_differences *all)
{
	const struct plan_difference *best = NULL;

	for (size_t i = 0; i < all->count; i++) {
		const struct plan_difference *d = &all->from[i];
		if ((!best || d->object.length < best->object.length) && is_there(dir, d->base))
			best = d;
	}
	return best;
}

/*
 * Mapped once its hash was right: what changes there after that shows in the hash of the
 * result.
 */
static int open_old(const struct table_request *r, int dir, const char *name,
	const uint8_t sha256[HASH_SIZE], struct table *out, struct err *e)
{
	uint8_t digest[HASH_SIZE];
	struct stat st;

	AUTO_CLOSE int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, E_NOTFOUND, errno, "%s: cannot open the older one", r->what);
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || (uint64_t)st.st_size > r->cap)
		return err_set(e, E_SIZE, "%s: the older one has no fitting size", r->what);
	if (tables_digest(fd, (size_t)st.st_size, digest, e) < 0)
		return err_wrap(e, "%s: the older one", r->what);
	if (!MUST("tables.base-hash", hash_equal(digest, sha256)))
		return err_set(e, E_HASH, "%s: the older one that is kept is damaged", r->what);
	return tables_map(fd, (size_t)st.st_size, out, e);
}

/* What is wrong in the cache goes; leaves are looked after by others (leaves.h). */
static int load_old(struct tables *t, const struct table_request *r, int dir,
	const uint8_t sha256[HASH_SIZE], struct table *out, struct err *e)
{
	char name[HASH_HEX_SIZE];

	hash_to_hex(sha256, name);
	if (open_old(r, dir, name, sha256, out, e) == 0)
		return 0;
	if (dir == t->dir && (e->code == E_HASH || e->code == E_IO)) {
		log_line(t->log, LOG_LEVEL_WARN, "cache-damaged file=%s reason=\"%s\"", name,
			e->text);
		unlinkat(dir, name, 0);
	}
	return -1;
}

static int fetch_difference(const struct table_request *r, const struct plan_difference *d,
	struct table *out, struct err *e)
{
	char what[96];
	struct table_request one = {.objects = r->objects, .object = &d->object, .what = what};

	snprintf(what, sizeof(what), "difference of %s", r->what);
	if (!MUST("tables.difference-cap", d->object.length <= SLOT_DIFFERENCE_MAX))
		return err_set(
			e, E_META, "%s is signed with %" PRIu64 " bytes", what, d->object.length);
	return tables_fetch(&one, out, e);
}

/* Into `out`, which has room for just the table. */
static int apply(
	const struct table_request *r, const struct slot_difference *d, uint8_t *out, struct err *e)
{
	size_t len = (size_t)r->object->length;

	if (slot_difference_apply(d, out, len, e) < 0)
		return err_wrap(e, "%s", r->what);
	if (!MUST("tables.difference-hash", tables_is_right(r->object, out, len)))
		return err_set(e, E_HASH, "%s: its difference gives another table", r->what);
	return 0;
}

static int make_in_memory(struct tables *t, const struct table_request *r,
	const struct slot_difference *d, struct table *out, struct err *e)
{
	size_t len = (size_t)r->object->length;
	AUTO_FREE uint8_t *data = malloc(len);

	if (!data)
		return err_set(e, E_NOMEM, "no memory for %s", r->what);
	if (apply(r, d, data, e) < 0)
		return -1;
	*out = (struct table){.data = steal_ptr(data), .len = len};
	tables_keep(t, r, out);
	return 0;
}

/* Maps the file, which has its length already, for writing, and fills it. */
static int fill_file(int fd, const struct table_request *r, const struct slot_difference *d,
	struct table *out, struct err *e)
{
	size_t len = (size_t)r->object->length;
	uint8_t *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return err_sys(e, E_NOMEM, errno, "%s: cannot map it", r->what);
	if (apply(r, d, p, e) < 0 || mprotect(p, len, PROT_READ) < 0) {
		munmap(p, len);
		return -1;
	}
	*out = (struct table){.data = p, .len = len, .mapped = true};
	return 0;
}

static int make_in_file(struct tables *t, const struct table_request *r,
	const struct slot_difference *d, struct table *out, struct err *e)
{
	char name[HASH_HEX_SIZE];
	struct table made = {0};

	AUTO_CLOSE int fd = openat(t->dir, TABLES_PART_NAME,
		O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, file_code_of(errno), errno, "%s: no file in the cache", r->what);
	int rc = scratch_allocate(fd, (size_t)r->object->length, e);
	if (rc == 0)
		rc = fill_file(fd, r, d, &made, e);
	hash_to_hex(r->object->sha256, name);
	/* Not flushed: after a power cut its hash says whether it is there. */
	if (rc == 0 && renameat(t->dir, TABLES_PART_NAME, t->dir, name) < 0)
		rc = err_sys(e, E_IO, errno, "%s: cannot rename in the cache", r->what);
	if (rc < 0) {
		table_free(&made);
		unlinkat(t->dir, TABLES_PART_NAME, 0);
		return -1;
	}
	*out = made;
	return 0;
}

static int make(struct tables *t, const struct table_request *r, const struct slot_difference *d,
	struct table *out, struct err *e)
{
	if (r->map && tables_has_room(t, r->object->length))
		return make_in_file(t, r, d, out, e);
	if (r->map && r->object->length > TABLES_MEMORY_MAX)
		return err_set(e, E_SPACE, "%s: no room on the data partition", r->what);
	return make_in_memory(t, r, d, out, e);
}

int tables_get_from(struct tables *t, const struct table_request *r, int dir,
	const struct plan_difference *d, struct table *out, struct err *e)
{
	AUTO_TABLE struct table old = {0};
	AUTO_TABLE struct table difference = {0};
	const struct plan_object *o = r->object;

	if (!MUST("tables.from-cap", o->length > 0 && o->length <= r->cap))
		return err_set(
			e, E_META, "%s is signed with %" PRIu64 " bytes", r->what, o->length);
	if (load_old(t, r, dir, d->base, &old, e) < 0 || fetch_difference(r, d, &difference, e) < 0)
		return -1;
	const struct slot_difference all = {.old = old.data,
		.old_len = old.len,
		.data = difference.data,
		.len = difference.len};
	if (make(t, r, &all, out, e) < 0)
		return -1;
	out->fetched = difference.fetched;
	return 0;
}
