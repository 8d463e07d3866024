/* SPDX-License-Identifier: Apache-2.0 */
/* One run: root, timestamp, snapshot, targets, each stored only after all its checks (spec 5). */
#include <inttypes.h>
#include <string.h>

#include "agent/base/json.h"
#include "agent/base/must.h"
#include "agent/trust/trust.h"

/* --- timestamp ------------------------------------------------------------------ */

struct received {
	struct buf bytes;
	struct fetch_tag tag;
	bool unchanged;
};

static int snapshot_meta(const struct role *timestamp, struct role_meta *out, struct err *e)
{
	return role_find_meta(timestamp, "snapshot.json", out, e);
}

static int check_timestamp_rollback(const struct role *old, const struct role *new, struct err *e)
{
	struct role_meta was, is;

	if (!MUST("timestamp.rollback", new->version >= old->version))
		return err_set(e, E_ROLLBACK,
			"timestamp.json: is version %" PRIu64 ", version %" PRIu64
			" was seen before",
			new->version, old->version);
	if (new->version == old->version)
		return 0;
	if (snapshot_meta(old, &was, e) < 0 || snapshot_meta(new, &is, e) < 0)
		return -1;
	if (!MUST("timestamp.snapshot-rollback", is.version >= was.version))
		return err_set(e, E_ROLLBACK,
			"timestamp.json: lists snapshot %" PRIu64 ", %" PRIu64 " was seen before",
			is.version, was.version);
	return 0;
}

/* The stored one stays; a lost tag is taken again, so that the next poll is conditional. */
static int keep_timestamp(struct trust *t, struct role *old, const struct buf *old_bytes,
	const struct received *got, struct err *e)
{
	bool same = got->bytes.len == old_bytes->len && got->bytes.len > 0 &&
		    memcmp(got->bytes.data, old_bytes->data, old_bytes->len) == 0;

	t->unchanged = true;
	role_move(&t->timestamp, old);
	if (time_check(t, ROLE_TIMESTAMP, t->timestamp.expires, "timestamp.json", e) < 0)
		return -1;
	return same ? store_write_tag(&t->store, &got->tag, e) : 0;
}

static int take_timestamp(
	struct trust *t, struct role *new, const struct received *got, struct err *e)
{
	if (time_check(t, ROLE_TIMESTAMP, new->expires, "timestamp.json", e) < 0)
		return -1;
	/* The tag comes second: an old tag beside a new file costs one transfer, no more. */
	if (store_write(&t->store, "timestamp", &got->bytes, e) < 0 ||
		store_write_tag(&t->store, &got->tag, e) < 0)
		return -1;
	role_move(&t->timestamp, new);
	return 0;
}

static int judge_timestamp(struct trust *t, struct role *old, const struct buf *old_bytes,
	const struct received *got, struct err *e)
{
	AUTO_ROLE struct role new = {0};

	if (got->unchanged && !old->doc)
		return err_set(e, E_META, "timestamp.json: called unchanged, but none is kept");
	if (got->unchanged)
		return keep_timestamp(t, old, old_bytes, got, e);
	if (role_parse(ROLE_TIMESTAMP, "timestamp.json", &got->bytes, false, &new, e) < 0 ||
		keyring_check(&t->rings[ROLE_TIMESTAMP], &t->retired[ROLE_TIMESTAMP], new.doc,
			"timestamp.json", e) < 0)
		return -1;
	if (old->doc && check_timestamp_rollback(old, &new, e) < 0)
		return -1;
	if (old->doc && new.version == old->version)
		return keep_timestamp(t, old, old_bytes, got, e);
	return take_timestamp(t, &new, got, e);
}

static int refresh_timestamp(struct trust *t, const struct fetcher *metadata, struct err *e)
{
	AUTO_BUF struct buf old_bytes = buf_make(TRUST_TIMESTAMP_MAX);
	AUTO_ROLE struct role old = {0};
	struct received got = {.bytes = buf_make(TRUST_TIMESTAMP_MAX)};

	if (client_read_stored(t, ROLE_TIMESTAMP, &old_bytes, &old))
		store_read_tag(&t->store, &got.tag);
	int rc = metadata->get(
		metadata->ctx, "timestamp.json", &got.tag, &got.unchanged, &got.bytes, e);
	if (rc < 0)
		err_wrap(e, "timestamp.json");
	else
		rc = judge_timestamp(t, &old, &old_bytes, &got, e);
	buf_free(&got.bytes);
	return rc;
}

/* --- snapshot ------------------------------------------------------------------- */

/* No listed role may go back or vanish: that would hide a newer or revoking file. */
static int check_snapshot_rollback(const struct role *old, const struct role *new, struct err *e)
{
	struct role_meta was, is;
	const json_t *now = json_object_get(new->body, "meta");
	const char *file;
	json_t *entry;

	json_object_foreach (json_object_get(old->body, "meta"), file, entry) {
		if (!MUST("snapshot.removal", json_object_get(now, file) != NULL))
			return err_set(e, E_ROLLBACK, "snapshot: no longer lists \"%.80s\"", file);
		if (role_find_meta(old, file, &was, e) < 0 || role_find_meta(new, file, &is, e) < 0)
			return -1;
		if (!MUST("snapshot.rollback", is.version >= was.version))
			return err_set(e, E_ROLLBACK,
				"snapshot: lists version %" PRIu64 " of \"%.80s\", %" PRIu64
				" was seen before",
				is.version, file, was.version);
	}
	return 0;
}

int refresh_list(const struct trust *t, enum role_kind kind, const struct role *by,
	struct listed *out, struct err *e)
{
	struct listed l = {
		.kind = kind,
		.role = role_name(kind),
		.ring = &t->rings[kind],
		.retired = &t->retired[kind],
	};
	const char *file = kind == ROLE_SNAPSHOT ? "snapshot.json" : "targets.json";

	if (role_find_meta(by, file, &l.meta, e) < 0)
		return -1;
	*out = l;
	return 0;
}

static int refresh_snapshot(struct trust *t, const struct fetcher *metadata, struct err *e)
{
	AUTO_BUF struct buf bytes = buf_make(TRUST_SNAPSHOT_MAX);
	AUTO_ROLE struct role old = {0};
	AUTO_ROLE struct role new = {0};
	struct listed l;

	if (refresh_list(t, ROLE_SNAPSHOT, &t->timestamp, &l, e) < 0)
		return -1;
	if (listed_is_stored(t, &l, &t->snapshot))
		return time_check(t, ROLE_SNAPSHOT, t->snapshot.expires, "snapshot", e);
	bool have_old = client_read_stored(t, ROLE_SNAPSHOT, &bytes, &old);
	if (listed_fetch(t, metadata, &l, &bytes, &new, e) < 0)
		return -1;
	if (have_old && check_snapshot_rollback(&old, &new, e) < 0)
		return -1;
	if (time_check(t, ROLE_SNAPSHOT, new.expires, "snapshot", e) < 0 ||
		store_write(&t->store, "snapshot", &bytes, e) < 0)
		return -1;
	role_move(&t->snapshot, &new);
	return 0;
}

/* --- targets -------------------------------------------------------------------- */

static int refresh_targets(struct trust *t, const struct fetcher *metadata, struct err *e)
{
	AUTO_BUF struct buf bytes = buf_make(TRUST_TARGETS_MAX);
	AUTO_ROLE struct role new = {0};
	struct listed l;

	if (refresh_list(t, ROLE_TARGETS, &t->snapshot, &l, e) < 0)
		return -1;
	if (listed_is_stored(t, &l, &t->targets))
		return time_check(t, ROLE_TARGETS, t->targets.expires, "targets", e);
	if (listed_fetch(t, metadata, &l, &bytes, &new, e) < 0 ||
		time_check(t, ROLE_TARGETS, new.expires, "targets", e) < 0 ||
		store_write(&t->store, "targets", &bytes, e) < 0)
		return -1;
	role_move(&t->targets, &new);
	return 0;
}

int trust_refresh(struct trust *t, const struct fetcher *metadata, struct err *e)
{
	client_clear(t);
	t->judges_expiry = true;
	time_start(t);
	if (root_refresh(t, metadata, e) < 0 || refresh_timestamp(t, metadata, e) < 0 ||
		refresh_snapshot(t, metadata, e) < 0 || refresh_targets(t, metadata, e) < 0)
		return -1;
	return time_advance(t, e);
}
