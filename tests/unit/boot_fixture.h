/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A boot environment of two copies in a temporary folder, for the tests of
 * partitions/boot. Copies are composed and read here byte by byte, not by the
 * code under test. Include after <cmocka.h>.
 */
#pragma once

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "partitions/boot/boot.h"

#define FIXTURE_ID "00112233445566778899aabbccddeeff"

struct fixture {
	char dir[64];
	char config[96]; /* fw_env.config */
	char copy[2][96];
	size_t env_size;
	struct boot_options options; /* sim */
};

static inline void fixture_write(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	close(fd);
}

static inline void fixture_write_text(const char *path, const char *text)
{
	fixture_write(path, text, strlen(text));
}

/* Reads up to `size` bytes; returns their number. */
static inline size_t fixture_read(const char *path, void *data, size_t size)
{
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	ssize_t n = read(fd, data, size);
	close(fd);
	assert_true(n >= 0);
	return (size_t)n;
}

/* zlib's CRC-32, by halves of a byte: bit by bit it was most of what the tests did. */
static inline uint32_t fixture_crc(const uint8_t *p, size_t len)
{
	static const uint32_t half[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8,
		0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
	uint32_t crc = 0xffffffffu;

	while (len--) {
		crc ^= *p++;
		crc = crc >> 4 ^ half[crc & 15];
		crc = crc >> 4 ^ half[crc & 15];
	}
	return crc ^ 0xffffffffu;
}

/*
 * Writes one copy of a redundant environment. `vars` are lines of name=value;
 * lines with an empty value are left out, as U-Boot does.
 */
static inline void fixture_write_copy(
	const struct fixture *f, int index, uint8_t flags, const char *vars)
{
	uint8_t *image = malloc(f->env_size);
	size_t at = 5;

	assert_non_null(image);
	memset(image, 0, f->env_size);
	for (const char *line = vars; *line;) {
		size_t len = strcspn(line, "\n");
		if (len > 0 && line[len - 1] != '=') {
			assert_true(at + len + 2 < f->env_size);
			memcpy(image + at, line, len);
			at += len + 1;
		}
		line += len + (line[len] == '\n');
	}
	uint32_t crc = fixture_crc(image + 5, f->env_size - 5);
	memcpy(image, &crc, 4);
	image[4] = flags;
	fixture_write(f->copy[index], image, f->env_size);
	free(image);
}

/* Spoils the checksum. */
static inline void fixture_spoil_copy(const struct fixture *f, int index)
{
	uint8_t byte;
	int fd = open(f->copy[index], O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, 9), 1);
	byte ^= 0x40;
	assert_int_equal(pwrite(fd, &byte, 1, 9), 1);
	close(fd);
}

/*
 * Value of a variable in the copy that U-Boot would use (the valid one; of two
 * the one with the newer flags, 0 being newer than 255); "" when there is none.
 */
static inline void fixture_get(const struct fixture *f, const char *name, char value[256])
{
	uint8_t *image[2];
	bool good[2];
	int use = -1;

	value[0] = 0;
	for (int i = 0; i < 2; i++) {
		uint32_t crc = 0;
		image[i] = calloc(1, f->env_size + 1);
		assert_non_null(image[i]);
		good[i] = fixture_read(f->copy[i], image[i], f->env_size) == f->env_size;
		memcpy(&crc, image[i], 4);
		good[i] = good[i] && crc == fixture_crc(image[i] + 5, f->env_size - 5);
		if (good[i])
			use = i;
	}
	if (good[0] && good[1]) {
		uint8_t a = image[0][4];
		uint8_t b = image[1][4];
		use = b > a ? 1 : 0;
		if ((a == 255 && b == 0) || (a == 0 && b == 255))
			use = a == 0 ? 0 : 1;
	}
	size_t len = strlen(name);
	for (const char *p = use < 0 ? "" : (char *)image[use] + 5; *p; p += strlen(p) + 1) {
		if (strncmp(p, name, len) == 0 && p[len] == '=')
			snprintf(value, 256, "%s", p + len + 1);
	}
	free(image[0]);
	free(image[1]);
}

static inline void fixture_expect(const struct fixture *f, const char *name, const char *value)
{
	char got[256];

	fixture_get(f, name, got);
	assert_string_equal(got, value);
}

static inline void fixture_write_cmdline(const struct fixture *f, const char *line)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/proc/cmdline", f->dir);
	fixture_write_text(path, line);
}

/* A folder with proc/, run/, fw_env.config; both copies are zeros (no valid environment). */
static inline void fixture_make(struct fixture *f, size_t env_size)
{
	const char *tmp = getenv("TMPDIR");
	char dir[sizeof(f->dir)];
	char text[512];
	char path[128];

	memset(f, 0, sizeof(*f));
	snprintf(dir, sizeof(dir), "%.40s/boot.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(dir));
	memcpy(f->dir, dir, sizeof(dir));
	f->env_size = env_size;
	snprintf(path, sizeof(path), "%s/proc", f->dir);
	assert_int_equal(mkdir(path, 0755), 0);
	fixture_write_cmdline(f, "root=/dev/a pawl.slot=A pawl.id=" FIXTURE_ID "\n");
	uint8_t *zero = calloc(1, env_size);
	for (int i = 0; i < 2; i++) {
		snprintf(f->copy[i], sizeof(f->copy[i]), "%.63s/env%d", dir, i);
		fixture_write(f->copy[i], zero, env_size);
	}
	free(zero);
	snprintf(f->config, sizeof(f->config), "%s/fw_env.config", f->dir);
	snprintf(text, sizeof(text), "# test\n%s 0x0 0x%zx\n%s 0x0 0x%zx\n", f->copy[0], env_size,
		f->copy[1], env_size);
	fixture_write_text(f->config, text);
	f->options.root = f->dir;
	f->options.loader = "sim";
	f->options.fw_env_config = f->config;
}

/* Removes what fixture_make and the simulated boot loader make. */
static inline void fixture_remove(struct fixture *f)
{
	static const char *const files[] = {"env0", "env1", "fw_env.config", "script", "log",
		"lock", "proc/cmdline", "proc/sys/kernel/random/boot_id", "run/pawl-reboot"};
	static const char *const dirs[] = {
		"proc/sys/kernel/random", "proc/sys/kernel", "proc/sys", "proc", "run", "."};
	char path[160];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->dir, files[i]);
		unlink(path);
	}
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->dir, dirs[i]);
		rmdir(strcmp(dirs[i], ".") == 0 ? f->dir : path);
	}
}
