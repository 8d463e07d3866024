/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work in threads, results in order: items 0 … count-1 are worked on by several
 * threads and taken one after the other by the calling thread, so that the
 * result does not depend on the number of threads. At most
 * workers_slots(threads) items are in flight, which bounds the memory.
 */
#pragma once

#include <stdint.h>

#include "agent/base/err.h"

#define WORKERS_MAX 64

/* One item in a thread: `worker` < threads and `slot` < workers_slots(threads) own memory. */
struct workers_item {
	uint64_t index;
	unsigned worker;
	unsigned slot;
};

struct workers_task {
	uint64_t count;
	unsigned threads; /* 1 … WORKERS_MAX */
	void *ctx;
	/* In a thread; touches what belongs to its worker and slot only. */
	int (*work)(void *ctx, const struct workers_item *item, struct err *e);
	/* In the calling thread, ascending without a gap; the slot is reused afterwards. */
	int (*take)(void *ctx, const struct workers_item *item, struct err *e);
};

/* Slots that so many threads share. */
unsigned workers_slots(unsigned threads);

/* Threads for this machine: its processors, at most WORKERS_MAX. */
unsigned workers_default(void);

/*
 * Does everything and waits for all threads. On failure the error of the lowest
 * failed item is reported, whatever the threads did meanwhile. E_INTERNAL when
 * no thread can be made.
 */
int workers_run(const struct workers_task *task, struct err *e);
