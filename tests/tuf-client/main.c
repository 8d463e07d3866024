/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client for the public TUF conformance suite (its CLIENT-CLI.md): the functions
 * that pawl calls, with other options. The initial root lies in D/image.
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

enum word { METADATA_DIR, METADATA_URL, TARGET_URL, TARGET_DIR, INIT, WORD_COUNT };
static const char *const words[WORD_COUNT] = {
	"--metadata-dir", "--metadata-url", "--target-base-url", "--target-dir", "init"};

struct command {
	const char *value[WORD_COUNT]; /* NULL where not given */
	const char *names[TARGETS_MAX];
	size_t name_count;
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
	AUTO_CLOSE int dir = -1, image = -1;

	if (file_read(AT_FDCWD, c->value[INIT], &root, e) < 0 ||
		file_open_dir(c->value[METADATA_DIR], &dir, e) < 0 ||
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
	struct place targets = {.http = metadata->http, .url = c->value[TARGET_URL]};
	AUTO_BUF struct buf file = buf_make(URL_TEXT_MAX);
	AUTO_BUF struct buf bytes = buf_make(TARGET_MAX);
	AUTO_CLOSE int dir = -1;
	char local[STORE_NAME_MAX];
	struct trust_target target;

	if (trust_find_target(t, &f, name, &target, e) < 0 ||
		trust_target_file(&target, name, &file, e) < 0 ||
		store_encode(name, false, local, e) < 0 ||
		file_open_dir(c->value[TARGET_DIR], &dir, e) < 0)
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
	struct place metadata = {.http = http, .url = c->value[METADATA_URL]};
	const struct fetcher f = {.ctx = &metadata, .get = get};
	AUTO_TRUST struct trust *t = NULL;
	AUTO_CLOSE int dir = -1;

	if (file_open_dir(c->value[METADATA_DIR], &dir, e) < 0 || open_trust(dir, &t, e) < 0 ||
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
		size_t k = 0;
		while (k < WORD_COUNT && strcmp(argv[i], words[k]) != 0)
			k++;
		if (k < WORD_COUNT)
			c->value[k] = argv[++i];
		else if (strcmp(argv[i], "--target-name") == 0 && c->name_count < TARGETS_MAX)
			c->names[c->name_count++] = argv[++i];
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
	if (c.value[METADATA_DIR] && c.value[INIT])
		rc = init(&c, &e);
	else if (c.value[METADATA_DIR] && c.value[METADATA_URL] && http_open(&o, &http, &e) == 0)
		rc = update(&c, http, &e);
	http_close(http);
	if (rc < 0)
		fprintf(stderr, "tuf-client: %s: %s\n", err_name(e.code), e.text);
	return rc < 0;
}
