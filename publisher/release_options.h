/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a maker says about a release: one table of options that is the command
 * line of `release` and `adopt` and the keys of release.ini at the same time,
 * and the values that were given.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"
#include "agent/base/verb.h"

/* Tables of the verbs in this folder's cmd_{allot,release,adopt,bundle}.c, for publisher/verbs.c. */
extern const struct verb_option allot_options[];
extern const struct verb_option release_options[];
extern const struct verb_option adopt_options[];
extern const struct verb_option bundle_options[];

/* Rows of release_options; adopt_options is a subset by name. */
enum release_option {
	RELEASE_FILE,
	RELEASE_PRODUCT,
	RELEASE_RELEASE,
	RELEASE_VERSION,
	RELEASE_CHANNEL,
	RELEASE_EPOCH,
	RELEASE_MIN_FROM,
	RELEASE_COMPATIBLE,
	RELEASE_CLASS,
	RELEASE_INSEPARABLE_REASON,
	RELEASE_ADVISORY,
	RELEASE_CVE,
	RELEASE_SBOM,
	RELEASE_SBOM_URI,
	RELEASE_VEX,
	RELEASE_VEX_URI,
	RELEASE_SUPPORT_END,
	RELEASE_AVAILABLE_UNTIL,
	RELEASE_NOTES,
	RELEASE_NOTES_FILE,
	RELEASE_ROLLOUT_START,
	RELEASE_WAVE,
	RELEASE_SALT,
	RELEASE_IMAGE,
	RELEASE_ENCODING,
	RELEASE_LEVEL,
	RELEASE_LEAF_HASH,
	RELEASE_INDEX,
	RELEASE_NO_DELTA,
	RELEASE_PATCH_FROM,
	RELEASE_TABLES_FROM,
	RELEASE_THREADS,
	RELEASE_OPTION_COUNT
};

#define RELEASE_VALUES_MAX 64 /* of one option */

struct release_value {
	char *text[RELEASE_VALUES_MAX];
	size_t count;
	bool from_command;
};

/* What was given for each option. Zero-initialise; AUTO_SETTINGS frees it. */
struct release_settings {
	struct release_value value[RELEASE_OPTION_COUNT];
};

/*
 * Adds one value. The command line wins over the file, in whatever order they
 * come: it replaces the file's values, and later ones of the file are dropped.
 * Lists (--channel, --wave …) grow and are split at commas (--image is not);
 * of the others the command line's last one counts, and a file that gives one
 * twice is E_CONFIG. E_USAGE for an empty value or more than 64.
 */
int release_settings_add(struct release_settings *s, enum release_option option, const char *value,
	bool from_command, struct err *e);

/*
 * Reads "[release]" with the options' names without dashes as keys. Unknown
 * sections and keys, and lines that the parser would cut, are E_CONFIG with
 * file and line.
 */
int release_settings_read_file(struct release_settings *s, const char *path, struct err *e);

/* Reads a verb's words (table `options`: release_options or a subset of it), then its --file. */
int release_settings_read_words(struct release_settings *s, const struct verb_option *options,
	int argc, char **argv, struct err *e);

/* The row with this name ("--image"), or RELEASE_OPTION_COUNT. */
enum release_option release_option_find(const char *name);

/* The value of an option that is no list, or NULL. */
const char *release_setting(const struct release_settings *s, enum release_option option);

void release_settings_free(struct release_settings *s);
#define AUTO_SETTINGS __attribute__((cleanup(release_settings_free)))
