/* SPDX-License-Identifier: Apache-2.0 */
/* Progress for people and programs. */
#include "agent/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/clock.h"

#define SHOW_EVERY_MS 200

static double mib(uint64_t bytes)
{
	return (double)bytes / (1024.0 * 1024.0);
}

static void show_line(struct progress *p, uint64_t done, uint64_t total, uint64_t fetched)
{
	double seconds = (double)(clock_mono_ms() - p->started_ms + 1) / 1000.0;
	double rate = (double)done / seconds;
	double left = rate > 0 ? (double)(total - done) / rate : 0;

	fprintf(stderr,
		"\r%s: %s %5.1f of %.1f MiB, %.1f MiB/s, %.0f s left, %.1f MiB fetched, %.1f MiB "
		"saved \033[K",
		p->image, p->phase, mib(done), mib(total), mib((uint64_t)rate), left, mib(fetched),
		mib(p->saved));
}

static void show_tenth(struct progress *p, unsigned percent, uint64_t done, uint64_t total)
{
	if (percent / 10 == p->shown_tenth)
		return;
	p->shown_tenth = percent / 10;
	log_line(&p->session->log, LOG_LEVEL_INFO,
		"progress image=%s phase=%s percent=%u bytes=%" PRIu64 " of=%" PRIu64, p->image,
		p->phase, percent, done, total);
}

static void tell_program(const struct progress *p, uint64_t done, uint64_t total, uint64_t fetched)
{
	char line[280];
	int n = snprintf(line, sizeof(line),
		"{\"image\":\"%s\",\"phase\":\"%s\",\"done\":%" PRIu64 ",\"total\":%" PRIu64
		",\"fetched\":%" PRIu64 ",\"saved\":%" PRIu64 "}\n",
		p->image, p->phase, done, total, fetched, p->saved);

	/* A reader that has gone away must not stop an update. */
	if (n > 0 && write(p->session->progress_fd, line, (size_t)n) < 0)
		return;
}

static void report(struct progress *p, const char *phase, const char *image, uint64_t done,
	uint64_t total, uint64_t fetched)
{
	uint64_t now = clock_mono_ms();
	unsigned percent = total ? (unsigned)((double)done * 100.0 / (double)total) : 100;
	bool last = done >= total;

	if (strcmp(p->image, image) != 0 || strcmp(p->phase, phase) != 0) {
		p->phase = phase;
		snprintf(p->image, sizeof(p->image), "%s", image);
		p->shown_tenth = 0;
		p->started_ms = now;
	}
	if (!p->terminal)
		show_tenth(p, percent, done, total);
	if (!last && now - p->shown_ms < SHOW_EVERY_MS)
		return;
	p->shown_ms = now;
	if (p->terminal)
		show_line(p, done, total, fetched);
	if (p->session->progress_fd >= 0)
		tell_program(p, done, total, fetched);
}

static void report_writing(
	void *ctx, const char *image, uint64_t done, uint64_t total, uint64_t fetched)
{
	report(ctx, "writing", image, done, total, fetched);
}

static void report_fetching(
	void *ctx, const char *image, uint64_t done, uint64_t total, uint64_t fetched)
{
	report(ctx, "fetching", image, done, total, fetched);
}

void progress_start(struct progress *p, const struct session *s, uint64_t saved)
{
	*p = (struct progress){
		.session = s,
		.started_ms = clock_mono_ms(),
		.phase = "",
		.saved = saved,
		.terminal = isatty(STDERR_FILENO) && s->log.level >= LOG_LEVEL_INFO,
	};
}

struct slot_progress progress_writing(struct progress *p)
{
	return (struct slot_progress){.ctx = p, .report = report_writing};
}

struct slot_progress progress_fetching(struct progress *p)
{
	return (struct slot_progress){.ctx = p, .report = report_fetching};
}

void progress_end(struct progress *p)
{
	if (p->terminal && p->image[0])
		fputc('\n', stderr);
}
