/* SPDX-License-Identifier: Apache-2.0 */
/* The needed frames of `data`, fetched before the slot is written. */
#include "agent/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/hash.h"
#include "agent/base/must.h"
#include "agent/spool_gaps.h"

#define SYNC_EVERY (8u << 20) /* what a power cut may take at most */

/* One generation, read front to back. */
struct stream {
	struct spool *spool;
	unsigned generation;
	struct reader net; /* opened at the first frame that is not in the file */
};

struct spool {
	struct spool_request r;
	char name[HASH_HEX_SIZE + 8];
	int file; /* -1 = nothing is kept */
	uint8_t *have; /* a bit for each frame that is in the file */
	uint8_t *bridge; /* a bit for each frame that comes along, so that two requests are one */
	uint8_t *frame; /* room for a stored one */
	struct stream stream[SLOT_GENERATIONS];
};

/* For the whole table: its later generations may come while the slot is written. */
static size_t bits_size(const struct spool *s)
{
	return slot_frames_total(s->r.frames) / 8 + 1;
}

static bool bit_of(const uint8_t *bits, uint32_t i)
{
	return (bits[i / 8] >> (i % 8) & 1) != 0;
}

static void set_bit(uint8_t *bits, uint32_t i)
{
	bits[i / 8] = (uint8_t)(bits[i / 8] | 1u << (i % 8));
}

static bool is_wanted(const struct spool *s, uint32_t i)
{
	return bit_of(s->r.need, i) || bit_of(s->bridge, i);
}

static bool is_missing(const struct spool *s, uint32_t i)
{
	return is_wanted(s, i) && !bit_of(s->have, i);
}

static bool is_right(const struct spool *s, uint32_t i)
{
	uint8_t digest[HASH_SIZE];
	struct err e = {0};

	return hash_bytes(HASH_SHA256, s->frame, s->r.frames->stored[i], digest, &e) == 0 &&
	       hash_equal(digest, s->r.frames->sha256[i]);
}

/* --- What is there ------------------------------------------------------------- */

static void find_frames(struct spool *s)
{
	const struct slot_frames *f = s->r.frames;
	struct stat st;

	if (fstat(s->file, &st) < 0)
		return;
	for (uint32_t i = 0; i < f->count; i++) {
		struct err e = {0};
		if (!is_wanted(s, i) || f->offset[i] + f->stored[i] > (uint64_t)st.st_size)
			continue;
		if (file_pread_full(s->file, s->frame, f->stored[i], f->offset[i], &e) < 0)
			continue;
		if (MUST("spool.kept-hash", is_right(s, i)))
			set_bit(s->have, i);
	}
}

static uint64_t missing_bytes(const struct spool *s)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < s->r.frames->count; i++) {
		if (is_missing(s, i))
			sum += s->r.frames->stored[i];
	}
	return sum;
}

static void drop_file(struct spool *s)
{
	close(s->file);
	s->file = -1;
	memset(s->have, 0, bits_size(s));
	memset(s->bridge, 0, bits_size(s));
	unlinkat(s->r.tables->dir, s->name, 0);
}

/* The file of an earlier start, if there is one. */
static void find_file(struct spool *s)
{
	s->file = openat(s->r.tables->dir, s->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (s->file < 0)
		return;
	find_frames(s);
	/* The partition has filled up meanwhile: others need the room more. */
	if (!tables_has_room(s->r.tables, 0))
		drop_file(s);
}

/* A new file, if there is room for what is missing. */
static void make_file(struct spool *s)
{
	if (s->file < 0 && !s->r.near && tables_has_room(s->r.tables, missing_bytes(s)))
		s->file = openat(s->r.tables->dir, s->name,
			O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* --- Opening ------------------------------------------------------------------- */

/* The frames that will be fetched, and those of them that are there. */
static int look(struct spool *s, struct err *e)
{
	if (s->r.near)
		return 0;
	if (spool_bridge_gaps(s->r.frames, s->r.need, s->bridge, e) < 0)
		return -1;
	find_file(s);
	/* Without a file each generation is read by itself: nothing there to be joined. */
	if (s->file < 0 && !tables_has_room(s->r.tables, missing_bytes(s)))
		memset(s->bridge, 0, bits_size(s));
	return 0;
}

int spool_open(const struct spool_request *r, struct spool **out, struct err *e)
{
	char hex[HASH_HEX_SIZE];
	struct spool *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(e, E_NOMEM, "no memory for a spool");
	s->r = *r;
	s->file = -1;
	s->have = calloc(1, bits_size(s));
	s->bridge = calloc(1, bits_size(s));
	s->frame = malloc(SLOT_FRAME_STORED_MAX);
	if (!s->have || !s->bridge || !s->frame) {
		spool_close(s);
		return err_set(e, E_NOMEM, "no memory for a spool");
	}
	for (unsigned g = 0; g < SLOT_GENERATIONS; g++)
		s->stream[g] = (struct stream){.spool = s, .generation = g};
	hash_to_hex(r->data->sha256, hex);
	snprintf(s->name, sizeof(s->name), "%s.part", hex);
	if (look(s, e) < 0) {
		spool_close(s);
		return -1;
	}
	*out = s;
	return 0;
}

void spool_close(struct spool *s)
{
	if (!s)
		return;
	for (unsigned g = 0; g < SLOT_GENERATIONS; g++)
		reader_close(&s->stream[g].net);
	if (s->file >= 0)
		close(s->file);
	free(s->have);
	free(s->bridge);
	free(s->frame);
	free(s);
}

/* --- Fetching ------------------------------------------------------------------ */

/*
 * Where the missing frames of one generation lie, or of all; the caller's (free). One
 * generation by itself is read where the file ends, so nothing comes along.
 */
static int missing_ranges(const struct spool *s, unsigned generation, struct byte_range **out,
	size_t *count, struct err *e)
{
	const struct slot_frames *f = s->r.frames;
	AUTO_FREE uint8_t *missing = calloc(1, f->count / 8 + 1);

	if (!missing)
		return err_set(e, E_NOMEM, "no memory for a plan of frames");
	for (uint32_t i = 0; i < f->count; i++) {
		bool along = generation < SLOT_GENERATIONS && !bit_of(s->r.need, i);
		if (is_missing(s, i) && !along)
			set_bit(missing, i);
	}
	return slot_frames_ranges(f, missing, generation, out, count, NULL, e);
}

/* A reader of the missing frames of one generation, or of all. */
static int open_net(struct spool *s, unsigned generation, struct reader *out, struct err *e)
{
	AUTO_FREE struct byte_range *ranges = NULL;
	struct reader net = {0};
	size_t count = 0;

	if (missing_ranges(s, generation, &ranges, &count, e) < 0 ||
		s->r.objects->open(
			s->r.objects->ctx, s->r.data->sha256, s->r.data->length, &net, e) < 0)
		return -1;
	if (net.expect && net.expect(net.ctx, ranges, count, e) < 0) {
		reader_close(&net);
		return -1;
	}
	*out = net;
	return 0;
}

/* Reads frame `i` into s->frame, once more when its bytes are wrong. */
static int fetch_frame(struct spool *s, struct reader *net, uint32_t i, struct err *e)
{
	const struct slot_frames *f = s->r.frames;

	for (int once_more = 1;; once_more--) {
		if (net->read(net->ctx, f->offset[i], s->frame, f->stored[i], e) < 0)
			return -1;
		if (MUST("spool.frame-hash", is_right(s, i)))
			return 0;
		if (once_more == 0)
			return err_set(
				e, E_HASH, "frame %" PRIu32 " of data differs from its hash", i);
	}
}

/* False: there is no room any more; what follows is read as it is needed. */
static bool store_frame(struct spool *s, uint32_t i)
{
	const struct slot_frames *f = s->r.frames;
	struct err e = {0};

	if (file_pwrite_full(s->file, s->frame, f->stored[i], f->offset[i], &e) < 0) {
		log_line(s->r.tables->log, LOG_LEVEL_WARN, "spool-ends image=%s reason=\"%s\"",
			s->r.image, e.text);
		return false;
	}
	set_bit(s->have, i);
	return true;
}

static int fetch_missing(struct spool *s, struct reader *net, uint64_t total, struct err *e)
{
	const struct slot_progress *p = s->r.progress;
	uint64_t done = 0;
	uint64_t synced = 0;

	for (uint32_t i = 0; i < s->r.frames->count; i++) {
		if (!is_missing(s, i))
			continue;
		if (fetch_frame(s, net, i, e) < 0)
			return -1;
		if (!store_frame(s, i))
			return 0;
		done += s->r.frames->stored[i];
		if (p && p->report)
			p->report(p->ctx, s->r.image, done, total, done);
		if (done - synced >= SYNC_EVERY) {
			synced = done;
			/* A failure shows when the frames are read again, by their hashes. */
			(void)fdatasync(s->file);
		}
	}
	return 0;
}

int spool_fill(struct spool *s, struct err *e)
{
	struct reader net = {0};
	uint64_t total = missing_bytes(s);

	if (total > 0)
		make_file(s);
	if (s->file < 0 || total == 0)
		return 0;
	if (open_net(s, SLOT_GENERATIONS, &net, e) < 0)
		return err_wrap(e, "image %s", s->r.image);
	int rc = fetch_missing(s, &net, total, e);
	reader_close(&net);
	return rc < 0 ? err_wrap(e, "image %s", s->r.image) : 0;
}

/* --- Giving out ------------------------------------------------------------------ */

/* The frame that holds byte `offset` of data; frames->count where none does. */
static uint32_t frame_at(const struct slot_frames *f, uint64_t offset)
{
	uint32_t low = 0;
	uint32_t high = f->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (f->offset[mid] + f->stored[mid] <= offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Are all frames of these bytes in the file? */
static bool is_kept(const struct spool *s, uint64_t offset, size_t len)
{
	const struct slot_frames *f = s->r.frames;
	uint64_t end = offset + len;

	if (s->file < 0)
		return false;
	for (uint32_t i = frame_at(f, offset); offset < end; i++) {
		if (i >= f->count || !bit_of(s->have, i))
			return false;
		offset = f->offset[i] + f->stored[i];
	}
	return true;
}

static int stream_read(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	struct stream *t = ctx;
	struct spool *s = t->spool;
	struct err ignored = {0};

	/* A file that cannot be read any more costs a fetch, nothing else. */
	if (is_kept(s, offset, len) && file_pread_full(s->file, data, len, offset, &ignored) == 0)
		return 0;
	if (!t->net.read && open_net(s, t->generation, &t->net, e) < 0)
		return -1;
	return t->net.read(t->net.ctx, offset, data, len, e);
}

void spool_readers(struct spool *s, struct reader out[SLOT_GENERATIONS])
{
	for (unsigned g = 0; g < SLOT_GENERATIONS; g++)
		out[g] = (struct reader){.ctx = &s->stream[g], .read = stream_read};
}

int spool_cost(const struct spool_request *r, uint64_t *bytes, uint64_t *requests, struct err *e)
{
	AUTO_FREE struct byte_range *ranges = NULL;
	struct spool *s = NULL;
	size_t count = 0;

	if (spool_open(r, &s, e) < 0)
		return -1;
	int rc = missing_ranges(s, SLOT_GENERATIONS, &ranges, &count, e);
	spool_close(s);
	const struct object_source *o = r->objects;
	/* A bundle for devices on later releases: known before the slot is touched. */
	if (rc == 0 && count > 0 && o && o->holds)
		rc = o->holds(o->ctx, r->data->sha256, r->data->length, ranges, count, e);
	if (rc == 0)
		spool_count(ranges, count, bytes, requests);
	return rc;
}
