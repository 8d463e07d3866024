/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that only rise: root versions, release numbers that were given out. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/json.h"
#include "agent/plan/manifest.h"
#include "publisher/publisher.h"
#include "publisher/roles.h"

#define RELEASE_MAX (INT64_C(1) << 53)

/* Reads "17<suffix>" whole; 0 when it is something else. */
static uint64_t number_before(const char *text, const char *suffix)
{
	uint64_t n = 0;
	const char *c = text;

	for (; *c >= '0' && *c <= '9'; c++) {
		if (size_mul_over(n, 10, &n) || size_add_over(n, (uint64_t)(*c - '0'), &n))
			return 0;
	}
	return c > text && text[0] != '0' && strcmp(c, suffix) == 0 && n <= RELEASE_MAX ? n : 0;
}

/* The highest number of names "<prefix>N<suffix>" in a folder; 0 when there is none. */
static int highest_in(int fd, const char *prefix, const char *suffix, uint64_t *out, struct err *e)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	uint64_t most = 0;
	struct dirent *d;

	if (!dir)
		return err_sys(e, E_IO, errno, "cannot list a folder");
	while ((d = readdir(dir))) {
		uint64_t n = 0;
		if (strncmp(d->d_name, prefix, strlen(prefix)) == 0)
			n = number_before(d->d_name + strlen(prefix), suffix);
		if (n > most)
			most = n;
	}
	closedir(dir);
	*out = most;
	return 0;
}

int publisher_root_version(struct publisher *p, uint64_t *version, struct err *e)
{
	AUTO_CLOSE int dir = -1;
	uint64_t n;

	if (publisher_open_dir(p, "public/metadata", false, &dir, e) < 0 ||
		highest_in(dir, "", ".root.json", &n, e) < 0)
		return -1;
	if (n == 0)
		return err_set(
			e, E_NOTFOUND, "public/metadata holds no root: run `pawl-repo init`");
	*version = n;
	return 0;
}

/* What allotted/PRODUCT.json says; 0 when it is not there. */
static int read_allotted(struct publisher *p, const char *product, uint64_t *out, struct err *e)
{
	AUTO_BUF struct buf text = buf_make(4096);
	JSON_AUTO json_t *j = NULL;
	AUTO_CLOSE int dir = -1;
	char name[PLAN_NAME_SIZE + 8];
	int64_t n;

	*out = 0;
	snprintf(name, sizeof(name), "%s.json", product);
	if (publisher_open_dir(p, "allotted", true, &dir, e) < 0)
		return -1;
	if (file_read(dir, name, &text, e) < 0)
		return e->code == E_NOTFOUND ? 0 : err_wrap(e, "allotted");
	if (json_read(text.data, text.len, &j, e) < 0 ||
		json_want_int(j, "release", "allotted", 0, RELEASE_MAX, &n, e) < 0)
		return err_wrap(e, "allotted/%s", name);
	*out = (uint64_t)n;
	return 0;
}

/* The highest release of a product that the role releases lists. */
static int highest_published(struct publisher *p, const char *product, uint64_t *out, struct err *e)
{
	AUTO_ROLES struct roles r = {0};
	char prefix[PLAN_NAME_SIZE + 16];
	const char *path;
	json_t *target;

	*out = 0;
	if (roles_load(p, &r, e) < 0)
		return -1;
	snprintf(prefix, sizeof(prefix), "%s/releases/", product);
	json_object_foreach (
		json_object_get(roles_signed(&r, ROLE_RELEASES), "targets"), path, target) {
		uint64_t n = 0;
		if (strncmp(path, prefix, strlen(prefix)) == 0)
			n = number_before(path + strlen(prefix), ".json");
		if (n > *out)
			*out = n;
	}
	return 0;
}

int publisher_next_release(
	struct publisher *p, const char *product, uint64_t *release, struct err *e)
{
	AUTO_CLOSE int staging = -1;
	char prefix[PLAN_NAME_SIZE + 2];
	uint64_t n[3];
	uint64_t most = 0;

	if (!manifest_name_is_valid(product))
		return err_set(e, E_USAGE, "product \"%s\" is not a name", product);
	snprintf(prefix, sizeof(prefix), "%s-", product);
	if (publisher_open_dir(p, "staging", true, &staging, e) < 0 ||
		read_allotted(p, product, &n[0], e) < 0 ||
		highest_published(p, product, &n[1], e) < 0 ||
		highest_in(staging, prefix, "", &n[2], e) < 0)
		return -1;
	for (size_t i = 0; i < 3; i++)
		most = n[i] > most ? n[i] : most;
	if (most >= RELEASE_MAX)
		return err_set(e, E_CONFIG, "product %s has no release number left", product);
	*release = most + 1;
	return 0;
}

int publisher_allot_release(
	struct publisher *p, const char *product, uint64_t release, struct err *e)
{
	AUTO_CLOSE int dir = -1;
	char name[PLAN_NAME_SIZE + 8];
	char text[96];
	uint64_t before;

	if (!manifest_name_is_valid(product) || release == 0 || release > RELEASE_MAX)
		return err_set(e, E_USAGE, "product \"%s\", release %llu cannot be allotted",
			product, (unsigned long long)release);
	if (read_allotted(p, product, &before, e) < 0 ||
		publisher_open_dir(p, "allotted", true, &dir, e) < 0)
		return -1;
	if (release <= before)
		return 0; /* never falls, or a number could be given out twice */
	snprintf(name, sizeof(name), "%s.json", product);
	snprintf(text, sizeof(text), "{\"schema\": 1, \"release\": %llu}\n",
		(unsigned long long)release);
	return file_replace(dir, name, text, strlen(text), 0644, e);
}
