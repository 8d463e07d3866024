/* SPDX-License-Identifier: Apache-2.0 */
/* T: at which time expiry is judged, and who may move it (design 4.4). */
#include "agent/base/clock.h"
#include "agent/base/must.h"
#include "agent/trust/trust.h"

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

void time_start(struct trust *t)
{
	t->time = later(t->o.time_floor, t->o.now);
}

/*
 * The online key may say that it is later than the device thinks, but not so
 * late that everything would be expired: that is a wrong clock or a stolen key.
 */
static bool online_time_counts(const struct trust *t)
{
	int64_t issued = t->timestamp.issued;

	return issued < t->timestamp.expires && issued < t->targets.expires &&
	       issued < t->root.expires;
}

int time_advance(struct trust *t, struct err *e)
{
	if (MUST("time.online-issued", online_time_counts(t)))
		t->time = later(t->time, t->timestamp.issued);
	t->time = later(t->time, t->targets.issued);
	t->o.time_floor = later(t->o.time_floor, t->targets.issued);
	if (time_check(t, ROLE_ROOT, t->root.expires, "root", e) < 0 ||
		time_check(t, ROLE_TIMESTAMP, t->timestamp.expires, "timestamp", e) < 0 ||
		time_check(t, ROLE_SNAPSHOT, t->snapshot.expires, "snapshot", e) < 0)
		return -1;
	return time_check(t, ROLE_TARGETS, t->targets.expires, "targets", e);
}

int time_check(
	struct trust *t, enum role_kind kind, int64_t expires, const char *where, struct err *e)
{
	char at[CLOCK_TEXT_SIZE], now[CLOCK_TEXT_SIZE];

	if (!t->judges_expiry || MUST("time.expiry", expires > t->time))
		return 0;
	if (t->o.offline && (kind == ROLE_TIMESTAMP || kind == ROLE_SNAPSHOT))
		return 0;
	if (t->o.offline && !t->o.offline_expiry_refuse) {
		t->expired_accepted = true;
		return 0;
	}
	clock_format(expires, at);
	clock_format(t->time, now);
	return err_set(e, E_EXPIRED, "%s: expired at %s, it is %s", where, at, now);
}
