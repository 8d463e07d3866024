/* SPDX-License-Identifier: Apache-2.0 */
/* partitions/slot/target: what is refused before the first write, and that nothing was written then. */
#include "tests/unit/slot_rig.h"

#include <sys/file.h>

#include "partitions/slot/device.h"
#include "partitions/slot/in_use.h"

#define SIZE (4u * SLOT_BLOCK_SIZE)

int __real_in_use_check(
	const char *root, const struct device_id *id, const char *path, struct err *e);
int __wrap_in_use_check(
	const char *root, const struct device_id *id, const char *path, struct err *e);

static bool pretend_mounted;

/* Mounting needs root; that the answer is asked for and obeyed does not. */
int __wrap_in_use_check(
	const char *root, const struct device_id *id, const char *path, struct err *e)
{
	if (pretend_mounted)
		return err_set(e, E_SLOT, "%s is mounted on /", path);
	return __real_in_use_check(root, id, path, e);
}

/* Three files: A (the running slot), B, C. */
static char dir[] = "/tmp/pawl-target-XXXXXX";
static struct slot_part a, b, c;
static const uint64_t needed[] = {SIZE, SIZE};

static struct slot_part part(const char *image, const char *file)
{
	struct slot_part p = {0};

	snprintf(p.image, sizeof(p.image), "%s", image);
	snprintf(p.path, sizeof(p.path), "%s/%s", dir, file);
	return p;
}

static void fill(const struct slot_part *p)
{
	uint8_t data[SIZE];
	int fd = open(p->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	memset(data, 0x5a, sizeof(data));
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, SIZE), SIZE);
	close(fd);
}

static bool untouched(const struct slot_part *p)
{
	uint8_t data[SIZE];
	uint8_t want[SIZE];
	int fd = open(p->path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, data, SIZE), SIZE);
	close(fd);
	memset(want, 0x5a, SIZE);
	return memcmp(data, want, SIZE) == 0;
}

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	a = part("rootfs", "a");
	b = part("rootfs", "b");
	c = part("kernel", "c");
	fill(&a);
	fill(&b);
	fill(&c);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(a.path);
	unlink(b.path);
	unlink(c.path);
	return rmdir(dir);
}

static void expect_refused(const struct slot_part *parts, size_t count,
	const struct slot_part *forbidden, size_t forbidden_count, enum err_code code,
	const char *word)
{
	struct slot_target *t = NULL;
	struct err e = {0};

	assert_int_equal(
		slot_open_target(parts, needed, count, forbidden, forbidden_count, &t, &e), -1);
	assert_null(t);
	if (e.code != code || !strstr(e.text, word))
		fail_msg("%s: %s", err_name(e.code), e.text);
	assert_true(untouched(&a) && untouched(&b) && untouched(&c));
	/* And nothing is held back: the next opening works. */
	struct slot_part fine[] = {b, c};
	assert_int_equal(slot_open_target(fine, needed, 2, &a, 1, &t, &e), 0);
	slot_close_target(t);
}

static void the_running_slot_is_refused_by_every_name(void **state)
{
	struct slot_part other = part("rootfs", "link");

	(void)state;
	expect_refused(&a, 1, &a, 1, E_SLOT, "running or the committed slot");
	assert_int_equal(symlink(a.path, other.path), 0);
	expect_refused(&other, 1, &a, 1, E_SLOT, "running or the committed slot");
	unlink(other.path);
	assert_int_equal(link(a.path, other.path), 0);
	expect_refused(&other, 1, &a, 1, E_SLOT, "running or the committed slot");
	unlink(other.path);
	struct slot_part both[] = {b, a};
	struct slot_part forbidden[] = {c, a};
	expect_refused(both, 2, forbidden, 2, E_SLOT, "running or the committed slot");
}

static void an_unknown_running_slot_is_a_refusal(void **state)
{
	struct slot_part unknown = part("rootfs", "not-there");

	(void)state;
	expect_refused(&b, 1, &unknown, 1, E_SLOT, "cannot tell");
}

static void a_mounted_target_is_refused(void **state)
{
	struct slot_target *t = NULL;
	struct err e = {0};

	(void)state;
	pretend_mounted = true;
	assert_int_equal(slot_open_target(&b, needed, 1, &a, 1, &t, &e), -1);
	assert_int_equal(e.code, E_SLOT);
	assert_int_equal(slot_spoil_parts(&b, 1, &a, 1, &e), -1);
	pretend_mounted = false;
	assert_true(untouched(&b));
}

static void the_same_file_twice_is_refused(void **state)
{
	struct slot_part twice[] = {b, b};

	(void)state;
	snprintf(twice[1].image, sizeof(twice[1].image), "kernel");
	expect_refused(twice, 2, &a, 1, E_SLOT, "share bytes");
}

static void a_part_that_is_too_small_is_refused(void **state)
{
	uint64_t more[] = {SIZE, SIZE + 1};
	struct slot_part parts[] = {b, c};
	struct slot_target *t = NULL;
	struct err e = {0};

	(void)state;
	assert_int_equal(slot_open_target(parts, more, 2, &a, 1, &t, &e), -1);
	assert_int_equal(e.code, E_SLOT);
	assert_non_null(strstr(e.text, c.path));
	assert_non_null(strstr(e.text, "too small"));
	assert_true(untouched(&b) && untouched(&c));
	/* Without a size asked for: not even the head would fit. */
	assert_int_equal(truncate(c.path, SLOT_BLOCK_SIZE - 1), 0);
	assert_int_equal(slot_spoil_parts(&c, 1, &a, 1, &e), -1);
	assert_int_equal(e.code, E_SLOT);
	fill(&c);
}

static void what_is_no_device_and_no_file_is_refused(void **state)
{
	struct slot_part odd = part("rootfs", "odd");
	struct slot_part folder = part("rootfs", "");
	struct slot_part null = {.image = "rootfs", .path = "/dev/null"};

	(void)state;
	expect_refused(&odd, 1, &a, 1, E_SLOT, "cannot find");
	assert_int_equal(mkfifo(odd.path, 0600), 0);
	expect_refused(&odd, 1, &a, 1, E_SLOT, "neither"); /* and does not hang */
	unlink(odd.path);
	expect_refused(&folder, 1, &a, 1, E_SLOT, "neither");
	expect_refused(&null, 1, &a, 1, E_SLOT, "neither");
}

static void a_file_that_another_process_fills_is_busy(void **state)
{
	struct slot_target *t = NULL;
	struct err e = {0};

	(void)state;
	int fd = open(b.path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(slot_open_target(&b, needed, 1, &a, 1, &t, &e), -1);
	assert_int_equal(e.code, E_BUSY);
	assert_non_null(strstr(e.text, b.path));
	close(fd);
	assert_int_equal(slot_open_target(&b, needed, 1, &a, 1, &t, &e), 0);
	struct slot_target *second = NULL;
	assert_int_equal(slot_open_target(&b, needed, 1, &a, 1, &second, &e), -1);
	assert_int_equal(e.code, E_BUSY);
	slot_close_target(t);
	assert_true(untouched(&b));
}

static void the_number_of_parts_is_bounded(void **state)
{
	struct slot_part many[SLOT_PARTS_MAX + 1] = {0};
	struct slot_target *t = NULL;
	struct err e = {0};

	(void)state;
	assert_int_equal(slot_open_target(many, needed, SLOT_PARTS_MAX + 1, &a, 1, &t, &e), -1);
	assert_int_equal(e.code, E_SLOT);
	assert_int_equal(slot_open_target(many, needed, 0, &a, 1, &t, &e), -1);
	assert_int_equal(e.code, E_SLOT);
}

static void spoiling_zeroes_the_heads_and_nothing_else(void **state)
{
	struct slot_part parts[] = {b, c};
	static const uint8_t zeros[SLOT_BLOCK_SIZE];
	uint8_t data[SIZE];
	uint8_t rest[SIZE];
	struct err e = {0};

	(void)state;
	assert_int_equal(slot_spoil_parts(parts, 2, &a, 1, &e), 0);
	memset(rest, 0x5a, sizeof(rest));
	for (size_t i = 0; i < 2; i++) {
		int fd = open(parts[i].path, O_RDONLY | O_CLOEXEC);
		assert_int_equal(read(fd, data, SIZE), SIZE);
		close(fd);
		assert_memory_equal(data, zeros, SLOT_BLOCK_SIZE);
		assert_memory_equal(data + SLOT_BLOCK_SIZE, rest, SIZE - SLOT_BLOCK_SIZE);
		fill(&parts[i]);
	}
	assert_int_equal(slot_spoil_parts(&a, 1, &a, 1, &e), -1);
	assert_int_equal(e.code, E_SLOT);
	assert_true(untouched(&a));
}

static void the_size_of_a_part_is_told(void **state)
{
	struct slot_part folder = part("rootfs", "");
	uint64_t size = 0;
	struct err e = {0};

	(void)state;
	assert_int_equal(slot_part_size(b.path, &size, &e), 0);
	assert_int_equal(size, SIZE);
	assert_int_equal(slot_part_size("/not/there", &size, &e), -1);
	assert_int_equal(e.code, E_SLOT);
	assert_int_equal(slot_part_size(folder.path, &size, &e), -1);
	assert_int_equal(e.code, E_SLOT);
	assert_int_equal(size, SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_running_slot_is_refused_by_every_name),
		cmocka_unit_test(an_unknown_running_slot_is_a_refusal),
		cmocka_unit_test(a_mounted_target_is_refused),
		cmocka_unit_test(the_same_file_twice_is_refused),
		cmocka_unit_test(a_part_that_is_too_small_is_refused),
		cmocka_unit_test(what_is_no_device_and_no_file_is_refused),
		cmocka_unit_test(a_file_that_another_process_fills_is_busy),
		cmocka_unit_test(the_number_of_parts_is_bounded),
		cmocka_unit_test(spoiling_zeroes_the_heads_and_nothing_else),
		cmocka_unit_test(the_size_of_a_part_is_told),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
