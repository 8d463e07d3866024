/* SPDX-License-Identifier: Apache-2.0 */
/* agent/spool: just the needed frames come, once, each checked; without room they come directly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/file.h"
#include "agent/spool.h"
#include "tests/unit/agent_objects.h"
#include "tests/unit/agent_room.h"

#define FRAMES 8
#define STORED 20000u /* each; generation 0 has the first three, generation 1 the others */

static char dir_path[64];
static int dir = -1;
static struct log log_;
static struct tables t;
static struct objects all;
static struct object_source source;
static struct plan_object named;
static struct object *object;
static struct slot_frames frames;
static uint8_t need[2];
static struct spool *spool;
static struct reader readers[SLOT_GENERATIONS];
static struct err e;
static int writes_left; /* -1: all */

int __real_file_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *err);
int __wrap_file_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *err);

int __wrap_file_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *err)
{
	if (writes_left == 0)
		return err_sys(err, E_SPACE, ENOSPC, "a full disk");
	if (writes_left > 0)
		writes_left--;
	return __real_file_pwrite_full(fd, data, len, offset, err);
}

static void make_frames(const uint8_t *data)
{
	frames = (struct slot_frames){.count = FRAMES, .stored_total = FRAMES * STORED};
	frames.stored = calloc(FRAMES, sizeof(*frames.stored));
	frames.raw = calloc(FRAMES, sizeof(*frames.raw));
	frames.offset = calloc(FRAMES, sizeof(*frames.offset));
	frames.at = calloc(FRAMES, sizeof(*frames.at));
	frames.sha256 = calloc(FRAMES, sizeof(*frames.sha256));
	for (uint32_t i = 0; i < FRAMES; i++) {
		frames.stored[i] = STORED;
		frames.raw[i] = STORED;
		frames.offset[i] = (uint64_t)i * STORED;
		assert_int_equal(hash_bytes(HASH_SHA256, data + frames.offset[i], STORED,
					 frames.sha256[i], &e),
			0);
	}
	frames.first[1] = 3;
	for (unsigned g = 2; g <= SLOT_GENERATIONS; g++)
		frames.first[g] = FRAMES;
}

static int make(void **state)
{
	static uint8_t data[FRAMES * STORED];

	(void)state;
	snprintf(dir_path, sizeof(dir_path), "/tmp/pawl-spool-test-XXXXXX");
	assert_non_null(mkdtemp(dir_path));
	e = (struct err){0};
	assert_int_equal(file_open_dir(dir_path, &dir, &e), 0);
	log_ = log_make(LOG_LEVEL_ERROR);
	assert_int_equal(tables_open(dir, &log_, &t, &e), 0);
	room = UINT64_C(1) << 29;
	writes_left = -1;
	source = objects_source(&all);
	noise(data, sizeof(data), 3);
	object = objects_add(&all, data, sizeof(data), &named);
	make_frames(data);
	need[0] = 0xb5; /* 0, 2 | 4, 5, 7 */
	return 0;
}

static bool nothing(const void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return false;
}

static int clear(void **state)
{
	(void)state;
	spool_close(spool);
	spool = NULL;
	slot_frames_free(&frames);
	objects_free(&all);
	tables_sweep(&t, nothing, NULL);
	tables_close(&t);
	unlinkat(dir, "cache", AT_REMOVEDIR);
	close(dir);
	return rmdir(dir_path);
}

static struct spool_request request(void)
{
	return (struct spool_request){.tables = &t,
		.objects = &source,
		.data = &named,
		.frames = &frames,
		.need = need,
		.image = "rootfs"};
}

static int begin(void)
{
	struct spool_request r = request();

	spool_close(spool);
	spool = NULL;
	object->read_count = object->announced_count = 0;
	assert_int_equal(spool_open(&r, &spool, &e), 0);
	e = (struct err){0};
	int rc = spool_fill(spool, &e);
	spool_readers(spool, readers);
	return rc;
}

static unsigned generation_of(uint32_t frame)
{
	return frame < frames.first[1] ? 0 : 1;
}

static void read_all(void)
{
	static uint8_t got[STORED];

	for (uint32_t i = 0; i < FRAMES; i++) {
		const struct reader *r = &readers[generation_of(i)];
		if (!(need[0] >> i & 1))
			continue;
		memset(got, 0, sizeof(got));
		if (r->read(r->ctx, frames.offset[i], got, STORED, &e) < 0)
			fail_msg("frame %u: %s", i, e.text);
		assert_memory_equal(got, object->data + frames.offset[i], STORED);
	}
}

static char *part(char path[200])
{
	char hex[HASH_HEX_SIZE];

	hash_to_hex(named.sha256, hex);
	snprintf(path, 200, "%s/cache/%s.part", dir_path, hex);
	return path;
}

static void damage(uint32_t frame)
{
	char path[200];
	int fd = open(part(path), O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "\xaa\x55\xaa\x55", 4, (off_t)frames.offset[frame] + 50), 4);
	close(fd);
}

static void only_needed_frames_come_and_are_announced(void **state)
{
	(void)state;
	assert_int_equal(begin(), 0);
	assert_int_equal(object->read_count, 5);
	assert_int_equal(object->announced_count, 4);
	assert_int_equal(object->announced[0].offset, 0);
	assert_int_equal(object->announced[2].offset, 4 * STORED);
	assert_int_equal(object->announced[2].length, 2 * STORED);
	read_all();
	assert_int_equal(object->read_count, 5);
}

static void what_is_there_is_not_fetched_again(void **state)
{
	(void)state;
	assert_int_equal(begin(), 0);
	assert_int_equal(begin(), 0);
	assert_int_equal(object->read_count, 0);
	read_all();
	assert_int_equal(object->read_count, 0);
}

static void a_kept_frame_counts_by_its_hash(void **state)
{
	(void)state;
	assert_int_equal(begin(), 0);
	damage(5);
	assert_int_equal(begin(), 0);
	assert_int_equal(object->read_count, 1);
	assert_int_equal(object->reads[0].offset, 5 * STORED);
	read_all();
	assert_int_equal(object->read_count, 1);
}

static void a_file_that_was_cut_short_is_filled_up(void **state)
{
	char path[200];

	(void)state;
	assert_int_equal(begin(), 0);
	assert_int_equal(truncate(part(path), 4 * STORED + 100), 0);
	assert_int_equal(begin(), 0);
	assert_int_equal(object->read_count, 3);
	read_all();
}

static void a_wrong_frame_is_asked_for_once_more(void **state)
{
	(void)state;
	object->lie_at = 2 * STORED + 7;
	object->lies = 1;
	assert_int_equal(begin(), 0);
	assert_int_equal(object->read_count, 6);
	read_all();
}

static void a_frame_that_stays_wrong_is_an_error_and_not_kept(void **state)
{
	(void)state;
	object->data[2 * STORED + 7] ^= 1;
	assert_int_equal(begin(), -1);
	assert_int_equal(e.code, E_HASH);
	assert_non_null(strstr(e.text, "frame 2"));
	object->data[2 * STORED + 7] ^= 1;
	assert_int_equal(begin(), 0);
	assert_int_equal(object->read_count, 4);
	assert_int_equal(object->reads[0].offset, 2 * STORED);
	read_all();
}

static void without_room_each_generation_reads_its_own_ranges(void **state)
{
	char path[200];
	struct stat st;
	uint8_t got[STORED];

	(void)state;
	room = 1000;
	assert_int_equal(begin(), 0);
	assert_int_equal(object->opened, 0);
	assert_int_equal(stat(part(path), &st), -1);
	assert_int_equal(readers[1].read(readers[1].ctx, 4 * STORED, got, STORED, &e), 0);
	assert_int_equal(object->announced_count, 2);
	assert_int_equal(object->announced[0].offset, 4 * STORED);
	assert_int_equal(object->announced[1].offset, 7 * STORED);
	read_all();
	assert_int_equal(object->opened, 2);
	/* A block that a seed should have had: beyond what was announced. */
	assert_int_equal(readers[0].read(readers[0].ctx, STORED, got, STORED, &e), 0);
	assert_memory_equal(got, object->data + STORED, STORED);
}

static void from_a_file_on_this_device_nothing_is_kept(void **state)
{
	struct spool_request r = request();
	char path[200];
	struct stat st;

	(void)state;
	r.near = true;
	assert_int_equal(spool_open(&r, &spool, &e), 0);
	assert_int_equal(spool_fill(spool, &e), 0);
	spool_readers(spool, readers);
	assert_int_equal(object->opened, 0);
	read_all();
	assert_int_equal(stat(part(path), &st), -1);
}

static void a_disk_that_fills_up_costs_no_frame(void **state)
{
	(void)state;
	writes_left = 2;
	assert_int_equal(begin(), 0);
	/* The third came, could not be kept, and comes directly with the others. */
	assert_int_equal(object->read_count, 3);
	read_all();
	assert_int_equal(object->read_count, 6);
	writes_left = -1;
	assert_int_equal(begin(), 0);
	assert_int_equal(object->read_count, 3);
}

static void a_partition_that_others_filled_gets_its_room_back(void **state)
{
	char path[200];
	struct stat st;

	(void)state;
	assert_int_equal(begin(), 0);
	room = 1000;
	assert_int_equal(begin(), 0);
	assert_int_equal(stat(part(path), &st), -1);
	read_all();
}

static void what_is_still_to_come_is_what_it_costs(void **state)
{
	struct spool_request r = request();
	uint64_t bytes = 0;
	uint64_t requests = 0;

	(void)state;
	assert_int_equal(spool_cost(&r, &bytes, &requests, &e), 0);
	assert_int_equal(bytes, 5 * STORED);
	assert_int_equal(requests, 4);
	assert_int_equal(object->opened, 0);
	writes_left = 4;
	assert_int_equal(begin(), 0);
	assert_int_equal(spool_cost(&r, &bytes, &requests, &e), 0);
	assert_int_equal(bytes, STORED);
	assert_int_equal(requests, 1);
}

/* Other frames: four single ones of 17,000 or 60,000 bytes that nobody needs, nine of 60,000 each around. */
static uint8_t many_need[6];
static void use_many_frames(uint32_t unneeded)
{
	static uint8_t data[44 * 60000];
	static unsigned key = 5; /* another object each time, whose file is another one */
	const uint32_t count = 44;
	uint64_t at = 0;

	objects_free(&all);
	slot_frames_free(&frames);
	noise(data, sizeof(data), key++);
	memset(many_need, 0xff, sizeof(many_need));
	frames = (struct slot_frames){.count = count};
	frames.stored = calloc(count, sizeof(*frames.stored));
	frames.raw = calloc(count, sizeof(*frames.raw));
	frames.offset = calloc(count, sizeof(*frames.offset));
	frames.at = calloc(count, sizeof(*frames.at));
	frames.sha256 = calloc(count, sizeof(*frames.sha256));
	for (uint32_t i = 0; i < count; i++) {
		bool gap = i % 9 == 8 && i < 36;
		if (gap)
			many_need[i / 8] = (uint8_t)(many_need[i / 8] & ~(1u << i % 8));
		frames.stored[i] = frames.raw[i] = gap ? unneeded : 60000;
		frames.offset[i] = at;
		assert_int_equal(
			hash_bytes(HASH_SHA256, data + at, frames.stored[i], frames.sha256[i], &e),
			0);
		at += frames.stored[i];
	}
	frames.stored_total = at;
	for (unsigned g = 1; g <= SLOT_GENERATIONS; g++)
		frames.first[g] = count;
	object = objects_add(&all, data, (size_t)at, &named);
}

static int begin_many(uint64_t *bytes, uint64_t *requests)
{
	struct spool_request r = request();

	r.need = many_need;
	spool_close(spool);
	spool = NULL;
	object->read_count = object->announced_count = 0;
	assert_int_equal(spool_cost(&r, bytes, requests, &e), 0);
	assert_int_equal(spool_open(&r, &spool, &e), 0);
	return spool_fill(spool, &e);
}

static void many_requests_are_made_three_for_a_few_bytes_more(void **state)
{
	uint64_t bytes;
	uint64_t requests;

	(void)state;
	use_many_frames(17000);
	assert_int_equal(begin_many(&bytes, &requests), 0);
	assert_int_equal(object->announced_count, 3);
	assert_int_equal(object->read_count, 42); /* two of four gaps came along */
	assert_int_equal(requests, 3); /* and the plan said so */
	assert_int_equal(bytes, 40 * 60000 + 2 * 17000);
	/* What came along is there at the next start, too. */
	assert_int_equal(begin_many(&bytes, &requests), 0);
	assert_int_equal(object->read_count, 0);
	assert_int_equal(bytes, 0);
}

static void fewer_requests_may_not_cost_much(void **state)
{
	uint64_t bytes;
	uint64_t requests;

	(void)state;
	use_many_frames(60000); /* a twentieth of all is 120,000: two, and not a third */
	many_need[0] = 0; /* eight less: a twentieth is 96,000, one of them */
	assert_int_equal(begin_many(&bytes, &requests), 0);
	assert_int_equal(requests, 3);
	assert_int_equal(bytes, 33 * 60000);
	use_many_frames(60000);
	many_need[1] = (uint8_t)(many_need[1] & ~(1u << 4)); /* a fifth gap: six ranges */
	assert_int_equal(begin_many(&bytes, &requests), 0);
	assert_int_equal(requests, 5);
	assert_int_equal(bytes, 40 * 60000);
}

static void without_a_file_nothing_comes_along(void **state)
{
	uint64_t bytes;
	uint64_t requests;

	(void)state;
	room = 0;
	use_many_frames(17000);
	assert_int_equal(begin_many(&bytes, &requests), 0);
	assert_int_equal(requests, 5);
	assert_int_equal(bytes, 40 * 60000);
}

static void small_gaps_are_joined_and_counted(void **state)
{
	const struct byte_range ranges[] = {{0, 100}, {100 + SPOOL_JOIN_GAP - 1, 50}, {200000, 10},
		{200010 + SPOOL_JOIN_GAP, 1}};
	uint64_t bytes = 0;
	uint64_t requests = 0;

	(void)state;
	spool_count(ranges, 4, &bytes, &requests);
	assert_int_equal(requests, 3);
	assert_int_equal(bytes, 150 + SPOOL_JOIN_GAP - 1 + 11);
	spool_count(NULL, 0, &bytes, &requests);
	assert_int_equal(bytes + requests, 0);
}

static void a_server_that_is_down_is_told(void **state)
{
	(void)state;
	object->down = true;
	assert_int_equal(begin(), -1);
	assert_int_equal(e.code, E_NET);
}

int main(void)
{
#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, make, clear)
	const struct CMUnitTest tests[] = {
		WITH_DIR(only_needed_frames_come_and_are_announced),
		WITH_DIR(what_is_there_is_not_fetched_again),
		WITH_DIR(a_kept_frame_counts_by_its_hash),
		WITH_DIR(a_file_that_was_cut_short_is_filled_up),
		WITH_DIR(a_wrong_frame_is_asked_for_once_more),
		WITH_DIR(a_frame_that_stays_wrong_is_an_error_and_not_kept),
		WITH_DIR(without_room_each_generation_reads_its_own_ranges),
		WITH_DIR(from_a_file_on_this_device_nothing_is_kept),
		WITH_DIR(a_disk_that_fills_up_costs_no_frame),
		WITH_DIR(a_partition_that_others_filled_gets_its_room_back),
		WITH_DIR(what_is_still_to_come_is_what_it_costs),
		WITH_DIR(many_requests_are_made_three_for_a_few_bytes_more),
		WITH_DIR(fewer_requests_may_not_cost_much),
		WITH_DIR(without_a_file_nothing_comes_along),
		cmocka_unit_test(small_gaps_are_joined_and_counted),
		WITH_DIR(a_server_that_is_down_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
