/* SPDX-License-Identifier: Apache-2.0 */
/* Starting the one helper thread of a queue. */
#pragma once

#include <pthread.h>
#include <signal.h>

/* As pthread_create, with all signals blocked: they are the main thread's. 0 or an errno value. */
static inline int thread_start(pthread_t *thread, void *(*run)(void *), void *arg)
{
	sigset_t all;
	sigset_t before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}
