/* SPDX-License-Identifier: Apache-2.0 */
/* What `release` and `adopt` do at the terminal. */
#include "publisher/making.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "publisher/release.h"

#define MIB (1024.0 * 1024.0)

struct terminal {
	bool shows_progress;
	bool has_line; /* a progress line stands there without its end */
	uint64_t started; /* of the image whose progress is shown, milliseconds */
	uint64_t shown;
	char image[PLAN_NAME_SIZE + 8]; /* what the line is about */
	bool quiet;
};

static void end_line(struct terminal *t)
{
	if (t->has_line)
		fputc('\n', stderr);
	t->has_line = false;
}

/* One line that is written over, at most five times a second. */
static void show_progress(void *ctx, const char *name, uint64_t done, uint64_t total)
{
	struct terminal *t = ctx;
	uint64_t now = clock_mono_ms();

	if (!t->shows_progress)
		return;
	if (strcmp(t->image, name) != 0) {
		end_line(t);
		snprintf(t->image, sizeof(t->image), "%s", name);
		t->started = now;
		t->shown = 0;
	}
	if (done < total && t->shown && now - t->shown < 200)
		return;
	t->shown = now;
	double seconds = (double)(now - t->started) / 1000.0 + 0.001;
	double rate = (double)done / MIB / seconds;
	fprintf(stderr, "\r%s: %3u %%  %.0f of %.0f MiB  %.1f MiB/s  %.0f s left   ", name,
		(unsigned)(done * 100 / total), (double)done / MIB, (double)total / MIB, rate,
		(double)(total - done) / MIB / (rate + 0.001));
	t->has_line = true;
	if (done == total)
		end_line(t);
}

static void show_warning(void *ctx, const char *text)
{
	end_line(ctx);
	fprintf(stderr, "pawl-repo: warning: %s\n", text);
}

/* What was decided for an image; what costs devices something is a warning. */
static void show_note(void *ctx, bool warning, const char *text)
{
	struct terminal *t = ctx;

	if (warning) {
		show_warning(ctx, text);
		return;
	}
	end_line(t);
	if (!t->quiet)
		fprintf(stderr, "pawl-repo: %s\n", text);
}

/* What later releases are compared with, and older devices fetch less by. */
static void say_delta(const struct publisher *p, const struct plan_image *image)
{
	if (image->has_delta)
		publisher_say(p, "    index %.2f MiB, data %.1f MiB, frames %.2f MiB",
			(double)image->index.length / MIB, (double)image->data.length / MIB,
			(double)image->frames.length / MIB);
}

static void say_made(const struct publisher *p, const struct manifest *m)
{
	const struct plan *plan = &m->plan;

	publisher_say(p,
		"release %" PRIu64 " of %s (version %s, epoch %" PRIu64
		") is in staging/%s-%" PRIu64 "; `pawl-repo publish` makes it visible",
		plan->release, plan->product, plan->version, plan->epoch, plan->product,
		plan->release);
	for (size_t i = 0; i < plan->image_count; i++) {
		const struct plan_image *image = &plan->images[i];
		publisher_say(p, "  %s: %s, %.1f MiB, stored in %.1f MiB (%s)", image->name,
			plan_format_name(image->format), (double)image->size / MIB,
			(double)image->full.length / MIB, plan_encoding_name(image->encoding));
		say_delta(p, image);
	}
}

int making_run(struct publisher *p, const struct verb_option *options, bool adopt, int argc,
	char **argv, struct err *e)
{
	AUTO_SETTINGS struct release_settings settings = {0};
	AUTO_MANIFEST struct manifest *made = NULL;
	struct terminal t = {
		.shows_progress = !p->quiet && isatty(STDERR_FILENO), .quiet = p->quiet};
	const struct release_watcher watcher = {
		.image = {.ctx = &t, .progress = show_progress, .tell = show_note},
		.ctx = &t,
		.warn = show_warning};

	if (release_settings_read_words(&settings, options, argc, argv, e) < 0 ||
		publisher_open(p, true, e) < 0)
		return -1;
	int rc = release_make(p, &settings, adopt, &watcher, &made, e);
	publisher_close(p);
	end_line(&t);
	if (rc == 0)
		say_made(p, made);
	return rc;
}
