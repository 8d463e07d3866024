/* SPDX-License-Identifier: Apache-2.0 */
/* Offers from a repository: mirror after mirror, each verified in full. */
#include <stdio.h>
#include <string.h>

#include "agent/offer_take.h"
#include "agent/poll/repository.h"

#ifdef CONFIG_HTTP
struct http_options offer_http_options(const struct session *s)
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
	offer_record_roots(s, t);
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
	int rc = trust_refresh(*out, metadata, e);
	offer_record_roots(s, *out);
	if (rc == 0)
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
	rc = trust_refresh(*out, metadata, e);
	offer_record_roots(s, *out);
	return rc;
}

static int try_mirror(struct session *s, const struct running *d, const struct offer_request *r,
	const struct buf *root, int store, const char *url, struct offer *o, struct err *e)
{
	char path[TRUST_TARGET_PATH_MAX];
	struct trust_options to = offer_trust_options(s, root, store);
	AUTO_TRUST struct trust *t = NULL;
	struct offer_stored none = {0}; /* a refreshed set has replaced what was stored */

	snprintf(o->place, sizeof(o->place), "%s", url);
	if (repository_open(o->http, url, &o->repository, e) < 0)
		return -1;
	struct offer_carrier c = {
		.stored = &none,
		.metadata = repository_metadata(o->repository),
		.targets = repository_targets(o->repository),
		.path = path,
	};
	if (refresh(s, o->http, &to, &c.metadata, &t, e) < 0)
		return err_wrap(e, "%s", url);
	c.trust = t;
	o->objects = repository_objects(o->repository);
	snprintf(path, sizeof(path), "%s/%s.json", s->config.product, s->config.channel);
	if (offer_take(s, d, r, &c, o, e) < 0)
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

int offer_from_repository(struct session *s, const struct running *d, const struct offer_request *r,
	struct offer *out, uint64_t *retry_after, struct err *e)
{
	struct http_options ho = offer_http_options(s);
	AUTO_BUF struct buf root = buf_make(TRUST_ROOT_MAX);
	AUTO_CLOSE int store = -1;
	struct err worst = {0};

	*retry_after = 0;
	*out = (struct offer){0};
	if (s->config.url_count == 0)
		return err_set(e, E_CONFIG, "%s names no url in [repository]", s->config.file);
	if (offer_read_image_root(s, &root, e) < 0 || offer_open_store(s, &store, e) < 0)
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
		if (out->manifest || says_more(why.code, worst.code))
			worst = why;
		/* Policy's verdict is about the release: no other mirror changes it. */
		if (out->manifest)
			break;
		offer_close(out);
	}
	*e = worst;
	return -1;
}
#else
int offer_from_repository(struct session *s, const struct running *d, const struct offer_request *r,
	struct offer *out, uint64_t *retry_after, struct err *e)
{
	(void)d;
	(void)r;
	*out = (struct offer){0};
	*retry_after = 0;
	return err_set(e, E_CONFIG,
		"%s: this build has no HTTP (CONFIG_HTTP); install bundle files", s->config.file);
}
#endif
