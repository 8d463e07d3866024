/* SPDX-License-Identifier: Apache-2.0 */
/* What a maker says about a release: tables of options, and the values given. */
#include "publisher/release_options.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
const struct verb_option release_options[] = {
	[RELEASE_FILE] = {"--file", "FILE", "read what follows from an INI file; the command line wins"},
	[RELEASE_PRODUCT] = {"--product", "NAME", "another product than the workspace's"},
	[RELEASE_RELEASE] = {"--release", "N", "the release number; default: what was allotted, else the next"},
	[RELEASE_VERSION] = {"--version", "TEXT", "the version that people see"},
	[RELEASE_CHANNEL] = {"--channel", "NAME,…", "channels that get it; default stable; may be repeated"},
	[RELEASE_EPOCH] = {"--epoch", "N", "raise it when older releases must never come back; default: as before"},
	[RELEASE_MIN_FROM] = {"--min-from", "N", "lowest release that it may be installed over"},
	[RELEASE_COMPATIBLE] = {"--compatible", "TEXT,…", "hardware that it fits; default: as before; may be repeated"},
	[RELEASE_CLASS] = {"--class", "CLASS", "security, functional or mixed"},
	[RELEASE_INSEPARABLE_REASON] = {"--inseparable-reason", "TEXT", "why a mixed release cannot be two"},
	[RELEASE_ADVISORY] = {"--advisory", "ID,…", "advisories that it answers; may be repeated"},
	[RELEASE_CVE] = {"--cve", "ID,…", "vulnerabilities that it fixes; may be repeated"},
	[RELEASE_SBOM] = {"--sbom", "FILE|URI#sha256=HEX", "bill of materials: a file to hash, or address and hash"},
	[RELEASE_SBOM_URI] = {"--sbom-uri", "URI", "where the file of --sbom is served; default: its name"},
	[RELEASE_VEX] = {"--vex", "FILE|URI#sha256=HEX", "exploitability statement, as --sbom"},
	[RELEASE_VEX_URI] = {"--vex-uri", "URI", "where the file of --vex is served; default: its name"},
	[RELEASE_SUPPORT_END] = {"--support-end", "DATE", "end of the support period (YYYY-MM-DD or a full time)"},
	[RELEASE_AVAILABLE_UNTIL] = {"--available-until", "DATE", "default: in ten years, or the end of support if later"},
	[RELEASE_NOTES] = {"--notes", "TEXT", "what is new, up to 1,024 bytes"},
	[RELEASE_NOTES_FILE] = {"--notes-file", "FILE", "the same from a file"},
	[RELEASE_ROLLOUT_START] = {"--rollout-start", "TIME", "start of the waves; default: now"},
	[RELEASE_WAVE] = {"--wave", "PERCENT@SECONDS,…", "share of devices after so long (suffix m, h or d); may be repeated"},
	[RELEASE_SALT] = {"--salt", "TEXT", "who comes first; default: product and release"},
	[RELEASE_IMAGE] = {"--image", "NAME=FILE[:FORMAT]", "content for one partition; may be repeated"},
	[RELEASE_ENCODING] = {"--encoding", "ENCODING", "zstd, zlib or none"},
	[RELEASE_LEVEL] = {"--level", "N", "of compression: zstd 1 to 22 (default 19), zlib 1 to 9 (default 9)"},
	[RELEASE_LEAF_HASH] = {"--leaf-hash", "HASH", "sha256 (default) or sha512-256 (faster on old ARM cores)"},
	[RELEASE_INDEX] = {"--index", "KIND", "of the index: blocks, chunks (content-defined), or auto (default)"},
	[RELEASE_NO_DELTA] = {"--no-delta", NULL, "no index and data: every device fetches the whole image"},
	[RELEASE_PATCH_FROM] = {"--patch-from", "RELEASE,…", "also make patches from these releases (previous = the one before), for images up to 1 GiB; may be repeated"},
	[RELEASE_TABLES_FROM] = {"--tables-from", "N", "also make differences of the tables from so many releases before; 0 to 8, default 4"},
	[RELEASE_THREADS] = {"--threads", "N", "default: one for each processor; does not change the result"},
	[RELEASE_OPTION_COUNT] = {NULL, NULL, NULL},
};

const struct verb_option adopt_options[] = {
	{"--file", "FILE", "read what follows from an INI file; the command line wins"},
	{"--product", "NAME", "another product than the workspace's"},
	{"--version", "TEXT", "the version that people see"},
	{"--channel", "NAME,…", "channels that it belongs to; default stable; may be repeated"},
	{"--epoch", "N", "default 0"},
	{"--compatible", "TEXT,…", "hardware that it fits; may be repeated"},
	{"--class", "CLASS", "default functional"},
	{"--sbom", "FILE|URI#sha256=HEX", "bill of materials: a file to hash, or address and hash"},
	{"--sbom-uri", "URI", "where the file of --sbom is served; default: its name"},
	{"--support-end", "DATE", "end of the support period (YYYY-MM-DD or a full time)"},
	{"--notes", "TEXT", "what it is, up to 1,024 bytes"},
	{"--image", "NAME=FILE[:FORMAT]", "content of one partition; may be repeated"},
	{"--encoding", "ENCODING", "zstd, zlib or none"},
	{"--level", "N", "of compression: zstd 1 to 22 (default 19), zlib 1 to 9 (default 9)"},
	{"--leaf-hash", "HASH", "sha256 (default) or sha512-256 (faster on old ARM cores)"},
	{"--index", "KIND", "of the index: blocks, chunks (content-defined), or auto (default)"},
	{"--no-delta", NULL, "no index and data: later releases know less of it"},
	{"--threads", "N", "default: one for each processor; does not change the result"},
	{NULL, NULL, NULL},
};

const struct verb_option allot_options[] = {
	{"--epoch", "N", "epoch of the release; default: as before"},
	{"--out", "FILE", "write backstop.json there and print the number; default: print backstop.json"},
	{"--product", "NAME", "another product than the workspace's"},
	{NULL, NULL, NULL},
};

const struct verb_option bundle_options[] = {
	{"--product", "NAME", "another product than the workspace's"},
	{"--out", "FILE", "the bundle; default PRODUCT-RELEASE[-from-N].pawl"},
	{"--from", "N", "only what devices need that run release N or a later one"},
	{NULL, NULL, NULL},
};
/* clang-format on */

enum list_kind { SINGLE, LIST, LIST_AT_COMMAS };

static const enum list_kind list_kinds[RELEASE_OPTION_COUNT] = {
	[RELEASE_CHANNEL] = LIST_AT_COMMAS,
	[RELEASE_COMPATIBLE] = LIST_AT_COMMAS,
	[RELEASE_ADVISORY] = LIST_AT_COMMAS,
	[RELEASE_CVE] = LIST_AT_COMMAS,
	[RELEASE_WAVE] = LIST_AT_COMMAS,
	[RELEASE_IMAGE] = LIST,
	[RELEASE_PATCH_FROM] = LIST_AT_COMMAS,
};

enum release_option release_option_find(const char *name)
{
	for (int i = 0; i < RELEASE_OPTION_COUNT; i++) {
		if (strcmp(release_options[i].name, name) == 0)
			return (enum release_option)i;
	}
	return RELEASE_OPTION_COUNT;
}

static void forget(struct release_value *v)
{
	for (size_t i = 0; i < v->count; i++)
		free(v->text[i]);
	*v = (struct release_value){0};
}

static int append(
	struct release_value *v, const char *name, const char *text, size_t len, struct err *e)
{
	while (len > 0 && *text == ' ') {
		text++;
		len--;
	}
	while (len > 0 && text[len - 1] == ' ')
		len--;
	if (len == 0)
		return err_set(e, E_USAGE, "%s has an empty value", name);
	if (v->count == RELEASE_VALUES_MAX)
		return err_set(e, E_USAGE, "%s has more than %d values", name, RELEASE_VALUES_MAX);
	char *copy = strndup(text, len);
	if (!copy)
		return err_set(e, E_NOMEM, "no memory for %s", name);
	v->text[v->count++] = copy;
	return 0;
}

static int append_at_commas(
	struct release_value *v, const char *name, const char *text, struct err *e)
{
	for (;;) {
		size_t len = strcspn(text, ",");
		if (append(v, name, text, len, e) < 0)
			return -1;
		if (text[len] == 0)
			return 0;
		text += len + 1;
	}
}

int release_settings_add(struct release_settings *s, enum release_option option, const char *value,
	bool from_command, struct err *e)
{
	struct release_value *v = &s->value[option];
	const char *name = release_options[option].name;

	if (v->from_command && !from_command)
		return 0;
	if (from_command && (!v->from_command || list_kinds[option] == SINGLE))
		forget(v);
	if (list_kinds[option] == SINGLE && v->count > 0)
		return err_set(e, E_CONFIG, "%s is given twice", name + 2);
	v->from_command = from_command;
	if (list_kinds[option] == LIST_AT_COMMAS)
		return append_at_commas(v, name, value, e);
	return append(v, name, value, strlen(value), e);
}

struct word_reader {
	struct release_settings *settings;
	const struct verb_option *options;
};

static int add_word(void *ctx, size_t index, const char *value, struct err *e)
{
	const struct word_reader *r = ctx;
	enum release_option option = release_option_find(r->options[index].name);

	if (option == RELEASE_OPTION_COUNT)
		return err_set(e, E_INTERNAL, "no row for option %s", r->options[index].name);
	/* A flag says what "= yes" says in the file. */
	if (!r->options[index].value)
		value = "yes";
	return release_settings_add(r->settings, option, value, true, e);
}

int release_settings_read_words(struct release_settings *s, const struct verb_option *options,
	int argc, char **argv, struct err *e)
{
	struct word_reader r = {.settings = s, .options = options};
	const struct verb_visitor visitor = {.ctx = &r, .option = add_word};
	int rest = 0;

	if (verb_walk_options(options, argc, argv, &visitor, &rest, e) < 0)
		return -1;
	if (rest > 0)
		return err_set(e, E_USAGE, "unexpected word \"%s\"", argv[0]);
	const char *file = release_setting(s, RELEASE_FILE);
	return file ? release_settings_read_file(s, file, e) : 0;
}

const char *release_setting(const struct release_settings *s, enum release_option option)
{
	return s->value[option].count > 0 ? s->value[option].text[0] : NULL;
}

void release_settings_free(struct release_settings *s)
{
	for (int i = 0; i < RELEASE_OPTION_COUNT; i++)
		forget(&s->value[i]);
}
