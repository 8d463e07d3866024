/* SPDX-License-Identifier: Apache-2.0 */
/* agent/base/reader: closing frees once and leaves nothing to call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/base/reader.h"

static int read_nothing(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	(void)ctx;
	(void)offset;
	(void)data;
	return err_set(e, E_IO, "nothing of %zu bytes", len);
}

static void count_close(void *ctx)
{
	++*(int *)ctx;
}

static void close_frees_once(void **state)
{
	int closed = 0;
	struct reader r = {.ctx = &closed, .read = read_nothing, .close = count_close};

	(void)state;
	reader_close(&r);
	reader_close(&r);
	assert_int_equal(closed, 1);
	assert_null(r.read);
	assert_null(r.ctx);
}

static void a_reader_may_have_nothing_to_free(void **state)
{
	int ctx = 0;
	struct reader r = {.ctx = &ctx, .read = read_nothing};

	(void)state;
	reader_close(&r);
	assert_null(r.read);
	assert_int_equal(ctx, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(close_frees_once),
		cmocka_unit_test(a_reader_may_have_nothing_to_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
