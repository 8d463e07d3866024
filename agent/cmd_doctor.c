/* SPDX-License-Identifier: Apache-2.0 */
/* pawl doctor: each check says good, bad or unknown, why it matters, and what to do. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/commands.h"
#include "agent/doctor.h"
#include "agent/trust/client.h"

#define DATA_FREE_WANTED (8u * 1024 * 1024)
#define SOON             (90 * 86400)

static void check_config(struct doctor *d)
{
	const struct config *c = &d->s->config;

	doctor_good(d, "%s: product %s, hardware %s, channel %s, %zu mirror(s)", c->file,
		c->product, c->compatible, c->channel, c->url_count);
}

static void say_expiry(struct doctor *d, const char *what, int64_t when)
{
	char text[CLOCK_TEXT_SIZE];
	struct err e = {0};
	int64_t now = d->s->now > d->s->state.time_floor ? d->s->now : d->s->state.time_floor;

	if (when == 0)
		return;
	clock_format(when, text);
	if (when <= now) {
		err_set(&e, E_EXPIRED, "%s expired at %s", what, text);
		doctor_bad(d, &e);
	} else if (when - now < SOON) {
		doctor_good(d, "%s expires soon: %s", what, text);
	} else {
		doctor_good(d, "%s good until %s", what, text);
	}
}

static void check_trust(struct doctor *d)
{
	struct session *s = d->s;
	AUTO_BUF struct buf root = buf_make(TRUST_ROOT_MAX);
	AUTO_TRUST struct trust *t = NULL;
	AUTO_CLOSE int store =
		openat(s->data, "tuf", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct trust_facts f;
	struct err e = {0};

	if (file_read(AT_FDCWD, s->config.root_json, &root, &e) < 0) {
		e.code = E_TRUST;
		doctor_bad(d, &e);
		return;
	}
	struct trust_options o = {.image_root = root.data,
		.image_root_len = root.len,
		.root_floor = s->backstop.root_version,
		.store = store,
		.now = s->now,
		.clock_synchronised = s->clock_synchronised,
		.time_floor = s->state.time_floor};
	if (trust_open(&o, &t, &e) < 0) {
		doctor_bad(d, &e);
		return;
	}
	doctor_good(d, "%s is a usable root", s->config.root_json);
	if (store < 0 || trust_load_stored(t, &e) < 0) {
		doctor_unknown(d, "no metadata is stored yet: `pawl check` fetches it");
		return;
	}
	trust_get_facts(t, &f);
	say_expiry(d, "root", f.root_expires);
	say_expiry(d, "targets", f.targets_expires);
}

static void check_backstop(struct doctor *d)
{
	const struct backstop *b = &d->s->backstop;

	if (b->present)
		doctor_good(
			d, "image is release %" PRIu64 ", epoch %" PRIu64, b->release, b->epoch);
	else
		doctor_unknown(d, "%s is missing", d->s->config.backstop_json);
}

static void check_slot(struct doctor *d, char name)
{
	const struct config_slot *slot = config_slot_of(&d->s->config, name);
	const struct config_slot *other = config_slot_of(&d->s->config, config_other_slot(name));

	for (size_t i = 0; i < slot->count; i++) {
		struct err e = {0};
		uint64_t size = 0;
		uint64_t other_size = 0;
		if (slot_part_size(slot->parts[i].path, &size, &e) < 0) {
			doctor_bad(d, &e);
			continue;
		}
		doctor_good(d, "slot %c %s: %s, %" PRIu64 " bytes, %s", name, slot->parts[i].image,
			slot->parts[i].path, size,
			state_slot_status_name(d->s->state.slots[name - 'A'].status));
		if (slot_part_size(other->parts[i].path, &other_size, &e) == 0 && other_size > size)
			doctor_unknown(d,
				"slot %c %s is smaller than its twin: images must fit both", name,
				slot->parts[i].image);
	}
}

static void check_slots(struct doctor *d)
{
	check_slot(d, 'A');
	check_slot(d, 'B');
}

static void check_state(struct doctor *d)
{
	const struct session *s = d->s;
	struct statvfs v;
	struct err e = {0};

	if (s->state_lost) {
		err_set(&e, E_STATE,
			"state.json in %s cannot be used; the image's floors hold, the next "
			"poll writes a new one",
			s->config.data_dir);
		doctor_bad(d, &e);
	} else {
		doctor_good(d, "floors: release %" PRIu64 ", epoch %" PRIu64 "; transaction: %s",
			s->state.release_floor, s->state.epoch_floor,
			state_txn_phase_name(s->state.txn.phase));
	}
	if (fstatvfs(s->data, &v) == 0 && (uint64_t)v.f_bavail * v.f_frsize < DATA_FREE_WANTED) {
		err_set(&e, E_SPACE, "%s has less than 8 MiB left", s->config.data_dir);
		doctor_bad(d, &e);
	}
}

static void check_journal(struct doctor *d)
{
	const struct session *s = d->s;
	struct journal_config c = {.dir = s->data,
		.product = s->config.product,
		.epoch = s->state.journal_epoch,
		.expected_seq = s->state.journal_seq,
		.log = &s->log,
		.read_only = true};
	struct journal_verdict v = {0};
	struct err e = {0};

	memcpy(c.expected_head, s->state.journal_head, HASH_SIZE);
	if (journal_verify(&c, &v, &e) < 0)
		doctor_bad(d, &e);
	else
		doctor_good(d, "verifies: %" PRIu64 " milestones, %" PRIu64 " details",
			v.milestones, v.details);
}

static void check_clock(struct doctor *d)
{
	char now[CLOCK_TEXT_SIZE];
	char floor[CLOCK_TEXT_SIZE];

	clock_format(d->s->now, now);
	clock_format(d->s->state.time_floor, floor);
	if (d->s->clock_synchronised)
		doctor_good(d, "%s, synchronised", now);
	else
		doctor_unknown(d, "%s, not synchronised; time is at least %s", now, floor);
}

static void check_hooks(struct doctor *d)
{
	const char *dirs[] = {d->s->config.hooks_image, d->s->config.hooks_local};
	char path[CONFIG_PATH_SIZE + 32];

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/health/required.d", dirs[i]);
		if (access(path, R_OK | X_OK) == 0) {
			doctor_good(d, "required health checks in %s", path);
			return;
		}
	}
	doctor_unknown(d, "no health/required.d: every system that boots counts as healthy");
}

struct doctor_check {
	const char *name;
	void (*run)(struct doctor *d);
	const char *matters;
	const char *todo; /* NULL = the advice of the error's code */
};

#define REPAIR "`pawl doctor --repair`; what it leaves: docs/recovery.md"

/* clang-format off */
static const struct doctor_check checks[] = {
	{"config", check_config, "", NULL},
	{"trust", check_trust, "no update is accepted without a trusted root and metadata that is in date",
		NULL},
	{"backstop", check_backstop, "with the data partition, the memory of what is too old would be lost",
		"put the backstop.json of `pawl-repo allot` into the image"},
	{"slots", check_slots, "an update needs both slots, each large enough for every image", NULL},
	{"environment", doctor_check_environment,
		"while the boot loader cannot be told safely what to boot, no update begins or ends", REPAIR},
	{"identity", doctor_check_identity,
		"changes might reach an environment, or a slot, that the boot loader does not use", REPAIR},
	{"trial", doctor_check_trial, "the next boot would start a slot that nobody has proved", REPAIR},
	{"panic", doctor_check_panic, "a release whose kernel panics would never come back",
		"panic=5 on the kernel command line, as the layouts' boot scripts do"},
	{"watchdog", doctor_check_watchdog, "a release whose kernel hangs would wait for somebody at the plug",
		"[watchdog] in pawl.conf, or one that U-Boot starts and systemd feeds (docs/boot.md)"},
	{"state", check_state, "releases that failed here, and waiting ones, are remembered there",
		"docs/recovery.md"},
	{"journal", check_journal, "the record cannot be shown as evidence any more",
		"keep a copy of the journal folder; docs/recovery.md"},
	{"clock", check_clock, "expired metadata cannot be told from good one",
		"set the clock, let the system synchronise it"},
	{"hooks", check_hooks, "a release that boots and does not work would be committed",
		"put a check of what the product is for into health/required.d (hooks/README.md)"},
};
/* clang-format on */

enum { DOCTOR_REPAIR, DOCTOR_COUNT };
const struct verb_option doctor_options[] = {
	{"--repair", NULL, "repair first what can be repaired without a question"},
	{NULL, NULL, NULL},
};

static int examine(struct session *s, bool repair, struct err *e)
{
	struct doctor d = {.s = s};

#ifdef CONFIG_DOCTOR_REPAIR
	if (repair)
		doctor_repair(&d);
#else
	(void)repair;
#endif
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		d.check = checks[i].name;
		d.matters = checks[i].matters;
		d.todo = checks[i].todo;
		checks[i].run(&d);
	}
	if (d.bad > 0)
		return err_set(e, d.first, "%u check(s) are bad; see above", d.bad);
	return 0;
}

int cmd_doctor(void *ctx, int argc, char **argv, struct err *e)
{
	const char *values[DOCTOR_COUNT];
	struct session s;
	int rest = 0;

	if (verb_read_options(doctor_options, argc, argv, values, &rest, e) < 0 ||
		command_no_words(rest, argv, e) < 0)
		return -1;
	bool repair = values[DOCTOR_REPAIR] != NULL;
#ifndef CONFIG_DOCTOR_REPAIR
	if (repair)
		return err_set(e, E_USAGE, "this agent is built without doctor --repair");
#endif
	int rc = session_open(ctx, repair ? SESSION_WRITE : SESSION_READ, &s, e);
	s.actor = JOURNAL_USER;
	if (rc == 0)
		rc = examine(&s, repair, e);
	session_close(&s);
	return rc;
}
