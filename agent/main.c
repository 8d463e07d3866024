/* SPDX-License-Identifier: Apache-2.0 */
/* pawl: reads the command line, runs one verb, prints the error. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/commands.h"

enum { OPT_ROOT, OPT_CONFIG, OPT_PROGRESS_FD, OPT_QUIET, OPT_VERBOSE, OPT_COUNT };

int command_no_words(int rest, char **argv, struct err *e)
{
	if (rest > 0)
		return err_set(e, E_USAGE, "unexpected word %s", argv[0]);
	return 0;
}

int command_check_offline(const char *path, struct err *e)
{
	if (path && access(path, R_OK) < 0)
		return err_sys(e, E_USAGE, errno,
			"--offline-from %s cannot be read; nothing was fetched", path);
	return 0;
}

static int print_error(const struct err *e)
{
	fprintf(stderr, "pawl: %s: %s\n", err_name(e->code), e->text);
	if (e->code == E_USAGE)
		fprintf(stderr, "pawl: see `pawl help`\n");
	else
		fprintf(stderr, "pawl: what to do: %s\n", err_action(e->code));
	return err_exit(e->code);
}

static int read_fd(const char *text, int *fd, struct err *e)
{
	char *end = NULL;
	long n = strtol(text, &end, 10);

	if (end == text || *end || n < 0 || n > INT_MAX)
		return err_set(e, E_USAGE, "--progress-fd %s is no descriptor", text);
	*fd = (int)n;
	return 0;
}

/* The program's options come before the verb; returns the number of words they took. */
static int read_program_options(int argc, char **argv, struct session_options *o,
	char root[PATH_MAX], int *taken, struct err *e)
{
	const char *values[OPT_COUNT];
	int end = 0;
	int rest = 0;

	while (end < argc && strncmp(argv[end], "--", 2) == 0) {
		bool has_value = strcmp(argv[end], "--root") == 0 ||
				 strcmp(argv[end], "--config") == 0 ||
				 strcmp(argv[end], "--progress-fd") == 0;
		end += has_value ? 2 : 1;
	}
	if (end > argc)
		end = argc;
	if (verb_read_options(pawl_program.options, end, argv, values, &rest, e) < 0)
		return -1;
	/* Hooks run in another folder: what is below a relative root would not be found there. */
	if (values[OPT_ROOT] && !realpath(values[OPT_ROOT], root))
		return err_sys(e, E_USAGE, errno, "--root %s", values[OPT_ROOT]);
	if (values[OPT_ROOT])
		o->root = root;
	o->config = values[OPT_CONFIG];
	o->quiet = values[OPT_QUIET] != NULL;
	o->verbose = values[OPT_VERBOSE] != NULL;
	if (values[OPT_PROGRESS_FD] && read_fd(values[OPT_PROGRESS_FD], &o->progress_fd, e) < 0)
		return -1;
	*taken = end;
	return 0;
}

static int help(int argc, char **argv)
{
	int words = 0;
	const struct verb *v = argc > 0 ? verb_find(&pawl_program, argc, argv, &words) : NULL;

	verb_print_help(&pawl_program, v);
	return 0;
}

static bool wants_help(int argc, char **argv)
{
	return argc > 0 && (strcmp(argv[0], "help") == 0 || strcmp(argv[0], "--help") == 0 ||
				   strcmp(argv[0], "-h") == 0);
}

int main(int argc, char **argv)
{
	struct session_options o = {.root = "/", .progress_fd = -1};
	char root[PATH_MAX];
	struct err e = {0};
	int taken = 0;
	int words = 0;

	/* A reader that goes away must not end an update in the middle. */
	signal(SIGPIPE, SIG_IGN);
	umask(077);
	argc--;
	argv++;
	if (wants_help(argc, argv))
		return help(argc - 1, argv + 1);
	if (read_program_options(argc, argv, &o, root, &taken, &e) < 0)
		return print_error(&e);
	argc -= taken;
	argv += taken;
	if (wants_help(argc, argv))
		return help(argc - 1, argv + 1);
	const struct verb *v = verb_find(&pawl_program, argc, argv, &words);
	if (!v) {
		err_set(&e, E_USAGE, argc > 0 ? "unknown verb %s" : "no verb%s",
			argc > 0 ? argv[0] : "");
		return print_error(&e);
	}
	if (argc > words && strcmp(argv[words], "--help") == 0)
		return help(words, argv);
	if (v->run(&o, argc - words, argv + words, &e) < 0)
		return print_error(&e);
	return 0;
}
