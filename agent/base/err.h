/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: one struct, one table of stable codes, no global state. */
#pragma once

#include <stddef.h>

/*
 * The one table of reason codes. X(code, exit status, meaning, what to do).
 * Codes are stable: they are exit statuses of the command line, the `rc` of
 * journal records, and the rows of docs/errors.md. Append, never renumber.
 */
#define ERR_TABLE(X)                                                                               \
	X(E_OK, 0, "success", "nothing")                                                           \
	X(E_INTERNAL, 1, "a fault in Pawl itself or in one of its processes",                      \
		"report it with the output of `pawl doctor`")                                      \
	X(E_USAGE, 2, "the command line is wrong", "see `pawl help`")                              \
	X(E_CONFIG, 10, "the configuration is wrong", "make or correct what is named")             \
	X(E_TRUST, 11, "the trusted root is missing or unusable",                                  \
		"put the root.json made by `pawl-repo init` into the image")                       \
	X(E_SIG, 12, "too few valid signatures",                                                   \
		"do not install; check where the file comes from")                                 \
	X(E_THRESHOLD, 13, "the successor of the root is not signed by old and new keys",          \
		"sign the root with the old and the new threshold of keys")                        \
	X(E_KEY_REVOKED, 14, "signed by a key that the root no longer trusts",                     \
		"sign again with today's keys")                                                    \
	X(E_ROLLBACK, 15, "older than what this device has already seen",                          \
		"publish a higher version or release number")                                      \
	X(E_EXPIRED, 16, "the metadata has expired", "run `pawl-repo refresh`; check the clock")   \
	X(E_MIX, 17, "metadata of different publications mixed",                                   \
		"publish again; check the mirror")                                                 \
	X(E_HASH, 18, "content differs from its signed hash",                                      \
		"publish the file again; check the mirror")                                        \
	X(E_SIZE, 19, "content is larger or shorter than signed or allowed",                       \
		"publish the file again; check the mirror")                                        \
	X(E_JSON, 20, "not the JSON that is allowed here", "make the file with pawl-repo")         \
	X(E_META, 21, "metadata breaks the rules of its format", "make the file with pawl-repo")   \
	X(E_BUNDLE, 22, "not a bundle that is allowed here",                                       \
		"make the file with `pawl-repo bundle`")                                           \
	X(E_POLICY, 23, "the release is not meant for this device", "publish a release that fits") \
	X(E_COMPAT, 24, "the release needs what this device or agent does not have",               \
		"install an intermediate release first, or publish one that fits")                 \
	X(E_HELD, 25, "the release is on hold or withdrawn", "wait for the next release")          \
	X(E_FAILED, 26, "this release failed on this device before",                               \
		"publish a higher release, or repeat with --retry-failed")                         \
	X(E_NET, 30, "the server cannot be reached or answers with an error",                      \
		"check network, URL and server")                                                   \
	X(E_TLS, 31, "the server's certificate was not accepted",                                  \
		"check CA file, host name, clock")                                                 \
	X(E_TIMEOUT, 32, "the transfer was too slow or stalled",                                   \
		"nothing; it resumes at the next poll")                                            \
	X(E_NOTFOUND, 33, "the server does not have the file", "check path or URL; publish again") \
	X(E_SLOT, 40, "the target slot cannot be used", "see the message: device, size or mount")  \
	X(E_SPACE, 41, "not enough space", "free space on the named file system")                  \
	X(E_IO, 42, "reading or writing failed", "check the named device")                         \
	X(E_READBACK, 43, "the device gives back other bytes than were written",                   \
		"replace the storage; it is failing")                                              \
	X(E_BOOTENV, 44, "the boot environment cannot be read or changed safely",                  \
		"see `pawl doctor`")                                                               \
	X(E_BOOT, 45, "what booted is not what the configuration describes", "see `pawl doctor`")  \
	X(E_HEALTH, 50, "the new system did not prove itself healthy", "see the check's output")   \
	X(E_HOOK, 51, "a hook failed, hung or could not be run", "see the hook's output")          \
	X(E_BUSY, 52, "another transaction or agent is at work", "wait, or finish the trial")      \
	X(E_LATER, 53, "asked to come back later", "nothing; it is tried again")                   \
	X(E_STATE, 54, "the agent's own state cannot be used", "see `pawl doctor`")                \
	X(E_JOURNAL, 55, "the journal does not verify", "keep a copy; see docs/journal.md")        \
	X(E_NOMEM, 56, "out of memory", "free memory")

#define ERR_ENUM_(code, exit, meaning, action) code,
enum err_code { ERR_TABLE(ERR_ENUM_) E_CODE_COUNT };
#undef ERR_ENUM_

/* One error with its context. Plain value, no heap; copy it freely. */
struct err {
	enum err_code code;
	int sys; /* errno at the fault, 0 where there was none */
	char text[480]; /* what, where, why; printable, cut with "..." */
};

/* Sets `e` and returns -1, so that `return err_set(...)` reads well. `e` may not be NULL. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As err_set, and adds the text of `sys` (an errno value) after ": ". */
int err_sys(struct err *e, enum err_code code, int sys, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Puts "context: " before the text that is there; keeps code and errno. Returns -1. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* clang's analyzer sees one file at a time: tell it that what sets an error also fails. */
#ifdef __clang_analyzer__
#define err_set(...)  (err_set(__VA_ARGS__), -1)
#define err_sys(...)  (err_sys(__VA_ARGS__), -1)
#define err_wrap(...) (err_wrap(__VA_ARGS__), -1)
#endif

/* The code's stable name ("E_SIG"), exit status (0..255), meaning, and advice. */
const char *err_name(enum err_code code);
int err_exit(enum err_code code);
const char *err_meaning(enum err_code code);
const char *err_action(enum err_code code);

/* The code with this name, or E_CODE_COUNT where there is none. */
enum err_code err_find(const char *name);
