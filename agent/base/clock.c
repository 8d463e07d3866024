/* SPDX-License-Identifier: Apache-2.0 */
/* Time: readings of the clocks, and the one text form that metadata uses. */
#include "agent/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

/* 32-bit boards: metadata that expires after 2038 must not be of the past (see BASE_CPPFLAGS). */
_Static_assert(sizeof(time_t) == 8, "time_t must have 64 bits: glibc 2.34, musl 1.2 or later");

#define CLOCK_MAX 253402300799 /* 9999-12-31T23:59:59Z */

int64_t clock_wall(void)
{
	return (int64_t)time(NULL);
}

uint64_t clock_mono_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

bool clock_is_synchronised(const char *root)
{
	char path[4096];
	struct timex tx = {0};

	snprintf(path, sizeof(path), "%s/run/systemd/timesync/synchronized", root);
	if (access(path, F_OK) == 0)
		return true;
	if (strcmp(root, "/") != 0)
		return false;
	return adjtimex(&tx) >= 0 && !(tx.status & STA_UNSYNC);
}

static bool has_form(const char *text)
{
	static const char form[] = "dddd-dd-ddTdd:dd:ddZ";

	if (strlen(text) != sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < sizeof(form) - 1; i++) {
		bool digit = text[i] >= '0' && text[i] <= '9';
		if (form[i] == 'd' ? !digit : text[i] != form[i])
			return false;
	}
	return true;
}

static int number(const char *text, int digits)
{
	int v = 0;

	for (int i = 0; i < digits; i++)
		v = v * 10 + (text[i] - '0');
	return v;
}

int clock_parse(const char *text, int64_t *seconds, struct err *e)
{
	char again[CLOCK_TEXT_SIZE];

	if (!has_form(text))
		return err_set(e, E_META, "time \"%.40s\" is not YYYY-MM-DDTHH:MM:SSZ", text);
	struct tm tm = {
		.tm_year = number(text, 4) - 1900,
		.tm_mon = number(text + 5, 2) - 1,
		.tm_mday = number(text + 8, 2),
		.tm_hour = number(text + 11, 2),
		.tm_min = number(text + 14, 2),
		.tm_sec = number(text + 17, 2),
	};
	int64_t t = (int64_t)timegm(&tm);
	/* timegm turns 31 February into March: what does not print back the same is no date. */
	if (t < 0 || t > CLOCK_MAX)
		return err_set(e, E_META, "time \"%s\" is out of range", text);
	clock_format(t, again);
	if (strcmp(text, again) != 0)
		return err_set(e, E_META, "time \"%s\" does not exist", text);
	*seconds = t;
	return 0;
}

void clock_format(int64_t seconds, char text[CLOCK_TEXT_SIZE])
{
	time_t t = (time_t)(seconds < 0 ? 0 : seconds > CLOCK_MAX ? CLOCK_MAX : seconds);
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
}
