/* SPDX-License-Identifier: Apache-2.0 */
/* Is a device in use, and do two devices share bytes? */
#include "partitions/slot/in_use.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/must.h"

#define SYS_TEXT_MAX  4096
#define MOUNTINFO_MAX (4u * 1024 * 1024)
#define PATH_SIZE     1024

static void cleanup_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}
#define AUTO_DIR __attribute__((cleanup(cleanup_dir)))

static bool same(const struct device_id *a, const struct device_id *b)
{
	return a->block == b->block && a->dev == b->dev && (a->block || a->ino == b->ino);
}

/* "8:2\n" or "8:2 " of sysfs and mountinfo. */
static bool parse_dev(const char *text, dev_t *dev)
{
	unsigned major_number;
	unsigned minor_number;

	if (sscanf(text, "%u:%u", &major_number, &minor_number) != 2)
		return false;
	*dev = makedev(major_number, minor_number);
	return true;
}

/* The text of a small file of sysfs without its newline; false when there is none. */
static bool sys_text(const char *path, struct buf *out)
{
	struct err ignored;

	if (file_read(AT_FDCWD, path, out, &ignored) < 0)
		return false;
	if (out->len > 0 && out->data[out->len - 1] == '\n')
		out->data[--out->len] = 0;
	return true;
}

static bool sys_dev(const char *path, struct device_id *out)
{
	AUTO_BUF struct buf text = buf_make(SYS_TEXT_MAX);

	*out = (struct device_id){.block = true};
	return sys_text(path, &text) && parse_dev(buf_text(&text), &out->dev);
}

/* <root>/sys/dev/block/MAJOR:MINOR/<rest> */
static void sys_path(char out[PATH_SIZE], const char *root, dev_t dev, const char *rest)
{
	snprintf(out, PATH_SIZE, "%s/sys/dev/block/%u:%u/%s", root, major(dev), minor(dev), rest);
}

/* The file under a loop device, whose sysfs folder is `dir`; false: not a loop device, or detached. */
static bool loop_file(const char *dir, struct device_id *file, uint64_t *offset)
{
	AUTO_BUF struct buf text = buf_make(SYS_TEXT_MAX);
	char path[PATH_SIZE + 32];
	struct stat st;

	snprintf(path, sizeof(path), "%s/loop/backing_file", dir);
	if (!sys_text(path, &text) || stat(buf_text(&text), &st) < 0)
		return false;
	*file = (struct device_id){.dev = st.st_dev, .ino = st.st_ino};
	snprintf(path, sizeof(path), "%s/loop/offset", dir);
	*offset = sys_text(path, &text) ? strtoull(buf_text(&text), NULL, 10) : 0;
	return true;
}

static bool loop_file_of(
	const char *root, const struct device_id *id, struct device_id *file, uint64_t *offset)
{
	char dir[PATH_SIZE];

	if (!id->block)
		return false;
	sys_path(dir, root, id->dev, "");
	return loop_file(dir, file, offset);
}

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static void decode_octal(char *text)
{
	char *to = text;

	for (const char *p = text; *p; to++) {
		unsigned value;
		if (*p == '\\' && sscanf(p + 1, "%3o", &value) == 1 && strlen(p) >= 4) {
			*to = (char)value;
			p += 4;
		} else {
			*to = *p++;
		}
	}
	*to = 0;
}

/*
 * One line: "id parent major:minor root point options [fields] - type source ...".
 * The source is looked at too, because btrfs shows a device number of its own.
 */
static bool line_mounts(char *line, const struct device_id *id, char point[PATH_SIZE])
{
	char number[32];
	char source[PATH_SIZE];
	char *dash = strstr(line, " - ");
	struct device_id mounted = {.block = true};

	if (sscanf(line, "%*s %*s %31s %*s %1023s", number, point) != 2)
		return false;
	decode_octal(point);
	if (parse_dev(number, &mounted.dev) && same(&mounted, id))
		return true;
	if (!dash || sscanf(dash, " - %*s %1023s", source) != 1 || source[0] != '/')
		return false;
	decode_octal(source);
	struct err ignored;
	return device_identify(source, &mounted, &ignored) == 0 && same(&mounted, id);
}

static int check_mounts(
	const char *root, const struct device_id *id, const char *path, struct err *e)
{
	AUTO_BUF struct buf text = buf_make(MOUNTINFO_MAX);
	char name[PATH_SIZE];
	char point[PATH_SIZE];
	char *rest = NULL;

	snprintf(name, sizeof(name), "%s/proc/self/mountinfo", root);
	/* Not knowing what is mounted is no reason to go on. */
	if (file_read(AT_FDCWD, name, &text, e) < 0)
		return err_wrap(e, "cannot tell whether %s is mounted", path);
	for (char *line = strtok_r((char *)text.data, "\n", &rest); line;
		line = strtok_r(NULL, "\n", &rest)) {
		bool mounted = line_mounts(line, id, point);
		if (!MUST("slot.mounted", !mounted))
			return err_set(e, E_SLOT, "%s is mounted on %s", path, point);
	}
	return 0;
}

/* A device mapper, RAID or bcache device on top shows as a name in the holders folder. */
static int check_holders(
	const char *root, const struct device_id *id, const char *path, struct err *e)
{
	char name[PATH_SIZE];

	sys_path(name, root, id->dev, "holders");
	AUTO_DIR DIR *dir = opendir(name);
	if (!dir)
		return 0;
	for (struct dirent *entry; (entry = readdir(dir));) {
		bool is_holder = entry->d_name[0] != '.';
		if (!MUST("slot.held", !is_holder))
			return err_set(e, E_SLOT, "%s is in use by %s", path, entry->d_name);
	}
	return 0;
}

/*
 * Does another loop device show the bytes of `file` (for a loop target: at the
 * same offset)? Such a device may be mounted while O_EXCL on ours succeeds.
 */
static int check_loops(const char *root, const struct device_id *self, const struct device_id *file,
	const uint64_t *at, const char *path, struct err *e)
{
	char name[PATH_SIZE];

	snprintf(name, sizeof(name), "%s/sys/block", root);
	AUTO_DIR DIR *dir = opendir(name);
	if (!dir)
		return 0;
	for (struct dirent *entry; (entry = readdir(dir));) {
		char sub[PATH_SIZE * 2];
		struct device_id other;
		struct device_id shown;
		uint64_t offset;
		if (strncmp(entry->d_name, "loop", 4) != 0)
			continue;
		snprintf(sub, sizeof(sub), "%s/%s/dev", name, entry->d_name);
		if (!sys_dev(sub, &other) || same(&other, self))
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", name, entry->d_name);
		bool shares = loop_file(sub, &shown, &offset) && same(&shown, file) &&
			      (!at || *at == offset);
		if (!MUST("slot.loop-attached", !shares))
			return err_set(e, E_SLOT, "%s is also attached as /dev/%s; detach it first",
				path, entry->d_name);
	}
	return 0;
}

int in_use_check(const char *root, const struct device_id *id, const char *path, struct err *e)
{
	struct device_id file;
	uint64_t offset;

	if (!id->block)
		return check_loops(root, id, id, NULL, path, e);
	if (check_mounts(root, id, path, e) < 0 || check_holders(root, id, path, e) < 0)
		return -1;
	if (loop_file_of(root, id, &file, &offset))
		return check_loops(root, id, &file, &offset, path, e);
	return 0;
}

/* Is `b` the disk that partition `a` lies on? */
static bool is_disk_of(const char *root, const struct device_id *a, const struct device_id *b)
{
	char name[PATH_SIZE];
	struct device_id disk;
	struct stat st;

	sys_path(name, root, a->dev, "partition");
	if (!a->block || stat(name, &st) < 0)
		return false;
	sys_path(name, root, a->dev, "../dev");
	return sys_dev(name, &disk) && same(&disk, b);
}

/* Is `b` one of the devices that mapping `a` lies on? */
static bool is_below(const char *root, const struct device_id *a, const struct device_id *b)
{
	char name[PATH_SIZE];

	if (!a->block)
		return false;
	sys_path(name, root, a->dev, "slaves");
	AUTO_DIR DIR *dir = opendir(name);
	if (!dir)
		return false;
	for (struct dirent *entry; (entry = readdir(dir));) {
		char sub[PATH_SIZE * 2];
		struct device_id slave;
		snprintf(sub, sizeof(sub), "%s/%s/dev", name, entry->d_name);
		if (entry->d_name[0] != '.' && sys_dev(sub, &slave) && same(&slave, b))
			return true;
	}
	return false;
}

/* Is `a` a loop device that shows file `b`, or the bytes that loop device `b` shows? */
static bool is_loop_of(const char *root, const struct device_id *a, const struct device_id *b)
{
	struct device_id file_a;
	struct device_id file_b;
	uint64_t at_a;
	uint64_t at_b;

	if (!loop_file_of(root, a, &file_a, &at_a))
		return false;
	if (!b->block)
		return same(&file_a, b);
	return loop_file_of(root, b, &file_b, &at_b) && same(&file_a, &file_b) && at_a == at_b;
}

bool in_use_overlap(const char *root, const struct device_id *a, const struct device_id *b)
{
	return same(a, b) || is_disk_of(root, a, b) || is_disk_of(root, b, a) ||
	       is_below(root, a, b) || is_below(root, b, a) || is_loop_of(root, a, b) ||
	       is_loop_of(root, b, a);
}
