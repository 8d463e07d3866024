/* SPDX-License-Identifier: Apache-2.0 */
/* A writer thread with two buffers. */
#include "partitions/slot/queue.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "partitions/slot/pages.h"
#include "partitions/slot/thread.h"

#define BUFFERS 2

struct chunk {
	size_t len;
	uint64_t offset;
};

struct write_queue {
	struct device *device;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct pages buffer; /* BUFFERS chunks */
	struct chunk chunk[BUFFERS];
	size_t put; /* chunks put in so far */
	size_t written; /* chunks written so far; at most BUFFERS behind `put` */
	bool ending;
	bool failed;
	struct err error; /* of the first write that failed */
};

static uint8_t *buffer_of(struct write_queue *q, size_t number)
{
	return q->buffer.data + number % BUFFERS * WRITE_QUEUE_CHUNK;
}

/* One chunk; called and left with the lock held, which is open while the medium works. */
static void write_next(struct write_queue *q)
{
	size_t number = q->written;
	struct chunk c = q->chunk[number % BUFFERS];
	struct err e = {0};

	/* After an error nothing more is written: the order of leaves must not have holes. */
	if (!q->failed) {
		pthread_mutex_unlock(&q->lock);
		int rc = device_write(q->device, buffer_of(q, number), c.len, c.offset, &e);
		pthread_mutex_lock(&q->lock);
		if (rc < 0) {
			q->failed = true;
			q->error = e;
		}
	}
	q->written++;
	pthread_cond_broadcast(&q->changed);
}

static void *run(void *arg)
{
	struct write_queue *q = arg;

	pthread_mutex_lock(&q->lock);
	for (;;) {
		while (q->written == q->put && !q->ending)
			pthread_cond_wait(&q->changed, &q->lock);
		if (q->written == q->put)
			break;
		write_next(q);
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

int write_queue_start(struct device *d, struct write_queue **out, struct err *e)
{
	struct write_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return err_set(e, E_NOMEM, "no memory for a writer");
	q->device = d;
	if (pages_get(BUFFERS * WRITE_QUEUE_CHUNK, &q->buffer, e) < 0) {
		free(q);
		return -1;
	}
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->changed, NULL);
	int rc = thread_start(&q->thread, run, q);
	if (rc != 0) {
		pages_free(&q->buffer);
		free(q);
		return err_sys(e, E_INTERNAL, rc, "cannot start the writer thread");
	}
	*out = q;
	return 0;
}

int write_queue_put(
	struct write_queue *q, const void *data, size_t len, uint64_t offset, struct err *e)
{
	assert(len <= WRITE_QUEUE_CHUNK);
	pthread_mutex_lock(&q->lock);
	while (q->put - q->written == BUFFERS)
		pthread_cond_wait(&q->changed, &q->lock);
	bool failed = q->failed;
	if (failed) {
		*e = q->error;
	} else {
		memcpy(buffer_of(q, q->put), data, len);
		q->chunk[q->put % BUFFERS] = (struct chunk){.len = len, .offset = offset};
		q->put++;
		pthread_cond_broadcast(&q->changed);
	}
	pthread_mutex_unlock(&q->lock);
	return failed ? -1 : 0;
}

int write_queue_end(struct write_queue *q, struct err *e)
{
	pthread_mutex_lock(&q->lock);
	q->ending = true;
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->lock);
	pthread_join(q->thread, NULL);
	int rc = 0;
	if (q->failed) {
		*e = q->error;
		rc = -1;
	}
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
	pages_free(&q->buffer);
	free(q);
	return rc;
}
