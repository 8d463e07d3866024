/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables as their differences from older ones that the device has: what did not change
 * is not fetched again. A difference is compared with its signed hash before it is
 * decoded, the old table with the hash by which it is named, and what comes out with
 * the signed hash of the table. It only saves bytes: whoever fails here fetches the
 * whole table.
 */
#pragma once

#include "agent/tables.h"

/*
 * The smallest one whose old table lies in the folder `dir` under its hash; NULL where
 * none does. The old table may still be wrong.
 */
const struct plan_difference *tables_find_difference(int dir, const struct plan_differences *all);

/*
 * Makes r->object out of the old table in `dir` and the difference, and keeps it as
 * tables_get does. E_HASH where the old table, the difference or the result is not what
 * its hash says (a wrong old table of the cache is removed), errors of
 * slot_difference_apply, E_SPACE, or the reader's errors.
 */
int tables_get_from(struct tables *t, const struct table_request *r, int dir,
	const struct plan_difference *d, struct table *out, struct err *e);
