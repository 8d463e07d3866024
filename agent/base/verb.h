/* SPDX-License-Identifier: Apache-2.0 */
/* A command line as a table of verbs, from which help and man pages are made. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"

/* One option of a verb or of the program. */
struct verb_option {
	const char *name; /* "--level" */
	const char *value; /* "N", or NULL for a flag */
	const char *doc; /* one sentence without a full stop */
};

/*
 * One verb. `run` gets the program's own context and the words after the verb;
 * 0 = success, -1 = `e` says why (its code is the exit status).
 */
struct verb {
	const char *name; /* "install", "journal show" */
	const char *args; /* "FILE|URL", "" */
	const char *summary; /* one line for help */
	const char *text; /* for the man page: paragraphs separated by "\n\n" */
	const struct verb_option *options; /* ends with name NULL; may be NULL */
	int (*run)(void *ctx, int argc, char **argv, struct err *e);
};

/* What help and man pages need of a program. */
struct verb_program {
	const char *name; /* "pawl" */
	const char *summary; /* "update agent for ..." */
	const char *description; /* paragraphs */
	const struct verb_option *options; /* before the verb */
	const struct verb *verbs; /* ends with name NULL */
};

/*
 * Finds the verb that the first words name (two words win over one) and says
 * how many words it took. NULL when there is none.
 */
const struct verb *verb_find(const struct verb_program *p, int argc, char **argv, int *words);

/*
 * Reads options of `v` from argv: fills values[i] for options[i] ("" for a flag
 * that was given, NULL where absent) and moves the other words to the front of
 * argv, their number to *rest. "--name VALUE" and "--name=VALUE"; "--" ends
 * options. An option given twice keeps the last value. E_USAGE names the word.
 */
int verb_read_options(const struct verb_option *options, int argc, char **argv, const char **values,
	int *rest, struct err *e);

/* Who is told of each option, in the order of the command line. */
struct verb_visitor {
	void *ctx;
	/* `index` in the table; "" for a flag. The value is borrowed from argv. -1 ends the walk. */
	int (*option)(void *ctx, size_t index, const char *value, struct err *e);
};

/*
 * As verb_read_options for options that may be given more than once: the
 * visitor sees every occurrence instead of the last value being kept.
 */
int verb_walk_options(const struct verb_option *options, int argc, char **argv,
	const struct verb_visitor *visitor, int *rest, struct err *e);

/* Prints the list of verbs, or the help of one verb, to standard output. */
void verb_print_help(const struct verb_program *p, const struct verb *v);
