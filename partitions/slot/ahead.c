/* SPDX-License-Identifier: Apache-2.0 */
/* A reader thread with two buffers. */
#include "partitions/slot/ahead.h"

#include <stdbool.h>
#include <stdlib.h>

#include "partitions/slot/pages.h"
#include "partitions/slot/thread.h"

#define BUFFERS 2

struct read_ahead {
	struct device *device;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct pages buffer; /* BUFFERS chunks */
	size_t len[BUFFERS];
	uint64_t at; /* the thread's: next byte to read */
	uint64_t to;
	size_t read; /* chunks that were read so far */
	size_t used; /* chunks that were handed out and are done with */
	bool held; /* the chunk numbered `used` is in the caller's hands */
	bool ended; /* the thread reads no more */
	bool stop;
	bool failed;
	struct err error;
};

static uint8_t *buffer_of(struct read_ahead *r, size_t number)
{
	return r->buffer.data + number % BUFFERS * READ_AHEAD_CHUNK;
}

/* One chunk; called and left with the lock held, which is open while the medium works. */
static void read_one(struct read_ahead *r)
{
	size_t number = r->read;
	uint64_t len = READ_AHEAD_CHUNK - r->at % READ_AHEAD_CHUNK;
	struct err e = {0};

	if (len > r->to - r->at)
		len = r->to - r->at;
	pthread_mutex_unlock(&r->lock);
	int rc = device_read(r->device, buffer_of(r, number), (size_t)len, r->at, &e);
	pthread_mutex_lock(&r->lock);
	if (rc < 0) {
		r->failed = true;
		r->error = e;
		r->to = r->at;
	} else {
		r->len[number % BUFFERS] = (size_t)len;
		r->at += len;
		r->read++;
	}
}

static void *run(void *arg)
{
	struct read_ahead *r = arg;

	pthread_mutex_lock(&r->lock);
	while (!r->stop && r->at < r->to) {
		if (r->read - r->used == BUFFERS) {
			pthread_cond_wait(&r->changed, &r->lock);
			continue;
		}
		read_one(r);
		pthread_cond_broadcast(&r->changed);
	}
	r->ended = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

int read_ahead_start(
	struct device *d, uint64_t from, uint64_t to, struct read_ahead **out, struct err *e)
{
	struct read_ahead *r = calloc(1, sizeof(*r));

	if (!r)
		return err_set(e, E_NOMEM, "no memory for a reader");
	r->device = d;
	r->at = from;
	r->to = to;
	if (pages_get(BUFFERS * READ_AHEAD_CHUNK, &r->buffer, e) < 0) {
		free(r);
		return -1;
	}
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	int rc = thread_start(&r->thread, run, r);
	if (rc != 0) {
		pages_free(&r->buffer);
		free(r);
		return err_sys(e, E_INTERNAL, rc, "cannot start the reader thread");
	}
	*out = r;
	return 0;
}

int read_ahead_next(struct read_ahead *r, const uint8_t **data, size_t *len, struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&r->lock);
	if (r->held) {
		r->held = false;
		r->used++;
		pthread_cond_broadcast(&r->changed);
	}
	while (r->read == r->used && !r->ended)
		pthread_cond_wait(&r->changed, &r->lock);
	*len = 0;
	if (r->read > r->used) {
		r->held = true;
		*data = buffer_of(r, r->used);
		*len = r->len[r->used % BUFFERS];
	} else if (r->failed) {
		*e = r->error;
		rc = -1;
	}
	pthread_mutex_unlock(&r->lock);
	return rc;
}

void read_ahead_stop(struct read_ahead *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	pages_free(&r->buffer);
	free(r);
}
