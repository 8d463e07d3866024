/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads one object in N streams at once, as a device with little space reads the generations of
 * data, and slowly: every stream waits most of the time. For tests/cli/net_streams.sh.
 *
 * usage: streams URL CA LENGTH N     prints: KiB of RSS at the start, the most of it, the most of
 *                                    anonymous memory; then the SHA-256 of what was read, in order
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/hash.h"
#include "agent/poll/http.h"

#define STREAMS_MAX 16
#define STEP        65536u
#define PAUSE_US    2000 /* after each round, so that servers are ahead of us */

static long status_kib(const char *field)
{
	char line[256];
	long kib = 0;
	FILE *f = fopen("/proc/self/status", "re");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, field, strlen(field)) == 0)
			kib = strtol(strchr(line, ':') + 1, NULL, 10);
	}
	fclose(f);
	return kib;
}

struct peak {
	long rss;
	long anonymous;
};

static void look(struct peak *p)
{
	long rss = status_kib("VmRSS:");
	long anonymous = status_kib("RssAnon:");

	p->rss = rss > p->rss ? rss : p->rss;
	p->anonymous = anonymous > p->anonymous ? anonymous : p->anonymous;
}

struct streams {
	struct reader reader[STREAMS_MAX];
	uint64_t start[STREAMS_MAX];
	struct hash *hash[STREAMS_MAX];
	size_t count;
	uint64_t part; /* bytes of each */
};

static int open_streams(
	struct streams *s, struct http *http, const char *url, uint64_t length, struct err *e)
{
	s->part = length / s->count;
	for (size_t i = 0; i < s->count; i++) {
		s->start[i] = i * s->part;
		const struct byte_range range = {s->start[i], s->part};
		if (http_reader(http, url, length, &s->reader[i], e) < 0 ||
			s->reader[i].expect(s->reader[i].ctx, &range, 1, e) < 0 ||
			hash_start(HASH_SHA256, &s->hash[i], e) < 0)
			return -1;
	}
	return 0;
}

static int read_round(struct streams *s, uint64_t at, struct err *e)
{
	static uint8_t data[STEP];
	size_t len = s->part - at < STEP ? (size_t)(s->part - at) : STEP;

	for (size_t i = 0; i < s->count; i++) {
		if (s->reader[i].read(s->reader[i].ctx, s->start[i] + at, data, len, e) < 0 ||
			hash_update(s->hash[i], data, len, e) < 0)
			return -1;
	}
	return 0;
}

static int print_digests(struct streams *s, struct err *e)
{
	uint8_t digest[HASH_SIZE];
	char hex[HASH_HEX_SIZE];

	for (size_t i = 0; i < s->count; i++) {
		if (hash_finish(s->hash[i], digest, e) < 0)
			return -1;
		hash_to_hex(digest, hex);
		printf("%s\n", hex);
	}
	return 0;
}

static int run(
	struct streams *s, struct http *http, const char *url, uint64_t length, struct err *e)
{
	struct peak peak = {0};
	long begin = status_kib("VmRSS:");

	if (open_streams(s, http, url, length, e) < 0)
		return -1;
	for (uint64_t at = 0; at < s->part; at += STEP) {
		if (read_round(s, at, e) < 0)
			return -1;
		look(&peak);
		usleep(PAUSE_US);
	}
	printf("%ld %ld %ld\n", begin, peak.rss, peak.anonymous);
	return print_digests(s, e);
}

int main(int argc, char **argv)
{
	struct streams s = {0};
	struct http *http = NULL;
	struct err e = {0};

	if (argc != 5)
		return 2;
	struct http_options o = {.ca_file = *argv[2] ? argv[2] : NULL, .allow_http = !*argv[2]};
	s.count = strtoul(argv[4], NULL, 10);
	if (s.count == 0 || s.count > STREAMS_MAX)
		return 2;
	int rc = http_open(&o, &http, &e);
	if (rc == 0)
		rc = run(&s, http, argv[1], strtoull(argv[3], NULL, 10), &e);
	for (size_t i = 0; i < s.count; i++) {
		reader_close(&s.reader[i]);
		hash_free(s.hash[i]);
	}
	http_close(http);
	if (rc < 0)
		fprintf(stderr, "streams: %s: %s\n", err_name(e.code), e.text);
	return rc < 0;
}
