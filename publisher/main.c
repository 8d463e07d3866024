/* SPDX-License-Identifier: Apache-2.0 */
/* pawl-repo: reads the words before the verb, runs the verb, prints its error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "agent/base/clock.h"
#include "agent/plan/manifest.h"
#include "publisher/keys.h"
#include "publisher/publisher.h"

/* How many words stand before the verb. */
static int words_before_verb(int argc, char **argv)
{
	const struct verb_option *options = publisher_program.options;
	int i = 0;

	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		for (int o = 0; options[o].name; o++) {
			if (strcmp(argv[i], options[o].name) == 0 && options[o].value)
				i++;
		}
	}
	return i < argc ? i : argc;
}

static int parse_decimal(
	const char *text, const char *what, int64_t max, int64_t *out, struct err *e)
{
	char *end;
	long long n = strtoll(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n > max)
		return err_set(e, E_USAGE, "%s: \"%s\" is not a number from 0 to %lld", what, text,
			(long long)max);
	*out = n;
	return 0;
}

/* Reproducible runs take their time from outside (reproducible-builds.org). */
static int set_time(struct publisher *p, struct err *e)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");

	p->now = clock_wall();
	return text && *text
		       ? parse_decimal(text, "SOURCE_DATE_EPOCH", INT64_C(250000000000), &p->now, e)
		       : 0;
}

static int set_up(struct publisher *p, const char *const *values, struct err *e)
{
	const char *dir = values[PUBLISHER_REPO] ? values[PUBLISHER_REPO] : ".";
	const char *product = values[PUBLISHER_PRODUCT];
	int64_t fd = -1;

	*p = (struct publisher){.fd = -1, .lock = -1, .passphrase_fd = -1};
	if (snprintf(p->dir, sizeof(p->dir), "%s", dir) >= (int)sizeof(p->dir) || !*dir)
		return err_set(e, E_USAGE, "--repo: path is empty or too long");
	if (product && !manifest_name_is_valid(product))
		return err_set(e, E_USAGE, "--product: \"%s\" is not a name", product);
	if (product)
		snprintf(p->product, sizeof(p->product), "%s", product);
	if (values[PUBLISHER_PASSPHRASE_FD] && parse_decimal(values[PUBLISHER_PASSPHRASE_FD],
						       "--passphrase-fd", 65535, &fd, e) < 0)
		return -1;
	p->passphrase_fd = (int)fd;
	p->keys_dir = values[PUBLISHER_KEYS];
	p->sign_with = values[PUBLISHER_SIGN_WITH];
	p->passphrase_file = values[PUBLISHER_PASSPHRASE_FILE];
	p->quiet = values[PUBLISHER_QUIET] != NULL;
	return set_time(p, e);
}

/* `pawl-repo help [VERB]`, and --help anywhere before the verb. */
static int print_help(int argc, char **argv, struct err *e)
{
	int words = 0;
	const struct verb *v = argc > 0 ? verb_find(&publisher_program, argc, argv, &words) : NULL;

	if (argc > 0 && !v)
		return err_set(e, E_USAGE, "there is no verb \"%s\"", argv[0]);
	verb_print_help(&publisher_program, v);
	return 0;
}

static bool knows_option(const struct verb_option *options, const char *word)
{
	for (; options && options->name; options++) {
		if (strcmp(word, options->name) == 0)
			return true;
	}
	return false;
}

/*
 * An option that is known, but stands on the wrong side of the verb, deserves a
 * hint; not one that the verb has, too (`release --version TEXT`).
 */
static void hint_at_place(const struct verb *v, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (knows_option(publisher_program.options, argv[i]) &&
			!knows_option(v->options, argv[i])) {
			fprintf(stderr, "pawl-repo: %s stands before the verb\n", argv[i]);
			return;
		}
	}
}

static int run_verb(struct publisher *p, int argc, char **argv, struct err *e)
{
	int words = 0;
	const struct verb *v = verb_find(&publisher_program, argc, argv, &words);

	if (!v)
		return err_set(
			e, E_USAGE, "there is no verb \"%s\"; see `pawl-repo help`", argv[0]);
	if (argc > words && strcmp(argv[words], "--help") == 0) {
		verb_print_help(&publisher_program, v);
		return 0;
	}
	int rc = v->run(p, argc - words, argv + words, e);
	if (rc < 0 && e->code == E_USAGE)
		hint_at_place(v, argc - words, argv + words);
	publisher_close(p);
	keys_forget_passphrases(p);
	return rc;
}

static int run(int argc, char **argv, struct err *e)
{
	const char *values[PUBLISHER_OPTION_COUNT];
	struct publisher p;
	int before = words_before_verb(argc, argv);
	int rest;

	if (verb_read_options(publisher_program.options, before, argv, values, &rest, e) < 0)
		return -1;
	argc -= before;
	argv += before;
	if (values[PUBLISHER_VERSION]) {
		puts("pawl-repo " PAWL_VERSION);
		return 0;
	}
	if (argc == 0 && !values[PUBLISHER_HELP])
		return err_set(e, E_USAGE, "which verb? see `pawl-repo help`");
	if (values[PUBLISHER_HELP])
		return print_help(argc, argv, e);
	if (strcmp(argv[0], "help") == 0)
		return print_help(argc - 1, argv + 1, e);
	return set_up(&p, values, e) < 0 ? -1 : run_verb(&p, argc, argv, e);
}

int main(int argc, char **argv)
{
	struct err e = {0};

	/* Passphrases and private keys must not be left in a core file. */
	setrlimit(RLIMIT_CORE, &(struct rlimit){0});
	/* What is published must be readable by the web server; key files set their own mode. */
	umask(022);
	int rc = run(argc - 1, argv + 1, &e);
	if (fflush(stdout) != 0 && rc == 0)
		rc = err_set(&e, E_IO, "cannot write to standard output");
	if (rc == 0)
		return 0;
	fprintf(stderr, "pawl-repo: %s: %s\n", err_name(e.code), e.text);
	return err_exit(e.code);
}
