/* SPDX-License-Identifier: Apache-2.0 */
/* Offers from a bundle: the same verification on a scratch set. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "agent/base/must.h"
#include "agent/offer_take.h"
#include "agent/poll/bundle.h"

/* A bundle from the network may not carry an older set than the one that is stored. */
static int check_not_older(const struct trust *t, const struct offer_stored *stored, struct err *e)
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
		return err_set(e, E_ROLLBACK,
			"the bundle's metadata is older than what this device has seen");
	return 0;
}

static int judge_bundle(struct session *s, const struct running *d, const struct offer_request *r,
	int store, bool local, struct offer *o, struct err *e)
{
	AUTO_BUF struct buf image_root = buf_make(TRUST_ROOT_MAX);
	AUTO_BUF struct buf root = buf_make(TRUST_ROOT_MAX);
	AUTO_TRUST struct trust *kept = NULL;
	AUTO_TRUST struct trust *scratch = NULL;
	char path[TRUST_TARGET_PATH_MAX];
	struct offer_stored stored;

	if (offer_read_image_root(s, &image_root, e) < 0)
		return -1;
	/* The scratch set starts at the root that is trusted today, not at the image's. */
	struct trust_options ko = offer_trust_options(s, &image_root, store);
	if (trust_open(&ko, &kept, e) < 0 || trust_get_root(kept, &root, e) < 0)
		return -1;
	offer_load_stored(s, &image_root, store, &stored);
	AUTO_TRUST struct trust *stored_owner = stored.trust;
	(void)stored_owner; /* for clang: only its cleanup matters */
	struct trust_options so = offer_trust_options(s, &root, -1);
	so.offline = local;
	if (bundle_release_path(o->bundle, path, sizeof(path), e) < 0 ||
		trust_open(&so, &scratch, e) < 0)
		return -1;
	struct offer_carrier c = {
		.trust = scratch,
		.stored = &stored,
		.metadata = bundle_metadata(o->bundle),
		.targets = bundle_targets(o->bundle),
		.path = path,
	};
	if (trust_refresh(scratch, &c.metadata, e) < 0)
		return -1;
	if (!local && check_not_older(scratch, &stored, e) < 0)
		return -1;
	if (trust_keep_roots(scratch, store, e) < 0)
		return -1;
	offer_record_roots(s, scratch);
	return offer_take(s, d, r, &c, o, e);
}

static bool is_url(const char *place)
{
	return strncmp(place, "https://", 8) == 0 || strncmp(place, "http://", 7) == 0;
}

#ifdef CONFIG_HTTP
/* Bytes of "scheme://host:port". */
static size_t origin_length(const char *url)
{
	const char *host = strstr(url, "://");

	return host ? (size_t)(host - url) + 3 + strcspn(host + 3, "/") : strlen(url);
}

/* Credentials are for the repositories of the configuration; a URL by hand may lead anywhere. */
static bool is_configured_origin(const struct config *c, const char *url)
{
	size_t len = origin_length(url);

	for (size_t i = 0; i < c->url_count; i++) {
		if (origin_length(c->urls[i]) == len && strncasecmp(c->urls[i], url, len) == 0)
			return true;
	}
	return false;
}
#endif

static int open_bundle(struct session *s, const char *place, struct offer *o, struct err *e)
{
	if (strcmp(place, "-") == 0)
#ifdef CONFIG_BUNDLE_PIPE
		return bundle_open_stream(STDIN_FILENO, s->data, o->place, &o->bundle, e);
#else
		return err_set(e, E_USAGE,
			"this agent is built without bundles out of a pipe; give a file");
#endif
	if (!is_url(place))
		return bundle_open(place, &o->bundle, e);
#ifdef CONFIG_HTTP
	struct http_options ho = offer_http_options(s);
	struct reader reader = {0};
	uint64_t size = 0;

	if (!MUST("offer.credentials-origin", is_configured_origin(&s->config, place)))
		ho.token_file = ho.client_cert = ho.client_key = NULL;
	if (http_open(&ho, &o->http, e) < 0 || http_size(o->http, place, &size, e) < 0 ||
		http_reader(o->http, place, size, &reader, e) < 0)
		return -1;
	return bundle_open_reader(&reader, size, o->place, &o->bundle, e);
#else
	return err_set(e, E_USAGE, "%s: this build has no HTTP (CONFIG_HTTP)", s->config.file);
#endif
}

int offer_from_bundle(struct session *s, const struct running *d, const char *place,
	const struct offer_request *r, struct offer *out, struct err *e)
{
	AUTO_CLOSE int store = -1;

	*out = (struct offer){
		.from_bundle = true, .near = !is_url(place) && strcmp(place, "-") != 0};
	snprintf(out->place, sizeof(out->place), "%s",
		strcmp(place, "-") == 0 ? "standard input" : place);
	/* A presigned URL carries its credential in the query: not for messages and logs. */
	if (is_url(place))
		out->place[strcspn(out->place, "?#")] = 0;
	if (offer_open_store(s, &store, e) < 0)
		return -1;
	if (open_bundle(s, place, out, e) < 0 ||
		judge_bundle(s, d, r, store, !is_url(place), out, e) < 0) {
		/* What is wrong with the file itself names it already. */
		return strstr(e->text, out->place) ? -1 : err_wrap(e, "%s", out->place);
	}
	out->objects = bundle_objects(out->bundle);
	return 0;
}
