/* SPDX-License-Identifier: Apache-2.0 */
/* Signing by a command that is executed directly. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/process.h"
#include "publisher/signer.h"

#define TIMEOUT_SECONDS 300 /* a person may have to type a PIN or touch a token */
#define ENV_MAX         1024
#define ERRORS_MAX      4096

/* Splits in place at spaces. Returns the number of words, or -1 when there are too many. */
static int split(char *text, const char **words, int max)
{
	int n = 0;
	char *save = NULL;

	for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		if (n >= max - 1)
			return -1;
		words[n++] = w;
	}
	words[n] = NULL;
	return n;
}

/* The executable behind a word: with a slash as it is, else the first of PATH. New memory or NULL. */
static char *find_program(const char *word)
{
	const char *path = getenv("PATH");
	char candidate[4096];

	if (strchr(word, '/'))
		return word[0] == '/' ? strdup(word) : realpath(word, NULL);
	for (path = path ? path : "/usr/bin:/bin"; *path;) {
		size_t len = strcspn(path, ":");
		/* Links are kept: programs such as Python's venv go by the name they are called by. */
		if (path[0] == '/' &&
			snprintf(candidate, sizeof(candidate), "%.*s/%s", (int)len, path, word) <
				(int)sizeof(candidate) &&
			access(candidate, X_OK) == 0)
			return strdup(candidate);
		path += len + (path[len] == ':');
	}
	return NULL;
}

/* Our own environment (an HSM's library is configured through it) and the two facts. */
static int make_env(const char **env, char *role, char *keyid, struct err *e)
{
	size_t n = 0;

	for (char **v = environ; v && *v; v++) {
		if (strncmp(*v, "PAWL_ROLE=", 10) == 0 || strncmp(*v, "PAWL_KEYID=", 11) == 0)
			continue;
		if (n >= ENV_MAX - 3)
			return err_set(e, E_CONFIG, "the environment has more than %d variables",
				ENV_MAX - 3);
		env[n++] = *v;
	}
	env[n++] = role;
	env[n++] = keyid;
	env[n] = NULL;
	return 0;
}

static int judge(const char *program, const struct process_result *res, const struct buf *errors,
	struct err *e)
{
	if (res->timed_out)
		return err_set(e, E_HOOK, "--sign-with %s: no answer within %d s, ended", program,
			TIMEOUT_SECONDS);
	if (res->exit_status == 0)
		return 0;
	return err_set(e, E_HOOK, "--sign-with %s ended with %s %d: %.300s", program,
		res->exit_status < 0 ? "signal" : "status",
		res->exit_status < 0 ? res->signal : res->exit_status, buf_text(errors));
}

int signer_run_command(const char *command, const char *role, const char *keyid,
	const struct buf *data, struct buf *sig, struct err *e)
{
	AUTO_FREE char *text = strdup(command);
	AUTO_FREE char *program = NULL;
	AUTO_BUF struct buf errors = buf_make(ERRORS_MAX);
	const char *words[SIGNER_WORDS_MAX];
	const char *env[ENV_MAX];
	char role_env[64];
	char keyid_env[96];
	struct process_result res;

	if (!text)
		return err_set(e, E_NOMEM, "out of memory");
	int n = split(text, words, SIGNER_WORDS_MAX);
	if (n < 1)
		return err_set(e, E_CONFIG, "--sign-with: %s",
			n < 0 ? "too many words" : "the command is empty");
	program = find_program(words[0]);
	if (!program)
		return err_set(e, E_CONFIG, "--sign-with: %s is not found", words[0]);
	snprintf(role_env, sizeof(role_env), "PAWL_ROLE=%s", role);
	snprintf(keyid_env, sizeof(keyid_env), "PAWL_KEYID=%s", keyid);
	if (make_env(env, role_env, keyid_env, e) < 0)
		return -1;
	struct process_request req = {
		.path = program,
		.argv = words,
		.env = env,
		.input = data->data,
		.input_len = data->len,
		.timeout_seconds = TIMEOUT_SECONDS,
	};
	if (process_run(&req, sig, &errors, &res, e) < 0)
		return err_wrap(e, "--sign-with");
	return judge(words[0], &res, &errors, e);
}
