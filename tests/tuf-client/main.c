/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client for the public TUF conformance suite: calls the functions that
 * pawl calls, with other options (no floors, http, every delegation).
 * Command line: the suite's CLIENT-CLI.md. D holds what is trusted; the initial
 * root lies in D/image, because roots in D count only if they follow from it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/poll/http.h"
#include "agent/trust/client.h"
#include "agent/trust/store.h"

#define TARGET_MAX   (64 * 1024 * 1024)
#define TARGETS_MAX  16
#define URL_TEXT_MAX 2048

struct command {
	const char *metadata_dir, *metadata_url, *target_url, *target_dir;
	const char *names[TARGETS_MAX];
	size_t name_count;
	const char *root; /* for init */
};

struct place {
	struct http *http;
	const char *url; /* ends with a slash */
};

static int get(void *ctx, const char *name, struct fetch_tag *tag, bool *unchanged, struct buf *out,
	struct err *e)
{
	const struct place *p = ctx;
	char url[URL_TEXT_MAX];

	if (file_join(url, sizeof(url), p->url, name, e) < 0)
		return -1;
	return http_get(p->http, url, tag, unchanged, out, e);
}

static int init(const struct command *c, struct err *e)
{
	AUTO_BUF struct buf root = buf_make(TRUST_ROOT_MAX);
	AUTO_CLOSE int dir = -1;
	AUTO_CLOSE int image = -1;

	if (file_read(AT_FDCWD, c->root, &root, e) < 0 ||
		file_open_dir(c->metadata_dir, &dir, e) < 0 ||
		file_make_dir(dir, "image", &image, e) < 0 ||
		file_replace(image, "root.json", root.data, root.len, 0644, e) < 0)
		return -1;
	return file_replace(dir, "root.json", root.data, root.len, 0644, e);
}

static int open_trust(int dir, struct trust **out, struct err *e)
{
	AUTO_BUF struct buf root = buf_make(TRUST_ROOT_MAX);

	if (file_read(dir, "image/root.json", &root, e) < 0)
		return -1;
	const struct trust_options o = {
		.image_root = root.data,
		.image_root_len = root.len,
		.store = dir,
		.now = clock_wall(),
		.clock_synchronised = true,
		.open_delegations = true,
		.sha512_is_enough = true,
	};
	return trust_open(&o, out, e);
}

/* Leaves the file alone when it is there already with the signed content. */
static int download(struct trust *t, struct place *metadata, const struct command *c,
	const char *name, struct err *e)
{
	const struct fetcher f = {.ctx = metadata, .get = get};
	struct place targets = {.http = metadata->http, .url = c->target_url};
	AUTO_BUF struct buf file = buf_make(URL_TEXT_MAX);
	AUTO_BUF struct buf bytes = buf_make(TARGET_MAX);
	AUTO_CLOSE int dir = -1;
	char local[STORE_NAME_MAX];
	struct trust_target target;

	if (trust_find_target(t, &f, name, &target, e) < 0 ||
		trust_target_file(&target, name, &file, e) < 0 ||
		store_encode(name, false, local, e) < 0 ||
		file_open_dir(c->target_dir, &dir, e) < 0)
		return -1;
	if (file_read(dir, local, &bytes, e) == 0 &&
		trust_check_target(&target, bytes.data, bytes.len, e) == 0)
		return 0;
	if (get(&targets, buf_text(&file), NULL, NULL, &bytes, e) < 0 ||
		trust_check_target(&target, bytes.data, bytes.len, e) < 0)
		return -1;
	return file_replace(dir, local, bytes.data, bytes.len, 0644, e);
}

static int update(const struct command *c, struct http *http, struct err *e)
{
	struct place metadata = {.http = http, .url = c->metadata_url};
	const struct fetcher f = {.ctx = &metadata, .get = get};
	AUTO_TRUST struct trust *t = NULL;
	AUTO_CLOSE int dir = -1;

	if (file_open_dir(c->metadata_dir, &dir, e) < 0 || open_trust(dir, &t, e) < 0 ||
		trust_refresh(t, &f, e) < 0)
		return -1;
	for (size_t i = 0; i < c->name_count; i++) {
		if (download(t, &metadata, c, c->names[i], e) < 0)
			return -1;
	}
	return 0;
}

static void read_command(int argc, char **argv, struct command *c)
{
	for (int i = 1; i + 1 < argc; i++) {
		const char **value = NULL;
		if (strcmp(argv[i], "--metadata-dir") == 0)
			value = &c->metadata_dir;
		else if (strcmp(argv[i], "--metadata-url") == 0)
			value = &c->metadata_url;
		else if (strcmp(argv[i], "--target-base-url") == 0)
			value = &c->target_url;
		else if (strcmp(argv[i], "--target-dir") == 0)
			value = &c->target_dir;
		else if (strcmp(argv[i], "--target-name") == 0 && c->name_count < TARGETS_MAX)
			value = &c->names[c->name_count++];
		else if (strcmp(argv[i], "init") == 0)
			value = &c->root;
		if (value)
			*value = argv[++i];
	}
}

int main(int argc, char **argv)
{
	const struct http_options o = {.allow_http = true};
	struct command c = {0};
	struct http *http = NULL;
	struct err e = {0};
	int rc = -1;

	read_command(argc, argv, &c);
	if (c.metadata_dir && c.root)
		rc = init(&c, &e);
	else if (c.metadata_dir && c.metadata_url && http_open(&o, &http, &e) == 0)
		rc = update(&c, http, &e);
	if (http)
		http_close(http);
	if (rc < 0)
		fprintf(stderr, "tuf-client: %s: %s\n", err_name(e.code), e.text);
	return rc < 0;
}
