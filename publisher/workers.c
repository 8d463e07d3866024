/* SPDX-License-Identifier: Apache-2.0 */
/* Work in threads, results in order: a ring of slots under one lock. */
#include "publisher/workers.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/base/buf.h"

struct slot {
	bool done; /* the item of this slot was worked on and waits to be taken */
	bool failed;
	struct err err;
};

struct workers {
	const struct workers_task *task;
	unsigned slots;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under the lock: */
	uint64_t started; /* items that threads have begun */
	uint64_t taken; /* items whose slot is free again */
	unsigned joined; /* threads that have a number */
	bool stop;
	struct slot *slot;
};

unsigned workers_slots(unsigned threads)
{
	return 2 * threads;
}

unsigned workers_default(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

/* Waits for an item whose slot is free; false = nothing is left to do. Under the lock. */
static bool next_item(struct workers *w, struct workers_item *item)
{
	while (!w->stop && w->started < w->task->count && w->started >= w->taken + w->slots)
		pthread_cond_wait(&w->changed, &w->lock);
	if (w->stop || w->started == w->task->count)
		return false;
	item->index = w->started++;
	item->slot = (unsigned)(item->index % w->slots);
	return true;
}

static void *work(void *arg)
{
	struct workers *w = arg;
	struct workers_item item = {0};

	pthread_mutex_lock(&w->lock);
	item.worker = w->joined++;
	while (next_item(w, &item)) {
		struct slot *slot = &w->slot[item.slot];
		pthread_mutex_unlock(&w->lock);
		bool failed = w->task->work(w->task->ctx, &item, &slot->err) < 0;
		pthread_mutex_lock(&w->lock);
		slot->failed = failed;
		slot->done = true;
		pthread_cond_broadcast(&w->changed);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Waits for the item and hands it to the task. Called without the lock. */
static int take(struct workers *w, uint64_t index, struct err *e)
{
	struct workers_item item = {.index = index, .slot = (unsigned)(index % w->slots)};
	struct slot *slot = &w->slot[item.slot];

	pthread_mutex_lock(&w->lock);
	while (!slot->done)
		pthread_cond_wait(&w->changed, &w->lock);
	slot->done = false;
	pthread_mutex_unlock(&w->lock);
	if (slot->failed) {
		*e = slot->err;
		return -1;
	}
	if (w->task->take(w->task->ctx, &item, e) < 0)
		return -1;
	pthread_mutex_lock(&w->lock);
	w->taken++;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	return 0;
}

static int take_all(struct workers *w, struct err *e)
{
	for (uint64_t i = 0; i < w->task->count; i++) {
		if (take(w, i, e) < 0)
			return -1;
	}
	return 0;
}

static void end_threads(struct workers *w, const pthread_t *thread, unsigned count)
{
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < count; i++)
		pthread_join(thread[i], NULL);
}

int workers_run(const struct workers_task *task, struct err *e)
{
	struct workers w = {.task = task, .slots = workers_slots(task->threads)};
	pthread_t thread[WORKERS_MAX];
	unsigned count = 0;
	int sys = 0;

	assert(task->threads >= 1 && task->threads <= WORKERS_MAX);
	AUTO_FREE struct slot *slot = calloc(w.slots, sizeof(*slot));
	if (!slot)
		return err_set(e, E_NOMEM, "no memory for %u threads", task->threads);
	w.slot = slot;
	pthread_mutex_init(&w.lock, NULL);
	pthread_cond_init(&w.changed, NULL);
	/* Fewer threads than wanted only cost time. */
	while (count < task->threads && sys == 0) {
		sys = pthread_create(&thread[count], NULL, work, &w);
		count += sys == 0;
	}
	int rc = count > 0 ? take_all(&w, e) : err_sys(e, E_INTERNAL, sys, "cannot make a thread");
	end_threads(&w, thread, count);
	pthread_cond_destroy(&w.changed);
	pthread_mutex_destroy(&w.lock);
	return rc;
}
