/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines for people: standard error, systemd's prefix form, or syslog. */
#include "agent/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "agent/base/text.h"

#define ESCAPED_MAX 12 /* of one character: three bytes as \xNN */

struct log log_make(enum log_level level)
{
	struct log l = {.level = level};
	struct stat st;

	if (getenv("JOURNAL_STREAM")) {
		l.prefix = true;
		return l;
	}
	/* cron runs commands without a terminal; /dev/null means that nobody reads. */
	l.syslog = fstat(STDERR_FILENO, &st) < 0 || (S_ISCHR(st.st_mode) && !isatty(STDERR_FILENO));
	return l;
}

static void escape(const char *in, char *out, size_t size)
{
	size_t n = 0;

	while (*in && n + ESCAPED_MAX < size) {
		size_t unsafe = text_unsafe_length(in);
		for (size_t safe = unsafe ? 0 : text_length(in); safe > 0; safe--)
			out[n++] = *in++;
		for (; unsafe > 0; unsafe--, in++)
			n += (size_t)snprintf(out + n, size - n, "\\x%02x", (unsigned char)*in);
	}
	out[n] = 0;
}

void log_line(const struct log *l, enum log_level level, const char *fmt, ...)
{
	char text[1024];
	char safe[2048];
	va_list ap;

	if (!l || level > l->level)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	escape(text, safe, sizeof(safe));
	if (l->syslog) {
		syslog(LOG_DAEMON | (int)level, "%s", safe);
		return;
	}
	if (l->prefix)
		fprintf(stderr, "<%d>%s\n", (int)level, safe);
	else
		fprintf(stderr, "pawl: %s\n", safe);
}
