/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the record: recovery, and comparing it with what the device remembers. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "agent/base/file.h"
#include "agent/base/must.h"
#include "agent/journal/store.h"

#define LOCK_SECONDS      2
#define DETAIL_BYTES      (256 * 1024)
#define DETAIL_SEGMENTS   4
#define SEGMENT_BYTES     (64 * 1024)
#define SEGMENT_BYTES_MIN (4 * JOURNAL_RECORD_MAX)
#define SEGMENT_BYTES_MAX (1024 * 1024)

static uint64_t between(uint64_t v, uint64_t min, uint64_t max)
{
	return v < min ? min : v > max ? max : v;
}

/* Product and device go into JSON text as they are; anything else than a name would break it. */
static void copy_name(char *out, size_t size, const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = name ? strlen(name) : 0;

	if (len >= size || (len > 0 && strspn(name, allowed) != len))
		len = 0;
	if (len > 0)
		memcpy(out, name, len);
	out[len] = 0;
}

static void set_chain(struct journal *j, const struct journal_config *c, enum chain_kind k)
{
	uint64_t ring = c->detail_bytes > 0 ? c->detail_bytes : DETAIL_BYTES;
	uint64_t whole = c->segment_bytes > 0 ? c->segment_bytes : SEGMENT_BYTES;
	bool details = k == CHAIN_DETAILS;

	j->chains[k] = (struct chain){
		.dir = j->dir,
		.kind = k,
		.segment_bytes = between(details ? ring / DETAIL_SEGMENTS : whole,
			SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX),
		.keep = details ? DETAIL_SEGMENTS : 0,
		.product = j->product,
		.device = j->device,
		.read_only = c->read_only,
		.fd = -1,
	};
}

/*
 * Is the milestone that state.json remembers there, and the same? A medium that
 * cannot be read now accuses nobody; the next start asks again.
 */
static bool has_expected(const struct journal *j, const struct journal_config *c)
{
	uint8_t hash[HASH_SIZE];
	struct err e;

	if (c->expected_seq == 0)
		return true;
	if (chain_find(&j->chains[CHAIN_MILESTONES], c->expected_seq, hash, &e) == 0)
		return MUST("journal.open-head", hash_equal(hash, c->expected_head));
	if (e.code == E_NOTFOUND)
		return false;
	log_line(j->log, LOG_LEVEL_ERROR, "journal.unreadable chain=milestones why=\"%s\"", e.text);
	return true;
}

/* Are the details there that the last milestone vouches for? */
static bool has_details(const struct journal *j)
{
	const struct line *last = &j->chains[CHAIN_MILESTONES].head;
	const struct chain *details = &j->chains[CHAIN_DETAILS];

	if (!details->usable || last->dseq == 0 || details->head.seq > last->dseq)
		return true;
	return details->head.seq == last->dseq &&
	       MUST("journal.open-details", hash_equal(details->head.hash, last->det));
}

static void tell_truncated(struct journal *j, enum chain_kind k, uint64_t want, uint64_t last)
{
	log_line(j->log, LOG_LEVEL_WARN, "journal.truncated chain=%s want=%llu last=%llu",
		chain_kind_name(k), (unsigned long long)want, (unsigned long long)last);
	journal_add_own(j, JOURNAL_TRUNCATED, E_JOURNAL,
		json_pack("{s:s, s:I, s:I}", "chain", chain_kind_name(k), "want", (json_int_t)want,
			"last", (json_int_t)last));
}

static void tell_recovered(struct journal *j, enum chain_kind k)
{
	uint64_t cut = j->chains[k].cut;

	if (cut > 0)
		journal_add_own(j, JOURNAL_RECOVERED, E_OK,
			json_pack(
				"{s:s, s:I}", "chain", chain_kind_name(k), "cut", (json_int_t)cut));
}

/*
 * Compares before it writes. Numbers never come twice: after a loss they go on
 * behind the last one that is known to have been used, and the header of a new
 * segment of details says from which number on they are whole again.
 */
static void check_what_is_there(struct journal *j, const struct journal_config *c)
{
	struct chain *m = &j->chains[CHAIN_MILESTONES];
	struct chain *d = &j->chains[CHAIN_DETAILS];
	bool whole = has_expected(j, c);
	bool details_whole = has_details(j);
	uint64_t last = m->head.seq;
	uint64_t last_detail = d->head.seq;
	uint64_t want_detail = m->head.dseq;
	struct err e;

	j->used = c->expected_seq;
	if (!details_whole && chain_rotate(d, j->epoch, journal_next_seq(j), &e) < 0)
		d->usable = false;
	journal_begin(j);
	tell_recovered(j, CHAIN_MILESTONES);
	tell_recovered(j, CHAIN_DETAILS);
	if (!whole)
		tell_truncated(j, CHAIN_MILESTONES, c->expected_seq, last);
	if (!details_whole)
		tell_truncated(j, CHAIN_DETAILS, want_detail, last_detail);
}

static int open_files(struct journal *j, const struct journal_config *c, struct err *e)
{
	struct chain *m = &j->chains[CHAIN_MILESTONES];
	struct chain *d = &j->chains[CHAIN_DETAILS];

	if (file_make_dir(c->dir, JOURNAL_FOLDER, &j->dir, e) < 0 ||
		file_lock(j->dir, "lock", LOCK_SECONDS, &j->lock, e) < 0)
		return -1;
	losses_open(&j->losses, j->dir, "losses");
	set_chain(j, c, CHAIN_MILESTONES);
	set_chain(j, c, CHAIN_DETAILS);
	if (chain_load(m, e) < 0)
		return -1;
	/* Without its details the record goes on: milestones are what evidence needs. */
	if (chain_load(d, e) < 0)
		log_line(j->log, LOG_LEVEL_ERROR, "journal.unusable chain=details why=\"%s\"",
			e->text);
	j->latest = line_is_before(&m->head, &d->head) ? d->head : m->head;
	/* The epoch rises with an erase; state that was lost must not lower it. */
	if (j->latest.seq > 0 && j->epoch < j->latest.epoch)
		j->epoch = j->latest.epoch;
	check_what_is_there(j, c);
	return 0;
}

/* Only the heads; nothing on disk changes. */
static int open_read_only(struct journal *j, const struct journal_config *c, struct err *e)
{
	j->dir = openat(c->dir, JOURNAL_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (j->dir < 0)
		return err_sys(e, errno == ENOENT ? E_NOTFOUND : E_IO, errno,
			"cannot open the folder journal");
	for (int k = 0; k < CHAIN_KINDS; k++) {
		set_chain(j, c, (enum chain_kind)k);
		if (chain_load(&j->chains[k], e) < 0)
			return -1;
		j->chains[k].usable = false;
	}
	return 0;
}

int journal_open(const struct journal_config *c, struct journal **out, struct err *e)
{
	AUTO_JOURNAL struct journal *j = calloc(1, sizeof(*j));
	struct err why = {0};

	if (!j)
		return err_set(e, E_NOMEM, "no memory for the journal");
	j->dir = j->lock = j->losses.fd = -1;
	j->chains[CHAIN_MILESTONES].fd = j->chains[CHAIN_DETAILS].fd = -1;
	j->log = c->log;
	j->epoch = c->epoch;
	j->boot = c->boot;
	j->synchronised = c->clock_synchronised;
	copy_name(j->device, sizeof(j->device), c->device);
	copy_name(j->product, sizeof(j->product), c->product);
	if (c->read_only && open_read_only(j, c, e) < 0)
		return -1;
	if (!c->read_only && open_files(j, c, &why) < 0)
		log_line(j->log, LOG_LEVEL_ERROR, "journal.unusable why=\"%s\"", why.text);
	*out = steal_ptr(j);
	return 0;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	for (int k = 0; k < CHAIN_KINDS; k++)
		chain_close(&j->chains[k]);
	losses_close(&j->losses);
	cleanup_close(&j->lock);
	cleanup_close(&j->dir);
	free(j);
}
