/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partitions/slot: anonymous memory of a delta install in its worst case: sixteen
 * generations that take turns, two seeds, entries across leaves, bytes that do not
 * compress. The bar is 8 MiB for everything; a part of it belongs to others.
 */
#include "tests/unit/slot_delta_rig.h"

#include <malloc.h>

#define SIZE (24u << 20)
#define BAR  (7168l) /* KiB */

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static struct {
	long before;
	long most;
} memory;

/* Private memory that is resident, in KiB. */
static long resident(void)
{
	char text[8192];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(n > 0);
	text[n] = 0;
	const char *at = strstr(text, "RssAnon:");
	return at ? strtol(at + 8, NULL, 10) : 0;
}

static void look(void)
{
	long now = resident() - memory.before;

	memory.most = now > memory.most ? now : memory.most;
}

static int watched_read(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	int rc = delta_read(ctx, offset, data, len, e);

	look();
	return rc;
}

static void note(void *ctx, const char *image, uint64_t done, uint64_t total, uint64_t fetched)
{
	(void)ctx, (void)image, (void)done, (void)total, (void)fetched;
	look();
}

static void install_within_the_bar(enum slot_encoding encoding, bool content_defined)
{
	struct delta_rig *d = delta_rig_new(SIZE, encoding, content_defined, 16);
	struct slot_progress progress = {.report = note};
	struct slot_stats stats;
	struct err e = {0};
	uint32_t x = 17;

	/* Bytes that do not compress, so that stored frames are as large as can be. */
	for (size_t i = 0; i < SIZE; i += 4) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		le32_put(d->rig->content + i, x);
	}
	delta_pack(d);
	delta_match_nothing(d);
	for (unsigned i = 0; i < SLOT_SEEDS_MAX; i++)
		delta_add_seed(d, i, d->rig->content, SIZE);
	/* A stretch of each leaf out of either seed. */
	for (uint64_t at = 0; at < SIZE; at += LEAF) {
		delta_match(d, at, at + LEAF / 8, delta_seed_place(0, at));
		delta_match(d, at + LEAF / 2, at + LEAF / 2 + LEAF / 8,
			delta_seed_place(1, at + LEAF / 2));
	}
	for (unsigned g = 0; g < SLOT_GENERATIONS; g++)
		d->rig->image.delta.data[g].read = watched_read;
	struct slot_target *t = rig_open(d->rig);
	assert_int_equal(slot_spoil(t, &e), 0);
	malloc_trim(0);
	memory.before = resident();
	memory.most = 0;
	if (slot_write(t, 0, &d->rig->image, &progress, &stats, &e) < 0)
		fail_msg("%s", e.text);
	assert_true(memory.most > 1024); /* it was measured at all */
	/* Sanitizers, valgrind and emulators have memory of their own. */
	if (!SANITIZED && !getenv("PAWL_RUNNER"))
		assert_true(memory.most <= BAR);
	assert_int_equal(slot_finish(t, NULL, &e), 0);
	slot_close_target(t);
	assert_true(rig_target_is_whole(d->rig));
	delta_rig_free(d);
}

static void memory_stays_small_with_sixteen_generations(void **state)
{
	static const enum slot_encoding encodings[] = RIG_ENCODINGS;

	(void)state;
	for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++)
		install_within_the_bar(encodings[i], i % 2 == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_stays_small_with_sixteen_generations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
