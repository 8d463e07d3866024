/* SPDX-License-Identifier: Apache-2.0 */
/* Leaf lists of what the slots hold. */
#include "agent/leaves.h"

#include <dirent.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/file.h"
#include "agent/base/must.h"

int leaves_open(const struct session *s)
{
	struct err ignored = {0};
	int dir = -1;

	return file_make_dir(s->data, "leaves", &dir, &ignored) < 0 ? -1 : dir;
}

int leaves_keep(
	struct session *s, const struct plan_image *image, const uint8_t *leaves, struct err *e)
{
	AUTO_CLOSE int dir = -1;
	char name[HASH_HEX_SIZE];

	hash_to_hex(image->leaves.sha256, name);
	if (file_make_dir(s->data, "leaves", &dir, e) < 0 ||
		file_replace(dir, name, leaves, (size_t)image->leaves.length, 0600, e) < 0)
		return err_wrap(
			e, "keeping the leaves of %s in %s", image->name, s->config.data_dir);
	return 0;
}

int leaves_load(struct session *s, const struct plan_image *image, struct buf *out, struct err *e)
{
	AUTO_CLOSE int dir = -1;
	char name[HASH_HEX_SIZE];
	uint8_t digest[HASH_SIZE];

	hash_to_hex(image->leaves.sha256, name);
	*out = buf_make((size_t)image->leaves.length);
	if (file_make_dir(s->data, "leaves", &dir, e) < 0 || file_read(dir, name, out, e) < 0)
		return err_wrap(e, "leaves of %s", image->name);
	if (hash_bytes(HASH_SHA256, out->data, out->len, digest, e) < 0)
		return -1;
	if (!MUST("txn.kept-leaves-hash", hash_equal(digest, image->leaves.sha256)))
		return err_set(e, E_HASH, "the kept leaves of %s are not those of the release",
			image->name);
	/* A hint may say anything of size and leaves; one that does not fit proves nothing. */
	if (out->len != slot_leaf_count(image->size) * HASH_SIZE)
		return err_set(e, E_META, "the kept leaves of %s do not fit %" PRIu64 " bytes",
			image->name, image->size);
	return 0;
}

/* Does one of the slots still need this leaf list? */
static bool is_needed(const struct state *st, const char *name)
{
	char hex[HASH_HEX_SIZE];

	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < st->slots[i].image_count; k++) {
			hash_to_hex(st->slots[i].images[k].leaves.sha256, hex);
			if (strcmp(hex, name) == 0)
				return true;
		}
	}
	return false;
}

void leaves_drop_old(struct session *s)
{
	struct err ignored = {0};
	int fd = -1;

	if (file_make_dir(s->data, "leaves", &fd, &ignored) < 0)
		return;
	DIR *dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return;
	}
	for (struct dirent *d; (d = readdir(dir));) {
		if (d->d_name[0] != '.' && !is_needed(&s->state, d->d_name))
			unlinkat(dirfd(dir), d->d_name, 0);
	}
	closedir(dir);
}
