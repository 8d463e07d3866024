/* SPDX-License-Identifier: Apache-2.0 */
/* What `pawl doctor` checks about booting. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/doctor.h"
#include "agent/running.h"

void doctor_check_environment(struct doctor *d)
{
	struct boot_facts f = {0};
	struct err e = {0};

	if (session_open_boot(d->s, &e) < 0 || boot_self_test(d->s->boot, &e) < 0) {
		doctor_bad(d, &e);
		return;
	}
	doctor_good(d, "%s", boot_ops_of(d->s->boot)->describe);
	if (boot_read(d->s->boot, &f, &e) == 0 && f.copies_bad > 0)
		doctor_unknown(d,
			"%u of %u copies of the environment is damaged; the next change of it writes "
			"that copy anew",
			f.copies_bad, f.copies);
}

void doctor_check_identity(struct doctor *d)
{
	struct running dev = {0};
	struct err e = {0};

	if (!d->s->boot) {
		doctor_unknown(d, "the boot environment cannot be read");
		return;
	}
	if (running_identify(&d->s->config, d->s->boot, &dev, &e) < 0) {
		doctor_bad(d, &e);
		return;
	}
	doctor_good(d, "slot %c runs, slot %c is committed%s", dev.booted, dev.committed,
		dev.on_trial   ? ", on trial"
		: dev.fallback ? ", fallback boot"
			       : "");
}

bool doctor_trial_is_stray(const struct session *s, const struct boot_facts *f)
{
	const struct state_txn *t = &s->state.txn;
	bool known = (t->phase == STATE_TXN_WRITTEN || t->phase == STATE_TXN_ACTIVATED) &&
		     t->target == f->trial;

	return f->trial && f->trial != f->booted && !known;
}

void doctor_check_trial(struct doctor *d)
{
	struct boot_facts f = {0};
	struct err e = {0};

	if (!d->s->boot || boot_read(d->s->boot, &f, &e) < 0)
		return; /* the lines before say why */
	if (doctor_trial_is_stray(d->s, &f)) {
		err_set(&e, E_STATE,
			"slot %c is to be tried %u more time(s), but no installed release waits for it",
			f.trial, f.tries);
		doctor_bad(d, &e);
	} else if (f.trial) {
		doctor_good(d, "slot %c, %u boot(s) left", f.trial, f.tries);
	} else {
		doctor_good(d, "none");
	}
}

/* A kernel that panics and stays so needs somebody with a hand on the plug. */
void doctor_check_panic(struct doctor *d)
{
	AUTO_BUF struct buf text = buf_make(32);
	char path[CONFIG_PATH_SIZE];
	struct err e = {0};

	if (file_join(path, sizeof(path), d->s->config.root, "proc/sys/kernel/panic", &e) < 0 ||
		file_read(AT_FDCWD, path, &text, &e) < 0) {
		doctor_unknown(d, "%s cannot be read", path);
		return;
	}
	long seconds = strtol(buf_text(&text), NULL, 10);
	if (seconds != 0) {
		doctor_good(d, "a kernel that panics restarts");
		return;
	}
	err_set(&e, E_BOOT, "a kernel that panics stays: %s is 0", path);
	doctor_bad(d, &e);
}

void doctor_check_watchdog(struct doctor *d)
{
	const struct config *c = &d->s->config;
	struct stat st;
	struct err e = {0};

	if (!c->watchdog_device[0]) {
		doctor_unknown(d, "no [watchdog] device: whether another program feeds one is not "
				  "known here");
	} else if (stat(c->watchdog_device, &st) < 0) {
		err_set(&e, E_CONFIG, "%s is missing: is its driver loaded?", c->watchdog_device);
		doctor_bad(d, &e);
	} else {
		doctor_good(d, "%s, %u s during a trial, after the commit: %s", c->watchdog_device,
			c->watchdog_timeout, c->watchdog_leave ? "leave" : "close");
	}
}
