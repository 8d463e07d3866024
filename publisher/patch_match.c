/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alignments. A program that was compiled again is the old one with other
 * addresses in it: long stretches lie as they lay, but for a few bytes here and
 * there. So what is looked for is not just equal content but places of the old
 * image beside which the new one fits well (the idea of bsdiff: Percival, "Naive
 * differences of executable code", 2003).
 */
#include "publisher/patch_match.h"

#define NOWHERE UINT32_MAX

/* A new alignment must win so many bytes, or its operations cost more than they save. */
#define GAIN_MIN 8u
/* And so many more where the old place has to be moved further than NEAR. */
#define FAR_COST 8u
#define NEAR     (64u * 1024)
/* So many equal bytes in a row: the alignment that there is needs no other. */
#define RUN_LONG 32u
/* Fewer equal bytes than this between differences are stored as differences of 0. */
#define COPY_MIN 4u

/* From this place of the new part on, the old text from there on fits. */
struct alignment {
	uint32_t part;
	uint32_t text; /* NOWHERE: nothing fits */
};

struct match {
	const struct patch_text *old;
	const struct patch_text *part;
	struct patch_ops *ops;
	uint32_t run; /* of the part, in which the next operation begins */
	uint32_t done; /* bytes of the part that have operations */
	uint32_t image; /* place in the new image up to where there are operations */
};

/* Zero blocks between the last operation and what is at `part` of the part's text. */
static int add_zeros(struct match *m, uint32_t to, struct err *e)
{
	const struct patch_op op = {.kind = SLOT_PATCH_ZERO, .length = to - m->image};

	m->image = to;
	return patch_ops_add(m->ops, m->old, op, e);
}

/*
 * Adds an operation for the next bytes of the part, split where zero blocks were
 * left out of the part or of the old text.
 */
static int add_op(
	struct match *m, enum slot_patch_kind kind, uint32_t length, uint32_t text, struct err *e)
{
	while (length > 0) {
		const struct patch_run *run = &m->part->runs[m->run];
		uint32_t inside = m->done - run->text;
		struct patch_op op = {.kind = kind, .length = run->length - inside};
		if (op.length > length)
			op.length = length;
		if (kind != SLOT_PATCH_INSERT) {
			const struct patch_run *from = &m->old->runs[patch_text_run(m->old, text)];
			uint32_t left = from->text + from->length - text;
			op.old_at = from->image + (text - from->text);
			op.length = op.length < left ? op.length : left;
			text += op.length;
		}
		if (add_zeros(m, run->image + inside, e) < 0 ||
			patch_ops_add(m->ops, m->old, op, e) < 0)
			return -1;
		m->image += op.length;
		m->done += op.length;
		length -= op.length;
		if (m->done == run->text + run->length)
			m->run++;
	}
	return 0;
}

/* Equal bytes from a place on. */
static uint32_t equal_run(const struct match *m, uint32_t part, uint32_t text, uint32_t most)
{
	const uint8_t *a = m->part->bytes + part;
	const uint8_t *b = m->old->bytes + text;
	uint32_t n = 0;

	while (n < most && a[n] == b[n])
		n++;
	return n;
}

/* An aligned stretch: copies, and differences where there are some. */
static int add_aligned(struct match *m, uint32_t length, uint32_t text, struct err *e)
{
	uint32_t add = 0; /* bytes before `at` that will be added */

	for (uint32_t at = 0; at < length;) {
		uint32_t same = equal_run(m, m->done + add, text + add, length - at);
		if (same >= COPY_MIN || (same > 0 && same == length - at) ||
			(same > 0 && add == 0)) {
			if (add_op(m, SLOT_PATCH_ADD, add, text, e) < 0 ||
				add_op(m, SLOT_PATCH_COPY, same, text + add, e) < 0)
				return -1;
			text += add + same;
			add = 0;
			at += same;
			continue;
		}
		/* The byte after the equal ones differs. */
		add += same + 1;
		at += same + 1;
	}
	return add_op(m, SLOT_PATCH_ADD, add, text, e);
}

/* How far an alignment is worth following: where equal bytes most outnumber others. */
static uint32_t reach_forward(const struct match *m, const struct alignment *a, uint32_t to)
{
	uint32_t left = m->old->length - a->text;
	uint32_t most = to - a->part < left ? to - a->part : left;
	const uint8_t *x = m->part->bytes + a->part;
	const uint8_t *y = m->old->bytes + a->text;
	int64_t score = 0;
	int64_t best = 0;
	uint32_t reach = 0;

	for (uint32_t i = 0; i < most; i++) {
		score += x[i] == y[i] ? 1 : -1;
		if (score > best) {
			best = score;
			reach = i + 1;
		}
	}
	return reach;
}

/* The same backwards, not before `from`. */
static uint32_t reach_back(const struct match *m, const struct alignment *a, uint32_t from)
{
	uint32_t most = a->part - from < a->text ? a->part - from : a->text;
	const uint8_t *x = m->part->bytes + a->part;
	const uint8_t *y = m->old->bytes + a->text;
	int64_t score = 0;
	int64_t best = 0;
	uint32_t reach = 0;

	for (uint32_t i = 1; i <= most; i++) {
		score += x[-(int64_t)i] == y[-(int64_t)i] ? 1 : -1;
		if (score > best) {
			best = score;
			reach = i;
		}
	}
	return reach;
}

/*
 * Two alignments claim the same `overlap` bytes, which begin at `part`: how many
 * of them the first one does better.
 */
static uint32_t split_overlap(const struct match *m, const struct alignment *first,
	const struct alignment *second, uint32_t part, uint32_t overlap)
{
	const uint8_t *x = m->part->bytes + part;
	const uint8_t *a = m->old->bytes + first->text + (part - first->part);
	const uint8_t *b = m->old->bytes + second->text - (second->part - part);
	int64_t score = 0;
	int64_t best = 0;
	uint32_t split = 0;

	for (uint32_t i = 0; i < overlap; i++) {
		score += (x[i] == a[i]) - (x[i] == b[i]);
		if (score > best) {
			best = score;
			split = i + 1;
		}
	}
	return split;
}

/*
 * Operations up to where `next` begins, whose place is moved back as far as it
 * fits; what neither of the two fits to is inserted. `next` may be nowhere.
 */
static int settle(
	struct match *m, const struct alignment *now, struct alignment *next, struct err *e)
{
	uint32_t forward = now->text == NOWHERE ? 0 : reach_forward(m, now, next->part);
	uint32_t back = next->text == NOWHERE ? 0 : reach_back(m, next, m->done);
	uint32_t end = now->part + forward;
	uint32_t begin = next->part - back;

	if (end > begin) {
		uint32_t split = split_overlap(m, now, next, begin, end - begin);
		end = begin + split;
		begin = end;
	}
	if (now->text != NOWHERE && add_aligned(m, end - now->part, now->text, e) < 0)
		return -1;
	if (add_op(m, SLOT_PATCH_INSERT, begin - m->done, 0, e) < 0)
		return -1;
	if (next->text != NOWHERE)
		next->text -= next->part - begin;
	next->part = begin;
	return 0;
}

/* Bytes of [at, at + length) that the alignment gives right. */
static uint32_t score_of(
	const struct match *m, const struct alignment *now, uint32_t at, uint32_t length)
{
	if (now->text == NOWHERE)
		return 0;
	uint64_t text = (uint64_t)now->text + (at - now->part);
	uint32_t score = 0;
	for (uint32_t i = 0; i < length && text + i < m->old->length; i++)
		score += m->part->bytes[at + i] == m->old->bytes[text + i];
	return score;
}

/* Equal bytes at `at` as the alignment is. */
static uint32_t run_of(const struct match *m, const struct alignment *now, uint32_t at)
{
	if (now->text == NOWHERE)
		return 0;
	uint64_t text = (uint64_t)now->text + (at - now->part);
	if (text >= m->old->length)
		return 0;
	uint32_t left = m->old->length - (uint32_t)text;
	uint32_t most = m->part->length - at < left ? m->part->length - at : left;
	return equal_run(m, at, (uint32_t)text, most);
}

/* The place of the old text that lies beside `at` as the alignment is. */
static uint32_t place_beside(const struct alignment *now, uint32_t at)
{
	return now->text == NOWHERE ? 0 : now->text + (at - now->part);
}

/*
 * Is there an alignment at `at` that is better than the one that there is? *length
 * gets the bytes that it certainly gives right.
 */
static bool find_better(const struct match *m, const struct patch_search *search,
	const struct alignment *now, struct alignment *next, uint32_t *length)
{
	uint32_t at = next->part;
	struct patch_wanted w = {.data = m->part->bytes + at, .near = place_beside(now, at)};
	uint32_t rank;

	w.len = patch_search_find(search, w.data, m->part->length - at, &rank);
	if (w.len == 0)
		return false;
	uint32_t score = score_of(m, now, at, w.len);
	if (w.len <= score + GAIN_MIN)
		return false;
	next->text = patch_search_nearest(search, rank, &w);
	bool far = next->text > w.near + NEAR || w.near > next->text + NEAR;
	*length = w.len;
	return !far || w.len > score + GAIN_MIN + FAR_COST;
}

int patch_match_part(const struct patch_search *old, const struct patch_text *part,
	struct patch_ops *ops, struct err *e)
{
	struct match m = {
		.old = old->text, .part = part, .ops = ops, .image = (uint32_t)part->from};
	struct alignment now = {.text = NOWHERE};

	for (uint32_t at = 0; at < part->length;) {
		struct alignment next = {.part = at};
		uint32_t length = run_of(&m, &now, at);
		if (length >= RUN_LONG) {
			at += length;
			continue;
		}
		if (!find_better(&m, old, &now, &next, &length)) {
			at++;
			continue;
		}
		at += length;
		if (settle(&m, &now, &next, e) < 0)
			return -1;
		now = next;
	}
	struct alignment end = {.part = part->length, .text = NOWHERE};
	if (settle(&m, &now, &end, e) < 0)
		return -1;
	return add_zeros(&m, (uint32_t)part->to, e);
}
