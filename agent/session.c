/* SPDX-License-Identifier: Apache-2.0 */
/* One run of the agent: everything that is open while it lasts. */
#include "agent/session.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/hash.h"

static void read_boot_id(struct session *s)
{
	char path[CONFIG_PATH_SIZE];
	struct err e = {0};
	AUTO_BUF struct buf text = buf_make(64);

	s->boot_id[0] = 0;
	if (file_join(path, sizeof(path), s->config.root, "proc/sys/kernel/random/boot_id", &e) <
			0 ||
		file_read(AT_FDCWD, path, &text, &e) < 0)
		return;
	size_t n = strcspn(buf_text(&text), "\n");
	if (n < sizeof(s->boot_id)) {
		memcpy(s->boot_id, buf_text(&text), n);
		s->boot_id[n] = 0;
	}
}

static int open_data(struct session *s, unsigned lock_seconds, struct err *e)
{
	if (s->mode == SESSION_WRITE && file_make_path(s->config.data_dir, 0700, e) < 0)
		return err_wrap(e, "data folder");
	if (file_open_dir(s->config.data_dir, &s->data, e) < 0)
		return err_wrap(e, "data folder");
	if (s->mode == SESSION_READ)
		return 0;
	/* Two agents at once would write one slot twice; the second one goes away. */
	if (file_lock(s->data, "lock", lock_seconds, &s->lock, e) < 0)
		return err_wrap(e, "%s", s->config.data_dir);
	return 0;
}

static struct journal_config journal_config_of(const struct session *s)
{
	struct journal_config c = {
		.dir = s->data,
		.product = s->config.product,
		.epoch = s->state.journal_epoch,
		.boot = s->state.boot_counter + (s->new_boot ? 1 : 0),
		.clock_synchronised = s->clock_synchronised,
		.expected_seq = s->state.journal_seq,
		.log = &s->log,
		.read_only = s->mode == SESSION_READ,
	};

	memcpy(c.expected_head, s->state.journal_head, HASH_SIZE);
	snprintf(c.device, sizeof(c.device), "%s", s->state.pseudonym);
	return c;
}

static int load_state(struct session *s, struct err *e)
{
	struct err why = {0};
	bool lost = false;

	if (backstop_load(s->config.backstop_json, &s->backstop, e) < 0)
		return -1;
	if (state_load(s->data, &s->backstop, &s->state, &lost, &why) < 0) {
		*e = why;
		return -1;
	}
	s->first_start = lost && why.code == E_NOTFOUND;
	s->state_lost = lost && !s->first_start;
	if (s->state_lost)
		log_line(&s->log, LOG_LEVEL_WARN, "state-lost reason=\"%s\"", why.text);
	return 0;
}

int session_open(
	const struct session_options *o, enum session_mode mode, struct session *s, struct err *e)
{
	*s = (struct session){.mode = mode, .data = -1, .lock = -1, .progress_fd = o->progress_fd};
	s->log = log_make(o->verbose ? LOG_LEVEL_DEBUG
			  : o->quiet ? LOG_LEVEL_WARN
				     : LOG_LEVEL_INFO);
	s->now = clock_wall();
	if (config_load(o->root, o->config, &s->config, e) < 0)
		return -1;
	s->clock_synchronised = clock_is_synchronised(s->config.root);
	if (open_data(s, o->lock_seconds, e) < 0 || load_state(s, e) < 0)
		return -1;
	read_boot_id(s);
	s->new_boot = strcmp(s->boot_id, s->state.boot_id) != 0;
	if (mode == SESSION_READ)
		return 0;
	struct journal_config jc = journal_config_of(s);
	if (journal_open(&jc, &s->journal, e) < 0)
		return -1;
	if (s->state_lost)
		session_record(s, JOURNAL_STATE_LOST, JOURNAL_NOTE, E_STATE,
			json_pack("{s:I,s:I}", "release", (json_int_t)s->state.release_floor,
				"epoch", (json_int_t)s->state.epoch_floor));
	/* Seed and pseudonym of a first start must not change at the next one. */
	if ((s->first_start || s->state_lost) && session_store(s, e) < 0)
		return -1;
	return 0;
}

void session_close(struct session *s)
{
	boot_close(s->boot);
	journal_close(s->journal);
	if (s->lock >= 0)
		close(s->lock);
	if (s->data >= 0)
		close(s->data);
	*s = (struct session){.data = -1, .lock = -1};
}

int session_open_boot(struct session *s, struct err *e)
{
	const struct config *c = &s->config;
	struct boot_options o = {
		.root = c->root,
		.loader = c->loader,
		.fw_env_config = c->fw_env_config,
		.script = c->boot_script,
		.script_seconds = c->hook_timeout,
		.allow_single_env = c->allow_single_env,
		.autoboot = c->autoboot,
		.partition = {c->partition_a, c->partition_b},
		.state_dir = c->data_dir,
		.reboot_command = c->reboot_command[0] ? c->reboot_command : NULL,
	};

	if (s->boot)
		return 0;
	return boot_open(&o, &s->boot, e);
}

int session_store(struct session *s, struct err *e)
{
	journal_head(s->journal, &s->state.journal_seq, s->state.journal_head);
	if (state_store(s->data, &s->state, e) < 0)
		return err_wrap(e, "storing state in %s", s->config.data_dir);
	return 0;
}

void session_record(struct session *s, enum journal_event event, enum journal_outcome outcome,
	enum err_code rc, json_t *data)
{
	struct journal_record r = {
		.event = event,
		.outcome = outcome,
		.rc = rc,
		.actor = s->actor,
		.txn = s->state.txn.phase != STATE_TXN_NONE ? s->state.txn.number : 0,
		.data = data,
	};

	journal_add(s->journal, &r);
	json_decref(data);
}

json_t *session_release_data(uint64_t release, uint64_t epoch, const uint8_t manifest[HASH_SIZE])
{
	char hex[HASH_HEX_SIZE];

	hash_to_hex(manifest, hex);
	return json_pack("{s:I,s:I,s:s}", "release", (json_int_t)release, "epoch",
		(json_int_t)epoch, "manifest", hex);
}

struct hook_config session_hooks(const struct session *s)
{
	return (struct hook_config){
		.image_dir = s->config.hooks_image,
		.local_dir = s->config.hooks_local,
		.seconds = s->config.hook_timeout,
		.log = &s->log,
	};
}

static void add_fact(struct session_facts *f, const char *key, const char *value)
{
	if (f->count < SESSION_FACTS_MAX)
		f->facts[f->count++] = (struct hook_fact){key, value};
}

void session_make_facts(const struct session *s, uint64_t release, const char *version, char target,
	struct session_facts *out)
{
	char slot = s->state.boot_slot;
	uint64_t from = slot == 'A' || slot == 'B' ? s->state.slots[slot - 'A'].release : 0;

	*out = (struct session_facts){0};
	snprintf(out->release, sizeof(out->release), "%" PRIu64, release);
	snprintf(out->from, sizeof(out->from), "%" PRIu64, from);
	out->slot[0] = slot;
	out->target[0] = target;
	add_fact(out, "ROOT", s->config.root);
	add_fact(out, "DATA", s->config.data_dir);
	add_fact(out, "PRODUCT", s->config.product);
	add_fact(out, "CHANNEL", s->config.channel);
	add_fact(out, "SLOT", out->slot);
	add_fact(out, "TARGET", out->target);
	add_fact(out, "RELEASE", out->release);
	add_fact(out, "VERSION", version);
	add_fact(out, "FROM_RELEASE", out->from);
	if (s->config.url_count > 0)
		add_fact(out, "SERVER", s->config.urls[0]);
}

static const char *verdict_word(enum hook_verdict v)
{
	return v == HOOK_GOOD ? "good" : v == HOOK_LATER ? "later" : "bad";
}

static void note_hook(void *ctx, enum hook_stage stage, const struct hook_result *r)
{
	struct session *s = ctx;

	/* No name: it is the integrator's text, and its digest could be guessed (design 9). */
	session_record(s, JOURNAL_HOOK, r->verdict == HOOK_BAD ? JOURNAL_FAIL : JOURNAL_OK,
		r->verdict == HOOK_BAD     ? E_HOOK
		: r->verdict == HOOK_LATER ? E_LATER
					   : E_OK,
		json_pack("{s:i,s:s,s:i,s:i,s:I}", "stage", (int)stage, "verdict",
			verdict_word(r->verdict), "exit", r->exit_status, "signal", r->signal, "ms",
			(json_int_t)r->ms));
}

struct hook_sink session_hook_sink(struct session *s)
{
	return (struct hook_sink){.ctx = s, .result = note_hook};
}
