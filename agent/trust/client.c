/* SPDX-License-Identifier: Apache-2.0 */
/* The TUF client's object: opening, what is stored, what is known. */
#include "agent/trust/client.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/must.h"
#include "agent/trust/trust.h"

int trust_open(const struct trust_options *o, struct trust **out, struct err *e)
{
	AUTO_TRUST struct trust *t = calloc(1, sizeof(*t));

	if (!t)
		return err_set(e, E_NOMEM, "no memory for the trust object");
	t->o = *o;
	t->store = (struct store){.dir = o->store};
	time_start(t);
	if (root_load(t, e) < 0)
		return -1;
	t->o.image_root = NULL;
	*out = steal_ptr(t);
	return 0;
}

void client_clear(struct trust *t)
{
	role_free(&t->timestamp);
	role_free(&t->snapshot);
	role_free(&t->targets);
	for (size_t i = 0; i < t->delegated_count; i++) {
		role_free(&t->delegated[i].role);
		free(t->delegated[i].name);
	}
	t->delegated_count = 0;
	t->expired_accepted = false;
	t->unchanged = false;
}

void trust_free(struct trust *t)
{
	if (!t)
		return;
	client_clear(t);
	role_free(&t->root);
	buf_free(&t->root_bytes);
	for (int i = 0; i < ROLE_KIND_COUNT; i++) {
		keyring_free(&t->rings[i]);
		keyring_free(&t->retired[i]);
	}
	for (unsigned i = 0; i < t->new_root_count; i++)
		buf_free(&t->new_roots[i].bytes);
	free(t);
}

bool client_read_stored(
	const struct trust *t, enum role_kind kind, struct buf *bytes, struct role *out)
{
	AUTO_ROLE struct role r = {0};
	const char *name = role_name(kind);
	struct err why = {0};

	/* What is not signed by today's keys is no longer evidence of anything (spec 5.3.11). */
	if (store_read(&t->store, name, bytes, &why) < 0 ||
		role_parse(kind, name, bytes, t->o.sha512_is_enough, &r, &why) < 0 ||
		keyring_check(&t->rings[kind], NULL, r.doc, name, &why) < 0)
		return false;
	role_move(out, &r);
	return true;
}

static int not_whole(const char *what, struct err *e)
{
	return err_set(e, E_NOTFOUND, "no stored %s that verifies; a refresh brings one", what);
}

int trust_load_stored(struct trust *t, struct err *e)
{
	AUTO_BUF struct buf bytes = buf_make(TRUST_TIMESTAMP_MAX);
	struct listed l;

	client_clear(t);
	t->judges_expiry = false;
	time_start(t);
	if (root_check_floor(t, e) < 0)
		return -1;
	if (!client_read_stored(t, ROLE_TIMESTAMP, &bytes, &t->timestamp))
		return not_whole("timestamp", e);
	if (refresh_list(t, ROLE_SNAPSHOT, &t->timestamp, &l, e) < 0)
		return -1;
	if (!listed_is_stored(t, &l, &t->snapshot))
		return not_whole("snapshot", e);
	if (refresh_list(t, ROLE_TARGETS, &t->snapshot, &l, e) < 0)
		return -1;
	if (!listed_is_stored(t, &l, &t->targets))
		return not_whole("targets", e);
	return time_advance(t, e);
}

void trust_get_facts(const struct trust *t, struct trust_facts *out)
{
	*out = (struct trust_facts){
		.time = t->time,
		.freshness_known = t->o.clock_synchronised,
		.time_floor = t->o.time_floor,
		.root_version = t->root.version,
		.timestamp_version = t->timestamp.version,
		.snapshot_version = t->snapshot.version,
		.targets_version = t->targets.version,
		.root_expires = t->root.expires,
		.timestamp_expires = t->timestamp.expires,
		.targets_expires = t->targets.expires,
		.targets_issued = t->targets.issued,
		.expired_accepted = t->expired_accepted,
		.unchanged = t->unchanged,
		.new_roots = t->new_root_count,
	};
}

int trust_get_root(const struct trust *t, struct buf *out, struct err *e)
{
	return buf_add(out, t->root_bytes.data, t->root_bytes.len, e);
}
