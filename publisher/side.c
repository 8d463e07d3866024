/* SPDX-License-Identifier: Apache-2.0 */
/* Releases and files as the two sides of an estimate. */
#include "publisher/side.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "publisher/differences.h"
#include "publisher/history.h"
#include "publisher/release.h"
#include "publisher/staging.h"

bool side_is_release(const char *word)
{
	return *word && word[strspn(word, "0123456789")] == 0;
}

int side_open_release(
	struct side *s, struct publisher *p, const char *product, const char *word, struct err *e)
{
	uint64_t release = 0;

	if (release_parse_number(word, "release", 1, UINT64_C(1) << 53, &release, e) < 0 ||
		history_find(p, product, release, &s->manifest, e) < 0)
		return -1;
	s->shelf = (struct shelf){.publisher = p, .plan = &s->manifest->plan};
	return 0;
}

/* A folder with the layout that shelf.h reads. */
static int make_folder(struct side *s, int *objects, struct err *e)
{
	const char *tmp = getenv("TMPDIR");

	if (snprintf(s->folder, sizeof(s->folder), "%s/pawl-repo-XXXXXX",
		    tmp && *tmp ? tmp : "/tmp") >= (int)sizeof(s->folder) ||
		!mkdtemp(s->folder)) {
		err_sys(e, E_IO, errno, "cannot make a temporary folder %s", s->folder);
		s->folder[0] = 0;
		return -1;
	}
	if (file_open_dir(s->folder, &s->own.fd, e) < 0)
		return -1;
	return publisher_open_dir(&s->own, "public/objects", true, objects, e);
}

int side_open_file(struct side *s, const struct image_request *r, struct err *e)
{
	AUTO_CLOSE int objects = -1;
	struct image_facts facts;

	s->plan = calloc(1, sizeof(*s->plan));
	if (!s->plan)
		return err_set(e, E_NOMEM, "no memory for an image");
	if (make_folder(s, &objects, e) < 0 ||
		image_cut(r, objects, &s->plan->images[0], &facts, e) < 0)
		return -1;
	if (r->before && r->before->plan &&
		differences_add_from(r->before, r, objects, &s->plan->images[0], e) < 0)
		return -1;
	s->plan->image_count = 1;
	s->shelf = (struct shelf){.publisher = &s->own, .plan = s->plan};
	return 0;
}

void side_close(struct side *s)
{
	struct err ignored = {0};

	if (s->own.fd >= 0) {
		staging_clear(s->own.fd, "public", &ignored);
		close(s->own.fd);
	}
	if (s->folder[0])
		rmdir(s->folder);
	manifest_free(s->manifest);
	free(s->plan);
	*s = (struct side){.own = {.fd = -1}};
}
