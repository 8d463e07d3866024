/* SPDX-License-Identifier: Apache-2.0 */
/* autoboot.txt of the Raspberry Pi firmware: read strictly, changed by two digits. */
#include "partitions/boot/autoboot.h"

#include <string.h>
#include <strings.h>

#include "agent/base/must.h"

enum section { SECTION_ALL, SECTION_TRYBOOT, SECTION_NONE, SECTION_COUNT };
static const char *const section_names[] = {"all", "tryboot", "none"};

/* What is known while the lines are read; `at` is an offset in the text. */
struct reading {
	const char *text;
	enum section section; /* lines before the first section count as [all] */
	unsigned number[SECTION_COUNT]; /* boot_partition, 0 = not said */
	size_t at[SECTION_COUNT];
	bool a_b;
};

/* A piece of the text, not terminated. */
struct piece {
	const char *start;
	size_t len;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct piece trim(struct piece p)
{
	while (p.len > 0 && is_blank(p.start[0])) {
		p.start++;
		p.len--;
	}
	while (p.len > 0 && is_blank(p.start[p.len - 1]))
		p.len--;
	return p;
}

/* The firmware does not mind upper case in sections; nothing says that it minds it in names. */
static bool is_word(struct piece p, const char *word)
{
	return p.len == strlen(word) && strncasecmp(p.start, word, p.len) == 0;
}

static int take_section(struct reading *r, struct piece line, struct err *e)
{
	size_t found = SECTION_COUNT;

	if (line.start[line.len - 1] != ']')
		return err_set(e, E_BOOTENV, "a section has no ]");
	struct piece name = {line.start + 1, line.len - 2};
	for (size_t i = 0; i < SECTION_COUNT; i++) {
		if (is_word(name, section_names[i]))
			found = i;
	}
	/* Whether a section like [pi4] holds cannot be told here, so neither can what boots. */
	if (!MUST("boot.autoboot.section", found < SECTION_COUNT))
		return err_set(e, E_BOOTENV,
			"section [%.*s] is not one of [all], [tryboot], [none]", (int)name.len,
			name.start);
	r->section = (enum section)found;
	return 0;
}

static int take_partition(struct reading *r, struct piece value, struct err *e)
{
	bool good = value.len == 1 && value.start[0] >= '1' &&
		    value.start[0] <= '0' + AUTOBOOT_PARTITION_MAX;

	/* One digit for another: the text keeps its length, and the rest of it its place. */
	if (!MUST("boot.autoboot.number", good))
		return err_set(e, E_BOOTENV, "boot_partition is \"%.*s\", 1 to %d is wanted",
			(int)value.len, value.start, AUTOBOOT_PARTITION_MAX);
	if (!MUST("boot.autoboot.once", r->number[r->section] == 0))
		return err_set(e, E_BOOTENV, "boot_partition is said twice in [%s]",
			section_names[r->section]);
	r->number[r->section] = (unsigned)(value.start[0] - '0');
	r->at[r->section] = (size_t)(value.start - r->text);
	return 0;
}

static int take_a_b(struct reading *r, struct piece value, struct err *e)
{
	bool one = is_word(value, "1");

	if (!one && !is_word(value, "0"))
		return err_set(e, E_BOOTENV, "tryboot_a_b is \"%.*s\", 0 or 1 is wanted",
			(int)value.len, value.start);
	if (r->section != SECTION_NONE)
		r->a_b = one;
	return 0;
}

static int take_setting(struct reading *r, struct piece line, struct err *e)
{
	const char *equals = memchr(line.start, '=', line.len);

	if (!equals)
		return 0;
	struct piece name = {line.start, (size_t)(equals - line.start)};
	struct piece value = {equals + 1, line.len - name.len - 1};
	bool partition = is_word(trim(name), "boot_partition");
	bool a_b = is_word(trim(name), "tryboot_a_b");

	if (!partition && !a_b)
		return 0;
	if (trim(name).len != name.len || trim(value).len != value.len)
		return err_set(e, E_BOOTENV, "there must be no space around =");
	return partition ? take_partition(r, value, e) : take_a_b(r, value, e);
}

static int take_line(struct reading *r, struct piece line, struct err *e)
{
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.start[i];
		if (!MUST("boot.autoboot.control", c >= 0x20 || is_blank((char)c)))
			return err_set(e, E_BOOTENV, "a control character");
	}
	line = trim(line);
	if (line.len == 0 || line.start[0] == '#')
		return 0;
	return line.start[0] == '[' ? take_section(r, line, e) : take_setting(r, line, e);
}

int autoboot_parse(const char *text, size_t len, struct autoboot *out, struct err *e)
{
	struct reading r = {.text = text};
	unsigned number = 0;

	if (!MUST("boot.autoboot.size", len > 0 && len <= AUTOBOOT_MAX))
		return err_set(e, E_BOOTENV,
			"autoboot.txt has %zu bytes, 1 to %d are wanted: the firmware reads one sector",
			len, AUTOBOOT_MAX);
	for (size_t at = 0; at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t line_len = end ? (size_t)(end - text) - at : len - at;
		number++;
		if (take_line(&r, (struct piece){text + at, line_len}, e) < 0)
			return err_wrap(e, "autoboot.txt line %u", number);
		at += line_len + 1;
	}
	/* The firmware takes the last line that holds: an [all] behind [tryboot] wins over it. */
	bool own = r.number[SECTION_TRYBOOT] && r.at[SECTION_TRYBOOT] > r.at[SECTION_ALL];
	*out = (struct autoboot){
		.a_b = r.a_b,
		.normal = r.number[SECTION_ALL],
		.normal_at = r.at[SECTION_ALL],
		.trial = own ? r.number[SECTION_TRYBOOT] : r.number[SECTION_ALL],
		.trial_at = own ? r.at[SECTION_TRYBOOT] : 0,
	};
	return 0;
}

int autoboot_set(
	const struct autoboot *a, char *text, unsigned normal, unsigned trial, struct err *e)
{
	if (a->normal == 0)
		return err_set(e, E_BOOTENV, "autoboot.txt has no boot_partition in [all]");
	if (a->trial_at == 0)
		return err_set(e, E_BOOTENV,
			"autoboot.txt has no boot_partition in a [tryboot] section behind [all]");
	text[a->normal_at] = (char)('0' + normal);
	text[a->trial_at] = (char)('0' + trial);
	return 0;
}
