/* SPDX-License-Identifier: Apache-2.0 */
/* The members of state.json: every field of struct state, in one table. */
#include "agent/state_table.h"

#include <string.h>

#include "agent/state.h"

/* clang-format off */
#define SIZE(t, m)	  sizeof(((t *)0)->m)
#define UINT(t, m)	  {.name = #m, .kind = STATE_UINT, .offset = offsetof(t, m), .size = SIZE(t, m)}
#define TIME(t, m)	  {.name = #m, .kind = STATE_TIME, .offset = offsetof(t, m)}
#define BOOL(t, m)	  {.name = #m, .kind = STATE_BOOL, .offset = offsetof(t, m)}
#define TEXT(t, m)	  {.name = #m, .kind = STATE_TEXT, .offset = offsetof(t, m), .size = SIZE(t, m)}
#define BYTES(t, m)	  {.name = #m, .kind = STATE_BYTES, .offset = offsetof(t, m), .size = SIZE(t, m)}
#define LETTER(t, m)	  {.name = #m, .kind = STATE_LETTER, .offset = offsetof(t, m)}
#define CODE(t, m)	  {.name = #m, .kind = STATE_CODE, .offset = offsetof(t, m)}
#define WORD(t, m, f, n)  {.name = #m, .kind = STATE_WORD, .offset = offsetof(t, m), .word = (f), .words = (n)}
#define OBJECT(t, m, f)	  {.name = #m, .kind = STATE_OBJECT, .offset = offsetof(t, m), .fields = (f)}
#define LIST(t, m, c, f)  {.name = #m, .kind = STATE_LIST, .offset = offsetof(t, m), \
	.size = SIZE(t, m[0]), .fields = (f), .count = offsetof(t, c), \
	.max = SIZE(t, m) / SIZE(t, m[0])}
#define OPTIONAL(t, m, f)  {.name = #m, .kind = STATE_OBJECT, .offset = offsetof(t, m), \
	.fields = (f), .optional = true}
#define END		  {.kind = STATE_OBJECT}
/* clang-format on */

static const char *slot_word(int i)
{
	return state_slot_status_name((enum state_slot_status)i);
}

static const char *phase_word(int i)
{
	return state_txn_phase_name((enum state_txn_phase)i);
}

static const char *class_word(int i)
{
	return plan_class_name((enum plan_class)i);
}

static const char *format_word(int i)
{
	return plan_format_name((enum plan_format)i);
}

static const char *encoding_word(int i)
{
	return plan_encoding_name((enum plan_encoding)i);
}

static const char *leaf_word(int i)
{
	return hash_alg_name((enum hash_alg)i);
}

static const struct state_field object_table[] = {
	BYTES(struct plan_object, sha256),
	UINT(struct plan_object, length),
	END,
};

static const struct state_field image_table[] = {
	TEXT(struct plan_image, name),
	WORD(struct plan_image, format, format_word, PLAN_EROFS + 1),
	UINT(struct plan_image, size),
	WORD(struct plan_image, leaf_alg, leaf_word, HASH_ALG_COUNT),
	OBJECT(struct plan_image, leaves, object_table),
	OBJECT(struct plan_image, full, object_table),
	WORD(struct plan_image, encoding, encoding_word, PLAN_ZSTD + 1),
	OBJECT(struct plan_image, pieces, object_table),
	OPTIONAL(struct plan_image, index, object_table),
	END,
};

static const struct state_field plan_table[] = {
	TEXT(struct plan, product),
	TEXT(struct plan, version),
	UINT(struct plan, release),
	UINT(struct plan, epoch),
	BYTES(struct plan, manifest),
	WORD(struct plan, update_class, class_word, PLAN_MIXED + 1),
	TIME(struct plan, support_end),
	TIME(struct plan, issued),
	BYTES(struct plan, sbom),
	LIST(struct plan, images, image_count, image_table),
	END,
};

static const struct state_field slot_table[] = {
	WORD(struct state_slot, status, slot_word, STATE_SLOT_FAILED + 1),
	UINT(struct state_slot, release),
	UINT(struct state_slot, epoch),
	TEXT(struct state_slot, version),
	BYTES(struct state_slot, manifest),
	TIME(struct state_slot, support_end),
	LIST(struct state_slot, images, image_count, image_table),
	END,
};

static const struct state_field txn_table[] = {
	UINT(struct state_txn, number),
	WORD(struct state_txn, phase, phase_word, STATE_TXN_FAILED + 1),
	LETTER(struct state_txn, target),
	UINT(struct state_txn, release),
	BYTES(struct state_txn, manifest),
	CODE(struct state_txn, why),
	TEXT(struct state_txn, why_text),
	TIME(struct state_txn, started),
	BOOL(struct state_txn, from_bundle),
	BOOL(struct state_txn, by_hand),
	END,
};

static const char *way_word(int i)
{
	return way_name((enum way)i);
}

static const struct state_field way_sum_table[] = {
	WORD(struct way_sum, way, way_word, WAY_MIXED + 1),
	UINT(struct way_sum, data),
	UINT(struct way_sum, tables),
	UINT(struct way_sum, requests),
	UINT(struct way_sum, full),
	UINT(struct way_sum, write),
	END,
};

static const struct state_field offer_plan_table[] = {
	BOOL(struct state_offer_plan, made),
	OBJECT(struct state_offer_plan, sum, way_sum_table),
	END,
};

static const struct state_field failed_table[] = {
	BYTES(struct state_failed, manifest),
	UINT(struct state_failed, release),
	CODE(struct state_failed, why),
	TEXT(struct state_failed, why_text),
	TIME(struct state_failed, when),
	END,
};

/* Rows that are bare values: one field without a name. */
static const struct state_field digest_row[] = {
	{.kind = STATE_BYTES, .size = HASH_SIZE},
	END,
};

static const struct state_field check_name_row[] = {
	{.kind = STATE_TEXT, .size = SIZE(struct health_baseline, names[0])},
	END,
};

static const struct state_field backoff_table[] = {
	UINT(struct backoff, failures),
	TIME(struct backoff, not_before),
	END,
};

static const struct state_field baseline_table[] = {
	LIST(struct health_baseline, names, count, check_name_row),
	BOOL(struct health_baseline, taken),
	END,
};

const struct state_field state_table[] = {
	UINT(struct state, release_floor),
	UINT(struct state, epoch_floor),
	TIME(struct state, time_floor),
	{.name = "slot_a",
		.kind = STATE_OBJECT,
		.offset = offsetof(struct state, slots[0]),
		.fields = slot_table},
	{.name = "slot_b",
		.kind = STATE_OBJECT,
		.offset = offsetof(struct state, slots[1]),
		.fields = slot_table},
	OBJECT(struct state, txn, txn_table),
	LIST(struct state, failed, failed_count, failed_table),
	LIST(struct state, revoked, revoked_count, digest_row),
	BYTES(struct state, attempt_manifest),
	UINT(struct state, attempts),
	UINT(struct state, health_runs),
	OBJECT(struct state, backoff, backoff_table),
	TIME(struct state, last_poll),
	CODE(struct state, last_poll_rc),
	TIME(struct state, deferred_until),
	OBJECT(struct state, offer, plan_table),
	TEXT(struct state, offer_why),
	TIME(struct state, offer_not_before),
	OPTIONAL(struct state, offer_plan, offer_plan_table),
	OBJECT(struct state, baseline, baseline_table),
	LETTER(struct state, baseline_slot),
	BYTES(struct state, seed),
	TEXT(struct state, pseudonym),
	UINT(struct state, journal_epoch),
	UINT(struct state, journal_seq),
	BYTES(struct state, journal_head),
	UINT(struct state, boot_counter),
	TEXT(struct state, boot_id),
	LETTER(struct state, boot_slot),
	BOOL(struct state, boot_trial),
	BOOL(struct state, provisioned),
	END,
};
