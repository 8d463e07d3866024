/* SPDX-License-Identifier: Apache-2.0 */
/* A repository on a web server: names to URLs. */
#include "agent/poll/repository.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/must.h"
#include "agent/poll/http_url.h"

#define NAME_ROOM 320 /* characters left for what comes behind the base URL */

struct repository {
	struct http *http;
	char base[HTTP_URL_SIZE]; /* without a slash at its end */
};

/* Letters, digits and "-._~%", and "/" between parts that are not "", "." or "..". */
static bool is_good_name(const char *name)
{
	size_t part = 0; /* length of the part so far */
	bool dots = true; /* it consists of dots only */

	for (const char *p = name;; p++) {
		if (*p == '/' || *p == 0) {
			if (part == 0 || dots)
				return false;
			if (*p == 0)
				return p - name <= NAME_ROOM - 32;
			part = 0;
			dots = true;
			continue;
		}
		bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			      (*p >= '0' && *p <= '9');
		if (!letter && !strchr("-._~%", *p))
			return false;
		part++;
		dots = dots && *p == '.';
	}
}

static int make_url(const struct repository *r, const char *folder, const char *name,
	char url[HTTP_URL_SIZE], struct err *e)
{
	/* The name comes from metadata: it must not lead out of its folder. */
	if (!MUST("repository.name", is_good_name(name)))
		return err_set(e, E_META, "\"%.100s\" is no name of a file in a repository", name);
	if (snprintf(url, HTTP_URL_SIZE, "%s/%s/%s", r->base, folder, name) >= HTTP_URL_SIZE)
		return err_set(e, E_CONFIG, "URL of %.100s is too long", name);
	return 0;
}

static int get(struct repository *r, const char *folder, const char *name, struct fetch_tag *tag,
	bool *unchanged, struct buf *out, struct err *e)
{
	char url[HTTP_URL_SIZE];

	if (make_url(r, folder, name, url, e) < 0)
		return -1;
	return http_get(r->http, url, tag, unchanged, out, e);
}

static int get_metadata(void *ctx, const char *name, struct fetch_tag *tag, bool *unchanged,
	struct buf *out, struct err *e)
{
	return get(ctx, "metadata", name, tag, unchanged, out, e);
}

static int get_target(void *ctx, const char *name, struct fetch_tag *tag, bool *unchanged,
	struct buf *out, struct err *e)
{
	return get(ctx, "targets", name, tag, unchanged, out, e);
}

static int open_object(void *ctx, const uint8_t sha256[HASH_SIZE], uint64_t length,
	struct reader *out, struct err *e)
{
	struct repository *r = ctx;
	char hex[HASH_HEX_SIZE];
	char name[HASH_HEX_SIZE + 4];
	char url[HTTP_URL_SIZE];

	hash_to_hex(sha256, hex);
	snprintf(name, sizeof(name), "%.2s/%s", hex, hex);
	if (make_url(r, "objects", name, url, e) < 0)
		return -1;
	return http_reader(r->http, url, length, out, e);
}

int repository_open(struct http *h, const char *base_url, struct repository **out, struct err *e)
{
	size_t len = strlen(base_url);

	if (http_check_url(h, base_url, e) < 0)
		return err_wrap(e, "repository");
	if (!MUST("repository.query", !strpbrk(base_url, "?#")))
		return err_set(e, E_CONFIG,
			"repository %.200s: a query or fragment cannot be in it", base_url);
	while (len > 0 && base_url[len - 1] == '/')
		len--;
	if (!MUST("repository.length", len < HTTP_URL_SIZE - NAME_ROOM))
		return err_set(e, E_CONFIG, "repository URL is longer than %d characters",
			HTTP_URL_SIZE - NAME_ROOM - 1);
	struct repository *r = calloc(1, sizeof(*r));
	if (!r)
		return err_set(e, E_NOMEM, "no memory for a repository");
	r->http = h;
	memcpy(r->base, base_url, len);
	*out = r;
	return 0;
}

void repository_close(struct repository *r)
{
	free(r);
}

struct fetcher repository_metadata(struct repository *r)
{
	return (struct fetcher){.ctx = r, .get = get_metadata};
}

struct fetcher repository_targets(struct repository *r)
{
	return (struct fetcher){.ctx = r, .get = get_target};
}

struct object_source repository_objects(struct repository *r)
{
	return (struct object_source){.ctx = r, .open = open_object};
}
