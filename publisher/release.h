/* SPDX-License-Identifier: Apache-2.0 */
/* Making a release: from what the maker says to a staged manifest with its objects. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/plan/manifest.h"
#include "publisher/image.h"
#include "publisher/publisher.h"
#include "publisher/release_options.h"

/* Whom to tell what a person should know. */
struct release_watcher {
	struct image_watcher image;
	void *ctx;
	void (*warn)(void *ctx, const char *text); /* one sentence; may not be NULL */
};

/*
 * Makes a release in staging/ of an opened and locked workspace. With `adopt`
 * it is what the field runs already: release 1 of a product that has none.
 * Everything that can be checked is checked before the images are cut.
 * *out is the manifest as devices will read it; the caller's. E_USAGE, E_META,
 * E_CONFIG, E_ROLLBACK, E_BUSY, E_IO, E_SPACE; nothing is staged on failure.
 */
int release_make(struct publisher *p, const struct release_settings *s, bool adopt,
	const struct release_watcher *w, struct manifest **out, struct err *e);

/* What the settings do not decide alone. */
struct release_identity {
	const char *product;
	uint64_t release;
	uint64_t epoch;
	int64_t issued;
	bool adopt;
	const struct manifest *newest; /* the release before; NULL where there is none */
};

/*
 * The manifest's bytes for the settings and the cut images, parsed again with
 * the agent's own parser into *parsed (the caller's). E_USAGE names the option.
 */
int release_manifest(const struct release_settings *s, const struct release_identity *id,
	const struct plan_image *images, size_t count, struct buf *out, struct manifest **parsed,
	struct err *e);

/*
 * Does the release say what the Cyber Resilience Act wants to be known of it?
 * Warns of what is missing; E_USAGE for what cannot be meant.
 */
int release_lint(const struct manifest *m, const struct release_watcher *w, struct err *e);

/* "--image" values as requests for image.h. E_USAGE. `count` is at most PLAN_IMAGES_MAX. */
int release_images(
	const struct release_settings *s, struct image_request *out, size_t *count, struct err *e);

/* A decimal number min … max; E_USAGE names `what`. */
int release_parse_number(const char *text, const char *what, uint64_t min, uint64_t max,
	uint64_t *out, struct err *e);

/* "YYYY-MM-DD" or "YYYY-MM-DDTHH:MM:SSZ"; a bare day means its end or its start. E_USAGE. */
int release_parse_time(
	const char *text, const char *what, bool end_of_day, int64_t *out, struct err *e);

/* "25@1d": percent and seconds, with suffix s, m, h or d. E_USAGE. */
int release_parse_wave(const char *text, unsigned *percent, uint64_t *seconds, struct err *e);
