/* SPDX-License-Identifier: Apache-2.0 */
/* pawl-repo estimate: what a device on OLD fetches for NEW, by each way, and which it takes. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "publisher/compress.h"
#include "publisher/estimate.h"
#include "publisher/release.h"
#include "publisher/side.h"

#define MIB (1024.0 * 1024.0)

enum { PRODUCT, INDEX, ENCODING, LEVEL, THREADS, OPTION_COUNT };
const struct verb_option publisher_estimate_options[] = {
	[PRODUCT] = {"--product", "NAME", "another product than the workspace's"},
	[INDEX] = {"--index", "KIND", "of a NEW that is a file: blocks, chunks, or auto (default)"},
	[ENCODING] = {"--encoding", "ENCODING", "of a NEW that is a file: zstd, zlib or none"},
	[LEVEL] = {"--level", "N",
		"of a NEW that is a file: zstd 1 to 22 (default 19), zlib 1 to 9"},
	[THREADS] = {"--threads", "N", "default: one for each processor"},
	[OPTION_COUNT] = {NULL, NULL, NULL},
};

struct estimating {
	struct publisher *publisher;
	const char *product;
	const char *const *values;
	const char *word[2];
	struct side side[2]; /* old, new */
};

static void estimating_free(struct estimating *s)
{
	side_close(&s->side[0]);
	side_close(&s->side[1]);
}

static void tell(void *ctx, bool warning, const char *text)
{
	const struct publisher *p = ctx;

	if (!p->quiet || warning)
		fprintf(stderr, "pawl-repo: %s%s\n", warning ? "warning: " : "", text);
}

/* "NAME=FILE", or "FILE" with the name of the other side's only image. */
static int name_image(const struct estimating *s, int i, char *out, size_t size, struct err *e)
{
	const char *word = s->word[i];
	const struct plan *other = s->side[1 - i].shelf.plan;
	char name[PLAN_NAME_SIZE] = "";
	size_t len = strcspn(word, "=");

	if (len < sizeof(name) && word[len])
		snprintf(name, sizeof(name), "%.*s", (int)len, word);
	if (manifest_name_is_valid(name))
		snprintf(out, size, "%s", word);
	else if (!other || other->image_count == 1)
		snprintf(out, size, "%s=%s", other ? other->images[0].name : "image", word);
	else
		return err_set(e, E_USAGE,
			"%s: the release has several images; say which one: NAME=FILE", word);
	return 0;
}

/* The options for the new image; the old one is only compared, so the fastest will do. */
static int give_options(
	const struct estimating *s, int i, struct release_settings *settings, struct err *e)
{
	static const enum release_option options[] = {[INDEX] = RELEASE_INDEX,
		[ENCODING] = RELEASE_ENCODING,
		[LEVEL] = RELEASE_LEVEL,
		[THREADS] = RELEASE_THREADS};

	for (size_t o = INDEX; o < OPTION_COUNT; o++) {
		if (s->values[o] && (i == 1 || o == THREADS) &&
			release_settings_add(settings, options[o], s->values[o], true, e) < 0)
			return -1;
	}
	return i == 1 ? 0 : release_settings_add(settings, RELEASE_LEVEL, "1", true, e);
}

static int open_file(struct estimating *s, int i, struct err *e)
{
	AUTO_SETTINGS struct release_settings settings = {0};
	const struct shelf *other = &s->side[1 - i].shelf;
	struct image_request r[PLAN_IMAGES_MAX];
	char image[1024];
	size_t count = 0;

	if (name_image(s, i, image, sizeof(image), e) < 0 ||
		release_settings_add(&settings, RELEASE_IMAGE, image, true, e) < 0 ||
		give_options(s, i, &settings, e) < 0 || release_images(&settings, r, &count, e) < 0)
		return -1;
	if (i == 1) {
		r[0].before = other;
		r[0].watcher = (struct image_watcher){.ctx = s->publisher, .tell = tell};
	}
	/* Else equal images would not be known as equal. */
	const struct plan_image *same = other->plan ? shelf_image(other, r[0].name) : NULL;
	if (same)
		r[0].leaf_alg = same->leaf_alg;
	return side_open_file(&s->side[i], &r[0], e);
}

/* Releases first: a file takes its name and its leaf hash from the other side. */
static int open_sides(struct estimating *s, struct err *e)
{
	for (int i = 0; i < 2; i++) {
		if (side_is_release(s->word[i]) &&
			side_open_release(&s->side[i], s->publisher, s->product, s->word[i], e) < 0)
			return -1;
	}
	for (int i = 0; i < 2; i++) {
		if (!side_is_release(s->word[i]) && open_file(s, i, e) < 0)
			return -1;
	}
	return 0;
}

static void print_way(const struct estimate_image *i, enum estimate_way way)
{
	const struct estimate_cost *c = &i->cost[way];

	if (!c->possible)
		return;
	printf("  %-5s %12" PRIu64 " bytes  %9.3f MiB: data %" PRIu64 " in %zu request%s, tables "
	       "%" PRIu64 "%s\n",
		estimate_way_name(way), estimate_total(i, way),
		(double)estimate_total(i, way) / MIB, c->data, c->requests,
		c->requests == 1 ? "" : "s", c->tables + i->leaves,
		way == i->best ? "  <- this way" : "");
}

/* What a device fetches more that knows nothing of its image. */
static uint64_t more_bytes(const struct estimate_image *i)
{
	uint64_t more = i->image->leaves.length - i->leaves;

	if (i->best == ESTIMATE_COPY)
		return 0;
	if (i->best == ESTIMATE_DELTA)
		more += i->image->index.length - i->index;
	return more;
}

static void print_why(const struct estimate_image *i)
{
	if (i->no_delta[0])
		printf("  no delta: %s\n", i->no_delta);
	else if (!i->cost[ESTIMATE_COPY].possible)
		printf("  %.3f MiB of its content are new to the device (index of %s)\n",
			(double)i->fresh / MIB, i->content_defined ? "chunks" : "blocks");
	if (more_bytes(i) > 0)
		printf("  and %" PRIu64 " bytes where the device has no tables of what it runs "
		       "(`pawl-repo factory` puts them there)\n",
			more_bytes(i));
	if (i->best == ESTIMATE_FULL && i->cost[ESTIMATE_DELTA].possible)
		printf("  whole, because the delta would not be less\n");
}

static int print_all(const struct estimating *s, struct err *e)
{
	const struct plan *plan = s->side[1].shelf.plan;
	uint64_t sum = 0;
	uint64_t full = 0;
	size_t requests = 0;

	assert(plan); /* both sides are open */
	for (size_t i = 0; i < plan->image_count; i++) {
		struct estimate_image m;
		if (estimate_image(&s->side[0].shelf, &s->side[1].shelf, &plan->images[i], &m, e) <
			0)
			return -1;
		printf("%s: %s, %.1f MiB\n", m.image->name, plan_format_name(m.image->format),
			(double)m.image->size / MIB);
		for (int way = 0; way < ESTIMATE_WAYS; way++)
			print_way(&m, (enum estimate_way)way);
		print_why(&m);
		sum += estimate_total(&m, m.best);
		full += estimate_total(&m, ESTIMATE_FULL);
		requests += m.cost[m.best].requests;
	}
	printf("sum: %" PRIu64 " bytes in %zu request%s for data, %.1f %% of %" PRIu64
	       "; metadata and manifest come on top\n",
		sum, requests, requests == 1 ? "" : "s", 100.0 * (double)sum / (double)full, full);
	return 0;
}

static int estimate(struct publisher *p, const char *const *values, char **words, struct err *e)
{
	__attribute__((cleanup(estimating_free))) struct estimating s = {.publisher = p,
		.product = values[PRODUCT] ? values[PRODUCT] : p->product,
		.values = values,
		.word = {words[0], words[1]},
		.side = {{.own = {.fd = -1}}, {.own = {.fd = -1}}}};

	if (!manifest_name_is_valid(s.product))
		return err_set(e, E_USAGE, "product \"%s\" is not a name", s.product);
	return open_sides(&s, e) < 0 ? -1 : print_all(&s, e);
}

int cmd_estimate(void *ctx, int argc, char **argv, struct err *e)
{
	struct publisher *p = ctx;
	const char *values[OPTION_COUNT];
	int rest = 0;

	if (verb_read_options(publisher_estimate_options, argc, argv, values, &rest, e) < 0)
		return -1;
	if (rest != 2)
		return err_set(e, E_USAGE, "estimate needs OLD and NEW: release numbers or files");
	if (publisher_open(p, false, e) < 0)
		return -1;
	int rc = estimate(p, values, argv, e);
	publisher_close(p);
	return rc;
}
