/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key folders: NAME.pem (private, 0600) and NAME.pub.pem (0644) for
 * root-1, root-2, root-3, release and online. Which key holds which role is
 * said by root.json alone; names here are only for people. A private key may
 * be elsewhere (an HSM, a locked drawer): then NAME.pub.pem alone is here.
 *
 * --keys DIR[:DIR…] names the folders; they are searched in order, new keys go
 * into the first.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "agent/base/hash.h"
#include "publisher/keys_pem.h"
#include "publisher/publisher.h"

#define KEYS_NAME_SIZE 80

/* A public key that was found in a key folder. */
struct keys_entry {
	char name[KEYS_NAME_SIZE]; /* "root-1" */
	char keyid[HASH_HEX_SIZE];
	json_t *object; /* the TUF key object; the caller's reference */
};

/* Forgets an entry's reference. */
void keys_entry_free(struct keys_entry *k);
#define AUTO_ENTRY __attribute__((cleanup(keys_entry_free)))

/* Reads NAME.pub.pem of the first folder that has it. E_NOTFOUND, E_META. */
int keys_read_public(struct publisher *p, const char *name, struct keys_entry *out, struct err *e);

/* Finds the entry with this keyid, whatever its name is. E_NOTFOUND. */
int keys_find(struct publisher *p, const char *keyid, struct keys_entry *out, struct err *e);

/* Opens NAME.pem with the passphrases of the command line. E_NOTFOUND when it is nowhere. */
int keys_open_private(struct publisher *p, const char *name, EVP_PKEY **out, struct err *e);

/*
 * Makes sure that a key NAME exists: NAME.pub.pem is taken as it is; where only
 * NAME.pem is there, its public half is written; where neither is, a new key is
 * made (encrypted when a passphrase was given). Safe to repeat after a power cut.
 */
int keys_ensure(struct publisher *p, const char *name, struct keys_entry *out, struct err *e);

/*
 * A key that is to follow NAME, as NAME.next: copied from the PEM file
 * `public_pem`, or made where that is NULL. One that an interrupted run left is
 * taken up again.
 */
int keys_prepare_next(struct publisher *p, const char *name, const char *public_pem,
	struct keys_entry *out, struct err *e);

/*
 * Ends a rotation: NAME becomes retired/NAME-<keyid>, NAME.next becomes NAME.
 * Repeated after an interruption, it goes on where it was.
 */
int keys_settle_next(struct publisher *p, const char *name, struct err *e);

/*
 * The passphrases that the command line gives, one a line, NULL when there are
 * none; read once, because a descriptor gives them once. Kept in `p`, wiped by
 * keys_forget_passphrases.
 */
int keys_passphrases(struct publisher *p, const char **out, struct err *e);
void keys_forget_passphrases(struct publisher *p);

/* Opens the key folder number `index` (0 = the first); E_NOTFOUND behind the last. Shared by keys*.c. */
int keys_open_folder(struct publisher *p, size_t index, bool make, int *fd, struct err *e);
