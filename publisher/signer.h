/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures by a key file or by a command (an HSM, a cloud service, a person).
 *
 * For each key: NAME.pem of the key folders where it is; else --sign-with; else
 * "sign_with": {KEY: COMMAND} of pawl-repo.json (KEY: root, release, online).
 *
 * A command is split at spaces and executed directly, without a shell and
 * without quoting; its first word is looked up in PATH when it has no slash. It
 * gets the bytes to be signed on standard input, PAWL_ROLE (root, targets,
 * releases, snapshot, timestamp) and PAWL_KEYID beside our own environment, and
 * writes the raw signature (ECDSA: DER), nothing else, to standard output
 * within five minutes.
 */
#pragma once

#include <jansson.h>

#include "agent/base/buf.h"
#include "publisher/publisher.h"

#define SIGNER_SIGNATURE_MAX 8192
#define SIGNER_WORDS_MAX     32

/*
 * Signs `data` for `role` with the key `keyid`, whose TUF key object is `object`.
 * What comes back is verified with that object before it is used: E_SIG when it
 * does not fit. E_CONFIG when neither key file nor command is there. The
 * signature is appended to `sig`, whose limit is SIGNER_SIGNATURE_MAX.
 */
int signer_sign(struct publisher *p, const char *role, const char *keyid, const json_t *object,
	const struct buf *data, struct buf *sig, struct err *e);

/* Runs one signing command; the signature is not yet checked. E_HOOK, E_CONFIG. */
int signer_run_command(const char *command, const char *role, const char *keyid,
	const struct buf *data, struct buf *sig, struct err *e);
