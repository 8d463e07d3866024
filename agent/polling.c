/* SPDX-License-Identifier: Apache-2.0 */
/* One poll, from back-off to reboot; see polling.h. */
#include "agent/polling.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "agent/base/clock.h"
#include "agent/planning.h"

static bool is_about_release(enum err_code c)
{
	return c == E_POLICY || c == E_COMPAT || c == E_FAILED;
}

static bool is_about_trust(enum err_code c)
{
	switch (c) {
	case E_TRUST:
	case E_SIG:
	case E_THRESHOLD:
	case E_KEY_REVOKED:
	case E_ROLLBACK:
	case E_EXPIRED:
	case E_MIX:
	case E_HASH:
	case E_SIZE:
	case E_JSON:
	case E_META:
	case E_BUNDLE:
		return true;
	default:
		return false;
	}
}

void polling_record_refusal(struct session *s, const struct offer *o, enum err_code rc)
{
	const struct manifest *m = o->manifest;
	json_t *data =
		m ? session_release_data(m->plan.release, m->plan.epoch, m->plan.manifest) : NULL;

	if (rc == E_HELD)
		session_record(s, JOURNAL_RELEASE_HELD, JOURNAL_FAIL, rc, data);
	else if (is_about_release(rc) || (m && rc == E_ROLLBACK))
		session_record(s, JOURNAL_RELEASE_REFUSED, JOURNAL_FAIL, rc, data);
	else if (is_about_trust(rc))
		session_record(s, JOURNAL_REFUSED, JOURNAL_FAIL, rc, data);
	else
		json_decref(data);
}

/*
 * The same refusal every hour for months must not fill the record that is kept
 * for life: a milestone only when the reason changes.
 */
static void note_outcome(struct session *s, const struct offer *o, enum err_code rc)
{
	if (rc != E_OK && rc != s->state.last_poll_rc)
		polling_record_refusal(s, o, rc);
	session_record(s, JOURNAL_POLL, rc == E_OK ? JOURNAL_OK : JOURNAL_FAIL, rc, NULL);
	s->state.last_poll = clock_wall();
	s->state.last_poll_rc = rc;
}

static void back_off(struct session *s, uint64_t retry_after)
{
	uint64_t random = 0;

	/* Without random numbers the wait is the longest one: no storm either way. */
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		random = UINT64_MAX;
	backoff_fail(&s->state.backoff, clock_wall(), retry_after, s->config.backoff_base,
		s->config.backoff_cap, random);
}

static void keep_offer(struct session *s, const struct offer *o)
{
	const struct plan *p = &o->manifest->plan;
	bool known = hash_equal(s->state.offer.manifest, p->manifest) && s->state.offer.release;

	if (o->answer.verdict == POLICY_CURRENT) {
		s->state.offer.release = 0;
		return;
	}
	s->state.offer = *p;
	if (!known)
		s->state.offer_plan = (struct state_offer_plan){0};
	s->state.offer_not_before = o->answer.not_before;
	snprintf(s->state.offer_why, sizeof(s->state.offer_why), "%s", o->answer.why);
	if (known)
		return;
	session_record(s, JOURNAL_OFFER, JOURNAL_NOTE, E_OK,
		session_release_data(p->release, p->epoch, p->manifest));
	log_line(&s->log, LOG_LEVEL_INFO, "offer release=%" PRIu64 " version=\"%s\" class=%s",
		p->release, p->version, plan_class_name(p->update_class));
}

/* A server that is up and refuses nothing to the fleet deserves no back-off. */
static bool is_verdict(enum err_code c)
{
	return is_about_release(c) || c == E_HELD;
}

static int check_from(struct session *s, const struct running *d, const struct polling_request *r,
	size_t mirror, struct offer *out, struct err *e)
{
	uint64_t retry_after = 0;
	struct offer_request req = {
		.by_hand = r->by_hand, .retry_failed = r->retry_failed, .mirror = mirror};
	struct err ignored = {0};

	int rc = offer_from_repository(s, d, &req, out, &retry_after, e);
	note_outcome(s, out, rc < 0 ? e->code : E_OK);
	if (rc == 0)
		keep_offer(s, out);
	else if (is_verdict(e->code))
		backoff_succeed(&s->state.backoff);
	else
		back_off(s, retry_after);
	if (session_store(s, rc < 0 ? &ignored : e) < 0)
		return -1;
	return rc;
}

/*
 * Not before the objects have come, too: metadata is a few kilobytes in a cache,
 * and a store of objects that is down would see the whole fleet every minute.
 */
static void end_back_off(struct session *s)
{
	struct err e = {0};

	if (s->state.backoff.failures == 0)
		return;
	backoff_succeed(&s->state.backoff);
	if (session_store(s, &e) < 0)
		log_line(&s->log, LOG_LEVEL_WARN, "back-off-not-stored reason=\"%s\"", e.text);
}

int polling_check(struct session *s, const struct running *d, const struct polling_request *r,
	struct offer *out, struct err *e)
{
	if (check_from(s, d, r, 0, out, e) < 0)
		return -1;
	end_back_off(s);
	return 0;
}

/* Is what waits for its reboot still the newest? */
static bool offer_is_newer(const struct session *s, const struct offer *o)
{
	const struct state_txn *t = &s->state.txn;

	if (t->phase != STATE_TXN_WRITTEN && t->phase != STATE_TXN_ACTIVATED)
		return true;
	return o->manifest->plan.release > t->release;
}

/* Objects that are missing or wrong on one mirror may be right on the next one. */
static bool is_mirrors_fault(enum err_code c)
{
	return c == E_HASH || c == E_SIZE || c == E_NET || c == E_NOTFOUND || c == E_TIMEOUT ||
	       c == E_TLS || c == E_META;
}

/*
 * On hold, withdrawn, or failed here before: no fault of this poll, and no reason
 * for a failed unit every hour; status and check say why nothing happens.
 */
static bool is_known_refusal(const struct session *s, const struct err *e)
{
	if (e->code != E_HELD && e->code != E_FAILED)
		return false;
	log_line(&s->log, LOG_LEVEL_INFO, "not-taken code=%s reason=\"%s\"", err_name(e->code),
		e->text);
	return true;
}

/* A waiting trial that is cancelled because it is held now is done as it should be. */
static int continue_or_cancel(struct session *s, struct running *d, struct err *e)
{
	if (agent_continue(s, d, e) == 0)
		return 0;
	return is_known_refusal(s, e) ? 0 : -1;
}

static int install_or_continue(struct session *s, struct running *d, struct offer *o, struct err *e)
{
	if (o->answer.verdict == POLICY_INSTALL && offer_is_newer(s, o))
		return agent_install(s, d, o, e);
	if (o->answer.verdict == POLICY_CURRENT)
		log_line(&s->log, LOG_LEVEL_INFO, "current release=%" PRIu64,
			o->manifest->plan.release);
	else if (o->answer.verdict != POLICY_INSTALL) {
		log_line(&s->log, LOG_LEVEL_INFO, "waits release=%" PRIu64 " reason=\"%s\"",
			o->manifest->plan.release, o->answer.why);
		planning_note(s, d, o);
	}
	return continue_or_cancel(s, d, e);
}

/* Mirror after mirror until one gives a release that can be written whole. */
static int take_offer(
	struct session *s, struct running *d, const struct polling_request *r, struct err *e)
{
	size_t mirror = 0;

	for (;;) {
		struct offer o;
		int rc = check_from(s, d, r, mirror, &o, e);
		bool checked = rc == 0;
		mirror = o.mirror + 1;
		if (checked)
			rc = install_or_continue(s, d, &o, e);
		uint64_t retry_after = offer_retry_after(&o);
		offer_close(&o);
		if (!checked && is_known_refusal(s, e))
			return continue_or_cancel(s, d, e);
		if (checked && (rc == 0 || !is_mirrors_fault(e->code)))
			end_back_off(s);
		if (rc == 0 || !checked || !is_mirrors_fault(e->code))
			return rc;
		if (mirror >= s->config.url_count) {
			struct err ignored = {0};
			back_off(s, retry_after);
			session_store(s, &ignored);
			return -1;
		}
		log_line(&s->log, LOG_LEVEL_WARN, "next-mirror code=%s reason=\"%s\"",
			err_name(e->code), e->text);
	}
}

static int reboot_if_waiting(struct session *s, const struct running *d, struct err *e)
{
	bool asked = false;

	if (!agent_waits_for_reboot(s, d))
		return 0;
	if (agent_reboot(s, false, &asked, e) < 0) {
		/* A hook that says "later" is no failure of a poll. */
		return e->code == E_LATER ? 0 : -1;
	}
	return 0;
}

static bool must_wait(const struct session *s)
{
	uint64_t wait = backoff_wait(&s->state.backoff, clock_wall(), s->config.backoff_cap);

	if (wait == 0)
		return false;
	log_line(&s->log, LOG_LEVEL_INFO, "backs-off seconds=%" PRIu64 " failures=%u", wait,
		(unsigned)s->state.backoff.failures);
	return true;
}

/*
 * Back from a failed trial: ends it when the old system is healthy. When that
 * one is not (what failed was the world around both), the offer is asked for all
 * the same, or no device would ever get the release that helps.
 */
static void end_way_back(struct session *s, struct running *d)
{
	struct err sick = {0};

	if (s->state.txn.phase == STATE_TXN_FAILED && agent_health(s, d, &sick) < 0)
		log_line(&s->log, LOG_LEVEL_WARN,
			"not-healthy-after-rollback code=%s reason=\"%s\"", err_name(sick.code),
			sick.text);
}

int polling_run(
	struct session *s, struct running *d, const struct polling_request *r, struct err *e)
{
	if (d->on_trial) {
		log_line(&s->log, LOG_LEVEL_INFO, "on-trial slot=%c: no offer is taken", d->booted);
		return 0;
	}
	/* After a fallback boot what runs must be proved, or there would be no slot to write. */
	if (d->fallback && agent_health(s, d, e) < 0)
		return -1;
	end_way_back(s, d);
	if (!r->ignore_backoff && must_wait(s))
		return reboot_if_waiting(s, d, e);
	int rc = take_offer(s, d, r, e);
	if (rc < 0 && agent_waits_for_reboot(s, d)) {
		struct err held = {0};
		/* The server is away or the offer is refused; what waits must still be asked about. */
		if (agent_continue(s, d, &held) < 0) {
			*e = held;
			return -1;
		}
	}
	struct err later = {0};
	if (reboot_if_waiting(s, d, &later) < 0 && rc == 0) {
		*e = later;
		return -1;
	}
	return rc;
}
