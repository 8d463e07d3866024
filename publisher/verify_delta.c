/* SPDX-License-Identifier: Apache-2.0 */
/* Checking the tables of a release: a device that finds them wrong would fetch everything. */
#include <stdio.h>

#include "agent/base/must.h"
#include "publisher/delta.h"
#include "publisher/object.h"
#include "publisher/verify.h"

/* What is missing or has another hash is told by the check of all objects. */
static bool is_told_elsewhere(enum err_code code)
{
	return code == E_NOTFOUND || code == E_HASH || code == E_SIZE;
}

static int check_image(
	struct verify *v, const struct shelf *s, const struct plan_image *image, struct err *e)
{
	AUTO_DELTA struct delta_tables tables = {0};
	struct err why = {0};
	char name[OBJECT_NAME_SIZE];
	char path[OBJECT_NAME_SIZE + 8];

	if (!image->has_delta)
		return 0;
	bool good = delta_load(s, image, &tables, &why) == 0 || is_told_elsewhere(why.code);
	if (MUST("verify.tables-fit", good))
		return 0;
	if (why.code == E_NOMEM) {
		*e = why;
		return -1;
	}
	object_name(image->index.sha256, name);
	snprintf(path, sizeof(path), "objects/%s", name);
	verify_problem(v, why.code, path, "%s", why.text);
	return 0;
}

int verify_delta(struct verify *v, const struct manifest *m, struct err *e)
{
	const struct shelf shelf = {.publisher = v->p, .plan = &m->plan};

	for (size_t i = 0; i < m->plan.image_count; i++) {
		if (check_image(v, &shelf, &m->plan.images[i], e) < 0)
			return -1;
	}
	return 0;
}
