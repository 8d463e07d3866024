/* SPDX-License-Identifier: Apache-2.0 */
/* Phased rollout without a server: waves of a manifest, linear in between. */
#include "agent/plan/rollout.h"

#include <string.h>

#include "agent/base/buf.h"
#include "agent/plan/policy.h"

int policy_rollout_place(const uint8_t seed[16], const char *salt, unsigned *place, struct err *e)
{
	uint8_t digest[HASH_SIZE];
	AUTO_BUF struct buf text = buf_make(1024);
	uint64_t n = 0;

	if (buf_add(&text, seed, 16, e) < 0 || buf_add_text(&text, salt, e) < 0 ||
		hash_bytes(HASH_SHA256, text.data, text.len, digest, e) < 0)
		return -1;
	for (size_t i = 0; i < 8; i++)
		n = n << 8 | digest[i];
	*place = (unsigned)(n % ROLLOUT_ALL);
	return 0;
}

static unsigned share_of(const struct manifest_wave *w)
{
	return w->percent * 100;
}

/* Share at `after` seconds from the start, where a->seconds <= after < b->seconds. */
static unsigned share_between(
	const struct manifest_wave *a, const struct manifest_wave *b, uint64_t after)
{
	uint64_t grown = (uint64_t)(share_of(b) - share_of(a)) * (after - a->seconds) /
			 (b->seconds - a->seconds);

	return share_of(a) + (unsigned)grown;
}

unsigned rollout_share(const struct manifest *m, int64_t time)
{
	if (!m->has_rollout)
		return ROLLOUT_ALL;
	if (time < m->rollout_start)
		return 0;
	uint64_t after = (uint64_t)(time - m->rollout_start);
	const struct manifest_wave *w = m->waves;
	if (after < w[0].seconds)
		return 0;
	for (size_t i = 1; i < m->wave_count; i++) {
		if (after < w[i].seconds)
			return share_between(&w[i - 1], &w[i], after);
	}
	return share_of(&w[m->wave_count - 1]);
}

/* First second after the start at which the share between two waves exceeds `place`. */
static uint64_t seconds_of(
	const struct manifest_wave *a, const struct manifest_wave *b, unsigned place)
{
	uint64_t need = (uint64_t)place + 1 - share_of(a);
	uint64_t grows = share_of(b) - share_of(a);
	uint64_t span = b->seconds - a->seconds;

	return a->seconds + (need * span + grows - 1) / grows;
}

int64_t rollout_time_of(const struct manifest *m, unsigned place)
{
	const struct manifest_wave *w = m->waves;

	if (!m->has_rollout)
		return 0;
	if (share_of(&w[0]) > place)
		return m->rollout_start + (int64_t)w[0].seconds;
	for (size_t i = 1; i < m->wave_count; i++) {
		if (share_of(&w[i]) > place)
			return m->rollout_start + (int64_t)seconds_of(&w[i - 1], &w[i], place);
	}
	return 0;
}
