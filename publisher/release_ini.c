/* SPDX-License-Identifier: Apache-2.0 */
/* release.ini: the same options as the command line, as keys of one section. */
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "publisher/release_options.h"

#define INI_FILE_MAX (64 * 1024)

/*
 * libinih reads lines into a buffer of 200 bytes by default and takes what is
 * left of a longer one for a new line, so that a long note would become keys.
 */
#define INI_LINE_MAX 190

struct ini_reader {
	struct release_settings *settings;
	struct err err; /* of the first line that is wrong */
	bool failed;
};

static int add_key(struct ini_reader *r, const char *section, const char *key, const char *value)
{
	char name[64];

	if (strcmp(section, "release") != 0)
		return err_set(&r->err, E_CONFIG,
			"section [%s] is not known; keys belong into [release]", section);
	snprintf(name, sizeof(name), "--%s", key);
	enum release_option option = release_option_find(name);
	if (option == RELEASE_OPTION_COUNT || option == RELEASE_FILE)
		return err_set(&r->err, E_CONFIG, "key \"%s\" is not known", key);
	return release_settings_add(r->settings, option, value, false, &r->err);
}

/* inih's convention: 0 = this line is wrong. It goes on; the first error is kept. */
static int on_key(void *user, const char *section, const char *key, const char *value)
{
	struct ini_reader *r = user;

	if (r->failed)
		return 1;
	r->failed = add_key(r, section, key, value) < 0;
	return r->failed ? 0 : 1;
}

static int check_lines(const char *path, const struct buf *text, struct err *e)
{
	const char *at = buf_text(text);
	unsigned line = 1;

	if (text->data && memchr(text->data, 0, text->len))
		return err_set(e, E_CONFIG, "%s: holds a NUL byte", path);
	for (;; line++) {
		size_t len = strcspn(at, "\n");
		if (len > INI_LINE_MAX)
			return err_set(e, E_CONFIG,
				"%s line %u: longer than %d bytes; repeat the key, or use notes-file",
				path, line, INI_LINE_MAX);
		if (at[len] == 0)
			return 0;
		at += len + 1;
	}
}

int release_settings_read_file(struct release_settings *s, const char *path, struct err *e)
{
	AUTO_BUF struct buf text = buf_make(INI_FILE_MAX);
	struct ini_reader r = {.settings = s};

	if (file_read(AT_FDCWD, path, &text, e) < 0 || check_lines(path, &text, e) < 0)
		return -1;
	int line = ini_parse_string(buf_text(&text), on_key, &r);
	if (line < 0)
		return err_set(e, E_NOMEM, "%s: no memory to read it", path);
	if (r.failed) {
		*e = r.err;
		return err_wrap(e, "%s line %d", path, line);
	}
	if (line > 0)
		return err_set(e, E_CONFIG, "%s line %d: neither \"key = value\" nor \"[release]\"",
			path, line);
	return 0;
}
