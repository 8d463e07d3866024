/* SPDX-License-Identifier: Apache-2.0 */
/* The key folders: looking keys up, opening them. */
#include "publisher/keys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/trust/key.h"

#define PASSPHRASES_MAX 4096
#define PUB_SUFFIX      ".pub.pem"

void keys_entry_free(struct keys_entry *k)
{
	json_decref(k->object);
	k->object = NULL;
}

/* The part of --keys with this index; false behind the last. */
static bool folder_at(const char *list, size_t index, char *out, size_t size)
{
	while (index > 0) {
		list = strchr(list, ':');
		if (!list)
			return false;
		list++;
		index--;
	}
	size_t len = strcspn(list, ":");
	return len > 0 && (size_t)snprintf(out, size, "%.*s", (int)len, list) < size;
}

int keys_open_folder(struct publisher *p, size_t index, bool make, int *fd, struct err *e)
{
	char path[4096] = "keys";
	int at = p->keys_dir ? AT_FDCWD : p->fd;

	if (p->keys_dir ? !folder_at(p->keys_dir, index, path, sizeof(path)) : index > 0)
		return err_set(e, E_NOTFOUND, "no more key folders");
	if (make && mkdirat(at, path, 0700) < 0 && errno != EEXIST)
		return err_sys(e, E_IO, errno, "cannot make folder %s", path);
	int n = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Keys that lie elsewhere are no fault until one of them is needed. */
	if (n < 0 && errno == ENOENT && !p->keys_dir)
		return err_set(e, E_NOTFOUND, "no folder keys");
	if (n < 0)
		return err_sys(e, E_CONFIG, errno, "cannot open the key folder %s", path);
	*fd = n;
	return 0;
}

/* Reads NAME + suffix from the first folder that has it. */
static int read_key_file(
	struct publisher *p, const char *name, const char *suffix, struct buf *out, struct err *e)
{
	char file[KEYS_NAME_SIZE + sizeof(PUB_SUFFIX)];

	snprintf(file, sizeof(file), "%s%s", name, suffix);
	for (size_t i = 0;; i++) {
		AUTO_CLOSE int dir = -1;
		if (keys_open_folder(p, i, false, &dir, e) < 0) {
			if (e->code != E_NOTFOUND)
				return -1;
			return err_set(e, E_NOTFOUND, "%s is in none of the key folders (%s)", file,
				p->keys_dir ? p->keys_dir : "keys");
		}
		if (file_read(dir, file, out, e) == 0)
			return 0;
		if (e->code != E_NOTFOUND)
			return err_wrap(e, "key folder");
	}
}

static int entry_from_pem(
	const char *name, const struct buf *pem, struct keys_entry *out, struct err *e)
{
	struct keys_entry k = {0};

	snprintf(k.name, sizeof(k.name), "%s", name);
	if (key_object_from_pem(buf_text(pem), pem->len, &k.object, e) < 0)
		return err_wrap(e, "%s" PUB_SUFFIX, name);
	if (key_id_of(k.object, k.keyid, e) < 0) {
		keys_entry_free(&k);
		return err_wrap(e, "%s" PUB_SUFFIX, name);
	}
	*out = k;
	return 0;
}

int keys_read_public(struct publisher *p, const char *name, struct keys_entry *out, struct err *e)
{
	AUTO_BUF struct buf pem = buf_make(KEYS_PEM_MAX);

	if (read_key_file(p, name, PUB_SUFFIX, &pem, e) < 0)
		return -1;
	return entry_from_pem(name, &pem, out, e);
}

/* Is `file` NAME.pub.pem? Then NAME is in `name`. */
static bool is_public_file(const char *file, char name[KEYS_NAME_SIZE])
{
	size_t len = strlen(file);
	size_t suffix = sizeof(PUB_SUFFIX) - 1;

	if (file[0] == '.' || len <= suffix || len - suffix >= KEYS_NAME_SIZE ||
		strcmp(file + len - suffix, PUB_SUFFIX) != 0)
		return false;
	memcpy(name, file, len - suffix);
	name[len - suffix] = 0;
	return true;
}

/* Looks through one folder; E_NOTFOUND when no key there has the keyid. */
static int find_in_folder(int dirfd, const char *keyid, struct keys_entry *out, struct err *e)
{
	int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	int rc = err_set(e, E_NOTFOUND, "no public key %.8s", keyid);
	struct dirent *d;

	if (!dir)
		return err_sys(e, E_IO, errno, "cannot list a key folder");
	while ((d = readdir(dir))) {
		char name[KEYS_NAME_SIZE];
		struct keys_entry k = {0};
		AUTO_BUF struct buf pem = buf_make(KEYS_PEM_MAX);
		if (!is_public_file(d->d_name, name))
			continue;
		rc = file_read(dirfd, d->d_name, &pem, e);
		if (rc == 0)
			rc = entry_from_pem(name, &pem, &k, e);
		if (rc < 0)
			break;
		if (strcmp(k.keyid, keyid) == 0) {
			*out = k;
			break;
		}
		keys_entry_free(&k);
		rc = err_set(e, E_NOTFOUND, "no public key %.8s", keyid);
	}
	closedir(dir);
	return rc;
}

int keys_find(struct publisher *p, const char *keyid, struct keys_entry *out, struct err *e)
{
	for (size_t i = 0;; i++) {
		AUTO_CLOSE int dir = -1;
		if (keys_open_folder(p, i, false, &dir, e) < 0) {
			if (e->code != E_NOTFOUND)
				return -1;
			return err_set(e, E_NOTFOUND,
				"no NAME.pub.pem in the key folders (%s) has keyid %.16s…",
				p->keys_dir ? p->keys_dir : "keys", keyid);
		}
		if (find_in_folder(dir, keyid, out, e) == 0)
			return 0;
		if (e->code != E_NOTFOUND)
			return err_wrap(e, "key folder");
	}
}

/* Adds what a descriptor gives until its end. */
static int read_descriptor(int fd, struct buf *out, struct err *e)
{
	char chunk[256];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, E_CONFIG, errno, "--passphrase-fd %d", fd);
		if (buf_add(out, chunk, (size_t)n, e) < 0)
			return err_wrap(e, "--passphrase-fd %d", fd);
	}
	explicit_bzero(chunk, sizeof(chunk));
	return 0;
}

int keys_passphrases(struct publisher *p, const char **out, struct err *e)
{
	if (!p->passphrases_read) {
		p->passphrases = buf_make(PASSPHRASES_MAX);
		if (p->passphrase_file &&
			file_read(AT_FDCWD, p->passphrase_file, &p->passphrases, e) < 0) {
			e->code = E_CONFIG;
			return err_wrap(e, "--passphrase-file");
		}
		/* A file without a last newline must not run into what the descriptor gives. */
		const struct buf *file = &p->passphrases;
		if (p->passphrase_fd >= 0 && file->len > 0 && file->data[file->len - 1] != '\n' &&
			buf_add(&p->passphrases, "\n", 1, e) < 0)
			return -1;
		if (p->passphrase_fd >= 0 &&
			read_descriptor(p->passphrase_fd, &p->passphrases, e) < 0)
			return -1;
		p->passphrases_read = true;
	}
	*out = p->passphrases.len ? buf_text(&p->passphrases) : NULL;
	if ((p->passphrase_file || p->passphrase_fd >= 0) && (!*out || **out == '\n'))
		return err_set(e, E_CONFIG, "the passphrase that was given is empty");
	return 0;
}

void keys_forget_passphrases(struct publisher *p)
{
	keys_wipe(&p->passphrases);
	p->passphrases_read = false;
}

int keys_open_private(struct publisher *p, const char *name, EVP_PKEY **out, struct err *e)
{
	AUTO_SECRET struct buf pem = buf_make(KEYS_PEM_MAX);
	const char *passphrases;

	if (read_key_file(p, name, ".pem", &pem, e) < 0 || keys_passphrases(p, &passphrases, e) < 0)
		return -1;
	if (keys_pem_read_private(&pem, passphrases, out, e) < 0)
		return err_wrap(e, "%s.pem", name);
	return 0;
}
