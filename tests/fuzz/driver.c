/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without libFuzzer: every file of a folder as it is, then changed at
 * random from a seed, the same in every run. What ends the process has left its input
 * in FOLDER.crash.
 *   NAME_fuzz FOLDER COUNT [SEED]     NAME_fuzz FILE
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/file.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (1u << 20)
#define FILES_MAX 256

struct input {
	uint8_t *data;
	size_t len;
};

static struct {
	struct input input[FILES_MAX];
	size_t count;
	uint64_t random;
	int crash; /* descriptor of what is being tried */
} state;

/* Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (SplitMix64). */
static uint64_t roll(uint64_t below)
{
	uint64_t z = state.random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return below ? (z ^ (z >> 31)) % below : 0;
}

static int read_file(int dir, const char *name, struct err *e)
{
	AUTO_BUF struct buf b = buf_make(INPUT_MAX);

	if (state.count == FILES_MAX)
		return err_set(e, E_SIZE, "more than %d files", FILES_MAX);
	if (file_read(dir, name, &b, e) < 0)
		return -1;
	state.input[state.count++] =
		(struct input){.data = fuzz_copy((struct fuzz_part){b.data, b.len}), .len = b.len};
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct input *x = a;
	const struct input *y = b;
	int d = x->len && y->len ? memcmp(x->data, y->data, x->len < y->len ? x->len : y->len) : 0;

	return d ? d : (x->len > y->len) - (x->len < y->len);
}

/* In an order that does not depend on the folder. */
static int read_folder(const char *folder, struct err *e)
{
	AUTO_CLOSE int dir = -1;

	if (file_open_dir(folder, &dir, e) < 0)
		return -1;
	DIR *list = opendir(folder);
	if (!list)
		return err_set(e, E_IO, "cannot list %s", folder);
	int rc = 0;
	for (struct dirent *d = readdir(list); d && rc == 0; d = readdir(list)) {
		if (d->d_name[0] != '.')
			rc = read_file(dir, d->d_name, e);
	}
	closedir(list);
	qsort(state.input, state.count, sizeof(state.input[0]), compare);
	return rc;
}

/* Numbers at which sizes and counts go wrong. */
static void put_number(uint8_t *data, size_t len)
{
	static const uint32_t odd[] = {0, 1, 0x7f, 0x80, 0xff, 0x100, 4095, 4096, 0x7fff, 0x8000,
		0xffff, 0x10000, 0x3ffff, 0x40000, 0x400000, 0x7fffffff, 0x80000000, 0xffffffff};
	uint32_t v = odd[roll(sizeof(odd) / sizeof(odd[0]))];

	if (len >= 4)
		le32_put(data + roll(len - 3), v);
}

/* One change; the buffer has room for INPUT_MAX bytes. */
static size_t change(uint8_t *data, size_t len)
{
	const struct input *other = &state.input[roll(state.count)];
	size_t at = roll(len + 1);
	size_t n = roll(64);

	if (n > len - at)
		n = len - at;
	switch (roll(7)) {
	case 0:
		if (at < len)
			data[at] ^= (uint8_t)(1u << roll(8));
		return len;
	case 1:
		if (at < len)
			data[at] = (uint8_t)roll(256);
		return len;
	case 2:
		put_number(data, len);
		return len;
	case 3: /* cut out */
		memmove(data + at, data + at + n, len - at - n);
		return len - n;
	case 4: /* twice */
		if (len + n > INPUT_MAX)
			return len;
		memmove(data + at + n, data + at, len - at);
		return len + n;
	case 5: /* of another input */
		if (n > other->len)
			n = other->len;
		if (n)
			memcpy(data + at, other->data + roll(other->len - n + 1), n);
		return len;
	default: /* cut off */
		return roll(8) ? len : at;
	}
}

static void try(const uint8_t *data, size_t len)
{
	/* Exactly as long as it is: reading behind the end is noticed. */
	uint8_t *copy = fuzz_copy((struct fuzz_part){data, len});

	if (state.crash >= 0) {
		fuzz_must(ftruncate(state.crash, 0) == 0);
		fuzz_must(pwrite(state.crash, data, len, 0) == (ssize_t)len);
	}
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static void run(unsigned long count)
{
	uint8_t *data = malloc(INPUT_MAX);

	fuzz_must(data != NULL);
	for (size_t i = 0; i < state.count; i++)
		try(state.input[i].data, state.input[i].len);
	for (unsigned long i = 0; i < count; i++) {
		const struct input *in = &state.input[i % state.count];
		size_t len = in->len;
		memcpy(data, in->data, len);
		for (uint64_t changes = 1 + roll(6); changes > 0; changes--)
			len = change(data, len);
		try(data, len);
	}
	free(data);
}

static int run_folder(const char *folder, const char *count, const char *seed, struct err *e)
{
	char crash[512];

	state.random = seed ? strtoull(seed, NULL, 10) : 1;
	if (read_folder(folder, e) < 0)
		return -1;
	if (state.count == 0)
		return err_set(e, E_META, "%s holds no input", folder);
	snprintf(crash, sizeof(crash), "%s.crash", folder);
	state.crash = open(crash, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	run(strtoul(count, NULL, 10));
	printf("%zu inputs, %s changed ones\n", state.count, count);
	if (state.crash >= 0)
		unlink(crash);
	return 0;
}

int main(int argc, char **argv)
{
	struct err e = {0};
	int rc = -1;

	state.crash = -1;
	if (argc == 2) {
		rc = read_file(AT_FDCWD, argv[1], &e);
		if (rc == 0)
			run(0);
	} else if (argc == 3 || argc == 4) {
		rc = run_folder(argv[1], argv[2], argv[3], &e);
	} else {
		err_set(&e, E_USAGE, "%s FOLDER COUNT [SEED] | FILE", argv[0]);
	}
	for (size_t i = 0; i < state.count; i++)
		free(state.input[i].data);
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", err_name(e.code), e.text);
	return rc < 0 ? 1 : 0;
}
