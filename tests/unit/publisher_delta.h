/* SPDX-License-Identifier: Apache-2.0 */
/* Releases in a workspace for tests of index and data: made from bytes, read back, checked. */
#pragma once

#include "publisher/before.h"
#include "publisher/object.h"
#include "publisher/delta.h"
#include "publisher/release.h"
#include "publisher/unpack.h"
#include "tests/unit/publisher_workspace.h"

/* A chain of releases of one image. */
struct chain {
	struct publisher p;
	struct roles roles;
	char notes[2048]; /* what the last release told, warnings with "!" in front */
};

static inline void chain_note(void *ctx, bool warning, const char *text)
{
	struct chain *c = ctx;
	size_t len = strlen(c->notes);

	snprintf(c->notes + len, sizeof(c->notes) - len, "%s%s\n", warning ? "!" : "", text);
}

static inline void chain_ignore(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
}

static inline void chain_begin(struct chain *c)
{
	*c = (struct chain){0};
	workspace_begin(&c->p);
	workspace_publish_empty(&c->p, &c->roles);
}

static inline void chain_end(struct chain *c)
{
	roles_free(&c->roles);
	workspace_end(&c->p);
}

static inline void chain_give(struct release_settings *s, enum release_option o, const char *value)
{
	struct err e = {0};

	if (release_settings_add(s, o, value, true, &e) < 0)
		fail_msg("%s", e.text);
}

/* The next release, of these bytes; the caller frees it. `more` may be NULL. */
static inline struct manifest *chain_release(struct chain *c, const uint8_t *data, size_t len,
	const char *format, const struct release_settings *more)
{
	AUTO_SETTINGS struct release_settings s = {0};
	const struct release_watcher watcher = {
		.image = {.ctx = c, .tell = chain_note}, .ctx = c, .warn = chain_ignore};
	struct manifest *m = NULL;
	struct err e = {0};
	char path[600];
	char image[640];

	snprintf(path, sizeof(path), "%s/image", c->p.dir);
	tree_write(path, data, len);
	snprintf(image, sizeof(image), "rootfs=%s:%s", path, format);
	c->notes[0] = 0;
	chain_give(&s, RELEASE_VERSION, "1");
	chain_give(&s, RELEASE_COMPATIBLE, "board");
	chain_give(&s, RELEASE_CLASS, "functional");
	chain_give(&s, RELEASE_LEVEL, "1");
	chain_give(&s, RELEASE_IMAGE, image);
	for (int o = 0; more && o < RELEASE_OPTION_COUNT; o++) {
		for (size_t i = 0; i < more->value[o].count; i++)
			chain_give(&s, (enum release_option)o, more->value[o].text[i]);
	}
	if (release_make(&c->p, &s, false, &watcher, &m, &e) < 0)
		fail_msg("%s", e.text);
	return m;
}

static inline void chain_load(struct chain *c, const struct manifest *m, struct delta_tables *out)
{
	const struct shelf shelf = {.publisher = &c->p, .plan = &m->plan};
	struct err e = {0};

	if (delta_load(&shelf, &m->plan.images[0], out, &e) < 0)
		fail_msg("%s", e.text);
}

/* All frames of `data`, one generation behind the other; the caller frees it. */
static inline uint8_t *chain_streams(struct chain *c, const struct manifest *m,
	const struct slot_frames *f, size_t first[SLOT_GENERATIONS])
{
	const struct shelf shelf = {.publisher = &c->p, .plan = &m->plan};
	const struct plan_image *image = &m->plan.images[0];
	AUTO_BUF struct buf data = {0};
	struct err e = {0};
	uint8_t digest[HASH_SIZE];
	uint8_t *raw = malloc(f->count * (size_t)SLOT_FRAME_SIZE + 1);
	size_t at = 0;

	assert_non_null(raw);
	assert_int_equal(shelf_read(&shelf, &image->data, &data, &e), 0);
	for (unsigned g = 0; g < SLOT_GENERATIONS; g++) {
		first[g] = at;
		for (uint32_t i = f->first[g]; i < f->first[g + 1]; i++) {
			const uint8_t *stored = data.data + f->offset[i];
			assert_true(f->raw[i] <= SLOT_FRAME_SIZE);
			assert_int_equal(
				hash_bytes(HASH_SHA256, stored, f->stored[i], digest, &e), 0);
			assert_memory_equal(digest, f->sha256[i], HASH_SIZE);
			assert_int_equal(unpack_piece(image->data_encoding, stored, f->stored[i],
						 raw + at, f->raw[i], &e),
				0);
			at += f->raw[i];
		}
	}
	return raw;
}

/* Every entry is in its stream where a walk says, and is what the image holds there. */
static inline void chain_check(
	struct chain *c, const struct manifest *m, const uint8_t *data, size_t len)
{
	AUTO_DELTA struct delta_tables t = {0};
	size_t first[SLOT_GENERATIONS];
	struct slot_walk walk = {0};
	struct slot_entry entry;
	uint64_t end = 0;

	assert_true(m->plan.images[0].has_delta);
	chain_load(c, m, &t);
	AUTO_FREE uint8_t *raw = chain_streams(c, m, &t.frames, first);
	while (slot_index_next(&t.index, &walk, &entry)) {
		assert_int_equal(entry.offset, end);
		end += entry.length;
		assert_true(end <= len);
		assert_int_equal(entry.zero, slot_is_zero(data + entry.offset, entry.length));
		if (entry.zero)
			continue;
		assert_true(entry.hash == slot_match_hash(data + entry.offset, entry.length));
		assert_memory_equal(raw + first[entry.generation] + entry.at, data + entry.offset,
			entry.length);
	}
	assert_int_equal(end, len);
}

/* The generation of the entry that holds a byte of the image. */
static inline unsigned chain_age(const struct delta_tables *t, uint64_t offset)
{
	struct slot_walk walk = {0};
	struct slot_entry entry;

	while (slot_index_next(&t->index, &walk, &entry)) {
		if (offset >= entry.offset && offset - entry.offset < entry.length)
			return entry.generation;
	}
	fail_msg("no entry");
	return 99;
}
