/* SPDX-License-Identifier: Apache-2.0 */
/* pawl doctor: one line per check: good, bad or unknown, and what to do. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/commands.h"
#include "agent/running.h"
#include "agent/trust/client.h"

#define DATA_FREE_WANTED (8u * 1024 * 1024)
#define SOON             (90 * 86400)

enum verdict { GOOD, BAD, UNKNOWN };

/* The patient, and what was found so far. */
struct doctor {
	struct session *s;
	const char *check;
	unsigned bad;
	enum err_code first;
};

static void say(struct doctor *d, enum verdict v, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct doctor *d, enum verdict v, const char *fmt, ...)
{
	static const char *const words[] = {"good", "BAD", "unknown"};
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printf("%-8s %-12s %s\n", words[v], d->check, text);
}

static void say_error(struct doctor *d, const struct err *e)
{
	say(d, BAD, "%s: %s; what to do: %s", err_name(e->code), e->text, err_action(e->code));
	if (d->bad++ == 0)
		d->first = e->code;
}

static void check_config(struct doctor *d)
{
	const struct config *c = &d->s->config;

	say(d, GOOD, "%s: product %s, hardware %s, channel %s, %zu mirror(s)", c->file, c->product,
		c->compatible, c->channel, c->url_count);
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
		say_error(d, &e);
	} else if (when - now < SOON) {
		say(d, GOOD, "%s expires soon: %s", what, text);
	} else {
		say(d, GOOD, "%s good until %s", what, text);
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
		say_error(d, &e);
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
		say_error(d, &e);
		return;
	}
	say(d, GOOD, "%s is a usable root", s->config.root_json);
	if (store < 0 || trust_load_stored(t, &e) < 0) {
		say(d, UNKNOWN, "no metadata is stored yet: `pawl check` fetches it");
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
		say(d, GOOD, "image is release %" PRIu64 ", epoch %" PRIu64, b->release, b->epoch);
	else
		say(d, UNKNOWN,
			"%s is missing: floors are lost with the data partition; `pawl-repo allot` "
			"makes it",
			d->s->config.backstop_json);
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
			say_error(d, &e);
			continue;
		}
		say(d, GOOD, "slot %c %s: %s, %" PRIu64 " bytes, %s", name, slot->parts[i].image,
			slot->parts[i].path, size,
			state_slot_status_name(d->s->state.slots[name - 'A'].status));
		if (slot_part_size(other->parts[i].path, &other_size, &e) == 0 && other_size > size)
			say(d, UNKNOWN, "slot %c %s is smaller than its twin: images must fit both",
				name, slot->parts[i].image);
	}
}

static void check_slots(struct doctor *d)
{
	check_slot(d, 'A');
	check_slot(d, 'B');
}

static void check_environment(struct doctor *d)
{
	struct boot_facts f = {0};
	struct err e = {0};

	if (session_open_boot(d->s, &e) < 0 || boot_self_test(d->s->boot, &e) < 0) {
		say_error(d, &e);
		return;
	}
	say(d, GOOD, "%s", boot_ops_of(d->s->boot)->describe);
	if (boot_read(d->s->boot, &f, &e) == 0 && f.copies_bad > 0)
		say(d, UNKNOWN,
			"%u of %u copies of the environment is damaged; the next change of it writes "
			"that copy anew",
			f.copies_bad, f.copies);
}

static void check_identity(struct doctor *d)
{
	struct running dev = {0};
	struct err e = {0};

	if (!d->s->boot) {
		say(d, UNKNOWN, "the boot environment cannot be read");
		return;
	}
	if (running_identify(&d->s->config, d->s->boot, &dev, &e) < 0) {
		say_error(d, &e);
		return;
	}
	say(d, GOOD, "slot %c runs, slot %c is committed%s", dev.booted, dev.committed,
		dev.on_trial   ? ", on trial"
		: dev.fallback ? ", fallback boot"
			       : "");
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
		say_error(d, &e);
	} else {
		say(d, GOOD, "floors: release %" PRIu64 ", epoch %" PRIu64 "; transaction: %s",
			s->state.release_floor, s->state.epoch_floor,
			state_txn_phase_name(s->state.txn.phase));
	}
	if (fstatvfs(s->data, &v) == 0 && (uint64_t)v.f_bavail * v.f_frsize < DATA_FREE_WANTED) {
		err_set(&e, E_SPACE, "%s has less than 8 MiB left", s->config.data_dir);
		say_error(d, &e);
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
		say_error(d, &e);
	else
		say(d, GOOD, "verifies: %" PRIu64 " milestones, %" PRIu64 " details", v.milestones,
			v.details);
}

static void check_clock(struct doctor *d)
{
	char now[CLOCK_TEXT_SIZE];
	char floor[CLOCK_TEXT_SIZE];

	clock_format(d->s->now, now);
	clock_format(d->s->state.time_floor, floor);
	if (d->s->clock_synchronised)
		say(d, GOOD, "%s, synchronised", now);
	else
		say(d, UNKNOWN, "%s, not synchronised; time is at least %s", now, floor);
}

static void check_hooks(struct doctor *d)
{
	const char *dirs[] = {d->s->config.hooks_image, d->s->config.hooks_local};
	char path[CONFIG_PATH_SIZE + 32];

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/health/required.d", dirs[i]);
		if (access(path, R_OK | X_OK) == 0) {
			say(d, GOOD, "required health checks in %s", path);
			return;
		}
	}
	say(d, UNKNOWN, "no health/required.d: every system that boots counts as healthy");
}

struct doctor_check {
	const char *name;
	void (*run)(struct doctor *d);
};

static const struct doctor_check checks[] = {
	{"config", check_config},
	{"trust", check_trust},
	{"backstop", check_backstop},
	{"slots", check_slots},
	{"environment", check_environment},
	{"identity", check_identity},
	{"state", check_state},
	{"journal", check_journal},
	{"clock", check_clock},
	{"hooks", check_hooks},
};

int cmd_doctor(void *ctx, int argc, char **argv, struct err *e)
{
	struct session s;
	int rest = 0;

	if (verb_read_options(NULL, argc, argv, NULL, &rest, e) < 0 ||
		command_no_words(rest, argv, e) < 0)
		return -1;
	int rc = session_open(ctx, SESSION_READ, &s, e);
	if (rc == 0) {
		struct doctor d = {.s = &s};
		for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
			d.check = checks[i].name;
			checks[i].run(&d);
		}
		if (d.bad > 0)
			rc = err_set(e, d.first, "%u check(s) are bad; see above", d.bad);
	}
	session_close(&s);
	return rc;
}
