/* SPDX-License-Identifier: Apache-2.0 */
/* Values of a release's options: numbers, times, waves, images. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "publisher/compress.h"
#include "publisher/release.h"
#include "publisher/workers.h"

int release_parse_number(const char *text, const char *what, uint64_t min, uint64_t max,
	uint64_t *out, struct err *e)
{
	uint64_t n = 0;
	size_t len = strlen(text);
	bool good = len > 0 && len <= 19;

	for (size_t i = 0; good && i < len; i++) {
		good = text[i] >= '0' && text[i] <= '9';
		n = n * 10 + (uint64_t)(text[i] - '0');
	}
	if (!good || n < min || n > max)
		return err_set(e, E_USAGE, "%s is \"%s\", must be a number %" PRIu64 " to %" PRIu64,
			what, text, min, max);
	*out = n;
	return 0;
}

int release_parse_time(
	const char *text, const char *what, bool end_of_day, int64_t *out, struct err *e)
{
	char whole[CLOCK_TEXT_SIZE];
	struct err why = {0};

	if (strlen(text) == 10) {
		snprintf(whole, sizeof(whole), "%s%s", text,
			end_of_day ? "T23:59:59Z" : "T00:00:00Z");
		text = whole;
	}
	if (clock_parse(text, out, &why) < 0)
		return err_set(e, E_USAGE, "%s: %s; YYYY-MM-DD is fine, too", what, why.text);
	return 0;
}

static uint64_t seconds_of(char suffix)
{
	switch (suffix) {
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return 86400;
	case 's':
		return 1;
	default:
		return 0;
	}
}

int release_parse_wave(const char *text, unsigned *percent, uint64_t *seconds, struct err *e)
{
	char part[2][24] = {"", ""};
	uint64_t share = 0;
	uint64_t time = 0;
	const char *at = strchr(text, '@');

	if (!at || (size_t)(at - text) >= sizeof(part[0]) || strlen(at + 1) >= sizeof(part[1]))
		return err_set(
			e, E_USAGE, "--wave \"%s\" is not PERCENT@SECONDS, such as 25@1d", text);
	memcpy(part[0], text, (size_t)(at - text));
	memcpy(part[1], at + 1, strlen(at + 1));
	size_t len = strlen(part[1]);
	uint64_t unit = len > 0 ? seconds_of(part[1][len - 1]) : 0;
	if (unit > 0)
		part[1][len - 1] = 0;
	if (release_parse_number(part[0], "--wave: percent", 0, 100, &share, e) < 0 ||
		release_parse_number(part[1], "--wave: time", 0, UINT64_C(1) << 31, &time, e) < 0)
		return -1;
	*percent = (unsigned)share;
	*seconds = time * (unit > 0 ? unit : 1);
	return 0;
}

/* Splits "FILE:FORMAT" where FORMAT is a known word; a colon in a file name stays one. */
static void split_format(char *path, struct image_request *r)
{
	char *colon = strrchr(path, ':');

	r->detect = true;
	r->path = path;
	for (int f = PLAN_RAW; colon && f <= PLAN_EROFS; f++) {
		if (strcmp(colon + 1, plan_format_name((enum plan_format)f)) != 0)
			continue;
		*colon = 0;
		r->detect = false;
		r->format = (enum plan_format)f;
		return;
	}
}

/* "NAME=FILE[:FORMAT]"; cuts the text in place, so the request points into the settings. */
static int parse_image(char *text, struct image_request *r, struct err *e)
{
	char *equals = strchr(text, '=');

	if (!equals || equals[1] == 0)
		return err_set(e, E_USAGE, "--image \"%s\" is not NAME=FILE", text);
	*equals = 0;
	if (!manifest_name_is_valid(text))
		return err_set(e, E_USAGE,
			"--image: name \"%s\" must match [a-z0-9][a-z0-9._-]{0,31}", text);
	r->name = text;
	split_format(equals + 1, r);
	return 0;
}

/* Which index: --index and --no-delta. */
static int parse_index(const struct release_settings *s, struct image_request *r, struct err *e)
{
	static const char *const words[] = {
		[CHOICE_AUTO] = "auto", [CHOICE_BLOCKS] = "blocks", [CHOICE_CHUNKS] = "chunks"};
	const char *kind = release_setting(s, RELEASE_INDEX);
	const char *none = release_setting(s, RELEASE_NO_DELTA);
	size_t i = 0;

	if (none && strcmp(none, "yes") != 0 && strcmp(none, "no") != 0)
		return err_set(e, E_USAGE, "no-delta is \"%s\", must be yes or no", none);
	r->index = none && strcmp(none, "yes") == 0 ? CHOICE_NO_DELTA : CHOICE_AUTO;
	if (!kind)
		return 0;
	while (i < sizeof(words) / sizeof(words[0]) && strcmp(kind, words[i]) != 0)
		i++;
	if (i == sizeof(words) / sizeof(words[0]))
		return err_set(
			e, E_USAGE, "--index \"%s\" is neither blocks, chunks nor auto", kind);
	if (r->index == CHOICE_NO_DELTA)
		return err_set(e, E_USAGE, "give either --index or --no-delta");
	r->index = (enum choice_wish)i;
	return 0;
}

/* What holds for all images of a release. */
static int parse_common(const struct release_settings *s, struct image_request *r, struct err *e)
{
	const char *encoding = release_setting(s, RELEASE_ENCODING);
	const char *level = release_setting(s, RELEASE_LEVEL);
	const char *hash = release_setting(s, RELEASE_LEAF_HASH);
	const char *threads = release_setting(s, RELEASE_THREADS);
	uint64_t n = 0;

	r->encoding = compress_default_encoding();
	r->leaf_alg = hash ? hash_alg_find(hash) : HASH_SHA256;
	r->threads = workers_default();
	if (r->leaf_alg == HASH_ALG_COUNT)
		return err_set(
			e, E_USAGE, "--leaf-hash \"%s\" is neither sha256 nor sha512-256", hash);
	if (parse_index(s, r, e) < 0 ||
		(encoding && compress_find_encoding(encoding, &r->encoding, e) < 0))
		return -1;
	if (threads) {
		if (release_parse_number(threads, "--threads", 1, WORKERS_MAX, &n, e) < 0)
			return -1;
		r->threads = (unsigned)n;
	}
	r->level = compress_default_level(r->encoding);
	if (!level)
		return 0;
	if (release_parse_number(level, "--level", 0, 99, &n, e) < 0)
		return -1;
	r->level = (int)n;
	return compress_check_level(r->encoding, r->level, e);
}

int release_images(
	const struct release_settings *s, struct image_request *out, size_t *count, struct err *e)
{
	const struct release_value *v = &s->value[RELEASE_IMAGE];
	struct image_request common = {0};

	if (v->count == 0)
		return err_set(e, E_USAGE, "a release needs an image: --image NAME=FILE");
	if (v->count > PLAN_IMAGES_MAX)
		return err_set(e, E_USAGE, "%zu images; at most %d are allowed", v->count,
			PLAN_IMAGES_MAX);
	if (parse_common(s, &common, e) < 0)
		return -1;
	for (size_t i = 0; i < v->count; i++) {
		out[i] = common;
		if (parse_image(v->text[i], &out[i], e) < 0)
			return -1;
	}
	*count = v->count;
	return 0;
}
