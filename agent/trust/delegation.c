/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a target: targets first, then delegations depth-first in their order (spec 5.6.7). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/json.h"
#include "agent/base/must.h"
#include "agent/trust/pattern.h"
#include "agent/trust/trust.h"

#define VISIT_QUEUE_MAX 256 /* delegations waiting in one lookup */
#define CLOSED_ROLE     "releases" /* the one that the agent follows (design 4.1) */

/* One delegation: who is trusted, and where the keys are. Strings borrowed from the delegator. */
struct visit {
	char name[STORE_NAME_MAX];
	const json_t *keys; /* of the delegator */
	const json_t *role; /* {keyids, threshold, ...} */
};

struct walk {
	struct trust *t;
	const struct fetcher *metadata;
	const char *path;
	struct visit *stack; /* VISIT_QUEUE_MAX; the last is visited next */
	size_t waiting;
	char visited[TRUST_DELEGATED_MAX][STORE_NAME_MAX];
	size_t visited_count;
	struct err *e;
};

/* --- loading one delegated role --------------------------------------------------- */

static struct trust_delegated *find_loaded(struct trust *t, const char *name)
{
	for (size_t i = 0; i < t->delegated_count; i++) {
		if (strcmp(t->delegated[i].name, name) == 0)
			return &t->delegated[i];
	}
	return NULL;
}

static int add_loaded(struct trust *t, const char *name, struct role *r,
	struct trust_delegated **out, struct err *e)
{
	if (t->delegated_count == TRUST_DELEGATED_MAX)
		return err_set(e, E_META, "more than %d delegated roles", TRUST_DELEGATED_MAX);
	struct trust_delegated *d = &t->delegated[t->delegated_count];
	*d = (struct trust_delegated){.name = strdup(name)};
	if (!d->name)
		return err_set(e, E_NOMEM, "no memory for a role");
	role_move(&d->role, r);
	t->delegated_count++;
	*out = d;
	return 0;
}

static int fetch_role(const struct walk *w, const struct listed *l, struct role *out)
{
	AUTO_BUF struct buf bytes = buf_make(TRUST_TARGETS_MAX);
	AUTO_ROLE struct role r = {0};
	char encoded[STORE_NAME_MAX];

	if (!w->metadata)
		return err_set(w->e, E_NOTFOUND, "role \"%s\" is not stored", l->role);
	if (listed_fetch(w->t, w->metadata, l, &bytes, &r, w->e) < 0 ||
		time_check(w->t, ROLE_TARGETS, r.expires, l->role, w->e) < 0 ||
		store_encode(l->role, true, encoded, w->e) < 0 ||
		store_write(&w->t->store, encoded, &bytes, w->e) < 0)
		return -1;
	role_move(out, &r);
	return 0;
}

/* From the store or the fetcher, verified with the delegator's keys. */
static int read_role(const struct walk *w, const struct listed *l, struct role *out)
{
	AUTO_ROLE struct role r = {0};

	if (!listed_is_stored(w->t, l, &r))
		return fetch_role(w, l, out);
	if (time_check(w->t, ROLE_TARGETS, r.expires, l->role, w->e) < 0)
		return -1;
	role_move(out, &r);
	return 0;
}

static int list_role(const struct walk *w, const struct visit *v, struct listed *out)
{
	char file[STORE_NAME_MAX + 8];

	*out = (struct listed){.kind = ROLE_TARGETS, .role = v->name, .is_delegated = true};
	snprintf(file, sizeof(file), "%s.json", v->name);
	if (role_find_meta(&w->t->snapshot, file, &out->meta, w->e) < 0)
		return err_wrap(w->e, "delegated role not in snapshot");
	return 0;
}

/*
 * A role that is loaded was verified for another delegation. It does not inherit
 * that trust: this delegation's keys must have signed it, too.
 */
static int load_role(struct walk *w, const struct visit *v, const struct role **out)
{
	struct trust_delegated *d = find_loaded(w->t, v->name);
	struct keyring ring = {0};
	AUTO_ROLE struct role r = {0};
	struct listed l;

	if (list_role(w, v, &l) < 0 || keyring_parse(v->keys, v->role, v->name, &ring, w->e) < 0)
		return -1;
	l.ring = &ring;
	int rc = 0;
	if (d && !MUST("delegation.verified-again",
			 keyring_check(&ring, NULL, d->role.doc, v->name, w->e) == 0))
		rc = -1;
	if (!d && (read_role(w, &l, &r) < 0 || add_loaded(w->t, v->name, &r, &d, w->e) < 0))
		rc = -1;
	keyring_free(&ring);
	if (rc == 0)
		*out = &d->role;
	return rc;
}

/* --- the walk ---------------------------------------------------------------------- */

static bool was_visited(const struct walk *w, const char *name)
{
	for (size_t i = 0; i < w->visited_count; i++) {
		if (strcmp(w->visited[i], name) == 0)
			return true;
	}
	return false;
}

static int push(struct walk *w, const char *name, const json_t *keys, const json_t *role)
{
	if (w->waiting == VISIT_QUEUE_MAX)
		return err_set(w->e, E_META, "more than %d delegations", VISIT_QUEUE_MAX);
	struct visit *v = &w->stack[w->waiting];
	if (strlen(name) >= sizeof(v->name))
		return err_set(w->e, E_META, "role name \"%.60s\" is too long", name);
	memcpy(v->name, name, strlen(name) + 1);
	v->keys = keys;
	v->role = role;
	w->waiting++;
	return 0;
}

/* Does the agent follow this delegation at all, and does it cover the path? */
static int is_wanted(const struct walk *w, const json_t *role, const char **name, bool *wanted)
{
	*wanted = false;
	if (json_want_string(role, "name", "delegation", name, w->e) < 0)
		return -1;
	if (!MUST("delegation.closed", w->t->o.open_delegations || strcmp(*name, CLOSED_ROLE) == 0))
		return 0;
	return pattern_role_covers(role, w->path, wanted, w->e);
}

/* The first of them is visited first, so it has to be on top of the stack. */
static void reverse(struct visit *first, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		struct visit v = first[i];
		first[i] = first[count - 1 - i];
		first[count - 1 - i] = v;
	}
}

static int push_roles(struct walk *w, const json_t *keys, const json_t *roles)
{
	size_t start = w->waiting;
	const char *name;
	const json_t *role;
	bool wanted;
	size_t i;

	json_array_foreach (roles, i, role) {
		if (is_wanted(w, role, &name, &wanted) < 0)
			return -1;
		if (!wanted)
			continue;
		if (json_is_true(json_object_get(role, "terminating"))) {
			/* Nothing that waits is asked any more, only earlier siblings and this one. */
			size_t siblings = w->waiting - start;
			memmove(w->stack, w->stack + start, siblings * sizeof(*w->stack));
			w->waiting = siblings;
			start = 0;
		}
		if (push(w, name, keys, role) < 0)
			return -1;
		if (json_is_true(json_object_get(role, "terminating")))
			break;
	}
	reverse(w->stack + start, w->waiting - start);
	return 0;
}

static int push_delegations(struct walk *w, const struct role *r)
{
	const json_t *delegations = json_object_get(r->body, "delegations");
	const json_t *roles = json_object_get(delegations, "roles");
	const json_t *succinct = json_object_get(delegations, "succinct_roles");
	const json_t *keys = json_object_get(delegations, "keys");
	char name[STORE_NAME_MAX];

	if (!delegations)
		return 0;
	if (!json_is_object(keys) || (!roles == !succinct))
		return err_set(w->e, E_META,
			"delegations: \"keys\" and one of \"roles\" and \"succinct_roles\" are needed");
	if (roles)
		return push_roles(w, keys, roles);
	if (!w->t->o.open_delegations)
		return 0;
	if (pattern_bin_name(succinct, w->path, name, sizeof(name), w->e) < 0)
		return -1;
	return push(w, name, keys, succinct);
}

/* 1 found, 0 not here, -1 error. */
static int look_into(struct walk *w, const struct role *r, struct trust_target *out)
{
	const json_t *entry = json_object_get(json_object_get(r->body, "targets"), w->path);

	if (!entry)
		return push_delegations(w, r);
	if (role_read_target(entry, w->path, w->t->o.sha512_is_enough, out, w->e) < 0)
		return -1;
	return 1;
}

static int visit_next(struct walk *w, struct trust_target *out)
{
	struct visit v = w->stack[--w->waiting];
	const struct role *r = NULL;

	if (was_visited(w, v.name))
		return 0;
	if (w->visited_count == TRUST_DELEGATED_MAX)
		return err_set(
			w->e, E_META, "more than %d roles for one target", TRUST_DELEGATED_MAX);
	memcpy(w->visited[w->visited_count++], v.name, sizeof(v.name));
	if (load_role(w, &v, &r) < 0)
		return err_wrap(w->e, "delegated role \"%.80s\"", v.name);
	return look_into(w, r, out);
}

static int walk(struct walk *w, struct trust_target *out)
{
	int rc = look_into(w, &w->t->targets, out);

	while (rc == 0 && w->waiting > 0)
		rc = visit_next(w, out);
	if (rc == 0)
		return err_set(
			w->e, E_NOTFOUND, "no trusted role lists the target \"%.200s\"", w->path);
	return rc < 0 ? -1 : 0;
}

int trust_find_target(struct trust *t, const struct fetcher *metadata, const char *path,
	struct trust_target *out, struct err *e)
{
	if (!t->targets.doc)
		return err_set(e, E_NOTFOUND, "there is no verified targets.json; refresh first");
	if (!*path || strlen(path) > TRUST_TARGET_PATH_MAX)
		return err_set(e, E_META, "target path \"%.60s\" is empty or too long", path);
	struct walk *w = calloc(1, sizeof(*w));
	struct visit *stack = calloc(VISIT_QUEUE_MAX, sizeof(*stack));
	int rc = -1;
	if (w && stack) {
		*w = (struct walk){
			.t = t, .metadata = metadata, .path = path, .stack = stack, .e = e};
		rc = walk(w, out);
	} else {
		err_set(e, E_NOMEM, "no memory for the lookup");
	}
	free(stack);
	free(w);
	return rc;
}
