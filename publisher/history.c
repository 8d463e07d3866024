/* SPDX-License-Identifier: Apache-2.0 */
/* Which releases of a product were made before, by the names of their files. */
#include "publisher/history.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"

#define RELEASE_MAX (UINT64_C(1) << 53)

/* The release that is looked for and where its manifest lies below the workspace. */
struct newest {
	uint64_t wanted; /* 0 = the highest */
	uint64_t below; /* only releases below this one; 0 = all */
	uint64_t release; /* the best one so far; 0 = none */
	char path[256];
};

/* A whole text of digits, 1 … 2^53; 0 for anything else. */
static uint64_t number(const char *text, size_t len)
{
	uint64_t n = 0;

	if (len == 0 || len > 16 || text[0] == '0')
		return 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		n = n * 10 + (uint64_t)(text[i] - '0');
	}
	return n <= RELEASE_MAX ? n : 0;
}

/* "<64 hex>.<release>.json" of public/targets/PRODUCT/releases. */
static uint64_t published_number(const char *name, const char *product)
{
	size_t len = strlen(name);

	(void)product;
	if (len < 65 + 6 || name[64] != '.' || strcmp(name + len - 5, ".json") != 0)
		return 0;
	return number(name + 65, len - 65 - 5);
}

/* "PRODUCT-<release>" of staging. */
static uint64_t staged_number(const char *name, const char *product)
{
	size_t len = strlen(product);

	if (strncmp(name, product, len) != 0 || name[len] != '-')
		return 0;
	return number(name + len + 1, strlen(name + len + 1));
}

struct place {
	char folder[128];
	const char *file; /* below the name, or "" */
	uint64_t (*number_of)(const char *name, const char *product);
};

/* A folder that is not there holds no releases. */
static int look_into(struct publisher *p, const char *product, const struct place *place,
	struct newest *newest, struct err *e)
{
	int fd = -1;

	if (publisher_open_dir(p, place->folder, false, &fd, e) < 0)
		return e->code == E_NOTFOUND ? 0 : -1;
	DIR *d = fdopendir(fd);
	if (!d) {
		close(fd);
		return err_sys(e, E_IO, errno, "cannot read folder %s", place->folder);
	}
	for (struct dirent *n = readdir(d); n; n = readdir(d)) {
		uint64_t release = place->number_of(n->d_name, product);
		if (release <= newest->release ||
			(newest->wanted > 0 && release != newest->wanted) ||
			(newest->below > 0 && release >= newest->below))
			continue;
		newest->release = release;
		snprintf(newest->path, sizeof(newest->path), "%s/%.96s%s", place->folder, n->d_name,
			place->file);
	}
	closedir(d);
	return 0;
}

/* NULL where there is none. */
static int look_for(struct publisher *p, const char *product, struct newest newest,
	struct manifest **out, struct err *e)
{
	struct place published = {.file = "", .number_of = published_number};
	struct place staged = {
		.folder = "staging", .file = "/manifest.json", .number_of = staged_number};
	AUTO_BUF struct buf text = buf_make(MANIFEST_MAX);

	snprintf(published.folder, sizeof(published.folder), "public/targets/%s/releases", product);
	if (look_into(p, product, &published, &newest, e) < 0 ||
		look_into(p, product, &staged, &newest, e) < 0)
		return -1;
	*out = NULL;
	if (newest.release == 0)
		return 0;
	if (file_read(p->fd, newest.path, &text, e) < 0 ||
		manifest_parse(text.data, text.len, out, e) < 0)
		return err_wrap(e, "%s", newest.path);
	return 0;
}

int history_newest(struct publisher *p, const char *product, struct manifest **out, struct err *e)
{
	return look_for(p, product, (struct newest){0}, out, e);
}

int history_before(struct publisher *p, const char *product, uint64_t release,
	struct manifest **out, struct err *e)
{
	return look_for(p, product, (struct newest){.below = release}, out, e);
}

int history_find(struct publisher *p, const char *product, uint64_t release, struct manifest **out,
	struct err *e)
{
	if (look_for(p, product, (struct newest){.wanted = release}, out, e) < 0)
		return -1;
	return *out ? 0
		    : err_set(e, E_NOTFOUND,
			      "there is no release %" PRIu64 " of %s here; see `pawl-repo show`",
			      release, product);
}

int history_number(struct publisher *p, const char *product, const struct manifest *newest,
	uint64_t wanted, uint64_t *release, struct err *e)
{
	uint64_t last = newest ? newest->plan.release : 0;
	uint64_t next = 0;

	/* Devices keep the highest number they ran as a floor: a lower one would never install. */
	if (wanted > 0 && wanted <= last)
		return err_set(e, E_ROLLBACK,
			"release %" PRIu64 ": %s has release %" PRIu64
			" already, and numbers only rise",
			wanted, product, last);
	if (publisher_next_release(p, product, &next, e) < 0)
		return -1;
	if (wanted == 0)
		wanted = next > last + 1 ? next - 1 : next;
	*release = wanted;
	return 0;
}
