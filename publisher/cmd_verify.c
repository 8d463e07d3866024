/* SPDX-License-Identifier: Apache-2.0 */
/* pawl-repo verify: the whole of public/, one line for each problem. */

#include "publisher/change.h"
#include "publisher/verify.h"

static int check_all(struct verify *v, struct err *e)
{
	v->roots = json_array();
	v->manifests = json_object();
	v->objects = json_object();
	if (!v->roots || !v->manifests || !v->objects)
		return err_set(e, E_NOMEM, "out of memory");
	return verify_metadata(v, e) < 0 || verify_tree(v, e) < 0 ? -1 : 0;
}

int cmd_verify(void *ctx, int argc, char **argv, struct err *e)
{
	struct publisher *p = ctx;
	struct verify v = {.p = p};

	/* Under the lock: a run that publishes at the same time would look like damage. */
	if (change_check_words(argc, argv, 0, 0, e) < 0 || publisher_open(p, true, e) < 0)
		return -1;
	int rc = check_all(&v, e);
	size_t releases = json_object_size(v.manifests);
	size_t objects = json_object_size(v.objects);
	json_decref(v.roots);
	json_decref(v.manifests);
	json_decref(v.objects);
	roles_free(&v.roles);
	if (rc < 0)
		return -1;
	if (v.problems > 0)
		return err_set(e, v.first, "%u problems in %s/public", v.problems, p->dir);
	publisher_say(p, "good: %zu releases, %zu objects, all signatures and hashes are right",
		releases, objects);
	return 0;
}
