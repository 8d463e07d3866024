/* SPDX-License-Identifier: Apache-2.0 */
/* Reading an image for a patch. */
#include "publisher/patch_input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/file.h"
#include "partitions/slot/patch.h"

static int check_kind(struct patch_input *in, struct err *e)
{
	if (fstat(in->fd, &in->st) < 0)
		return err_sys(e, E_IO, errno, "cannot stat %s", in->path);
	if (!S_ISREG(in->st.st_mode) || in->st.st_size == 0)
		return err_set(e, E_USAGE, "%s is not a file with an image in it", in->path);
	uint64_t size = (uint64_t)in->st.st_size;
	if (size > SLOT_PATCH_IMAGE_MAX)
		return err_set(e, E_USAGE,
			"%s has %llu bytes; patches are made for images up to 1 GiB", in->path,
			(unsigned long long)size);
	in->size = size + (SLOT_BLOCK_SIZE - size % SLOT_BLOCK_SIZE) % SLOT_BLOCK_SIZE;
	return 0;
}

int patch_input_open(const char *path, struct patch_input *out, struct err *e)
{
	struct patch_input in = {.path = path};

	/* Not O_NOFOLLOW: the name comes from the command line. Not blocking: it may be a FIFO. */
	in.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (in.fd < 0)
		return err_sys(e, errno == ENOENT ? E_USAGE : E_IO, errno, "cannot open %s", path);
	if (check_kind(&in, e) < 0) {
		patch_input_close(&in);
		return -1;
	}
	*out = in;
	return 0;
}

void patch_input_close(struct patch_input *in)
{
	if (in->fd >= 0)
		close(in->fd);
	in->fd = -1;
}

int patch_input_read(
	const struct patch_input *in, uint64_t offset, void *data, size_t len, struct err *e)
{
	uint64_t end = (uint64_t)in->st.st_size;
	uint64_t left = offset < end ? end - offset : 0;
	size_t real = left < len ? (size_t)left : len;

	if (real > 0 && file_pread_full(in->fd, data, real, offset, e) < 0)
		return err_wrap(e, "%s", in->path);
	memset((uint8_t *)data + real, 0, len - real);
	return 0;
}

int patch_input_check(const struct patch_input *in, struct err *e)
{
	struct stat now;

	if (fstat(in->fd, &now) < 0)
		return err_sys(e, E_IO, errno, "cannot stat %s", in->path);
	if (now.st_size != in->st.st_size || now.st_mtim.tv_sec != in->st.st_mtim.tv_sec ||
		now.st_mtim.tv_nsec != in->st.st_mtim.tv_nsec)
		return err_set(e, E_IO, "%s was changed while it was read", in->path);
	return 0;
}
