/* SPDX-License-Identifier: Apache-2.0 */
/* A command line as a table of verbs: lookup, options, help. */
#include "agent/base/verb.h"

#include <stdio.h>
#include <string.h>

/* Does `name` (one or two words) stand at the front of argv? Words taken, or 0. */
static int words_matching(const char *name, int argc, char **argv)
{
	const char *space = strchr(name, ' ');
	size_t first = space ? (size_t)(space - name) : strlen(name);

	if (argc < 1 || strlen(argv[0]) != first || strncmp(argv[0], name, first) != 0)
		return 0;
	if (!space)
		return 1;
	return argc >= 2 && strcmp(argv[1], space + 1) == 0 ? 2 : 0;
}

const struct verb *verb_find(const struct verb_program *p, int argc, char **argv, int *words)
{
	const struct verb *best = NULL;
	int most = 0;

	for (const struct verb *v = p->verbs; v->name; v++) {
		int n = words_matching(v->name, argc, argv);
		if (n > most) {
			most = n;
			best = v;
		}
	}
	if (best)
		*words = most;
	return best;
}

/* Index of the option that `word` names, or -1; *value points behind '=' where there is one. */
static int find_option(const struct verb_option *options, const char *word, const char **value)
{
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);

	for (int i = 0; options && options[i].name; i++) {
		if (strlen(options[i].name) == len && strncmp(options[i].name, word, len) == 0) {
			*value = equals ? equals + 1 : NULL;
			return i;
		}
	}
	return -1;
}

/* Reads the option at argv[*at] and tells the visitor; moves *at to its last word. */
static int read_option(const struct verb_option *options, int argc, char **argv, int *at,
	const struct verb_visitor *visitor, struct err *e)
{
	const char *value = NULL;
	const char *word = argv[*at];
	int i = find_option(options, word, &value);

	if (i < 0)
		return err_set(e, E_USAGE, "unknown option %s", word);
	if (!options[i].value) {
		if (value)
			return err_set(e, E_USAGE, "option %s takes no value", options[i].name);
		return visitor->option(visitor->ctx, (size_t)i, "", e);
	}
	if (!value) {
		if (*at + 1 >= argc)
			return err_set(
				e, E_USAGE, "option %s needs a value: %s", word, options[i].value);
		value = argv[++*at];
	}
	return visitor->option(visitor->ctx, (size_t)i, value, e);
}

int verb_walk_options(const struct verb_option *options, int argc, char **argv,
	const struct verb_visitor *visitor, int *rest, struct err *e)
{
	int kept = 0;
	bool ended = false;

	for (int i = 0; i < argc; i++) {
		if (!ended && strcmp(argv[i], "--") == 0) {
			ended = true;
		} else if (!ended && strncmp(argv[i], "--", 2) == 0) {
			if (read_option(options, argc, argv, &i, visitor, e) < 0)
				return -1;
		} else {
			argv[kept++] = argv[i];
		}
	}
	*rest = kept;
	return 0;
}

static int keep_last(void *ctx, size_t index, const char *value, struct err *e)
{
	const char **values = ctx;

	(void)e;
	values[index] = value;
	return 0;
}

int verb_read_options(const struct verb_option *options, int argc, char **argv, const char **values,
	int *rest, struct err *e)
{
	const struct verb_visitor visitor = {.ctx = values, .option = keep_last};

	for (int i = 0; options && options[i].name; i++)
		values[i] = NULL;
	return verb_walk_options(options, argc, argv, &visitor, rest, e);
}

/* Bytes of UTF-8 text that take no column of their own, so that columns stay straight. */
static int continuation_bytes(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) == 0x80;
	return n;
}

static void print_options(const struct verb_option *options)
{
	for (; options && options->name; options++) {
		char left[64];
		snprintf(left, sizeof(left), "%s%s%s", options->name, options->value ? " " : "",
			options->value ? options->value : "");
		printf("  %-*s %s\n", 28 + continuation_bytes(left), left, options->doc);
	}
}

void verb_print_help(const struct verb_program *p, const struct verb *v)
{
	if (v) {
		printf("usage: %s %s%s%s%s\n\n%s\n", p->name, v->name,
			v->options ? " [OPTION…]" : "", v->args[0] ? " " : "", v->args, v->summary);
		if (v->text)
			printf("\n%s\n", v->text);
		if (v->options) {
			puts("\nOptions:");
			print_options(v->options);
		}
		return;
	}
	printf("%s: %s\n\nusage: %s [OPTION…] VERB [ARGUMENT…]\n\nVerbs:\n", p->name, p->summary,
		p->name);
	for (v = p->verbs; v->name; v++)
		printf("  %-28s %s\n", v->name, v->summary);
	puts("\nOptions:");
	print_options(p->options);
	printf("\n`%s help VERB` tells more; exit statuses are in %s(1).\n", p->name, p->name);
}
