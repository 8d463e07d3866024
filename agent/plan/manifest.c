/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest of a release: strict reading. Its bytes were verified before they come here. */
#include "agent/plan/manifest.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/json.h"
#include "agent/base/must.h"
#include "agent/plan/manifest_field.h"

#define WHERE "manifest"
/* Ten years: keeps products of seconds and shares within 64 bits. */
#define WAVE_SECONDS_MAX (UINT64_C(10) * 366 * 86400)

void manifest_free(struct manifest *m)
{
	if (!m)
		return;
	free(m->channels);
	free(m->compatible);
	free(m->advisories);
	free(m->cves);
	free(m);
}

/* Before all else: another schema may mean other things by the same names. */
static int check_schema(const json_t *obj, struct err *e)
{
	int64_t schema;

	if (json_want_int(obj, "schema", WHERE, 0, FIELD_INT_MAX, &schema, e) < 0)
		return -1;
	if (!MUST("manifest.schema", schema == MANIFEST_SCHEMA))
		return err_set(e, E_COMPAT,
			WHERE ": schema is %" PRId64 ", this agent knows schema %d only", schema,
			MANIFEST_SCHEMA);
	return 0;
}

/* What must not be overlooked is named in `requires`; this agent knows no such word yet. */
static int check_requires(const json_t *obj, struct err *e)
{
	struct field_list words = {0};

	if (field_texts(obj, "requires", 0, PLAN_VERSION_SIZE, false, &words, e) < 0)
		return -1;
	AUTO_FREE char *rows = words.rows;
	if (!MUST("manifest.requires", words.count == 0))
		return err_set(e, E_COMPAT,
			WHERE ": requires \"%s\", which this agent does not know", rows);
	return 0;
}

static int read_identity(const json_t *obj, struct manifest *m, struct err *e)
{
	struct plan *p = &m->plan;

	if (field_name(obj, "product", p->product, e) < 0 ||
		field_text(obj, "version", 1, p->version, sizeof(p->version), e) < 0 ||
		field_number(obj, "release", 1, FIELD_INT_MAX, &p->release, e) < 0 ||
		field_number(obj, "epoch", 0, FIELD_INT_MAX, &p->epoch, e) < 0 ||
		field_time(obj, "issued", true, &p->issued, e) < 0)
		return -1;
	if (!json_object_get(obj, "min_from"))
		return 0;
	return field_number(obj, "min_from", 0, FIELD_INT_MAX, &m->min_from, e);
}

static int read_lists(const json_t *obj, struct manifest *m, struct err *e)
{
	struct field_list l;

	if (field_texts(obj, "channels", 1, PLAN_NAME_SIZE, true, &l, e) < 0)
		return -1;
	m->channels = (char(*)[PLAN_NAME_SIZE])l.rows;
	m->channel_count = l.count;
	if (field_texts(obj, "compatible", 1, PLAN_VERSION_SIZE, false, &l, e) < 0)
		return -1;
	m->compatible = (char(*)[PLAN_VERSION_SIZE])l.rows;
	m->compatible_count = l.count;
	if (field_texts(obj, "advisories", 0, PLAN_VERSION_SIZE, false, &l, e) < 0)
		return -1;
	m->advisories = (char(*)[PLAN_VERSION_SIZE])l.rows;
	m->advisory_count = l.count;
	if (field_texts(obj, "cves", 0, PLAN_VERSION_SIZE, false, &l, e) < 0)
		return -1;
	m->cves = (char(*)[PLAN_VERSION_SIZE])l.rows;
	m->cve_count = l.count;
	return 0;
}

static int read_class(const json_t *obj, struct manifest *m, struct err *e)
{
	const char *word;
	int c = PLAN_SECURITY;

	if (json_want_string(obj, "class", WHERE, &word, e) < 0)
		return -1;
	while (c <= PLAN_MIXED && strcmp(word, plan_class_name((enum plan_class)c)) != 0)
		c++;
	if (!MUST("manifest.class", c <= PLAN_MIXED))
		return err_set(e, E_META,
			WHERE ": \"class\" is \"%.40s\", not security, functional "
			      "or mixed",
			word);
	m->plan.update_class = (enum plan_class)c;
	/* CRA: a security update that brings other changes along must say why. */
	if (c != PLAN_MIXED)
		return field_text_optional(obj, "inseparable_reason", m->inseparable_reason,
			sizeof(m->inseparable_reason), e);
	return field_text(obj, "inseparable_reason", 1, m->inseparable_reason,
		sizeof(m->inseparable_reason), e);
}

/* `sbom` and `vex`: {uri, sha256}, absent or whole. */
static int read_document(
	const json_t *obj, const char *key, char uri[513], uint8_t digest[HASH_SIZE], struct err *e)
{
	json_t *o;

	if (!json_object_get(obj, key))
		return 0;
	if (json_want_object(obj, key, WHERE, &o, e) < 0)
		return -1;
	if (field_text(o, "uri", 1, uri, 513, e) < 0 || field_digest(o, "sha256", digest, e) < 0)
		return err_wrap(e, "\"%s\"", key);
	return 0;
}

static int read_facts(const json_t *obj, struct manifest *m, struct err *e)
{
	char vex_uri[513];
	uint8_t vex[HASH_SIZE];

	if (read_class(obj, m, e) < 0 ||
		read_document(obj, "sbom", m->sbom_uri, m->plan.sbom, e) < 0 ||
		read_document(obj, "vex", vex_uri, vex, e) < 0 ||
		field_time(obj, "support_end", false, &m->plan.support_end, e) < 0 ||
		field_time(obj, "available_until", false, &m->available_until, e) < 0)
		return -1;
	return field_text_optional(obj, "notes", m->notes, sizeof(m->notes), e);
}

/* One pair [percent, seconds after start]; neither may fall. */
static int read_wave(const json_t *pair, struct manifest *m, struct err *e)
{
	const json_t *p = json_array_get(pair, 0);
	const json_t *s = json_array_get(pair, 1);
	bool form = json_array_size(pair) == 2 && json_is_integer(p) && json_is_integer(s);

	if (!form)
		return err_set(e, E_META, WHERE ": a wave must be [percent, seconds]");
	json_int_t percent = json_integer_value(p);
	json_int_t seconds = json_integer_value(s);
	bool range = percent >= 0 && percent <= 100 && seconds >= 0 &&
		     seconds <= (json_int_t)WAVE_SECONDS_MAX;
	if (!MUST("manifest.wave-range", range))
		return err_set(e, E_META, WHERE ": wave [%lld, %lld] is out of range",
			(long long)percent, (long long)seconds);
	struct manifest_wave w = {.percent = (unsigned)percent, .seconds = (uint64_t)seconds};
	const struct manifest_wave *last = m->wave_count ? &m->waves[m->wave_count - 1] : NULL;
	bool rises = !last || (w.percent >= last->percent && w.seconds >= last->seconds);
	if (!MUST("manifest.wave-order", rises))
		return err_set(e, E_META,
			WHERE ": wave [%u, %" PRIu64 "] falls behind the one before", w.percent,
			w.seconds);
	m->waves[m->wave_count++] = w;
	return 0;
}

static int read_rollout(const json_t *obj, struct manifest *m, struct err *e)
{
	json_t *rollout;
	json_t *waves;

	if (!json_object_get(obj, "rollout"))
		return 0;
	if (json_want_object(obj, "rollout", WHERE, &rollout, e) < 0 ||
		field_time(rollout, "start", true, &m->rollout_start, e) < 0 ||
		field_text(rollout, "salt", 1, m->rollout_salt, sizeof(m->rollout_salt), e) < 0 ||
		json_want_array(rollout, "waves", WHERE, &waves, e) < 0)
		return -1;
	size_t count = json_array_size(waves);
	if (count < 1 || count > MANIFEST_WAVES_MAX)
		return err_set(e, E_META, WHERE ": %zu waves, allowed are 1 to %d", count,
			MANIFEST_WAVES_MAX);
	for (size_t i = 0; i < count; i++) {
		if (read_wave(json_array_get(waves, i), m, e) < 0)
			return -1;
	}
	m->has_rollout = true;
	return 0;
}

/* Two images of one name would be written to one partition, the second over the first. */
static int check_new_name(const struct plan *p, const char *name, struct err *e)
{
	bool found = false;

	for (size_t i = 0; i < p->image_count; i++)
		found = found || strcmp(p->images[i].name, name) == 0;
	if (!MUST("manifest.image-unique", !found))
		return err_set(e, E_META, WHERE ": image %s is there twice", name);
	return 0;
}

static int read_images(const json_t *obj, struct plan *p, struct err *e)
{
	json_t *images;

	if (json_want_array(obj, "images", WHERE, &images, e) < 0)
		return -1;
	size_t count = json_array_size(images);
	if (count < 1 || count > PLAN_IMAGES_MAX)
		return err_set(e, E_META, WHERE ": %zu images, allowed are 1 to %d", count,
			PLAN_IMAGES_MAX);
	for (size_t i = 0; i < count; i++) {
		struct plan_image *image = &p->images[i];
		if (manifest_parse_image(json_array_get(images, i), image, e) < 0 ||
			check_new_name(p, image->name, e) < 0)
			return -1;
		p->image_count++;
	}
	return 0;
}

int manifest_parse(const uint8_t *data, size_t len, struct manifest **out, struct err *e)
{
	JSON_AUTO json_t *obj = NULL;

	if (!MUST("manifest.max", len <= MANIFEST_MAX))
		return err_set(e, E_SIZE, WHERE ": %zu bytes, allowed are %d", len, MANIFEST_MAX);
	if (json_read(data, len, &obj, e) < 0)
		return err_wrap(e, WHERE);
	if (!json_is_object(obj))
		return err_set(e, E_META, WHERE ": must be an object");
	AUTO_MANIFEST struct manifest *m = calloc(1, sizeof(*m));
	if (!m)
		return err_set(e, E_NOMEM, "no memory for a manifest");
	if (check_schema(obj, e) < 0 || check_requires(obj, e) < 0 ||
		read_identity(obj, m, e) < 0 || read_lists(obj, m, e) < 0 ||
		read_facts(obj, m, e) < 0 || read_rollout(obj, m, e) < 0 ||
		read_images(obj, &m->plan, e) < 0)
		return -1;
	if (hash_bytes(HASH_SHA256, data, len, m->plan.manifest, e) < 0)
		return -1;
	*out = steal_ptr(m);
	return 0;
}
