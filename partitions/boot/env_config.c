/* SPDX-License-Identifier: Apache-2.0 */
/* fw_env.config: where the boot environment lies. */
#include "partitions/boot/env_config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"

#define FILE_MAX   (64 * 1024)
#define FIELDS_MAX 5

/* Cuts a line into words; returns their number, FIELDS_MAX + 1 where there are more. */
static size_t cut_words(char *line, char *words[FIELDS_MAX])
{
	size_t count = 0;
	char *save = NULL;

	for (char *w = strtok_r(line, " \t\r", &save); w; w = strtok_r(NULL, " \t\r", &save)) {
		if (count == FIELDS_MAX)
			return FIELDS_MAX + 1;
		words[count++] = w;
	}
	return count;
}

/* Hexadecimal whether or not it begins with 0x: that is how libubootenv reads sizes. */
static bool read_hex(const char *text, unsigned long long *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 16);
	return errno == 0 && *end == 0 && end != text && text[0] != '-' && text[0] != '+';
}

static int read_place(char *words[FIELDS_MAX], size_t count, struct env_place *p, struct err *e)
{
	unsigned long long size;
	unsigned long long ignored;
	char *end;

	if (count < 3 || count > FIELDS_MAX)
		return err_set(e, E_CONFIG, "DEVICE OFFSET SIZE [SECTOR-SIZE [SECTORS]] is wanted");
	if (words[0][0] != '/' || strlen(words[0]) >= sizeof(p->device))
		return err_set(e, E_CONFIG,
			"device \"%.80s\" is not an absolute path below %d bytes", words[0],
			ENV_DEVICE_SIZE);
	memcpy(p->device, words[0], strlen(words[0]) + 1);
	errno = 0;
	p->offset = strtoll(words[1], &end, 0);
	if (errno != 0 || *end != 0 || end == words[1])
		return err_set(e, E_CONFIG, "offset \"%.40s\" is not a number", words[1]);
	if (!read_hex(words[2], &size) || size < ENV_SIZE_MIN || size > ENV_SIZE_MAX)
		return err_set(e, E_CONFIG,
			"size \"%.40s\" is not a hexadecimal number from 0x%x to 0x%x", words[2],
			ENV_SIZE_MIN, ENV_SIZE_MAX);
	p->size = (size_t)size;
	for (size_t i = 3; i < count; i++) {
		if (!read_hex(words[i], &ignored))
			return err_set(
				e, E_CONFIG, "\"%.40s\" is not a hexadecimal number", words[i]);
	}
	return 0;
}

static int take_line(char *line, struct env_config *c, struct err *e)
{
	char *words[FIELDS_MAX];

	if (line[0] == '#')
		return 0;
	size_t count = cut_words(line, words);
	if (count == 0)
		return 0;
	if (c->count == ENV_COPIES_MAX)
		return err_set(e, E_CONFIG, "more than two copies are not possible");
	struct env_place *p = &c->place[c->count];
	if (read_place(words, count, p, e) < 0)
		return -1;
	if (c->count > 0 && p->size != c->place[0].size)
		return err_set(e, E_CONFIG, "the copies differ in size, 0x%zx and 0x%zx",
			c->place[0].size, p->size);
	c->count++;
	return 0;
}

int env_config_read(const char *path, struct env_config *out, struct err *e)
{
	AUTO_BUF struct buf text = buf_make(FILE_MAX);
	/* A link is fine here: images choose the file for their board that way. */
	AUTO_FREE char *real = realpath(path, NULL);
	struct env_config got = {0};
	unsigned line_number = 0;

	if (!real)
		return err_sys(e, E_CONFIG, errno, "%s: cannot be read; see docs/boot.md", path);
	if (file_read(AT_FDCWD, real, &text, e) < 0) {
		e->code = E_CONFIG;
		return err_wrap(e, "%s", path);
	}
	if (text.len > 0 && memchr(text.data, 0, text.len))
		return err_set(e, E_CONFIG, "%s: holds a NUL byte", path);
	for (char *line = (char *)text.data; line && *line;) {
		char *next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		line_number++;
		if (take_line(line, &got, e) < 0)
			return err_wrap(e, "%s line %u", path, line_number);
		line = next;
	}
	if (got.count == 0)
		return err_set(e, E_CONFIG, "%s: names no copy of the environment", path);
	*out = got;
	return 0;
}
