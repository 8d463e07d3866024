/* SPDX-License-Identifier: Apache-2.0 */
/* May this release go onto this device now? The order of design 4.3, one check after the other. */
#include "agent/plan/policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/must.h"
#include "agent/plan/rollout.h"

/* All that the checks look at, borrowed. */
struct question {
	const struct manifest *m;
	const struct policy_device *d;
	const struct policy_release *r;
	const struct policy_user *u;
};

static bool list_has(const char *rows, size_t size, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(rows + i * size, text) == 0)
			return true;
	}
	return false;
}

static int check_product(const struct question *q, struct err *e)
{
	const struct manifest *m = q->m;

	if (!MUST("policy.product", strcmp(m->plan.product, q->d->product) == 0))
		return err_set(e, E_POLICY, "release is for product %s, this device is %s",
			m->plan.product, q->d->product);
	bool listed = list_has(
		(const char *)m->channels, sizeof(m->channels[0]), m->channel_count, q->d->channel);
	if (!MUST("policy.channel", q->r->local_bundle || listed))
		return err_set(e, E_POLICY, "release is not for channel %s", q->d->channel);
	return 0;
}

static int check_compatible(const struct question *q, struct err *e)
{
	const struct manifest *m = q->m;
	bool listed = list_has((const char *)m->compatible, sizeof(m->compatible[0]),
		m->compatible_count, q->d->compatible);

	if (!MUST("policy.compatible", listed))
		return err_set(e, E_COMPAT, "release is not for hardware \"%s\" (but for \"%s\"%s)",
			q->d->compatible, m->compatible[0], m->compatible_count > 1 ? ", …" : "");
	return 0;
}

static const struct policy_part *find_part(const struct policy_device *d, const char *image)
{
	for (size_t i = 0; i < d->part_count; i++) {
		if (strcmp(d->parts[i].image, image) == 0)
			return &d->parts[i];
	}
	return NULL;
}

static int check_image(const struct question *q, const struct plan_image *image, struct err *e)
{
	const struct policy_part *part = find_part(q->d, image->name);

	if (!MUST("policy.image-known", part))
		return err_set(e, E_COMPAT, "this device has no place for image %s", image->name);
	bool fits = !part || part->size == 0 || image->size <= part->size;
	if (!MUST("policy.image-fits", fits))
		return err_set(e, E_COMPAT,
			"image %s is %" PRIu64 " bytes, its place in the slot %" PRIu64,
			image->name, image->size, part->size);
	if (!MUST("policy.encoding", q->d->zstd || image->encoding != PLAN_ZSTD))
		return err_set(
			e, E_COMPAT, "image %s is zstd, which this build cannot read", image->name);
	return 0;
}

/*
 * Every image has its place and every place its image: a release that leaves
 * one out would boot together with what an older one left there.
 */
static int check_images(const struct question *q, struct err *e)
{
	const struct plan *p = &q->m->plan;

	for (size_t i = 0; i < p->image_count; i++) {
		if (check_image(q, &p->images[i], e) < 0)
			return -1;
	}
	for (size_t i = 0; i < q->d->part_count; i++) {
		const char *name = q->d->parts[i].image;
		bool there = false;
		for (size_t k = 0; k < p->image_count; k++)
			there = there || strcmp(p->images[k].name, name) == 0;
		if (!MUST("policy.image-missing", there))
			return err_set(e, E_COMPAT, "release has no image %s", name);
	}
	return 0;
}

static int check_release(const struct question *q, struct err *e)
{
	const struct plan *p = &q->m->plan;

	if (!MUST("policy.release", p->release > q->d->installed_release))
		return err_set(e, E_ROLLBACK,
			"release %" PRIu64 " is not higher than %" PRIu64 ", which is installed",
			p->release, q->d->installed_release);
	/* The floor itself may come again: repair after a fallback to an older slot. */
	if (!MUST("policy.release-floor", p->release >= q->d->release_floor))
		return err_set(e, E_ROLLBACK,
			"release %" PRIu64 " is lower than %" PRIu64 ", which was installed before",
			p->release, q->d->release_floor);
	if (!MUST("policy.epoch", p->epoch >= q->d->epoch_floor))
		return err_set(e, E_ROLLBACK,
			"epoch %" PRIu64 " of release %" PRIu64 " is lower than the floor %" PRIu64,
			p->epoch, p->release, q->d->epoch_floor);
	return 0;
}

static int check_withdrawn(const struct question *q, struct err *e)
{
	if (!MUST("policy.revoked", !q->r->revoked))
		return err_set(e, E_HELD, "release %" PRIu64 " was withdrawn by its publisher",
			q->m->plan.release);
	if (!MUST("policy.held", !q->r->held))
		return err_set(e, E_HELD, "release %" PRIu64 " is on hold", q->m->plan.release);
	return 0;
}

static int check_history(const struct question *q, struct err *e)
{
	const struct manifest *m = q->m;

	if (!MUST("policy.min-from", q->d->installed_release >= m->min_from))
		return err_set(e, E_COMPAT,
			"release %" PRIu64 " can be installed over release %" PRIu64
			" or later only, %" PRIu64 " is installed",
			m->plan.release, m->min_from, q->d->installed_release);
	if (!MUST("policy.failed", !q->r->failed_before || q->r->retry_failed))
		return err_set(e, E_FAILED, "release %" PRIu64 " failed on this device before",
			m->plan.release);
	return 0;
}

static int answer(
	struct policy_answer *out, enum policy_verdict verdict, int64_t not_before, const char *why)
{
	out->verdict = verdict;
	out->not_before = not_before;
	snprintf(out->why, sizeof(out->why), "%s", why);
	return 0;
}

/* The place's salt: the rollout's, or where only x-cap limits, one that differs per release. */
static int find_place(
	const struct manifest *m, const uint8_t seed[16], unsigned *place, struct err *e)
{
	char salt[PLAN_NAME_SIZE + 24];

	if (m->has_rollout)
		return policy_rollout_place(seed, m->rollout_salt, place, e);
	snprintf(salt, sizeof(salt), "%s-%" PRIu64, m->plan.product, m->plan.release);
	return policy_rollout_place(seed, salt, place, e);
}

static int judge_rollout(const struct question *q, struct policy_answer *out, struct err *e)
{
	unsigned place;

	if (find_place(q->m, q->d->seed, &place, e) < 0)
		return -1;
	if (q->r->cap < 100 && place >= q->r->cap * 100)
		return answer(out, POLICY_WAIT, 0, "the publisher has capped the rollout");
	if (place >= rollout_share(q->m, q->d->time))
		return answer(out, POLICY_WAIT, rollout_time_of(q->m, place),
			"it is not this device's turn in the rollout yet");
	return 0;
}

static int judge_user(const struct question *q, struct policy_answer *out)
{
	enum policy_auto how = q->u->automatic;
	int64_t left = q->u->deferred_until - q->d->time;

	if (how == POLICY_OFF)
		return answer(out, POLICY_TELL, 0, "automatic updates are off (auto = off)");
	if (how == POLICY_NOTIFY)
		return answer(out, POLICY_TELL, 0, "updates are installed by hand (auto = notify)");
	/* "mixed" carries a security fix that could not be separated: it must not wait. */
	if (how == POLICY_SECURITY && q->m->plan.update_class == PLAN_FUNCTIONAL)
		return answer(out, POLICY_TELL, 0,
			"only security updates are automatic (auto = security)");
	/* A clock that was years ahead when it was postponed must not silence the device. */
	if (left > 0 && left <= POLICY_DEFER_MAX)
		return answer(out, POLICY_WAIT, q->u->deferred_until, "postponed by the user");
	return 0;
}

int policy_judge(const struct manifest *m, const struct policy_device *d,
	const struct policy_release *r, const struct policy_user *u, struct policy_answer *out,
	struct err *e)
{
	const struct question q = {.m = m, .d = d, .r = r, .u = u};
	struct policy_answer a = {.verdict = POLICY_INSTALL};

	if (check_product(&q, e) < 0 || check_compatible(&q, e) < 0 || check_images(&q, e) < 0)
		return -1;
	if (d->installed_release > 0 && m->plan.release == d->installed_release) {
		answer(&a, POLICY_CURRENT, 0, "this release is installed");
		*out = a;
		return 0;
	}
	if (check_release(&q, e) < 0 || check_withdrawn(&q, e) < 0 || check_history(&q, e) < 0)
		return -1;
	a.repair = m->plan.release == d->release_floor && m->plan.release > 0;
	if (!r->by_hand && judge_rollout(&q, &a, e) < 0)
		return -1;
	if (!r->by_hand && a.verdict == POLICY_INSTALL)
		judge_user(&q, &a);
	*out = a;
	return 0;
}
