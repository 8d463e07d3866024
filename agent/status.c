/* SPDX-License-Identifier: Apache-2.0 */
/* What runs, what waits, why. */
#include "agent/status.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/json.h"
#include "agent/running.h"
#include "agent/trust/client.h"

static json_t *time_or_null(int64_t t)
{
	char text[CLOCK_TEXT_SIZE];

	if (t <= 0)
		return json_null();
	clock_format(t, text);
	return json_string(text);
}

static json_t *slot_object(const struct session *s, char name)
{
	const struct state_slot *slot = &s->state.slots[name - 'A'];
	char hex[HASH_HEX_SIZE];

	hash_to_hex(slot->manifest, hex);
	if (slot->status == STATE_SLOT_UNKNOWN)
		return json_pack("{s:s}", "status", state_slot_status_name(slot->status));
	return json_pack("{s:s,s:I,s:s,s:I,s:s,s:o}", "status",
		state_slot_status_name(slot->status), "release", (json_int_t)slot->release,
		"version", slot->version, "epoch", (json_int_t)slot->epoch, "manifest", hex,
		"support_end", time_or_null(slot->support_end));
}

/* `fetch` is all that travels, with the tables. */
static json_t *plan_object(const struct state_offer_plan *p)
{
	const struct way_sum *m = &p->sum;

	if (!p->made)
		return json_null();
	return json_pack("{s:s,s:I,s:I,s:I,s:I,s:I}", "way", way_name(m->way), "fetch",
		(json_int_t)(m->data + m->tables), "tables", (json_int_t)m->tables, "requests",
		(json_int_t)m->requests, "full", (json_int_t)m->full, "write",
		(json_int_t)m->write);
}

static json_t *offer_object(const struct session *s)
{
	const struct plan *p = &s->state.offer;

	if (p->release == 0)
		return json_null();
	return json_pack("{s:I,s:s,s:s,s:s,s:o,s:o}", "release", (json_int_t)p->release, "version",
		p->version, "class", plan_class_name(p->update_class), "why", s->state.offer_why,
		"not_before", time_or_null(s->state.offer_not_before), "plan",
		plan_object(&s->state.offer_plan));
}

static json_t *failed_array(const struct session *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->state.failed_count; i++) {
		const struct state_failed *f = &s->state.failed[i];
		json_array_append_new(
			list, json_pack("{s:I,s:s,s:s,s:o}", "release", (json_int_t)f->release,
				      "code", err_name(f->why), "why", f->why_text, "when",
				      time_or_null(f->when)));
	}
	return list;
}

static json_t *txn_object(const struct session *s)
{
	const struct state_txn *t = &s->state.txn;
	char target[2] = {t->target, 0};

	if (t->phase == STATE_TXN_NONE)
		return json_null();
	return json_pack("{s:I,s:s,s:I,s:s,s:o}", "number", (json_int_t)t->number, "phase",
		state_txn_phase_name(t->phase), "release", (json_int_t)t->release, "target", target,
		"started", time_or_null(t->started));
}

/* Boot loader's facts; a problem is told, not returned. */
static void add_boot(struct session *s, json_t *out)
{
	struct running d = {0};
	struct err e = {0};
	char slot[2] = {0};
	char committed[2] = {0};

	if (session_open_boot(s, &e) < 0 || running_identify(&s->config, s->boot, &d, &e) < 0) {
		json_object_set_new(out, "problem",
			json_pack("{s:s,s:s}", "code", err_name(e.code), "why", e.text));
		return;
	}
	slot[0] = d.booted;
	committed[0] = d.committed;
	json_object_set_new(out, "booted", json_string(slot));
	json_object_set_new(out, "committed", json_string(committed));
	json_object_set_new(out, "on_trial", json_boolean(d.on_trial));
	json_object_set_new(out, "trial_waits",
		json_boolean(d.facts.trial && !d.on_trial && d.facts.tries > 0));
	json_object_set_new(out, "fallback", json_boolean(d.fallback));
}

/* What the stored metadata says of its own freshness. */
static void add_trust(struct session *s, json_t *out)
{
	AUTO_BUF struct buf root = buf_make(TRUST_ROOT_MAX);
	AUTO_TRUST struct trust *t = NULL;
	AUTO_CLOSE int store = -1;
	struct trust_facts f;
	struct err e = {0};

	store = openat(s->data, "tuf", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (store < 0 || file_read(AT_FDCWD, s->config.root_json, &root, &e) < 0)
		return;
	struct trust_options o = {.image_root = root.data,
		.image_root_len = root.len,
		.store = store,
		.now = s->now,
		.clock_synchronised = s->clock_synchronised,
		.time_floor = s->state.time_floor};
	if (trust_open(&o, &t, &e) < 0 || trust_load_stored(t, &e) < 0)
		return;
	trust_get_facts(t, &f);
	json_object_set_new(out, "metadata",
		json_pack("{s:I,s:I,s:o,s:o,s:o}", "root", (json_int_t)f.root_version, "timestamp",
			(json_int_t)f.timestamp_version, "root_expires",
			time_or_null(f.root_expires), "targets_expires",
			time_or_null(f.targets_expires), "timestamp_expires",
			time_or_null(f.timestamp_expires)));
}

int status_gather(struct session *s, json_t **out, struct err *e)
{
	JSON_AUTO json_t *o = json_pack("{s:i,s:s,s:s,s:s,s:s}", "schema", 1, "product",
		s->config.product, "channel", s->config.channel, "compatible", s->config.compatible,
		"agent", PAWL_VERSION);

	if (!o)
		return err_set(e, E_NOMEM, "no memory for the status");
	add_boot(s, o);
	json_object_set_new(o, "slots",
		json_pack("{s:o,s:o}", "A", slot_object(s, 'A'), "B", slot_object(s, 'B')));
	json_object_set_new(o, "image_release", json_integer((json_int_t)s->backstop.release));
	json_object_set_new(o, "release_floor", json_integer((json_int_t)s->state.release_floor));
	json_object_set_new(o, "epoch_floor", json_integer((json_int_t)s->state.epoch_floor));
	json_object_set_new(o, "transaction", txn_object(s));
	json_object_set_new(o, "offer", offer_object(s));
	json_object_set_new(o, "failed", failed_array(s));
	json_object_set_new(o, "last_poll", time_or_null(s->state.last_poll));
	json_object_set_new(o, "last_poll_code", json_string(err_name(s->state.last_poll_rc)));
	json_object_set_new(o, "backs_off_until",
		time_or_null(s->state.backoff.failures ? s->state.backoff.not_before : 0));
	json_object_set_new(o, "clock_synchronised", json_boolean(s->clock_synchronised));
	add_trust(s, o);
	*out = steal_ptr(o);
	return 0;
}

static const char *text(const json_t *o, const char *key)
{
	const char *t = json_string_value(json_object_get(o, key));

	return t ? t : "unknown";
}

static json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void print_slot(const json_t *status, const char *name)
{
	const json_t *s = json_object_get(json_object_get(status, "slots"), name);
	bool runs = strcmp(text(status, "booted"), name) == 0;
	bool committed = strcmp(text(status, "committed"), name) == 0;

	printf("slot %s      %s%s", name, text(s, "status"), runs ? ", runs now" : "");
	if (runs && json_is_true(json_object_get(status, "on_trial")))
		fputs(" on trial", stdout);
	if (committed)
		fputs(", boots next", stdout);
	if (json_object_get(s, "release"))
		printf(": release %" JSON_INTEGER_FORMAT " (%s)", number(s, "release"),
			text(s, "version"));
	if (json_is_string(json_object_get(s, "support_end")))
		printf(", supported until %.10s", text(s, "support_end"));
	putchar('\n');
}

static void print_plan(const json_t *plan)
{
	const double mib = 1024.0 * 1024.0;

	if (!json_is_object(plan))
		return;
	printf("            by %s: fetches %.1f MiB (full: %.1f MiB), writes %.1f MiB\n",
		text(plan, "way"), (double)number(plan, "fetch") / mib,
		(double)number(plan, "full") / mib, (double)number(plan, "write") / mib);
}

static void print_waiting(const json_t *status)
{
	const json_t *offer = json_object_get(status, "offer");
	const json_t *txn = json_object_get(status, "transaction");

	if (json_is_object(txn))
		printf("transaction %" JSON_INTEGER_FORMAT ": release %" JSON_INTEGER_FORMAT
		       " to slot %s, %s since %s\n",
			number(txn, "number"), number(txn, "release"), text(txn, "target"),
			text(txn, "phase"), text(txn, "started"));
	if (json_is_true(json_object_get(status, "trial_waits")))
		puts("waits       the next reboot starts the trial");
	if (json_is_object(offer)) {
		printf("offer       release %" JSON_INTEGER_FORMAT " (%s), %s: %s\n",
			number(offer, "release"), text(offer, "version"), text(offer, "class"),
			text(offer, "why"));
		if (json_is_string(json_object_get(offer, "not_before")))
			printf("            not before %s\n", text(offer, "not_before"));
		print_plan(json_object_get(offer, "plan"));
	} else {
		puts("offer       none");
	}
}

static void print_failed(const json_t *status)
{
	size_t i;
	json_t *f;

	json_array_foreach (json_object_get(status, "failed"), i, f)
		printf("failed      release %" JSON_INTEGER_FORMAT " at %s: %s: %s\n",
			number(f, "release"), text(f, "when"), text(f, "code"), text(f, "why"));
}

void status_print(const json_t *status)
{
	const json_t *problem = json_object_get(status, "problem");
	const json_t *metadata = json_object_get(status, "metadata");

	printf("product     %s, channel %s, hardware %s\n", text(status, "product"),
		text(status, "channel"), text(status, "compatible"));
	if (problem)
		printf("PROBLEM     %s: %s\n", text(problem, "code"), text(problem, "why"));
	print_slot(status, "A");
	print_slot(status, "B");
	print_waiting(status);
	print_failed(status);
	printf("last poll   %s%s%s\n",
		json_is_string(json_object_get(status, "last_poll")) ? text(status, "last_poll")
								     : "never",
		strcmp(text(status, "last_poll_code"), "E_OK") ? ": " : "",
		strcmp(text(status, "last_poll_code"), "E_OK") ? text(status, "last_poll_code")
							       : "");
	if (json_is_string(json_object_get(status, "backs_off_until")))
		printf("            backs off until %s\n", text(status, "backs_off_until"));
	if (metadata)
		printf("metadata    timestamp %" JSON_INTEGER_FORMAT
		       " good until %.10s, root %" JSON_INTEGER_FORMAT " until %.10s\n",
			number(metadata, "timestamp"), text(metadata, "timestamp_expires"),
			number(metadata, "root"), text(metadata, "root_expires"));
	printf("clock       %s\n", json_is_true(json_object_get(status, "clock_synchronised"))
					   ? "synchronised"
					   : "not synchronised");
	printf("floors      release %" JSON_INTEGER_FORMAT ", epoch %" JSON_INTEGER_FORMAT "\n",
		number(status, "release_floor"), number(status, "epoch_floor"));
}
