/* SPDX-License-Identifier: Apache-2.0 */
/* agent/state: nothing is forgotten, and what was lost or put back opens no way to old releases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

#include "agent/base/file.h"
#include "agent/state.h"

static char dir_path[64];
static int dir = -1;
static struct state s;
static struct state got;
static struct err e;
static bool lost;

static const struct backstop stop = {
	.present = true,
	.build_time = 1700000000,
	.epoch = 3,
	.root_version = 1,
	.release = 7,
	.product = "demo",
};
static const struct backstop no_stop;

static int failing_reads;
static int read_error;

int __real_file_read(int at, const char *name, struct buf *out, struct err *err);
int __wrap_file_read(int at, const char *name, struct buf *out, struct err *err);

int __wrap_file_read(int at, const char *name, struct buf *out, struct err *err)
{
	if (failing_reads > 0) {
		failing_reads--;
		return err_sys(err, E_IO, read_error, "cannot read %s", name);
	}
	return __real_file_read(at, name, out, err);
}

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir_path, sizeof(dir_path), "/tmp/pawl-state-test-XXXXXX");
	assert_non_null(mkdtemp(dir_path));
	assert_int_equal(file_open_dir(dir_path, &dir, &e), 0);
	s = (struct state){0};
	memset(&got, 0x5a, sizeof(got));
	e = (struct err){0};
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlinkat(dir, "state.json", 0);
	unlinkat(dir, "backstop.json", 0);
	close(dir);
	return rmdir(dir_path);
}

static void fill_image(struct plan_image *i, const char *name, uint8_t byte)
{
	snprintf(i->name, sizeof(i->name), "%s", name);
	i->format = PLAN_EROFS;
	i->size = 4096u * byte;
	i->leaf_alg = HASH_SHA512_256;
	i->encoding = PLAN_ZLIB;
	memset(i->leaves.sha256, byte, HASH_SIZE);
	i->leaves.length = 32;
	memset(i->full.sha256, byte + 1, HASH_SIZE);
	i->full.length = 33;
	memset(i->pieces.sha256, byte + 2, HASH_SIZE);
	i->pieces.length = 34;
	memset(i->index.sha256, byte + 3, HASH_SIZE);
	i->index.length = 35;
}

static void fill_slot(struct state_slot *slot, enum state_slot_status status, uint8_t byte)
{
	slot->status = status;
	slot->release = byte;
	slot->epoch = byte + 1u;
	snprintf(slot->version, sizeof(slot->version), "v%u", byte);
	memset(slot->manifest, byte, HASH_SIZE);
	slot->support_end = 1900000000 + byte;
	fill_image(&slot->images[0], "rootfs", byte);
	fill_image(&slot->images[1], "boot", (uint8_t)(byte + 10));
	slot->image_count = 2;
}

static void fill_history(struct state *f)
{
	f->txn = (struct state_txn){
		.number = 99,
		.phase = STATE_TXN_ACTIVATED,
		.target = 'B',
		.release = 8,
		.why = E_HEALTH,
		.why_text = "check network failed",
		.started = 1750000000,
		.from_bundle = true,
		.by_hand = true,
	};
	memset(f->txn.manifest, 0x41, HASH_SIZE);
	for (size_t i = 0; i < 2; i++) {
		struct state_failed *x = &f->failed[i];
		memset(x->manifest, 0x50 + (int)i, HASH_SIZE);
		x->release = 4 + i;
		x->why = E_READBACK;
		snprintf(x->why_text, sizeof(x->why_text), "device %zu", i);
		x->when = 1740000000;
		memset(f->revoked[i], 0x60 + (int)i, HASH_SIZE);
	}
	f->failed_count = 2;
	f->revoked_count = 2;
	memset(f->attempt_manifest, 0x42, HASH_SIZE);
	f->attempts = 2;
	f->health_runs = UINT32_MAX;
	f->backoff = (struct backoff){.failures = 4, .not_before = 1750000001};
	f->last_poll = 1750000002;
	f->last_poll_rc = E_NET;
	f->deferred_until = 1750000003;
}

static void fill_rest(struct state *f)
{
	f->offer = (struct plan){
		.product = "demo",
		.version = "2.1",
		.release = 9,
		.epoch = 5,
		.update_class = PLAN_MIXED,
		.support_end = 1900000001,
		.issued = 1750000004,
		.image_count = 1,
	};
	memset(f->offer.manifest, 0x43, HASH_SIZE);
	memset(f->offer.sbom, 0x44, HASH_SIZE);
	fill_image(&f->offer.images[0], "rootfs", 77);
	snprintf(f->offer_why, sizeof(f->offer_why), "not its turn");
	f->offer_not_before = 1750000005;
	f->offer_plan = (struct state_offer_plan){
		.made = true,
		.sum = {.way = WAY_DELTA,
			.data = 1,
			.tables = 2,
			.requests = 3,
			.full = 4,
			.write = 5},
	};
	snprintf(f->baseline.names[0], sizeof(f->baseline.names[0]), "10-network");
	snprintf(f->baseline.names[1], sizeof(f->baseline.names[1]), "20-disk");
	f->baseline.count = 2;
	f->baseline.taken = true;
	f->baseline_slot = 'A';
	memset(f->seed, 0x45, sizeof(f->seed));
	snprintf(f->pseudonym, sizeof(f->pseudonym), "0123456789abcdef0123456789abcdef");
	f->journal_epoch = 2;
	f->journal_seq = INT64_MAX;
	memset(f->journal_head, 0x46, HASH_SIZE);
	f->boot_counter = 12;
	snprintf(f->boot_id, sizeof(f->boot_id), "1234-5678");
	f->boot_slot = 'B';
	f->boot_trial = true;
	f->provisioned = true;
}

static void fill(struct state *f)
{
	f->release_floor = 8;
	f->epoch_floor = 4;
	f->time_floor = 1760000000;
	fill_slot(&f->slots[0], STATE_SLOT_COMMITTED, 20);
	fill_slot(&f->slots[1], STATE_SLOT_WRITING, 40);
	fill_history(f);
	fill_rest(f);
}

static void put(const char *name, const char *text)
{
	assert_int_equal(file_replace(dir, name, text, strlen(text), 0600, &e), 0);
}

static void expect_backstop_values(enum err_code why)
{
	assert_int_equal(state_load(dir, &stop, &got, &lost, &e), 0);
	assert_true(lost);
	assert_int_equal(e.code, why);
	assert_int_equal(got.release_floor, 7);
	assert_int_equal(got.epoch_floor, 3);
	assert_int_equal(got.time_floor, 1700000000);
	assert_int_equal(got.slots[0].status, STATE_SLOT_UNKNOWN);
	assert_int_equal(got.txn.phase, STATE_TXN_NONE);
	assert_int_equal(got.failed_count, 0);
	assert_int_equal(strlen(got.pseudonym), 32);
}

static void every_field_survives(void **state)
{
	(void)state;
	fill(&s);
	assert_int_equal(state_store(dir, &s, &e), 0);
	memset(&got, 0, sizeof(got));
	if (state_load(dir, &stop, &got, &lost, &e) < 0 || lost)
		fail_msg("lost: %s", e.text);
	/* Text behind the NUL is zero in both, padding too: the whole struct must be alike. */
	assert_memory_equal(&got, &s, sizeof(s));
}

/* A member that is missing is no zero: the file is not taken at all. */
static void no_member_may_be_missing(void **state)
{
	json_t *first;
	const char *key;
	json_t *value;

	(void)state;
	fill(&s);
	assert_int_equal(state_store(dir, &s, &e), 0);
	struct buf text = buf_make(STATE_FILE_MAX);
	assert_int_equal(file_read(dir, "state.json", &text, &e), 0);
	first = json_loadb((const char *)text.data, text.len, 0, NULL);
	assert_non_null(first);
	json_object_del(first, "sum"); /* or only that would be judged */
	json_object_foreach (first, key, value) {
		if (strcmp(key, "offer_plan") == 0)
			continue;
		json_t *less = json_copy(first);
		json_object_del(less, key);
		char *dump = json_dumps(less, 0);
		put("state.json", dump);
		assert_int_equal(state_load(dir, &stop, &got, &lost, &e), 0);
		if (!lost)
			fail_msg("a file without %s was taken", key);
		assert_int_equal(e.code, E_STATE);
		free(dump);
		json_decref(less);
	}
	json_decref(first);
	buf_free(&text);
}

/* Agents before the delta engine knew no index and no plan; their state is as good as any. */
static void a_state_of_an_older_agent_is_taken(void **state)
{
	(void)state;
	fill(&s);
	assert_int_equal(state_store(dir, &s, &e), 0);
	struct buf text = buf_make(STATE_FILE_MAX);
	assert_int_equal(file_read(dir, "state.json", &text, &e), 0);
	json_t *j = json_loadb((const char *)text.data, text.len, 0, NULL);
	json_object_del(j, "sum");
	json_object_del(j, "offer_plan");
	json_t *image = json_array_get(json_object_get(json_object_get(j, "slot_a"), "images"), 0);
	assert_int_equal(json_object_del(image, "index"), 0);
	char *dump = json_dumps(j, 0);
	put("state.json", dump);
	assert_int_equal(state_load(dir, &stop, &got, &lost, &e), 0);
	assert_false(lost);
	assert_int_equal(got.slots[0].images[0].index.length, 0);
	assert_int_equal(got.slots[0].images[0].leaves.length, 32);
	assert_int_equal(got.slots[0].images[1].index.length, 35);
	assert_false(got.offer_plan.made);
	free(dump);
	json_decref(j);
	buf_free(&text);
}

static void members_of_a_newer_agent_are_ignored(void **state)
{
	(void)state;
	fill(&s);
	assert_int_equal(state_store(dir, &s, &e), 0);
	struct buf text = buf_make(STATE_FILE_MAX);
	assert_int_equal(file_read(dir, "state.json", &text, &e), 0);
	json_t *j = json_loadb((const char *)text.data, text.len, 0, NULL);
	json_object_del(j, "sum");
	json_object_set_new(j, "from_the_future", json_integer(1));
	json_object_set_new(j, "last_poll_rc", json_string("E_FUTURE"));
	char *dump = json_dumps(j, 0);
	put("state.json", dump);
	assert_int_equal(state_load(dir, &stop, &got, &lost, &e), 0);
	assert_false(lost);
	assert_int_equal(got.release_floor, 8);
	assert_int_equal(got.last_poll_rc, E_INTERNAL);
	free(dump);
	json_decref(j);
	buf_free(&text);
}

static void first_start_has_the_floors_of_the_image(void **state)
{
	uint8_t seed[16];
	char pseudonym[33];

	(void)state;
	expect_backstop_values(E_NOTFOUND);
	memcpy(seed, got.seed, sizeof(seed));
	memcpy(pseudonym, got.pseudonym, sizeof(pseudonym));
	assert_int_equal(state_load(dir, &no_stop, &got, &lost, &e), 0);
	assert_true(lost);
	assert_int_equal(got.release_floor, 0);
	/* Every start without a state makes new ones. */
	assert_memory_not_equal(seed, got.seed, sizeof(seed));
	assert_string_not_equal(pseudonym, got.pseudonym);
}

static void garbage_gives_the_floors_of_the_image(void **state)
{
	static const char *const bad[] = {"", "\n", "garbage", "[]", "{}", "{\"schema\": 1}",
		"{\"schema\": 1, \"release_floor\": 99999}", "null"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put("state.json", bad[i]);
		memset(&got, 0x5a, sizeof(got));
		expect_backstop_values(E_STATE);
	}
}

static void a_truncated_file_gives_the_floors_of_the_image(void **state)
{
	struct buf text = buf_make(STATE_FILE_MAX);

	(void)state;
	fill(&s);
	assert_int_equal(state_store(dir, &s, &e), 0);
	assert_int_equal(file_read(dir, "state.json", &text, &e), 0);
	for (size_t len = 0; len < text.len; len += 97) {
		assert_int_equal(file_replace(dir, "state.json", text.data, len, 0600, &e), 0);
		expect_backstop_values(E_STATE);
	}
	buf_free(&text);
}

/* Whatever bit of the medium turned: the state is as it was, or lost and known to be. */
static void no_wrong_bit_goes_unseen(void **state)
{
	AUTO_BUF struct buf text = buf_make(STATE_FILE_MAX);
	struct state right;

	(void)state;
	fill(&s);
	assert_int_equal(state_store(dir, &s, &e), 0);
	assert_int_equal(state_load(dir, &no_stop, &right, &lost, &e), 0);
	assert_false(lost);
	assert_int_equal(file_read(dir, "state.json", &text, &e), 0);
	AUTO_CLOSE int fd = openat(dir, "state.json", O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	for (size_t i = 0; i < text.len; i++) {
		uint8_t wrong = text.data[i] ^ 1;
		if (i > 0)
			assert_int_equal(pwrite(fd, text.data + i - 1, 1, (off_t)i - 1), 1);
		assert_int_equal(pwrite(fd, &wrong, 1, (off_t)i), 1);
		assert_int_equal(state_load(dir, &no_stop, &got, &lost, &e), 0);
		if (!lost)
			assert_memory_equal(&got, &right, sizeof(got));
	}
}

/* What counts as lost is written anew: that must not follow from one bad moment. */
static void a_medium_that_fails_is_asked_again(void **state)
{
	(void)state;
	fill(&s);
	assert_int_equal(state_store(dir, &s, &e), 0);
	failing_reads = 2;
	read_error = EIO;
	assert_int_equal(state_load(dir, &stop, &got, &lost, &e), 0);
	assert_false(lost);
	assert_int_equal(got.release_floor, s.release_floor);
	failing_reads = 3;
	expect_backstop_values(E_IO);
	/* Too many open files say nothing of this one. */
	failing_reads = 3;
	read_error = EMFILE;
	assert_int_equal(state_load(dir, &stop, &got, &lost, &e), -1);
	assert_int_equal(e.code, E_NOMEM);
}

static void a_file_from_a_backup_cannot_lower_the_floors(void **state)
{
	(void)state;
	fill(&s);
	s.release_floor = 2;
	s.epoch_floor = 1;
	s.time_floor = 1600000000;
	assert_int_equal(state_store(dir, &s, &e), 0);
	assert_int_equal(state_load(dir, &stop, &got, &lost, &e), 0);
	assert_false(lost);
	assert_int_equal(got.release_floor, 7);
	assert_int_equal(got.epoch_floor, 3);
	assert_int_equal(got.time_floor, 1700000000);
	assert_int_equal(got.txn.number, 99);
}

/* Else a trial that fails would lock out every release of a lower epoch. */
static void an_image_on_trial_raises_no_floor_but_time(void **state)
{
	(void)state;
	fill(&s);
	s.release_floor = 2;
	s.epoch_floor = 1;
	s.time_floor = 1600000000;
	s.txn.release = stop.release;
	for (int p = STATE_TXN_NONE; p <= STATE_TXN_FAILED; p++) {
		bool tried = p >= STATE_TXN_WRITTEN;
		s.txn.phase = (enum state_txn_phase)p;
		assert_int_equal(state_store(dir, &s, &e), 0);
		assert_int_equal(state_load(dir, &stop, &got, &lost, &e), 0);
		assert_false(lost);
		assert_int_equal(got.release_floor, tried ? 2 : 7);
		assert_int_equal(got.epoch_floor, tried ? 1 : 3);
		assert_int_equal(got.time_floor, 1700000000);
	}
}

/* The file with one member set to JSON text must not be taken. */
static void expect_lost_with(const char *key, const char *value)
{
	struct buf text = buf_make(STATE_FILE_MAX);

	fill(&s);
	assert_int_equal(state_store(dir, &s, &e), 0);
	assert_int_equal(file_read(dir, "state.json", &text, &e), 0);
	json_t *j = json_loadb((const char *)text.data, text.len, 0, NULL);
	json_object_del(j, "sum");
	json_object_set_new(j, key, json_loads(value, JSON_DECODE_ANY, NULL));
	char *dump = json_dumps(j, 0);
	put("state.json", dump);
	assert_int_equal(state_load(dir, &stop, &got, &lost, &e), 0);
	if (!lost)
		fail_msg("%s = %s was taken", key, value);
	free(dump);
	json_decref(j);
	buf_free(&text);
}

static void values_out_of_range_are_not_taken(void **state)
{
	(void)state;
	expect_lost_with("schema", "2");
	expect_lost_with("release_floor", "-1");
	expect_lost_with("release_floor", "\"7\"");
	expect_lost_with("time_floor", "253402300800");
	expect_lost_with("time_floor", "-1");
	expect_lost_with("attempts", "4294967296");
	expect_lost_with("boot_slot", "\"C\"");
	expect_lost_with("boot_slot", "\"AB\"");
	expect_lost_with("boot_trial", "1");
	expect_lost_with("seed", "\"4545\"");
	expect_lost_with("seed", "\"4545454545454545454545454545454g\"");
	expect_lost_with("pseudonym", "\"0123456789abcdef0123456789abcdef0\"");
	expect_lost_with("slot_a", "[]");
	expect_lost_with("slot_a", "{\"status\": \"shiny\"}");
	expect_lost_with("failed", "{}");
	expect_lost_with("failed", "[{}]");
	expect_lost_with("revoked", "[7]");
	expect_lost_with("baseline", "{\"names\": [\"a\"], \"taken\": 0}");
	expect_lost_with("last_poll_rc", "7");
}

static void lists_beyond_their_cap_are_not_taken(void **state)
{
	char *rows = malloc(80 * (STATE_REVOKED_MAX + 2));
	size_t n = 0;

	(void)state;
	assert_non_null(rows);
	for (int i = 0; i <= STATE_REVOKED_MAX; i++)
		n += (size_t)sprintf(rows + n, "%c\"%064x\"", i ? ',' : '[', (unsigned)i);
	sprintf(rows + n, "]");
	expect_lost_with("revoked", rows);
	free(rows);
}

/* A message cut in the middle of a character must not make the file unreadable. */
static void odd_bytes_in_texts_do_not_cost_the_state(void **state)
{
	(void)state;
	fill(&s);
	memcpy(s.txn.why_text, "caf\xc3", 5);
	memset(s.offer_why, 'x', sizeof(s.offer_why)); /* no NUL at all */
	snprintf(s.failed[0].why_text, sizeof(s.failed[0].why_text), "\x1b[2J\"\\");
	assert_int_equal(state_store(dir, &s, &e), 0);
	assert_int_equal(state_load(dir, &stop, &got, &lost, &e), 0);
	assert_false(lost);
	assert_string_equal(got.txn.why_text, "caf?");
	assert_int_equal(strlen(got.offer_why), sizeof(got.offer_why) - 1);
	assert_string_equal(got.failed[0].why_text, "\x1b[2J\"\\");
}

static void a_full_state_can_be_read_again(void **state)
{
	(void)state;
	fill(&s);
	for (unsigned i = 0; i < STATE_FAILED_MAX; i++) {
		struct state_failed f = {.release = i + 1, .why = E_HEALTH};
		memset(f.manifest, (int)i, HASH_SIZE);
		memset(f.why_text, 1, sizeof(f.why_text) - 1);
		state_add_failed(&s, &f);
	}
	for (unsigned i = 0; i < STATE_REVOKED_MAX; i++) {
		uint8_t hash[HASH_SIZE] = {(uint8_t)i, 1};
		state_add_revoked(&s, hash);
	}
	for (size_t i = 0; i < HEALTH_BASELINE_MAX; i++)
		memset(s.baseline.names[i], 1, sizeof(s.baseline.names[i]) - 1);
	s.baseline.count = HEALTH_BASELINE_MAX;
	for (size_t i = 0; i < PLAN_IMAGES_MAX; i++) {
		s.slots[0].images[i] = s.slots[1].images[i] = s.offer.images[i] =
			s.slots[0].images[0];
	}
	s.slots[0].image_count = s.slots[1].image_count = s.offer.image_count = PLAN_IMAGES_MAX;
	if (state_store(dir, &s, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(state_load(dir, &stop, &got, &lost, &e), 0);
	assert_false(lost);
	assert_int_equal(got.failed_count, STATE_FAILED_MAX);
	assert_int_equal(got.revoked_count, STATE_REVOKED_MAX);
}

static void only_the_owner_can_read_it(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(state_store(dir, &s, &e), 0);
	assert_int_equal(fstatat(dir, "state.json", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void failed_releases_are_remembered_oldest_dropped(void **state)
{
	struct state_failed f = {.release = 1, .why = E_HEALTH};

	(void)state;
	for (unsigned i = 0; i <= STATE_FAILED_MAX; i++) {
		f.manifest[0] = (uint8_t)i;
		f.release = i;
		state_add_failed(&s, &f);
	}
	assert_int_equal(s.failed_count, STATE_FAILED_MAX);
	f.manifest[0] = 0;
	assert_null(state_find_failed(&s, f.manifest));
	f.manifest[0] = 1;
	assert_int_equal(state_find_failed(&s, f.manifest)->release, 1);
	/* Once more: moved to the end with its new reason, not doubled. */
	f.why = E_HOOK;
	state_add_failed(&s, &f);
	assert_int_equal(s.failed_count, STATE_FAILED_MAX);
	assert_int_equal(state_find_failed(&s, f.manifest)->why, E_HOOK);
	state_forget_failed(&s, f.manifest);
	assert_null(state_find_failed(&s, f.manifest));
	assert_int_equal(s.failed_count, STATE_FAILED_MAX - 1);
	f.manifest[0] = 2;
	assert_int_equal(state_find_failed(&s, f.manifest)->release, 2);
	f.manifest[1] = 9;
	state_forget_failed(&s, f.manifest);
	assert_int_equal(s.failed_count, STATE_FAILED_MAX - 1);
}

static void withdrawn_manifests_are_remembered_once(void **state)
{
	uint8_t hash[HASH_SIZE] = {0};

	(void)state;
	for (unsigned i = 0; i <= STATE_REVOKED_MAX; i++) {
		hash[0] = (uint8_t)i;
		hash[1] = (uint8_t)(i >> 8);
		state_add_revoked(&s, hash);
		state_add_revoked(&s, hash);
		assert_true(state_is_revoked(&s, hash));
	}
	assert_int_equal(s.revoked_count, STATE_REVOKED_MAX);
	hash[0] = hash[1] = 0;
	assert_false(state_is_revoked(&s, hash));
}

static void slots_are_found_by_letter(void **state)
{
	(void)state;
	assert_ptr_equal(state_slot_of(&s, 'A'), &s.slots[0]);
	assert_ptr_equal(state_slot_of(&s, 'B'), &s.slots[1]);
	assert_null(state_slot_of(&s, 0));
	assert_string_equal(state_slot_status_name(STATE_SLOT_FAILED), "failed");
	assert_string_equal(state_txn_phase_name(STATE_TXN_ACTIVATED), "activated");
}

static int load_backstop(struct backstop *b)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/backstop.json", dir_path);
	return backstop_load(path, b, &e);
}

static void backstop_is_read_strictly(void **state)
{
	static const char *const bad[] = {"", "{}", "[]",
		"{\"schema\": 2, \"product\": \"demo\", \"release\": 7, \"epoch\": 1,"
		" \"root_version\": 1, \"build_time\": \"2026-01-31T12:00:00Z\"}",
		"{\"schema\": 1, \"product\": \"demo\", \"release\": -7, \"epoch\": 1,"
		" \"root_version\": 1, \"build_time\": \"2026-01-31T12:00:00Z\"}",
		"{\"schema\": 1, \"product\": \"demo\", \"release\": 7, \"epoch\": 1,"
		" \"root_version\": 1, \"build_time\": \"yesterday\"}",
		"{\"schema\": 1, \"product\": \"123456789012345678901234567890123\", \"release\": 7,"
		" \"epoch\": 1, \"root_version\": 1, \"build_time\": \"2026-01-31T12:00:00Z\"}"};
	struct backstop b = {.release = 1234};

	(void)state;
	put("backstop.json", "{\"schema\": 1, \"product\": \"demo\", \"release\": 7, \"epoch\": 1,"
			     " \"root_version\": 2, \"build_time\": \"2023-11-14T22:13:20Z\"}");
	assert_int_equal(load_backstop(&b), 0);
	assert_true(b.present);
	assert_string_equal(b.product, "demo");
	assert_int_equal(b.release, 7);
	assert_int_equal(b.epoch, 1);
	assert_int_equal(b.root_version, 2);
	assert_int_equal(b.build_time, 1700000000);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put("backstop.json", bad[i]);
		b.release = 1234;
		if (load_backstop(&b) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(e.code, E_STATE);
		assert_int_equal(b.release, 1234);
	}
}

static void an_image_without_backstop_is_allowed(void **state)
{
	struct backstop b = {.release = 1234, .present = true};

	(void)state;
	assert_int_equal(load_backstop(&b), 0);
	assert_false(b.present);
	assert_int_equal(b.release, 0);
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(every_field_survives),
		WITH_DIR(no_member_may_be_missing),
		WITH_DIR(a_state_of_an_older_agent_is_taken),
		WITH_DIR(members_of_a_newer_agent_are_ignored),
		WITH_DIR(first_start_has_the_floors_of_the_image),
		WITH_DIR(garbage_gives_the_floors_of_the_image),
		WITH_DIR(a_truncated_file_gives_the_floors_of_the_image),
		WITH_DIR(no_wrong_bit_goes_unseen),
		WITH_DIR(a_medium_that_fails_is_asked_again),
		WITH_DIR(a_file_from_a_backup_cannot_lower_the_floors),
		WITH_DIR(an_image_on_trial_raises_no_floor_but_time),
		WITH_DIR(values_out_of_range_are_not_taken),
		WITH_DIR(lists_beyond_their_cap_are_not_taken),
		WITH_DIR(odd_bytes_in_texts_do_not_cost_the_state),
		WITH_DIR(a_full_state_can_be_read_again),
		WITH_DIR(only_the_owner_can_read_it),
		WITH_DIR(failed_releases_are_remembered_oldest_dropped),
		WITH_DIR(withdrawn_manifests_are_remembered_once),
		WITH_DIR(slots_are_found_by_letter),
		WITH_DIR(backstop_is_read_strictly),
		WITH_DIR(an_image_without_backstop_is_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
