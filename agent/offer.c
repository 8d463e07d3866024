/* SPDX-License-Identifier: Apache-2.0 */
/* From "is there something?" to a judged release; see offer.h. */
#include "agent/offer.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/file.h"
#include "agent/base/must.h"
#include "agent/poll/bundle.h"
#include "agent/poll/repository.h"
#include "agent/trust/client.h"

#ifdef CONFIG_ZSTD
#define HAVE_ZSTD true
#else
#define HAVE_ZSTD false
#endif

/* Holds and versions of the set that is stored, beside the one that is judged. */
struct stored {
	struct trust *trust; /* NULL: nothing is stored */
	struct trust_facts facts;
};

static int read_image_root(const struct session *s, struct buf *out, struct err *e)
{
	if (file_read(AT_FDCWD, s->config.root_json, out, e) == 0)
		return 0;
	err_wrap(e, "trusted root");
	/* Mender once installed without a key when the key file was missing: refuse. */
	e->code = E_TRUST;
	return -1;
}

static struct trust_options options_of(const struct session *s, const struct buf *root, int store)
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

static int open_store(const struct session *s, int *fd, struct err *e)
{
	return file_make_dir(s->data, "tuf", fd, e);
}

/* The stored set; its absence is no error. */
static void load_stored(const struct session *s, const struct buf *root, int store,
	struct stored *out)
{
	struct trust_options o = options_of(s, root, store);
	struct err e = {0};

	*out = (struct stored){0};
	if (trust_open(&o, &out->trust, &e) < 0)
		return;
	if (trust_load_stored(out->trust, &e) < 0) {
		trust_free(out->trust);
		out->trust = NULL;
		return;
	}
	trust_get_facts(out->trust, &out->facts);
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
	if (f.new_roots > 0)
		session_record(s, JOURNAL_ROOT, JOURNAL_OK, E_OK,
			json_pack("{s:I}", "version", (json_int_t)f.root_version));
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
static size_t parts_of(const struct session *s, const struct device *d, struct policy_part *parts)
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

static int judge(struct session *s, const struct device *d, const struct offer_request *r,
	const struct trust *t, const struct stored *stored, bool local_bundle, struct offer *o,
	struct err *e)
{
	struct policy_part parts[SLOT_PARTS_MAX];
	const struct plan *p = &o->manifest->plan;
	struct trust_facts facts;

	trust_get_facts(t, &facts);
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
	struct policy_release rel = {
		.held = trust_is_held(t, p->product, p->release) ||
			(stored->trust && trust_is_held(stored->trust, p->product, p->release)),
		.revoked = trust_is_revoked(t, p->manifest) ||
			state_is_revoked(&s->state, p->manifest) ||
			(stored->trust && trust_is_revoked(stored->trust, p->manifest)),
		.failed_before = state_find_failed(&s->state, p->manifest) != NULL,
		.cap = trust_cap(t, p->product, s->config.channel),
		.by_hand = r->by_hand,
		.retry_failed = r->retry_failed,
		.local_bundle = local_bundle,
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
	char name[TRUST_TARGET_PATH_MAX + HASH_HEX_SIZE];
	char hex[HASH_HEX_SIZE];
	const char *slash = strrchr(path, '/');
	AUTO_BUF struct buf data = buf_make(MANIFEST_MAX);

	/* Consistent snapshots: the hash stands before the last component (TUF 6.2). */
	hash_to_hex(target->sha256, hex);
	int folder = slash ? (int)(slash - path + 1) : 0;
	snprintf(name, sizeof(name), "%.*s%s.%s", folder, path, hex, path + folder);
	if (target->length > MANIFEST_MAX)
		return err_set(e, E_SIZE, "%s is signed with %" PRIu64 " bytes, more than %d", path,
			target->length, MANIFEST_MAX);
	data.limit = target->length;
	if (targets->get(targets->ctx, name, NULL, NULL, &data, e) < 0)
		return err_wrap(e, "manifest %s", name);
	if (trust_check_target(target, data.data, data.len, e) < 0)
		return err_wrap(e, "manifest %s", name);
	if (manifest_parse(data.data, data.len, out, e) < 0)
		return err_wrap(e, "manifest %s", name);
	return 0;
}

/* Trust, manifest, policy: the same for every carrier. */
static int take(struct session *s, const struct device *d, const struct offer_request *r,
	struct trust *t, const struct stored *stored, const struct fetcher *metadata,
	const struct fetcher *targets, const char *path, struct offer *o, struct err *e)
{
	struct trust_target target;

	if (trust_find_target(t, metadata, path, &target, e) < 0)
		return -1;
	if (keep_facts(s, t, e) < 0)
		return -1;
	if (read_manifest(targets, path, &target, &o->manifest, e) < 0)
		return -1;
	return judge(s, d, r, t, stored, o->from_bundle, o, e);
}

#ifdef CONFIG_HTTP
static struct http_options http_options_of(const struct session *s)
{
	const struct config *c = &s->config;
	/* A board that boots in 1970 judges certificates at the time that it knows has passed. */
	bool behind = !s->clock_synchronised && s->state.time_floor > s->now;

	return (struct http_options){
		.certificate_time = behind ? s->state.time_floor : 0,
		.ca_file = c->ca_file[0] ? c->ca_file : NULL,
		.client_cert = c->client_cert[0] ? c->client_cert : NULL,
		.client_key = c->client_key[0] ? c->client_key : NULL,
		.token_file = c->token_file[0] ? c->token_file : NULL,
		.proxy = c->proxy[0] ? c->proxy : NULL,
		.allow_http = c->allow_http,
		.rate_limit = c->rate_limit,
		.connect_seconds = c->connect_timeout,
		.low_speed_bytes = c->low_speed_bytes,
		.low_speed_seconds = c->low_speed_seconds,
		.metadata_seconds = c->metadata_deadline,
		.object_seconds = c->object_deadline,
	};
}

/*
 * Design 4.4, last sentence: the clock is not set, the certificate is not yet
 * valid, no credentials are in use. Roots, timestamp and targets are fetched
 * once without asking for the certificate's dates; what they prove of the time
 * is then used to connect again.
 */
static int refresh_for_time(struct session *s, struct http *h, const struct trust_options *to,
	const struct fetcher *metadata, struct err *e)
{
	AUTO_TRUST struct trust *t = NULL;
	struct trust_facts f;

	if (http_ignore_certificate_dates(h, true, e) < 0 || trust_open(to, &t, e) < 0)
		return -1;
	int rc = trust_refresh(t, metadata, e);
	struct err ignored = {0};
	if (http_ignore_certificate_dates(h, false, rc < 0 ? &ignored : e) < 0 || rc < 0)
		return -1;
	trust_get_facts(t, &f);
	if (f.time_floor > s->state.time_floor)
		s->state.time_floor = f.time_floor;
	return http_set_certificate_time(h, f.time, e);
}

static int refresh(struct session *s, struct http *h, const struct trust_options *to,
	const struct fetcher *metadata, struct trust **out, struct err *e)
{
	struct http_hint hint;

	if (trust_open(to, out, e) < 0)
		return -1;
	if (trust_refresh(*out, metadata, e) == 0)
		return 0;
	http_get_hint(h, &hint);
	if (e->code != E_TLS || !hint.certificate_not_yet_valid || s->clock_synchronised ||
		s->config.token_file[0] || s->config.client_cert[0])
		return -1;
	log_line(&s->log, LOG_LEVEL_WARN, "clock-not-set reason=\"%s\"", e->text);
	trust_free(*out);
	*out = NULL;
	if (refresh_for_time(s, h, to, metadata, e) < 0 || trust_open(to, out, e) < 0)
		return -1;
	return trust_refresh(*out, metadata, e);
}

static int try_mirror(struct session *s, const struct device *d, const struct offer_request *r,
	const struct buf *root, int store, const char *url, struct offer *o, struct err *e)
{
	char path[TRUST_TARGET_PATH_MAX];
	struct trust_options to = options_of(s, root, store);
	AUTO_TRUST struct trust *t = NULL;
	struct stored none = {0};

	snprintf(o->place, sizeof(o->place), "%s", url);
	if (repository_open(o->http, url, &o->repository, e) < 0)
		return -1;
	struct fetcher metadata = repository_metadata(o->repository);
	struct fetcher targets = repository_targets(o->repository);
	if (refresh(s, o->http, &to, &metadata, &t, e) < 0)
		return err_wrap(e, "%s", url);
	o->objects = repository_objects(o->repository);
	snprintf(path, sizeof(path), "%s/%s.json", s->config.product, s->config.channel);
	if (take(s, d, r, t, &none, &metadata, &targets, path, o, e) < 0)
		return err_wrap(e, "%s", url);
	return 0;
}

/*
 * Which failure speaks for several mirrors: one that shows a lie or a refusal
 * says more than a server that is down.
 */
static bool says_more(enum err_code a, enum err_code b)
{
	bool a_net = a == E_NET || a == E_TIMEOUT || a == E_TLS || a == E_NOTFOUND;
	bool b_net = b == E_NET || b == E_TIMEOUT || b == E_TLS || b == E_NOTFOUND;

	return b == E_OK || (b_net && !a_net);
}

/* A verdict of policy is about the release, not about the mirror: no other mirror changes it. */
static bool is_verdict(enum err_code c)
{
	return c == E_POLICY || c == E_COMPAT || c == E_HELD || c == E_FAILED;
}

int offer_from_repository(struct session *s, const struct device *d, const struct offer_request *r,
	struct offer *out, uint64_t *retry_after, struct err *e)
{
	struct http_options ho = http_options_of(s);
	AUTO_BUF struct buf root = buf_make(TRUST_ROOT_MAX);
	AUTO_CLOSE int store = -1;
	struct err worst = {0};

	*retry_after = 0;
	*out = (struct offer){0};
	if (s->config.url_count == 0)
		return err_set(e, E_CONFIG, "%s names no url in [repository]", s->config.file);
	if (read_image_root(s, &root, e) < 0 || open_store(s, &store, e) < 0)
		return -1;
	for (size_t i = r->mirror; i < s->config.url_count; i++) {
		struct err why = {0};
		struct http_hint hint = {0};
		out->mirror = i;
		if (http_open(&ho, &out->http, e) < 0)
			return -1;
		if (try_mirror(s, d, r, &root, store, s->config.urls[i], out, &why) == 0)
			return 0;
		http_get_hint(out->http, &hint);
		if (hint.retry_after > *retry_after)
			*retry_after = hint.retry_after;
		log_line(&s->log, LOG_LEVEL_WARN, "mirror-failed url=%s code=%s reason=\"%s\"",
			s->config.urls[i], err_name(why.code), why.text);
		if (says_more(why.code, worst.code))
			worst = why;
		if (is_verdict(why.code))
			break;
		offer_close(out);
	}
	*e = worst;
	return -1;
}
#else
int offer_from_repository(struct session *s, const struct device *d, const struct offer_request *r,
	struct offer *out, uint64_t *retry_after, struct err *e)
{
	(void)d;
	(void)r;
	*out = (struct offer){0};
	*retry_after = 0;
	return err_set(e, E_CONFIG, "%s: this build has no HTTP (CONFIG_HTTP); install bundle files",
		s->config.file);
}
#endif

/* A bundle from the network may not carry an older set than the one that is stored. */
static int check_not_older(const struct trust *t, const struct stored *stored, struct err *e)
{
	struct trust_facts f;

	if (!stored->trust)
		return 0;
	trust_get_facts(t, &f);
	bool current = f.root_version >= stored->facts.root_version &&
		f.timestamp_version >= stored->facts.timestamp_version &&
		f.snapshot_version >= stored->facts.snapshot_version &&
		f.targets_version >= stored->facts.targets_version;
	if (!MUST("offer.bundle-not-older", current))
		return err_set(e, E_ROLLBACK, "the bundle's metadata is older than what this device has seen");
	return 0;
}

static int judge_bundle(struct session *s, const struct device *d, const struct offer_request *r,
	int store, bool local, struct offer *o, struct err *e)
{
	AUTO_BUF struct buf image_root = buf_make(TRUST_ROOT_MAX);
	AUTO_BUF struct buf root = buf_make(TRUST_ROOT_MAX);
	AUTO_TRUST struct trust *kept = NULL;
	AUTO_TRUST struct trust *scratch = NULL;
	char path[TRUST_TARGET_PATH_MAX];
	struct stored stored;

	if (read_image_root(s, &image_root, e) < 0)
		return -1;
	/* The scratch set starts at the root that is trusted today, not at the image's. */
	struct trust_options ko = options_of(s, &image_root, store);
	if (trust_open(&ko, &kept, e) < 0 || trust_get_root(kept, &root, e) < 0)
		return -1;
	load_stored(s, &image_root, store, &stored);
	AUTO_TRUST struct trust *stored_owner = stored.trust;
	struct trust_options so = options_of(s, &root, -1);
	so.offline = local;
	if (bundle_release_path(o->bundle, path, sizeof(path), e) < 0 ||
		trust_open(&so, &scratch, e) < 0)
		return -1;
	struct fetcher metadata = bundle_metadata(o->bundle);
	struct fetcher targets = bundle_targets(o->bundle);
	if (trust_refresh(scratch, &metadata, e) < 0)
		return -1;
	if (!local && check_not_older(scratch, &stored, e) < 0)
		return -1;
	if (trust_keep_roots(scratch, store, e) < 0)
		return -1;
	return take(s, d, r, scratch, &stored, &metadata, &targets, path, o, e);
}

static bool is_url(const char *place)
{
	return strncmp(place, "https://", 8) == 0 || strncmp(place, "http://", 7) == 0;
}

static int open_bundle(struct session *s, const char *place, struct offer *o, struct err *e)
{
	if (!is_url(place))
		return bundle_open(place, &o->bundle, e);
#ifdef CONFIG_HTTP
	struct http_options ho = http_options_of(s);
	struct reader reader = {0};
	uint64_t size = 0;

	if (http_open(&ho, &o->http, e) < 0 || http_size(o->http, place, &size, e) < 0 ||
		http_reader(o->http, place, size, &reader, e) < 0)
		return -1;
	return bundle_open_reader(&reader, size, place, &o->bundle, e);
#else
	return err_set(e, E_USAGE, "%s: this build has no HTTP (CONFIG_HTTP)", s->config.file);
#endif
}

int offer_from_bundle(struct session *s, const struct device *d, const char *place,
	const struct offer_request *r, struct offer *out, struct err *e)
{
	AUTO_CLOSE int store = -1;

	*out = (struct offer){.from_bundle = true};
	snprintf(out->place, sizeof(out->place), "%s", place);
	if (open_store(s, &store, e) < 0)
		return -1;
	if (open_bundle(s, place, out, e) < 0 ||
		judge_bundle(s, d, r, store, !is_url(place), out, e) < 0) {
		return err_wrap(e, "%s", place);
	}
	out->objects = bundle_objects(out->bundle);
	return 0;
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

int offer_check_stored(struct session *s, uint64_t release, const uint8_t manifest[HASH_SIZE],
	struct err *e)
{
	AUTO_BUF struct buf root = buf_make(TRUST_ROOT_MAX);
	AUTO_CLOSE int store = -1;
	struct stored stored;

	if (read_image_root(s, &root, e) < 0 || open_store(s, &store, e) < 0)
		return -1;
	load_stored(s, &root, store, &stored);
	AUTO_TRUST struct trust *t = stored.trust;
	bool revoked = state_is_revoked(&s->state, manifest) || (t && trust_is_revoked(t, manifest));
	bool held = t && trust_is_held(t, s->config.product, release);
	if (!MUST("offer.stored-hold", !revoked && !held))
		return err_set(e, E_HELD, "release %" PRIu64 " is %s", release,
			revoked ? "withdrawn" : "on hold");
	return 0;
}
