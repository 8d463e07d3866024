/* SPDX-License-Identifier: Apache-2.0 */
/* pawl-repo publish: all staged releases into public/, timestamp.json last. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/must.h"
#include "publisher/change.h"
#include "publisher/staged.h"

static void channel_path(const struct staged *s, size_t channel, char *out, size_t size)
{
	snprintf(
		out, size, "%s/%s.json", s->manifest->plan.product, s->manifest->channels[channel]);
}

static void release_path(const struct staged *s, char *out, size_t size)
{
	snprintf(out, size, "%s/releases/%" PRIu64 ".json", s->manifest->plan.product,
		s->manifest->plan.release);
}

/* May it be published? Or was it, by a run that did not come to clear it away? */
static int check_one(const struct roles *r, struct staged *s, struct err *e)
{
	uint64_t release = s->manifest->plan.release;
	char path[160];

	release_path(s, path, sizeof(path));
	const json_t *there = roles_find_target(r, ROLE_RELEASES, path);
	if (there && strcmp(roles_target_hash(there), s->hash) == 0) {
		s->published = true;
		return 0;
	}
	if (there)
		return err_set(e, E_ROLLBACK,
			"staging/%s: release %" PRIu64 " is published with other content; "
			"make it again with the next number",
			s->folder, release);
	for (size_t i = 0; i < s->manifest->channel_count; i++) {
		channel_path(s, i, path, sizeof(path));
		uint64_t newest = roles_target_release(roles_find_target(r, ROLE_TARGETS, path));
		if (!MUST("publisher.release-rises", release > newest))
			return err_set(e, E_ROLLBACK,
				"staging/%s: channel %s has release %" PRIu64
				" already, which is not lower; make it again with the next number",
				s->folder, s->manifest->channels[i], newest);
	}
	return 0;
}

static int list_one(struct roles *r, const struct staged *s, struct err *e)
{
	const struct plan *plan = &s->manifest->plan;
	char path[160];

	release_path(s, path, sizeof(path));
	if (roles_set_target(r, ROLE_RELEASES, path, s->bytes.len, s->hash, plan->release,
		    plan->version, e) < 0)
		return -1;
	for (size_t i = 0; i < s->manifest->channel_count; i++) {
		channel_path(s, i, path, sizeof(path));
		if (roles_set_target(r, ROLE_TARGETS, path, s->bytes.len, s->hash, plan->release,
			    plan->version, e) < 0)
			return -1;
	}
	return 0;
}

/* All checks come before the first file is written. */
static int publish_all(
	struct publisher *p, struct roles *r, struct staged_list *l, bool *wrote, struct err *e)
{
	for (size_t i = 0; i < l->count; i++) {
		if (check_one(r, &l->item[i], e) < 0)
			return -1;
	}
	for (size_t i = 0; i < l->count; i++) {
		if (l->item[i].published)
			continue;
		if (staged_store(p, &l->item[i], e) < 0 || list_one(r, &l->item[i], e) < 0)
			return -1;
	}
	if (roles_commit(p, r, wrote, e) < 0)
		return -1;
	for (size_t i = 0; i < l->count; i++) {
		if (staged_remove(p, &l->item[i], e) < 0)
			return -1;
	}
	return 0;
}

/* What slows the new release down is easily forgotten. */
static void tell_caps(struct publisher *p, const struct roles *r, const struct staged *s)
{
	char key[160];

	for (size_t i = 0; i < s->manifest->channel_count; i++) {
		snprintf(key, sizeof(key), "%s/%s", s->manifest->plan.product,
			s->manifest->channels[i]);
		json_t *cap = json_object_get(
			json_object_get(roles_signed(r, ROLE_TIMESTAMP), "x-cap"), key);
		if (cap)
			publisher_say(p, "note: %s is capped at %d %% of devices", key,
				(int)json_integer_value(cap));
	}
}

static void tell(
	struct publisher *p, const struct roles *r, const struct staged_list *l, bool wrote)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct staged *s = &l->item[i];
		publisher_say(p, "%s %s release %" PRIu64 " (%s)",
			s->published ? "already published:" : "published",
			s->manifest->plan.product, s->manifest->plan.release,
			s->manifest->plan.version);
		tell_caps(p, r, s);
	}
	if (l->count == 0)
		publisher_say(p, wrote ? "no release is staged; metadata was signed again"
				       : "no release is staged: nothing to publish");
}

int cmd_publish(void *ctx, int argc, char **argv, struct err *e)
{
	struct publisher *p = ctx;
	AUTO_ROLES struct roles r = {0};
	AUTO_STAGED struct staged_list list = {0};
	bool wrote = false;

	if (change_check_words(argc, argv, 0, 0, e) < 0 || change_begin(p, &r, e) < 0 ||
		staged_read(p, &list, e) < 0 || publish_all(p, &r, &list, &wrote, e) < 0)
		return -1;
	tell(p, &r, &list, wrote);
	return 0;
}
