/* SPDX-License-Identifier: Apache-2.0 */
/* Segments: the files that a chain is kept in, "m-00000001.jsonl", "d-...". */
#include "agent/journal/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static char letter(enum chain_kind k)
{
	return k == CHAIN_DETAILS ? 'd' : 'm';
}

void segment_name(enum chain_kind k, uint32_t number, char name[SEGMENT_NAME_SIZE])
{
	snprintf(name, SEGMENT_NAME_SIZE, "%c-%08u.jsonl", letter(k), number);
}

/* The number in a file name, 0 when it is not one of ours. */
static uint32_t number_of(enum chain_kind k, const char *file)
{
	char again[SEGMENT_NAME_SIZE];

	if (file[0] != letter(k) || file[1] != '-')
		return 0;
	unsigned long n = strtoul(file + 2, NULL, 10);
	if (n == 0 || n > UINT32_MAX)
		return 0;
	segment_name(k, (uint32_t)n, again);
	return strcmp(file, again) == 0 ? (uint32_t)n : 0;
}

static int add_number(struct segment_list *l, uint32_t n, struct err *e)
{
	if (l->count == SEGMENT_COUNT_MAX)
		return err_set(e, E_SIZE, "journal: more than %d segments", SEGMENT_COUNT_MAX);
	uint32_t *more = realloc(l->numbers, (l->count + 1) * sizeof(*more));
	if (!more)
		return err_set(e, E_NOMEM, "no memory for the list of segments");
	l->numbers = more;
	l->numbers[l->count++] = n;
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int segment_list(int dir, enum chain_kind k, struct segment_list *out, struct err *e)
{
	struct segment_list l = {0};
	/* Not dup: a duplicate would share, and keep, the place in the folder. */
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		int sys = errno;
		cleanup_close(&fd);
		return err_sys(e, E_IO, sys, "cannot list the folder journal");
	}
	int rc = 0;
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(d);
		if (!entry) {
			if (errno)
				rc = err_sys(e, E_IO, errno, "cannot list the folder journal");
			break;
		}
		uint32_t n = number_of(k, entry->d_name);
		if (n > 0 && add_number(&l, n, e) < 0) {
			rc = -1;
			break;
		}
	}
	closedir(d);
	if (rc < 0) {
		segment_list_free(&l);
		return -1;
	}
	if (l.count > 0)
		qsort(l.numbers, l.count, sizeof(*l.numbers), compare);
	*out = l;
	return 0;
}

void segment_list_free(struct segment_list *l)
{
	free(l->numbers);
	*l = (struct segment_list){0};
}

bool segment_next_line(const struct buf *file, size_t at, struct segment_line *out)
{
	if (at >= file->len)
		return false;
	const uint8_t *start = file->data + at;
	const uint8_t *end = memchr(start, '\n', file->len - at);
	if (!end)
		return false;
	out->text = start;
	out->len = (size_t)(end - start);
	out->end = at + out->len + 1;
	return true;
}

size_t segment_garbage(const struct buf *file, size_t at)
{
	size_t end = file->len;

	while (end > at && file->data[end - 1] == 0)
		end--;
	return end > at ? end - at : 0;
}
