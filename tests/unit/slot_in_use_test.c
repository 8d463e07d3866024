/* SPDX-License-Identifier: Apache-2.0 */
/* partitions/slot/in_use: what is mounted or held, and what shares bytes, in a made-up /proc and /sys. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/base/file.h"
#include "partitions/slot/in_use.h"

static char root[] = "/tmp/pawl-in-use-XXXXXX";

/* Made files and folders, in the order of making, so that they can be removed. */
static char made[128][256];
static size_t made_count;

static const char *below(const char *name)
{
	static char path[300];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static void note(const char *name)
{
	assert_true(made_count < 128);
	snprintf(made[made_count++], sizeof(made[0]), "%s/%s", root, name);
}

static void make_folder(const char *name)
{
	char part[256];

	for (const char *p = name; p; p = strchr(p + 1, '/')) {
		const char *end = strchr(p + 1, '/');
		snprintf(part, sizeof(part), "%.*s", end ? (int)(end - name) : (int)strlen(name),
			name);
		if (mkdir(below(part), 0700) == 0)
			note(part);
	}
}

static void make_file(const char *name, const char *text)
{
	int fd = open(below(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	note(name);
}

/* A device's folder under sys/devices and its link under sys/dev/block. */
static void make_device(const char *folder, const char *number)
{
	char name[200];
	char to[300];

	snprintf(name, sizeof(name), "sys/devices/%s", folder);
	make_folder(name);
	snprintf(name, sizeof(name), "sys/devices/%s/dev", folder);
	snprintf(to, sizeof(to), "%s\n", number);
	make_file(name, to);
	snprintf(name, sizeof(name), "sys/devices/%s/holders", folder);
	make_folder(name);
	snprintf(to, sizeof(to), "%s/sys/devices/%s", root, folder);
	snprintf(name, sizeof(name), "sys/dev/block/%s", number);
	assert_int_equal(symlink(to, below(name)), 0);
	note(name);
}

static void make_loop(const char *folder, const char *number, const char *file, const char *offset)
{
	char name[200];
	char to[300];

	make_device(folder, number);
	snprintf(name, sizeof(name), "sys/devices/%s/loop", folder);
	make_folder(name);
	snprintf(name, sizeof(name), "sys/devices/%s/loop/backing_file", folder);
	snprintf(to, sizeof(to), "%s/%s\n", root, file);
	make_file(name, to);
	snprintf(name, sizeof(name), "sys/devices/%s/loop/offset", folder);
	make_file(name, offset);
	snprintf(name, sizeof(name), "sys/block/%s", folder);
	snprintf(to, sizeof(to), "%s/sys/devices/%s", root, folder);
	assert_int_equal(symlink(to, below(name)), 0);
	note(name);
}

/*
 * sda with sda1 (mounted), sda2, sda3 (under dm-0), sda4; loop0 and loop2 show
 * a.img (loop2 from byte 4096), loop1 shows b.img, and so does loop3.
 */
static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(root));
	make_folder("proc/self");
	make_folder("sys/dev/block");
	make_folder("sys/block");
	make_file("proc/self/mountinfo",
		"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
		"23 22 0:21 / /proc rw - proc proc rw\n"
		"24 22 0:44 /sub /mnt/with\\040space rw - btrfs /dev/null rw\n"
		"25 22 7:9 / /mnt/nine rw shared:3 master:1 - squashfs /dev/loop9 ro\n");
	make_device("sda", "8:0");
	make_device("sda/sda1", "8:1");
	make_device("sda/sda2", "8:2");
	make_device("sda/sda3", "8:3");
	make_device("sda/sda4", "8:4");
	make_file("sys/devices/sda/sda1/partition", "1\n");
	make_file("sys/devices/sda/sda2/partition", "2\n");
	make_file("sys/devices/sda/sda3/partition", "3\n");
	make_file("sys/devices/sda/sda4/partition", "4\n");
	make_device("dm-0", "253:0");
	make_folder("sys/devices/sda/sda3/holders/dm-0");
	make_folder("sys/devices/dm-0/slaves/sda3");
	make_file("sys/devices/dm-0/slaves/sda3/dev", "8:3\n");
	make_file("a.img", "a");
	make_file("b.img", "b");
	make_file("c.img", "c");
	make_loop("loop0", "7:0", "a.img", "0\n");
	make_loop("loop1", "7:1", "b.img", "0\n");
	make_loop("loop2", "7:2", "a.img", "4096\n");
	make_loop("loop3", "7:3", "b.img", "0\n");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	while (made_count > 0)
		assert_int_equal(remove(made[--made_count]), 0);
	assert_int_equal(rmdir(root), 0);
	return 0;
}

static struct device_id block(unsigned a, unsigned b)
{
	return (struct device_id){.block = true, .dev = makedev(a, b)};
}

static struct device_id file(const char *name)
{
	struct device_id id;
	struct err e = {0};

	assert_int_equal(device_identify(below(name), &id, &e), 0);
	assert_false(id.block);
	return id;
}

static void refused(struct device_id id, const char *why)
{
	struct err e = {0};

	assert_int_equal(in_use_check(root, &id, "the target", &e), -1);
	assert_int_equal(e.code, E_SLOT);
	assert_non_null(strstr(e.text, "the target"));
	if (!strstr(e.text, why))
		fail_msg("%s", e.text);
}

static void accepted(struct device_id id)
{
	struct err e = {0};

	if (in_use_check(root, &id, "the target", &e) < 0)
		fail_msg("%s", e.text);
}

static void a_mounted_device_is_refused_and_the_place_named(void **state)
{
	(void)state;
	refused(block(8, 1), "mounted on /");
	refused(block(7, 9), "mounted on /mnt/nine");
	accepted(block(8, 2));
	/* Another minor that begins alike. */
	accepted(block(8, 11));
	accepted(block(18, 1));
}

static void a_mounted_source_counts_where_the_number_is_the_file_systems_own(void **state)
{
	struct stat st;

	(void)state;
	/* /dev/null is no block device, so the btrfs line must not match anything by it ... */
	assert_int_equal(stat("/dev/null", &st), 0);
	accepted(block(major(st.st_rdev), minor(st.st_rdev)));
	/* ... but the number of the line itself does. */
	refused(block(0, 44), "mounted on /mnt/with space");
}

static void not_knowing_what_is_mounted_is_a_refusal(void **state)
{
	struct device_id id = block(8, 2);
	struct err e = {0};

	(void)state;
	assert_int_equal(in_use_check("/nowhere", &id, "the target", &e), -1);
	assert_non_null(strstr(e.text, "cannot tell whether the target is mounted"));
}

static void a_device_under_a_mapping_is_refused(void **state)
{
	(void)state;
	refused(block(8, 3), "in use by dm-0");
}

static void a_file_under_a_loop_device_is_refused(void **state)
{
	(void)state;
	refused(file("a.img"), "attached as /dev/loop");
	refused(file("b.img"), "attached as /dev/loop");
	accepted(file("c.img"));
}

static void a_loop_device_is_refused_when_another_shows_the_same_bytes(void **state)
{
	(void)state;
	refused(block(7, 1), "attached as /dev/loop3");
	accepted(block(7, 0)); /* loop2 begins elsewhere */
}

static void overlap(struct device_id a, struct device_id b, bool expected)
{
	assert_int_equal(in_use_overlap(root, &a, &b), expected);
	assert_int_equal(in_use_overlap(root, &b, &a), expected);
}

static void devices_that_share_bytes_are_known(void **state)
{
	(void)state;
	overlap(block(8, 2), block(8, 2), true);
	overlap(block(8, 2), block(8, 4), false); /* two partitions of one disk */
	overlap(block(8, 0), block(8, 4), true); /* a disk and its partition */
	overlap(block(253, 0), block(8, 3), true); /* a mapping and its device */
	overlap(block(253, 0), block(8, 2), false);
	overlap(block(7, 0), file("a.img"), true); /* a loop device and its file */
	overlap(block(7, 0), file("b.img"), false);
	overlap(block(7, 1), block(7, 3), true); /* two loop devices on the same bytes */
	overlap(block(7, 0), block(7, 2), false); /* at different places */
	overlap(file("a.img"), file("a.img"), true);
	overlap(file("a.img"), file("b.img"), false);
	overlap(block(8, 2), file("a.img"), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mounted_device_is_refused_and_the_place_named),
		cmocka_unit_test(a_mounted_source_counts_where_the_number_is_the_file_systems_own),
		cmocka_unit_test(not_knowing_what_is_mounted_is_a_refusal),
		cmocka_unit_test(a_device_under_a_mapping_is_refused),
		cmocka_unit_test(a_file_under_a_loop_device_is_refused),
		cmocka_unit_test(a_loop_device_is_refused_when_another_shows_the_same_bytes),
		cmocka_unit_test(devices_that_share_bytes_are_known),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
