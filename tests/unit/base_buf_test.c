/* SPDX-License-Identifier: Apache-2.0 */
/* agent/base/buf: bytes never grow beyond their limit, and arithmetic does not wrap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>

#include "agent/base/buf.h"

static struct err e;

static void grows_up_to_its_limit_and_not_beyond(void **state)
{
	AUTO_BUF struct buf b = buf_make(1000);
	char data[1001];

	(void)state;
	memset(data, 'x', sizeof(data));
	assert_int_equal(buf_add(&b, data, 600, &e), 0);
	assert_int_equal(buf_add(&b, data, 400, &e), 0);
	assert_int_equal(b.len, 1000);
	assert_true(b.cap <= 1001);
	assert_int_equal(buf_add(&b, data, 1, &e), -1);
	assert_int_equal(e.code, E_SIZE);
	assert_int_equal(b.len, 1000);
	assert_int_equal(b.data[1000], 0);
	assert_int_equal(buf_add(&b, data, 0, &e), 0);
}

static void an_enormous_length_does_not_wrap(void **state)
{
	AUTO_BUF struct buf b = buf_make(100);

	(void)state;
	assert_int_equal(buf_add(&b, "ab", 2, &e), 0);
	assert_int_equal(buf_add(&b, "x", SIZE_MAX, &e), -1);
	assert_int_equal(e.code, E_SIZE);
	assert_int_equal(buf_add(&b, "x", SIZE_MAX - 1, &e), -1);
	assert_string_equal(buf_text(&b), "ab");
}

static void is_always_a_string(void **state)
{
	AUTO_BUF struct buf b = buf_make(100);

	(void)state;
	assert_string_equal(buf_text(&b), "");
	assert_int_equal(buf_add_text(&b, "abc", &e), 0);
	assert_int_equal(buf_printf(&b, &e, "-%d-%s", 7, "z"), 0);
	assert_string_equal(buf_text(&b), "abc-7-z");
	buf_clear(&b);
	assert_string_equal(buf_text(&b), "");
	assert_int_equal(b.len, 0);
}

static void printf_beyond_the_limit_changes_nothing(void **state)
{
	AUTO_BUF struct buf b = buf_make(5);

	(void)state;
	assert_int_equal(buf_printf(&b, &e, "%s", "abc"), 0);
	assert_int_equal(buf_printf(&b, &e, "%d", 123), -1);
	assert_int_equal(e.code, E_SIZE);
	assert_string_equal(buf_text(&b), "abc");
	assert_int_equal(buf_printf(&b, &e, "%d", 12), 0);
	assert_string_equal(buf_text(&b), "abc12");
}

static void can_be_used_again_after_free(void **state)
{
	struct buf b = buf_make(10);

	(void)state;
	assert_int_equal(buf_add_text(&b, "x", &e), 0);
	buf_free(&b);
	assert_null(b.data);
	assert_int_equal(b.limit, 10);
	assert_int_equal(buf_add_text(&b, "y", &e), 0);
	assert_string_equal(buf_text(&b), "y");
	buf_free(&b);
}

static void checked_arithmetic_tells_of_overflow(void **state)
{
	uint64_t n = 0;

	(void)state;
	assert_false(size_add_over(UINT64_MAX - 1, 1, &n));
	assert_true(n == UINT64_MAX);
	assert_true(size_add_over(UINT64_MAX, 1, &n));
	assert_false(size_mul_over(UINT32_MAX, UINT32_MAX, &n));
	assert_true(size_mul_over(UINT64_C(1) << 32, UINT64_C(1) << 32, &n));
}

static void little_endian_whatever_the_machine(void **state)
{
	const uint8_t bytes[8] = {0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x91};
	uint8_t out[8] = {0};

	(void)state;
	assert_int_equal(le16_get(bytes), 0x7788);
	assert_true(le32_get(bytes + 4) == 0x91223344);
	assert_true(le64_get(bytes) == UINT64_C(0x9122334455667788));
	le64_put(out, UINT64_C(0x9122334455667788));
	assert_memory_equal(out, bytes, 8);
	le32_put(out, 0x91223344);
	assert_memory_equal(out, bytes + 4, 4);
	le16_put(out, 0x7788);
	assert_memory_equal(out, bytes, 2);
}

static void what_is_acquired_is_let_go(void **state)
{
	int number = -1;
	char *kept = NULL;

	(void)state;
	{
		AUTO_CLOSE int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		AUTO_FREE char *p = strdup("kept");
		number = fd;
		kept = steal_ptr(p);
		assert_null(p);
	}
	assert_int_equal(fcntl(number, F_GETFD), -1);
	assert_string_equal(kept, "kept");
	free(kept);
	number = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int other = number;
	assert_int_equal(steal_fd(&number), other);
	assert_int_equal(number, -1);
	close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_up_to_its_limit_and_not_beyond),
		cmocka_unit_test(an_enormous_length_does_not_wrap),
		cmocka_unit_test(is_always_a_string),
		cmocka_unit_test(printf_beyond_the_limit_changes_nothing),
		cmocka_unit_test(can_be_used_again_after_free),
		cmocka_unit_test(checked_arithmetic_tells_of_overflow),
		cmocka_unit_test(little_endian_whatever_the_machine),
		cmocka_unit_test(what_is_acquired_is_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
