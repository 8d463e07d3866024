/* SPDX-License-Identifier: Apache-2.0 */
/* pawl-repo cap: at most this share of devices gets a channel's newest release. */
#include <stdio.h>
#include <string.h>

#include "publisher/change.h"

static int parse_percent(const char *text, int *out, struct err *e)
{
	int n = 0;

	if (!*text || strlen(text) > 3)
		return err_set(e, E_USAGE, "\"%s\" is not a percentage from 0 to 100", text);
	for (const char *c = text; *c; c++) {
		if (*c < '0' || *c > '9')
			return err_set(
				e, E_USAGE, "\"%s\" is not a percentage from 0 to 100", text);
		n = n * 10 + (*c - '0');
	}
	if (n > 100)
		return err_set(e, E_USAGE, "%d %% is more than all devices", n);
	*out = n;
	return 0;
}

/* 100 means no cap: the member goes away, and x-cap with its last member. */
static int set_cap(struct roles *r, const char *channel, int percent, struct err *e)
{
	json_t *signed_part = roles_signed(r, ROLE_TIMESTAMP);
	json_t *caps = json_object_get(signed_part, "x-cap");

	if (!caps) {
		caps = json_object();
		json_object_set_new(signed_part, "x-cap", caps);
	}
	if (percent < 100 && json_object_set_new(caps, channel, json_integer(percent)) < 0)
		return err_set(e, E_NOMEM, "out of memory");
	if (percent == 100)
		json_object_del(caps, channel);
	if (json_object_size(caps) == 0)
		json_object_del(signed_part, "x-cap");
	r->changed[ROLE_TIMESTAMP] = true;
	return 0;
}

int cmd_cap(void *ctx, int argc, char **argv, struct err *e)
{
	struct publisher *p = ctx;
	AUTO_ROLES struct roles r = {0};
	char channel[80];
	char path[96];
	int percent = 0;
	bool wrote;

	if (change_check_words(argc, argv, 2, 2, e) < 0 ||
		parse_percent(argv[1], &percent, e) < 0 || change_begin(p, &r, e) < 0)
		return -1;
	/* "stable" is the workspace's product's channel. */
	int n = strchr(argv[0], '/')
			? snprintf(channel, sizeof(channel), "%s", argv[0])
			: snprintf(channel, sizeof(channel), "%s/%s", p->product, argv[0]);
	if (n >= (int)sizeof(channel))
		return err_set(e, E_USAGE, "\"%s\" is not PRODUCT/CHANNEL", argv[0]);
	snprintf(path, sizeof(path), "%s.json", channel);
	if (!roles_find_target(&r, ROLE_TARGETS, path))
		return err_set(e, E_NOTFOUND, "nothing is published in channel %s", channel);
	if (set_cap(&r, channel, percent, e) < 0 || roles_commit(p, &r, &wrote, e) < 0)
		return -1;
	publisher_say(p, "%s: %d %% of devices", channel, percent);
	return 0;
}
