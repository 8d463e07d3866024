/* SPDX-License-Identifier: Apache-2.0 */
/* pawl-repo refresh: signs timestamp (and snapshot in time) again; for cron. */
#include <string.h>

#include "publisher/change.h"

const struct verb_option publisher_refresh_options[] = {
	{"--targets", NULL, "sign targets and releases again too (release key)"},
	{"--root", NULL, "sign the root again too, as a new version (root keys)"},
	{NULL, NULL, NULL},
};
enum { OPT_TARGETS, OPT_ROOT, OPT_COUNT };

/* Half a life leaves time for a refresh that failed to be noticed. */
static int mark_snapshot(struct publisher *p, struct roles *r, struct err *e)
{
	int64_t days;

	if (publisher_expiry_days(p, "snapshot", &days, e) < 0)
		return -1;
	if (roles_expires(r, ROLE_SNAPSHOT) - p->now <= days * ROLES_DAY / 2)
		r->changed[ROLE_SNAPSHOT] = true;
	return 0;
}

/* What cron's mail must say while there is time: E_EXPIRED, after everything was written. */
static int warn_of_expiry(const struct publisher *p, const struct roles *r, struct err *e)
{
	static const struct {
		enum role role;
		const char *advice;
	} watched[] = {
		{ROLE_ROOT, "run `pawl-repo refresh --root` with two root keys"},
		{ROLE_TARGETS,
			"publish, or run `pawl-repo refresh --targets` with the release key"},
		{ROLE_RELEASES,
			"publish, or run `pawl-repo refresh --targets` with the release key"},
	};

	for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++) {
		int64_t days = (roles_expires(r, watched[i].role) - p->now) / ROLES_DAY;
		if (days < ROLES_WARN_DAYS)
			return err_set(e, E_EXPIRED, "refreshed, but %s expires in %lld days: %s",
				roles_info[watched[i].role].name, (long long)days,
				watched[i].advice);
	}
	return 0;
}

int cmd_refresh(void *ctx, int argc, char **argv, struct err *e)
{
	struct publisher *p = ctx;
	AUTO_ROLES struct roles r = {0};
	const char *values[OPT_COUNT];
	bool wrote;
	int rest;

	if (verb_read_options(publisher_refresh_options, argc, argv, values, &rest, e) < 0 ||
		change_check_words(rest, argv, 0, 0, e) < 0 || change_begin(p, &r, e) < 0 ||
		mark_snapshot(p, &r, e) < 0)
		return -1;
	r.changed[ROLE_TIMESTAMP] = true;
	r.changed[ROLE_ROOT] |= values[OPT_ROOT] != NULL;
	r.changed[ROLE_TARGETS] |= values[OPT_TARGETS] != NULL;
	r.changed[ROLE_RELEASES] |= values[OPT_TARGETS] != NULL;
	if (roles_commit(p, &r, &wrote, e) < 0)
		return -1;
	publisher_say(p, "refreshed: timestamp %lld, snapshot %lld, targets %lld, root %lld",
		(long long)roles_version(&r, ROLE_TIMESTAMP),
		(long long)roles_version(&r, ROLE_SNAPSHOT),
		(long long)roles_version(&r, ROLE_TARGETS),
		(long long)roles_version(&r, ROLE_ROOT));
	return warn_of_expiry(p, &r, e);
}
