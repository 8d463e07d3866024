/* SPDX-License-Identifier: Apache-2.0 */
/* pawl-repo withdraw: takes a release back for good, by the release key. */
#include <inttypes.h>
#include <string.h>

#include "publisher/change.h"

struct withdrawn {
	const struct publisher *p;
	const char *hash;
};

/* A channel whose newest release is withdrawn offers nothing until the next one. */
static int tell_channel(void *ctx, const char *path, json_t *target, struct err *e)
{
	const struct withdrawn *w = ctx;

	(void)e;
	if (strcmp(roles_target_hash(target), w->hash) == 0)
		publisher_say(w->p,
			"note: it is still the newest of %.*s, where devices now refuse it; "
			"publish a higher release",
			(int)(strlen(path) - strlen(".json")), path);
	return 0;
}

int cmd_withdraw(void *ctx, int argc, char **argv, struct err *e)
{
	struct publisher *p = ctx;
	AUTO_ROLES struct roles r = {0};
	struct withdrawn w = {.p = p};
	const char *product;
	json_t *target;
	uint64_t release;
	bool wrote;

	if (change_check_words(argc, argv, 1, 2, e) < 0 || change_begin(p, &r, e) < 0 ||
		change_read_release(p, &r, argc, argv, &product, &release, &target, e) < 0)
		return -1;
	w.hash = roles_target_hash(target);
	if (roles_revoke_manifest(&r, product, w.hash, e) < 0 || roles_commit(p, &r, &wrote, e) < 0)
		return -1;
	publisher_say(p, "%s release %" PRIu64 " is withdrawn", product, release);
	return roles_each_channel(&r, product, tell_channel, &w, e);
}
