/* SPDX-License-Identifier: Apache-2.0 */
/* state.json: what the agent must know across reboots; and the image's lower bounds. */
#include "agent/state.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/hash.h"
#include "agent/base/hex.h"
#include "agent/base/json.h"
#include "agent/base/must.h"
#include "agent/state_table.h"

#define STATE_NAME   "state.json"
#define STATE_SCHEMA 1
#define SUM_NAME     "sum" /* of the file without this member */
#define BACKSTOP_MAX 4096
#define NUMBER_MAX   (INT64_C(1) << 53)
#define READ_TRIES   3

static int read_backstop(const json_t *obj, struct backstop *b, struct err *e)
{
	const char *where = "backstop";
	const char *product;
	const char *built;
	int64_t n[3];

	if (json_want_int(obj, "schema", where, 1, 1, &n[0], e) < 0 ||
		json_want_string(obj, "product", where, &product, e) < 0 ||
		json_want_int(obj, "release", where, 0, NUMBER_MAX, &n[0], e) < 0 ||
		json_want_int(obj, "epoch", where, 0, NUMBER_MAX, &n[1], e) < 0 ||
		json_want_int(obj, "root_version", where, 0, NUMBER_MAX, &n[2], e) < 0 ||
		json_want_string(obj, "build_time", where, &built, e) < 0 ||
		clock_parse(built, &b->build_time, e) < 0)
		return -1;
	if (strlen(product) >= sizeof(b->product))
		return err_set(e, E_STATE, "backstop: \"product\" is too long");
	memcpy(b->product, product, strlen(product) + 1);
	b->release = (uint64_t)n[0];
	b->epoch = (uint64_t)n[1];
	b->root_version = (uint64_t)n[2];
	b->present = true;
	return 0;
}

int backstop_load(const char *path, struct backstop *out, struct err *e)
{
	AUTO_BUF struct buf text = buf_make(BACKSTOP_MAX);
	JSON_AUTO json_t *obj = NULL;
	struct backstop b = {0};

	if (file_read(AT_FDCWD, path, &text, e) < 0) {
		if (e->code == E_NOTFOUND) {
			*out = b;
			return 0;
		}
		e->code = E_STATE;
		return err_wrap(e, "backstop of the image");
	}
	if (json_read(text.data, text.len, &obj, e) < 0 || read_backstop(obj, &b, e) < 0) {
		e->code = E_STATE;
		return err_wrap(e, "%s", path);
	}
	*out = b;
	return 0;
}

/* Seed and pseudonym are made on the device: in a factory state they would be all alike. */
static int make_identity(struct state *s, struct err *e)
{
	uint8_t random[32];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_sys(e, E_STATE, errno, "no random numbers for seed and pseudonym");
	memcpy(s->seed, random, sizeof(s->seed));
	hex_encode(random + sizeof(s->seed), 16, s->pseudonym);
	return 0;
}

/* A state that was lost or put back from a backup must not open the way to old releases. */
/*
 * Is the image that runs (by its own word) one that waits for its commit? What it
 * says of itself counts from then on: a trial that fails must not lock others out.
 */
static bool is_tried(const struct state *s, const struct backstop *b)
{
	return s->txn.phase >= STATE_TXN_WRITTEN && s->txn.release == b->release;
}

static void raise_floors(struct state *s, const struct backstop *b)
{
	if (!MUST("state.time-floor", s->time_floor >= b->build_time))
		s->time_floor = b->build_time;
	if (is_tried(s, b))
		return;
	if (!MUST("state.release-floor", s->release_floor >= b->release))
		s->release_floor = b->release;
	if (!MUST("state.epoch-floor", s->epoch_floor >= b->epoch))
		s->epoch_floor = b->epoch;
}

static int check_schema(const json_t *obj, struct err *e)
{
	int64_t schema;

	if (json_want_int(obj, "schema", STATE_NAME, STATE_SCHEMA, STATE_SCHEMA, &schema, e) < 0) {
		e->code = E_STATE;
		return -1;
	}
	return 0;
}

/*
 * What cannot be read counts as lost, and is written anew: a seed, failures and
 * slot records are gone then. So a bus that hiccups is asked again.
 */
static int read_file(int dir, struct buf *text, struct err *e)
{
	const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};

	for (int tries = READ_TRIES;; tries--) {
		if (file_read(dir, STATE_NAME, text, e) == 0)
			return 0;
		if (e->code != E_IO || tries == 1)
			break;
		nanosleep(&pause, NULL);
	}
	/* This says nothing of the file. */
	if (e->sys == ENOMEM || e->sys == ENFILE || e->sys == EMFILE)
		e->code = E_NOMEM;
	return -1;
}

static char *dump(const json_t *obj)
{
	return json_dumps(obj, JSON_INDENT(1) | JSON_SORT_KEYS);
}

static int make_sum(const char *text, char hex[HASH_HEX_SIZE], struct err *e)
{
	uint8_t digest[HASH_SIZE];

	if (hash_bytes(HASH_SHA256, text, strlen(text), digest, e) < 0)
		return -1;
	hash_to_hex(digest, hex);
	return 0;
}

/*
 * One wrong bit in a digit is JSON all the same, and a floor that nobody set. A
 * file without a sum is an older agent's.
 */
static int check_sum(json_t *obj, struct err *e)
{
	const char *said = json_string_value(json_object_get(obj, SUM_NAME));
	char want[HASH_HEX_SIZE];
	char sum[HASH_HEX_SIZE];

	if (!said)
		return 0;
	snprintf(want, sizeof(want), "%s", said);
	json_object_del(obj, SUM_NAME);
	AUTO_FREE char *text = dump(obj);
	if (!text)
		return err_set(e, E_NOMEM, "no memory for " STATE_NAME);
	if (make_sum(text, sum, e) < 0)
		return -1;
	if (!MUST("state.sum", strcmp(sum, want) == 0))
		return err_set(e, E_STATE, "its content differs from its own checksum");
	return 0;
}

static int read_state(int dir, struct state *s, struct err *e)
{
	AUTO_BUF struct buf text = buf_make(STATE_FILE_MAX);
	JSON_AUTO json_t *obj = NULL;

	if (read_file(dir, &text, e) < 0)
		return -1;
	if (json_read(text.data, text.len, &obj, e) < 0 || check_schema(obj, e) < 0 ||
		check_sum(obj, e) < 0 || state_field_read(state_table, obj, s, e) < 0) {
		if (e->code != E_NOMEM)
			e->code = E_STATE;
		return err_wrap(e, STATE_NAME);
	}
	return 0;
}

int state_load(int dir, const struct backstop *b, struct state *out, bool *lost, struct err *e)
{
	AUTO_FREE struct state *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(e, E_NOMEM, "no memory for the state");
	bool bad = read_state(dir, s, e) < 0;
	if (bad && e->code == E_NOMEM)
		return -1;
	if (bad) {
		struct err random = {0};
		*s = (struct state){0};
		if (make_identity(s, &random) < 0) {
			*e = random;
			return -1;
		}
	}
	raise_floors(s, b);
	*out = *s;
	*lost = bad;
	return 0;
}

int state_store(int dir, const struct state *s, struct err *e)
{
	JSON_AUTO json_t *obj = state_field_write(state_table, s);

	if (!obj || json_object_set_new(obj, "schema", json_integer(STATE_SCHEMA)) < 0)
		return err_set(e, E_NOMEM, "no memory for " STATE_NAME);
	AUTO_FREE char *content = dump(obj);
	char sum[HASH_HEX_SIZE];
	if (!content)
		return err_set(e, E_NOMEM, "no memory for " STATE_NAME);
	if (make_sum(content, sum, e) < 0)
		return -1;
	AUTO_FREE char *text =
		json_object_set_new(obj, SUM_NAME, json_string(sum)) == 0 ? dump(obj) : NULL;
	if (!text)
		return err_set(e, E_NOMEM, "no memory for " STATE_NAME);
	if (strlen(text) > STATE_FILE_MAX)
		return err_set(e, E_STATE, STATE_NAME " would be larger than can be read again");
	return file_replace(dir, STATE_NAME, text, strlen(text), 0600, e);
}

struct state_slot *state_slot_of(struct state *s, char slot)
{
	return slot == 'A' ? &s->slots[0] : slot == 'B' ? &s->slots[1] : NULL;
}

const struct state_failed *state_find_failed(
	const struct state *s, const uint8_t manifest[HASH_SIZE])
{
	for (size_t i = 0; i < s->failed_count; i++) {
		if (hash_equal(s->failed[i].manifest, manifest))
			return &s->failed[i];
	}
	return NULL;
}

/* Drops row `i` of `count` rows of `size` bytes; the oldest stand in front. */
static void drop_row(void *rows, size_t size, size_t *count, size_t i)
{
	char *at = (char *)rows + i * size;

	memmove(at, at + size, (*count - i - 1) * size);
	(*count)--;
}

void state_forget_failed(struct state *s, const uint8_t manifest[HASH_SIZE])
{
	const struct state_failed *f = state_find_failed(s, manifest);

	if (f)
		drop_row(
			s->failed, sizeof(s->failed[0]), &s->failed_count, (size_t)(f - s->failed));
}

void state_add_failed(struct state *s, const struct state_failed *f)
{
	struct state_failed copy = *f;

	state_forget_failed(s, copy.manifest);
	if (s->failed_count == STATE_FAILED_MAX)
		drop_row(s->failed, sizeof(s->failed[0]), &s->failed_count, 0);
	s->failed[s->failed_count++] = copy;
}

bool state_is_revoked(const struct state *s, const uint8_t manifest[HASH_SIZE])
{
	for (size_t i = 0; i < s->revoked_count; i++) {
		if (hash_equal(s->revoked[i], manifest))
			return true;
	}
	return false;
}

void state_add_revoked(struct state *s, const uint8_t manifest[HASH_SIZE])
{
	if (state_is_revoked(s, manifest))
		return;
	if (s->revoked_count == STATE_REVOKED_MAX)
		drop_row(s->revoked, sizeof(s->revoked[0]), &s->revoked_count, 0);
	memcpy(s->revoked[s->revoked_count++], manifest, HASH_SIZE);
}

const char *state_slot_status_name(enum state_slot_status s)
{
	static const char *const names[] = {
		[STATE_SLOT_UNKNOWN] = "unknown",
		[STATE_SLOT_WRITING] = "writing",
		[STATE_SLOT_WRITTEN] = "written",
		[STATE_SLOT_COMMITTED] = "committed",
		[STATE_SLOT_FAILED] = "failed",
	};

	return names[s];
}

const char *state_txn_phase_name(enum state_txn_phase p)
{
	static const char *const names[] = {
		[STATE_TXN_NONE] = "none",
		[STATE_TXN_WRITING] = "writing",
		[STATE_TXN_WRITTEN] = "written",
		[STATE_TXN_ACTIVATED] = "activated",
		[STATE_TXN_FAILED] = "failed",
	};

	return names[p];
}
