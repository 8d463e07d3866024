/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest of a release, from the maker's settings (docs/formats.md). */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/json.h"
#include "publisher/release.h"
#include "publisher/release_json.h"

#define NOTES_MAX       4096 /* of a file; the manifest's limit is 1,024 */
#define NUMBER_MAX      (UINT64_C(1) << 53)
#define YEARS_AVAILABLE 10 /* CRA, Article 13 (9) */

/* jansson refuses text that is not UTF-8 by giving NULL. */
int release_put(json_t *obj, const char *key, json_t *value, struct err *e)
{
	if (!value || json_object_set_new(obj, key, value) < 0)
		return err_set(e, E_USAGE, "%s: not valid UTF-8 (or no memory)", key);
	return 0;
}

static int put_number(json_t *obj, const char *key, uint64_t n, struct err *e)
{
	return release_put(obj, key, json_integer((json_int_t)n), e);
}

static int put_time(json_t *obj, const char *key, int64_t seconds, struct err *e)
{
	char text[CLOCK_TEXT_SIZE];

	clock_format(seconds, text);
	return release_put(obj, key, json_string(text), e);
}

/* The option's single value as text; nothing when it was not given. */
static int put_setting(json_t *obj, const char *key, const struct release_settings *s,
	enum release_option option, struct err *e)
{
	const char *text = release_setting(s, option);

	return text ? release_put(obj, key, json_string(text), e) : 0;
}

static int put_list(json_t *obj, const char *key, const struct release_value *v, struct err *e)
{
	JSON_AUTO json_t *list = json_array();

	for (size_t i = 0; i < v->count; i++) {
		if (json_array_append_new(list, json_string(v->text[i])) < 0)
			return err_set(e, E_USAGE, "%s: not valid UTF-8 (or no memory)", key);
	}
	return v->count > 0 ? release_put(obj, key, json_incref(list), e) : 0;
}

static int put_channels(json_t *obj, const struct release_settings *s, struct err *e)
{
	if (s->value[RELEASE_CHANNEL].count > 0)
		return put_list(obj, "channels", &s->value[RELEASE_CHANNEL], e);
	return release_put(obj, "channels", json_pack("[s]", "stable"), e);
}

/* Hardware rarely changes, so the release before says what this one fits. */
static int put_compatible(
	json_t *obj, const struct release_settings *s, const struct manifest *newest, struct err *e)
{
	JSON_AUTO json_t *list = json_array();

	if (s->value[RELEASE_COMPATIBLE].count > 0)
		return put_list(obj, "compatible", &s->value[RELEASE_COMPATIBLE], e);
	if (!newest)
		return err_set(e, E_USAGE, "the first release must say --compatible");
	for (size_t i = 0; i < newest->compatible_count; i++)
		json_array_append_new(list, json_string(newest->compatible[i]));
	return release_put(obj, "compatible", json_incref(list), e);
}

static int put_identity(json_t *obj, const struct release_settings *s,
	const struct release_identity *id, struct err *e)
{
	const char *min_from = release_setting(s, RELEASE_MIN_FROM);
	uint64_t from = 0;

	if (!release_setting(s, RELEASE_VERSION))
		return err_set(e, E_USAGE, "a release needs --version TEXT");
	if (min_from &&
		release_parse_number(min_from, "--min-from", 0, id->release - 1, &from, e) < 0)
		return -1;
	if (put_number(obj, "schema", MANIFEST_SCHEMA, e) < 0 ||
		release_put(obj, "product", json_string(id->product), e) < 0 ||
		put_channels(obj, s, e) < 0 ||
		put_setting(obj, "version", s, RELEASE_VERSION, e) < 0 ||
		put_number(obj, "release", id->release, e) < 0 ||
		put_number(obj, "epoch", id->epoch, e) < 0 ||
		put_number(obj, "min_from", from, e) < 0 ||
		put_time(obj, "issued", id->issued, e) < 0 ||
		release_put(obj, "requires", json_array(), e) < 0)
		return -1;
	return put_compatible(obj, s, id->newest, e);
}

/* Ten years on, on the same day; 29 February becomes 1 March. */
static int64_t years_later(int64_t from)
{
	time_t t = (time_t)from;
	struct tm tm;

	gmtime_r(&t, &tm);
	tm.tm_year += YEARS_AVAILABLE;
	return (int64_t)timegm(&tm);
}

static int put_dates(json_t *obj, const struct release_settings *s, int64_t issued, struct err *e)
{
	const char *end = release_setting(s, RELEASE_SUPPORT_END);
	const char *until = release_setting(s, RELEASE_AVAILABLE_UNTIL);
	int64_t support = 0;
	int64_t available = years_later(issued);

	if (end && release_parse_time(end, "--support-end", true, &support, e) < 0)
		return -1;
	if (support > available)
		available = support;
	if (until && release_parse_time(until, "--available-until", true, &available, e) < 0)
		return -1;
	if (end && put_time(obj, "support_end", support, e) < 0)
		return -1;
	return put_time(obj, "available_until", available, e);
}

/* Notes are shown on one line, and the agent refuses control characters. */
static void fold(char *text)
{
	size_t n = 0;

	for (size_t i = 0; text[i]; i++) {
		bool space =
			text[i] == '\n' || text[i] == '\r' || text[i] == '\t' || text[i] == ' ';
		if (!space)
			text[n++] = text[i];
		else if (n > 0 && text[n - 1] != ' ')
			text[n++] = ' ';
	}
	if (n > 0 && text[n - 1] == ' ')
		n--;
	text[n] = 0;
}

static int put_notes(json_t *obj, const struct release_settings *s, struct err *e)
{
	const char *file = release_setting(s, RELEASE_NOTES_FILE);
	const char *text = release_setting(s, RELEASE_NOTES);
	AUTO_BUF struct buf notes = buf_make(NOTES_MAX);

	if (!file && !text)
		return 0;
	if (file && text)
		return err_set(e, E_USAGE, "give either --notes or --notes-file");
	if (file ? file_read(AT_FDCWD, file, &notes, e) < 0 : buf_add_text(&notes, text, e) < 0)
		return err_wrap(e, file ? "--notes-file" : "--notes");
	if (buf_add(&notes, "", 1, e) < 0)
		return err_wrap(e, "notes");
	fold((char *)notes.data);
	return release_put(obj, "notes", json_string((char *)notes.data), e);
}

/* SHA-256 of a document, in parts: a bill of materials may be large. */
static int hash_document(const char *path, char hex[HASH_HEX_SIZE], struct err *e)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint8_t chunk[16384];
	uint8_t digest[HASH_SIZE];
	struct hash *h = NULL;
	ssize_t n = 1;

	if (fd < 0)
		return err_sys(e, E_IO, errno, "cannot open %s", path);
	if (hash_start(HASH_SHA256, &h, e) < 0)
		return -1;
	int rc = 0;
	while (rc == 0 && (n = read(fd, chunk, sizeof(chunk))) > 0)
		rc = hash_update(h, chunk, (size_t)n, e);
	if (rc == 0)
		rc = n < 0 ? err_sys(e, E_IO, errno, "cannot read %s", path)
			   : hash_finish(h, digest, e);
	hash_free(h);
	if (rc == 0)
		hash_to_hex(digest, hex);
	return rc;
}

/* `sbom` and `vex`: "FILE", or "URI#sha256=HEX" for one that is elsewhere. */
static int put_document(
	json_t *obj, const char *key, const char *value, const char *uri, struct err *e)
{
	static const char mark[] = "#sha256=";
	char hex[HASH_HEX_SIZE] = "";
	uint8_t digest[HASH_SIZE];

	if (!value)
		return uri ? err_set(e, E_USAGE, "--%s-uri needs --%s FILE", key, key) : 0;
	const char *split = strstr(value, mark);
	if (!split) {
		const char *base = strrchr(value, '/');
		if (hash_document(value, hex, e) < 0)
			return err_wrap(e, "--%s", key);
		if (!uri)
			uri = base ? base + 1 : value;
		return release_put(obj, key, json_pack("{s:s, s:s}", "uri", uri, "sha256", hex), e);
	}
	if (uri)
		return err_set(
			e, E_USAGE, "--%s names its address already; drop --%s-uri", key, key);
	if (hash_from_hex(split + sizeof(mark) - 1, digest, e) < 0) {
		e->code = E_USAGE;
		return err_wrap(e, "--%s", key);
	}
	return release_put(obj, key,
		json_pack("{s:s%, s:s}", "uri", value, (size_t)(split - value), "sha256",
			split + sizeof(mark) - 1),
		e);
}

static int put_facts(json_t *obj, const struct release_settings *s,
	const struct release_identity *id, struct err *e)
{
	const char *class_name = release_setting(s, RELEASE_CLASS);

	if (!class_name && !id->adopt)
		return err_set(e, E_USAGE,
			"say --class security, functional or mixed: users may want security alone");
	if (release_put(obj, "class", json_string(class_name ? class_name : "functional"), e) < 0 ||
		put_setting(obj, "inseparable_reason", s, RELEASE_INSEPARABLE_REASON, e) < 0 ||
		put_list(obj, "advisories", &s->value[RELEASE_ADVISORY], e) < 0 ||
		put_list(obj, "cves", &s->value[RELEASE_CVE], e) < 0 ||
		put_document(obj, "sbom", release_setting(s, RELEASE_SBOM),
			release_setting(s, RELEASE_SBOM_URI), e) < 0 ||
		put_document(obj, "vex", release_setting(s, RELEASE_VEX),
			release_setting(s, RELEASE_VEX_URI), e) < 0 ||
		put_dates(obj, s, id->issued, e) < 0)
		return -1;
	return put_notes(obj, s, e);
}

static int put_waves(json_t *rollout, const struct release_value *v, struct err *e)
{
	JSON_AUTO json_t *waves = json_array();

	for (size_t i = 0; i < v->count; i++) {
		unsigned percent = 0;
		uint64_t seconds = 0;
		if (release_parse_wave(v->text[i], &percent, &seconds, e) < 0)
			return -1;
		json_array_append_new(
			waves, json_pack("[i, I]", (int)percent, (json_int_t)seconds));
	}
	return release_put(rollout, "waves", json_incref(waves), e);
}

static int put_rollout(json_t *obj, const struct release_settings *s,
	const struct release_identity *id, struct err *e)
{
	const char *start = release_setting(s, RELEASE_ROLLOUT_START);
	const char *given = release_setting(s, RELEASE_SALT);
	JSON_AUTO json_t *rollout = json_object();
	int64_t at = id->issued;
	char salt[65];

	if (s->value[RELEASE_WAVE].count == 0) {
		if (start || given)
			return err_set(e, E_USAGE, "%s needs waves: --wave PERCENT@SECONDS",
				start ? "--rollout-start" : "--salt");
		return 0;
	}
	if (start && release_parse_time(start, "--rollout-start", false, &at, e) < 0)
		return -1;
	snprintf(salt, sizeof(salt), "%s-%llu", id->product, (unsigned long long)id->release);
	if (put_time(rollout, "start", at, e) < 0 ||
		release_put(rollout, "salt", json_string(given ? given : salt), e) < 0 ||
		put_waves(rollout, &s->value[RELEASE_WAVE], e) < 0)
		return -1;
	return release_put(obj, "rollout", json_incref(rollout), e);
}

int release_manifest(const struct release_settings *s, const struct release_identity *id,
	const struct plan_image *images, size_t count, struct buf *out, struct manifest **parsed,
	struct err *e)
{
	JSON_AUTO json_t *obj = json_object();

	if (put_identity(obj, s, id, e) < 0 || put_facts(obj, s, id, e) < 0 ||
		put_rollout(obj, s, id, e) < 0 || release_put_images(obj, images, count, e) < 0)
		return -1;
	AUTO_FREE char *text = json_dumps(obj, JSON_INDENT(1));
	if (!text)
		return err_set(e, E_NOMEM, "no memory for a manifest");
	buf_clear(out);
	if (buf_add_text(out, text, e) < 0 || buf_add_text(out, "\n", e) < 0)
		return err_wrap(e, "manifest");
	/* What the agent would refuse must not leave this machine. */
	return manifest_parse(out->data, out->len, parsed, e);
}
