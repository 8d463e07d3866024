/* SPDX-License-Identifier: Apache-2.0 */
/* A writer thread and what waits for it. */
#include "partitions/slot/queue.h"

#include <stdbool.h>
#include <stdlib.h>

#include "partitions/slot/thread.h"

#define RUNS_MAX 16 /* one for each leaf of a piece: putting one piece never waits */

struct run {
	const uint8_t *data;
	size_t len;
	uint64_t offset;
};

struct write_queue {
	struct device *device;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct run run[RUNS_MAX];
	size_t put; /* runs put in so far */
	size_t written; /* runs written so far; at most RUNS_MAX behind `put` */
	bool ending;
	bool failed;
	struct err error; /* of the first write that failed */
};

/* One run; called and left with the lock held, which is open while the medium works. */
static void write_next(struct write_queue *q)
{
	struct run r = q->run[q->written % RUNS_MAX];
	struct err e = {0};

	/* After an error nothing more is written: the order of leaves must not have holes. */
	if (!q->failed) {
		pthread_mutex_unlock(&q->lock);
		int rc = device_write(q->device, r.data, r.len, r.offset, &e);
		pthread_mutex_lock(&q->lock);
		if (rc < 0) {
			q->failed = true;
			q->error = e;
		}
	}
	q->written++;
	pthread_cond_broadcast(&q->changed);
}

static void *write_runs(void *arg)
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
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->changed, NULL);
	int rc = thread_start(&q->thread, write_runs, q);
	if (rc != 0) {
		free(q);
		return err_sys(e, E_INTERNAL, rc, "cannot start the writer thread");
	}
	*out = q;
	return 0;
}

/* The error of an earlier write; asked with the lock held. */
static int check_failed(const struct write_queue *q, struct err *e)
{
	if (!q->failed)
		return 0;
	*e = q->error;
	return -1;
}

int write_queue_put(
	struct write_queue *q, const uint8_t *data, size_t len, uint64_t offset, struct err *e)
{
	pthread_mutex_lock(&q->lock);
	while (q->put - q->written == RUNS_MAX)
		pthread_cond_wait(&q->changed, &q->lock);
	int rc = check_failed(q, e);
	if (rc == 0) {
		q->run[q->put % RUNS_MAX] =
			(struct run){.data = data, .len = len, .offset = offset};
		q->put++;
		pthread_cond_broadcast(&q->changed);
	}
	pthread_mutex_unlock(&q->lock);
	return rc;
}

static bool waits(const struct write_queue *q, const uint8_t *from, const uint8_t *end)
{
	for (size_t i = q->written; i < q->put; i++) {
		const struct run *r = &q->run[i % RUNS_MAX];
		if (r->data < end && r->data + r->len > from)
			return true;
	}
	return false;
}

int write_queue_wait(struct write_queue *q, const uint8_t *from, const uint8_t *end, struct err *e)
{
	pthread_mutex_lock(&q->lock);
	while (waits(q, from, end))
		pthread_cond_wait(&q->changed, &q->lock);
	int rc = check_failed(q, e);
	pthread_mutex_unlock(&q->lock);
	return rc;
}

int write_queue_end(struct write_queue *q, struct err *e)
{
	pthread_mutex_lock(&q->lock);
	q->ending = true;
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->lock);
	pthread_join(q->thread, NULL);
	int rc = check_failed(q, e);
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
	free(q);
	return rc;
}
