/* SPDX-License-Identifier: Apache-2.0 */
/* What a file is before it is cut: its size, its format, and what speaks against it. */
#include "publisher/image_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "partitions/slot/format.h"

/* Enough for the superblock of ext4, which begins at byte 1024. */
#define PROBE_SIZE 2048

#define EXT4_COMPAT_OFFSET 1116 /* s_feature_compat */
#define EXT4_HAS_JOURNAL   0x4u

struct magic {
	size_t offset;
	size_t len;
	const char *bytes;
	const char *name; /* for a message */
	enum plan_format format;
};

static const struct magic formats[] = {
	{0, 4, "hsqs", "squashfs", PLAN_SQUASHFS},
	{1024, 4, "\xe2\xe1\xf5\xe0", "erofs", PLAN_EROFS},
	{1080, 2, "\x53\xef", "ext4", PLAN_EXT4},
};

/* Written to a partition these would not boot; builds often leave them beside the image. */
static const struct magic archives[] = {
	{0, 2, "\x1f\x8b", "gzip", PLAN_RAW},
	{0, 4, "\x28\xb5\x2f\xfd", "zstd", PLAN_RAW},
	{0, 6, "\xfd\x37zXZ\0", "xz", PLAN_RAW},
	{0, 3, "BZh", "bzip2", PLAN_RAW},
	{0, 4, "\x04\x22\x4d\x18", "lz4", PLAN_RAW},
	{257, 5, "ustar", "tar", PLAN_RAW},
	{0, 4, "\x3a\xff\x26\xed", "Android sparse", PLAN_RAW},
};

/*
 * Not padded to blocks inside: a change moves all that follows it. Sources: Linux'
 * Documentation/arch (boot, arm, arm64), the device tree and cpio formats, U-Boot's
 * image.h, Android's bootimg.h.
 */
static const struct magic packed[] = {
	{0, 4, "\xd0\x0d\xfe\xed", "FIT", PLAN_RAW},
	{56, 4, "ARM\x64", "arm64 kernel", PLAN_RAW},
	{36, 4, "\x18\x28\x6f\x01", "zImage", PLAN_RAW},
	{514, 4, "HdrS", "bzImage", PLAN_RAW},
	{0, 4, "\x27\x05\x19\x56", "uImage", PLAN_RAW},
	{0, 6, "070701", "cpio", PLAN_RAW},
	{0, 8, "ANDROID!", "Android boot", PLAN_RAW},
	{0, 4, "\x45\x3d\xcd\x28", "cramfs", PLAN_RAW},
	{0, 8, "-rom1fs-", "romfs", PLAN_RAW},
};

static const struct magic *find_magic(
	const struct magic *table, size_t count, const uint8_t head[PROBE_SIZE])
{
	for (size_t i = 0; i < count; i++) {
		if (memcmp(head + table[i].offset, table[i].bytes, table[i].len) == 0)
			return &table[i];
	}
	return NULL;
}

static int detect(const struct image_request *r, const uint8_t head[PROBE_SIZE],
	enum plan_format *out, struct err *e)
{
	const struct magic *m = find_magic(formats, sizeof(formats) / sizeof(formats[0]), head);

	if (m) {
		*out = m->format;
		return 0;
	}
	m = find_magic(archives, sizeof(archives) / sizeof(archives[0]), head);
	if (m)
		return err_set(e, E_USAGE,
			"image %s: %s is a %s file, not the content of a partition; unpack it "
			"first, or say --image %s=%s:raw if it is meant",
			r->name, r->path, m->name, r->name, r->path);
	*out = PLAN_RAW;
	return 0;
}

static int check_size(const struct image_request *r, const struct stat *st, struct err *e)
{
	if (!S_ISREG(st->st_mode))
		return err_set(e, E_USAGE, "image %s: %s is not a regular file", r->name, r->path);
	if (st->st_size == 0)
		return err_set(e, E_USAGE, "image %s: %s is empty", r->name, r->path);
	if ((uint64_t)st->st_size > SLOT_IMAGE_MAX)
		return err_set(e, E_USAGE, "image %s: %s is larger than 64 GiB", r->name, r->path);
	return 0;
}

int image_open(const struct image_request *r, int *fd, struct image_probe *out, struct err *e)
{
	uint8_t head[PROBE_SIZE] = {0};
	struct image_probe probe = {0};

	/* Links are followed: build systems give the newest image a name by a link. */
	AUTO_CLOSE int n = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (n < 0)
		return err_sys(e, E_IO, errno, "image %s: cannot open %s", r->name, r->path);
	if (fstat(n, &probe.st) < 0)
		return err_sys(e, E_IO, errno, "image %s: cannot stat %s", r->name, r->path);
	if (check_size(r, &probe.st, e) < 0)
		return -1;
	uint64_t size = (uint64_t)probe.st.st_size;
	probe.facts.modified = probe.st.st_mtim;
	if (file_pread_full(n, head, size < PROBE_SIZE ? (size_t)size : PROBE_SIZE, 0, e) < 0)
		return err_wrap(e, "image %s: %s", r->name, r->path);
	probe.facts.padding = (SLOT_BLOCK_SIZE - size % SLOT_BLOCK_SIZE) % SLOT_BLOCK_SIZE;
	probe.size = size + probe.facts.padding;
	probe.format = r->format;
	if (r->detect && detect(r, head, &probe.format, e) < 0)
		return -1;
	probe.facts.has_journal = probe.format == PLAN_EXT4 &&
				  (le32_get(head + EXT4_COMPAT_OFFSET) & EXT4_HAS_JOURNAL) != 0;
	probe.packed = probe.format == PLAN_RAW &&
		       find_magic(packed, sizeof(packed) / sizeof(packed[0]), head) != NULL;
	*out = probe;
	*fd = steal_fd(&n);
	return 0;
}

bool image_is_unchanged(int fd, const struct image_probe *before)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size == before->st.st_size &&
	       st.st_mtim.tv_sec == before->st.st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == before->st.st_mtim.tv_nsec;
}

int image_read(
	const struct image_source *s, uint64_t offset, uint8_t *out, size_t len, struct err *e)
{
	uint64_t left = s->file_size > offset ? s->file_size - offset : 0;
	size_t real = left < len ? (size_t)left : len;

	if (real > 0 && file_pread_full(s->fd, out, real, offset, e) < 0)
		return err_wrap(e, "image %s: %s", s->request->name, s->request->path);
	memset(out + real, 0, len - real);
	return 0;
}
