/* SPDX-License-Identifier: Apache-2.0 */
/* From "is there something?" to a judged release; see offer.h. */
#include "agent/offer.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/file.h"
#include "agent/base/must.h"
#include "agent/offer_take.h"
#include "agent/poll/bundle.h"
#include "agent/poll/repository.h"

#ifdef CONFIG_ZSTD
#define HAVE_ZSTD true
#else
#define HAVE_ZSTD false
#endif

int offer_read_image_root(const struct session *s, struct buf *out, struct err *e)
{
	if (file_read(AT_FDCWD, s->config.root_json, out, e) == 0)
		return 0;
	err_wrap(e, "trusted root");
	/* Mender once installed without a key when the key file was missing: refuse. */
	e->code = E_TRUST;
	return -1;
}

struct trust_options offer_trust_options(const struct session *s, const struct buf *root, int store)
{
	return (struct trust_options){
		.image_root = root->data,
		.image_root_len = root->len,
		.root_floor = s->backstop.root_version,
		.store = store,
		.now = s->now,
		.clock_synchronised = s->clock_synchronised,
		.time_floor = s->state.time_floor,
		.offline_expiry_refuse = s->config.offline_expiry_refuse,
	};
}

int offer_open_store(const struct session *s, int *fd, struct err *e)
{
	if (file_make_dir(s->data, "tuf", fd, e) < 0)
		return err_wrap(e, "metadata in %s", s->config.data_dir);
	return 0;
}

/* The stored set; its absence is no error. */
void offer_load_stored(
	const struct session *s, const struct buf *root, int store, struct offer_stored *out)
{
	struct trust_options o = offer_trust_options(s, root, store);
	struct err e = {0};

	*out = (struct offer_stored){0};
	if (trust_open(&o, &out->trust, &e) < 0)
		return;
	/* After an interrupted refresh the set is not whole, but its holds still count. */
	if (trust_load_stored(out->trust, &e) < 0)
		log_line(&s->log, LOG_LEVEL_DEBUG, "stored-set reason=\"%s\"", e.text);
	trust_get_facts(out->trust, &out->facts);
}

void offer_record_roots(struct session *s, const struct trust *t)
{
	struct trust_facts f;

	trust_get_facts(t, &f);
	if (f.new_roots > 0)
		session_record(s, JOURNAL_ROOT, JOURNAL_OK, E_OK,
			json_pack("{s:I}", "version", (json_int_t)f.root_version));
}

static int keep_revoked(void *ctx, const uint8_t manifest[HASH_SIZE], struct err *e)
{
	struct session *s = ctx;

	(void)e;
	state_add_revoked(&s->state, manifest);
	return 0;
}

/* What verified metadata leaves behind in the state: time floor, withdrawals; and in the record. */
static int keep_facts(struct session *s, const struct trust *t, struct err *e)
{
	struct trust_facts f;
	size_t revoked = s->state.revoked_count;
	int64_t floor = s->state.time_floor;

	trust_get_facts(t, &f);
	if (f.time_floor > s->state.time_floor)
		s->state.time_floor = f.time_floor;
	if (trust_each_revoked(t, keep_revoked, s, e) < 0)
		return -1;
	if (!f.freshness_known)
		session_record(s, JOURNAL_FRESHNESS, JOURNAL_NOTE, E_OK,
			json_pack("{s:s}", "freshness", "unknown"));
	if (f.expired_accepted)
		session_record(s, JOURNAL_FRESHNESS, JOURNAL_NOTE, E_EXPIRED,
			json_pack("{s:s}", "freshness", "expired"));
	if (floor == s->state.time_floor && revoked == s->state.revoked_count)
		return 0;
	return session_store(s, e);
}

/* Sizes of the target's places; a place that cannot be read now is judged when it is opened. */
static size_t parts_of(const struct session *s, const struct running *d, struct policy_part *parts)
{
	/* Without a target (on trial) sizes are those of the other slot all the same. */
	const struct config_slot *slot = config_slot_of(&s->config, config_other_slot(d->booted));

	for (size_t i = 0; i < slot->count; i++) {
		struct err ignored = {0};
		parts[i] = (struct policy_part){0};
		snprintf(parts[i].image, sizeof(parts[i].image), "%s", slot->parts[i].image);
		if (slot_part_size(slot->parts[i].path, &parts[i].size, &ignored) < 0)
			parts[i].size = 0;
	}
	return slot->count;
}

/* The release that runs: what was installed, else what the image says of itself. */
static uint64_t running_release(const struct session *s, char booted)
{
	const struct state_slot *slot = &s->state.slots[booted - 'A'];

	if (slot->status == STATE_SLOT_COMMITTED || slot->status == STATE_SLOT_WRITTEN)
		return slot->release;
	return s->backstop.release;
}

static int judge(struct session *s, const struct running *d, const struct offer_request *r,
	const struct offer_carrier *c, struct offer *o, struct err *e)
{
	struct policy_part parts[SLOT_PARTS_MAX];
	const struct plan *p = &o->manifest->plan;
	struct trust_facts facts;

	trust_get_facts(c->trust, &facts);
	struct policy_device dev = {
		.product = s->config.product,
		.channel = s->config.channel,
		.compatible = s->config.compatible,
		.installed_release = running_release(s, d->booted),
		.release_floor = s->state.release_floor,
		.epoch_floor = s->state.epoch_floor,
		.parts = parts,
		.part_count = parts_of(s, d, parts),
		.zstd = HAVE_ZSTD,
		.time = facts.time,
	};
	memcpy(dev.seed, s->state.seed, sizeof(dev.seed));
	const struct trust *stored = c->stored->trust;
	struct policy_release rel = {
		.held = trust_is_held(c->trust, p->product, p->release) ||
			(stored && trust_is_held(stored, p->product, p->release)),
		.revoked = trust_is_revoked(c->trust, p->manifest) ||
			   state_is_revoked(&s->state, p->manifest) ||
			   (stored && trust_is_revoked(stored, p->manifest)),
		.failed_before = state_find_failed(&s->state, p->manifest) != NULL,
		.cap = trust_cap(c->trust, p->product, s->config.channel),
		.by_hand = r->by_hand,
		.retry_failed = r->retry_failed,
		.local_bundle = o->from_bundle,
	};
	struct policy_user user = {
		.automatic = s->config.automatic,
		.deferred_until = s->state.deferred_until,
	};
	return policy_judge(o->manifest, &dev, &rel, &user, &o->answer, e);
}

/* Fetches the manifest of a verified target and checks it before a parser sees it. */
static int read_manifest(const struct fetcher *targets, const char *path,
	const struct trust_target *target, struct manifest **out, struct err *e)
{
	AUTO_BUF struct buf file = buf_make(TRUST_TARGET_PATH_MAX + HASH_HEX_SIZE);
	AUTO_BUF struct buf data = buf_make(MANIFEST_MAX);

	if (trust_target_file(target, path, &file, e) < 0)
		return err_wrap(e, "manifest %s", path);
	const char *name = buf_text(&file);
	if (target->length > MANIFEST_MAX)
		return err_set(e, E_SIZE, "%s is signed with %" PRIu64 " bytes, more than %d", path,
			target->length, MANIFEST_MAX);
	data.limit = (size_t)target->length;
	if (targets->get(targets->ctx, name, NULL, NULL, &data, e) < 0)
		return err_wrap(e, "manifest %s", name);
	if (trust_check_target(target, data.data, data.len, e) < 0)
		return err_wrap(e, "manifest %s", name);
	if (manifest_parse(data.data, data.len, out, e) < 0)
		return err_wrap(e, "manifest %s", name);
	return 0;
}

int offer_take(struct session *s, const struct running *d, const struct offer_request *r,
	const struct offer_carrier *c, struct offer *o, struct err *e)
{
	struct trust_target target;

	int found = trust_find_target(c->trust, &c->metadata, c->path, &target, e);
	struct err later = {0};
	/* A set that lists the release no more may be the one that withdraws it for good. */
	if (keep_facts(s, c->trust, found < 0 ? &later : e) < 0 || found < 0)
		return -1;
	if (read_manifest(&c->targets, c->path, &target, &o->manifest, e) < 0)
		return -1;
	return judge(s, d, r, c, o, e);
}

uint64_t offer_retry_after(const struct offer *o)
{
#ifdef CONFIG_HTTP
	struct http_hint hint = {0};

	if (o->http)
		http_get_hint(o->http, &hint);
	return hint.retry_after;
#else
	(void)o;
	return 0;
#endif
}

void offer_close(struct offer *o)
{
	manifest_free(o->manifest);
	bundle_close(o->bundle);
#ifdef CONFIG_HTTP
	repository_close(o->repository);
	http_close(o->http);
#endif
	*o = (struct offer){0};
}

int offer_check_stored(
	struct session *s, uint64_t release, const uint8_t manifest[HASH_SIZE], struct err *e)
{
	AUTO_BUF struct buf root = buf_make(TRUST_ROOT_MAX);
	AUTO_CLOSE int store = -1;
	struct offer_stored stored;

	if (offer_read_image_root(s, &root, e) < 0 || offer_open_store(s, &store, e) < 0)
		return -1;
	offer_load_stored(s, &root, store, &stored);
	AUTO_TRUST struct trust *t = stored.trust;
	bool revoked =
		state_is_revoked(&s->state, manifest) || (t && trust_is_revoked(t, manifest));
	bool held = t && trust_is_held(t, s->config.product, release);
	if (!MUST("offer.stored-hold", !revoked && !held))
		return err_set(e, E_HELD, "release %" PRIu64 " is %s", release,
			revoked ? "withdrawn" : "on hold");
	return 0;
}
