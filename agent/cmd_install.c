/* SPDX-License-Identifier: Apache-2.0 */
/* pawl install. */
#include <inttypes.h>
#include <stdio.h>

#include "agent/commands.h"
#include "agent/polling.h"

enum { INSTALL_RETRY, INSTALL_REBOOT, INSTALL_OFFLINE, INSTALL_COUNT };
const struct verb_option install_options[] = {
	{"--retry-failed", NULL, "install a release that failed on this device before"},
	{"--reboot", NULL, "reboot into the trial at once, whatever the policy says"},
	{"--offline-from", "FILE", "take content out of this old or new image, too"},
	{NULL, NULL, NULL},
};

static int install(struct session *s, const char *place, const char *const *values, struct err *e)
{
	struct offer_request r = {.by_hand = true, .retry_failed = values[INSTALL_RETRY] != NULL};
	struct running d;
	struct offer o;
	bool asked = false;

	s->actor = JOURNAL_USER;
	s->offline_from = values[INSTALL_OFFLINE];
	if (agent_start(s, &d, e) < 0 || agent_check_free(s, &d, e) < 0)
		return -1;
	int rc = offer_from_bundle(s, &d, place, &r, &o, e);
	if (rc < 0) {
		polling_record_refusal(s, &o, e->code);
		session_record(s, JOURNAL_POLL, JOURNAL_FAIL, e->code, NULL);
	}
	if (rc == 0 && o.answer.verdict == POLICY_CURRENT) {
		printf("release %" PRIu64 " runs already: nothing to do\n",
			o.manifest->plan.release);
		offer_close(&o);
		return session_store(s, e);
	}
	if (rc == 0) {
		if (r.retry_failed)
			state_forget_failed(&s->state, o.manifest->plan.manifest);
		rc = agent_install(s, &d, &o, e);
	}
	offer_close(&o);
	if (rc < 0) {
		struct err ignored = {0};
		session_store(s, &ignored);
		return -1;
	}
	return agent_reboot(s, values[INSTALL_REBOOT] != NULL, &asked, e);
}

int cmd_install(void *ctx, int argc, char **argv, struct err *e)
{
	const char *values[INSTALL_COUNT];
	struct session s;
	int rest = 0;

	if (verb_read_options(install_options, argc, argv, values, &rest, e) < 0 ||
		command_check_offline(values[INSTALL_OFFLINE], e) < 0)
		return -1;
	if (rest != 1)
		return err_set(e, E_USAGE,
			"install takes one bundle: a file, a URL, or - for standard input");
	int rc = session_open(ctx, SESSION_WRITE, &s, e);
	if (rc == 0)
		rc = install(&s, argv[0], values, e);
	session_close(&s);
	return rc;
}
