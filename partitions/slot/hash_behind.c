/* SPDX-License-Identifier: Apache-2.0 */
/* A hasher thread that follows the decoder through one piece after the other. */
#include "partitions/slot/hash_behind.h"

#include <stdlib.h>

#include "partitions/slot/leaf.h"
#include "partitions/slot/thread.h"

struct hash_behind {
	enum hash_alg alg;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* The piece; len is 0 when there is none to be looked at. */
	const uint8_t *data;
	size_t len;
	uint32_t wanted;
	size_t reached; /* bytes that will not change any more */
	unsigned next; /* leaf that nobody has taken yet */
	bool busy; /* the thread is hashing a leaf */
	bool ending;
	bool failed;
	struct err error; /* of the first leaf that could not be hashed */
	uint8_t digest[SLOT_LEAVES_A_PIECE][HASH_SIZE];
};

/* Bytes of the piece up to the end of a leaf. */
static size_t leaf_end(const struct hash_behind *h, unsigned leaf)
{
	size_t end = (size_t)(leaf + 1) * SLOT_LEAF_SIZE;

	return end < h->len ? end : h->len;
}

/* The next wanted leaf that is complete, for one thread alone; with the lock held. */
static bool take_leaf(struct hash_behind *h, unsigned *leaf)
{
	while ((size_t)h->next * SLOT_LEAF_SIZE < h->len && !(h->wanted & 1u << h->next))
		h->next++;
	if ((size_t)h->next * SLOT_LEAF_SIZE >= h->len || leaf_end(h, h->next) > h->reached)
		return false;
	*leaf = h->next++;
	return true;
}

/* Called and left with the lock held, which is open while it is hashed. */
static void hash_leaf(struct hash_behind *h, unsigned leaf)
{
	size_t from = (size_t)leaf * SLOT_LEAF_SIZE;
	size_t len = leaf_end(h, leaf) - from;
	const uint8_t *data = h->data + from;
	struct err e = {0};

	pthread_mutex_unlock(&h->lock);
	int rc = slot_leaf_digest(h->alg, data, len, h->digest[leaf], &e);
	pthread_mutex_lock(&h->lock);
	if (rc < 0 && !h->failed) {
		h->failed = true;
		h->error = e;
	}
}

static void *run(void *arg)
{
	struct hash_behind *h = arg;
	unsigned leaf;

	pthread_mutex_lock(&h->lock);
	while (!h->ending) {
		if (!take_leaf(h, &leaf)) {
			pthread_cond_wait(&h->changed, &h->lock);
			continue;
		}
		h->busy = true;
		hash_leaf(h, leaf);
		h->busy = false;
		pthread_cond_broadcast(&h->changed);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

int hash_behind_open(enum hash_alg alg, bool with_thread, struct hash_behind **out, struct err *e)
{
	struct hash_behind *h = calloc(1, sizeof(*h));

	if (!h)
		return err_set(e, E_NOMEM, "no memory for a hasher");
	h->alg = alg;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->changed, NULL);
	h->has_thread = with_thread && thread_start(&h->thread, run, h) == 0;
	*out = h;
	return 0;
}

void hash_behind_close(struct hash_behind *h)
{
	if (!h)
		return;
	pthread_mutex_lock(&h->lock);
	h->ending = true;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
	if (h->has_thread)
		pthread_join(h->thread, NULL);
	pthread_cond_destroy(&h->changed);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

void hash_behind_begin(struct hash_behind *h, const uint8_t *data, size_t len, uint32_t wanted)
{
	pthread_mutex_lock(&h->lock);
	h->data = data;
	h->len = len;
	h->wanted = wanted;
	h->reached = 0;
	h->next = 0;
	h->failed = false;
	pthread_mutex_unlock(&h->lock);
}

void hash_behind_reached(void *hash_behind, size_t len)
{
	struct hash_behind *h = hash_behind;

	pthread_mutex_lock(&h->lock);
	h->reached = len;
	if (leaf_end(h, h->next) <= len) /* waking it for less would only cost time */
		pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

/* No leaf is taken any more, and the thread is done with the one it was at; with the lock held. */
static void leave_piece(struct hash_behind *h)
{
	h->len = 0;
	while (h->busy)
		pthread_cond_wait(&h->changed, &h->lock);
	h->data = NULL;
}

int hash_behind_finish(struct hash_behind *h, struct err *e)
{
	unsigned leaf;

	pthread_mutex_lock(&h->lock);
	h->reached = h->len;
	while (take_leaf(h, &leaf))
		hash_leaf(h, leaf);
	leave_piece(h);
	int rc = h->failed ? -1 : 0;
	if (rc < 0)
		*e = h->error;
	pthread_mutex_unlock(&h->lock);
	return rc;
}

void hash_behind_abandon(struct hash_behind *h)
{
	pthread_mutex_lock(&h->lock);
	leave_piece(h);
	pthread_mutex_unlock(&h->lock);
}

unsigned hash_behind_ready(struct hash_behind *h)
{
	pthread_mutex_lock(&h->lock);
	unsigned ready = h->next - (h->busy ? 1 : 0);
	if (h->failed)
		ready = 0;
	pthread_mutex_unlock(&h->lock);
	return ready;
}

const uint8_t *hash_behind_digest(const struct hash_behind *h, unsigned place)
{
	return h->digest[place];
}
