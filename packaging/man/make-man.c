/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a man page (man(7)) from the tables that the programs themselves use. Runs at build time. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/err.h"
#include "agent/base/verb.h"
#ifdef MAN_CONFIG
#include "agent/config.h"
#endif

/* The table of the program whose pages are made; the Makefile says which (-DMAN_PROGRAM=). */
extern const struct verb_program MAN_PROGRAM;

/* A row of the table of codes. */
struct code {
	const char *name;
	int exit;
	const char *meaning;
	const char *action;
};

#define CODE_ROW(code, exit, meaning, action) {#code, exit, meaning, action},
static const struct code codes[] = {ERR_TABLE(CODE_ROW)};
#undef CODE_ROW

/* A hyphen that is typed, not one between syllables; no character that roff takes for its own. */
static void put_text(const char *text)
{
	static const char dots[] = "\xe2\x80\xa6"; /* "…" */
	const char *end = text + strlen(text);

	for (const char *p = text; p < end; p++) {
		if (end - p >= 3 && memcmp(p, dots, 3) == 0) {
			fputs("...", stdout);
			p += 2;
		} else if (*p == '\\') {
			fputs("\\e", stdout);
		} else if (*p == '-') {
			fputs("\\-", stdout);
		} else if (*p == '`' || *p == '\'') {
			fputs("\\(aq", stdout);
		} else {
			putchar(*p);
		}
	}
}

/* One line of text; a dot at its start would be a request. */
static void put_line(const char *text)
{
	if (text[0] == '.')
		fputs("\\&", stdout);
	put_text(text);
	putchar('\n');
}

/* Paragraphs are separated by an empty line, as in struct verb. */
static void put_paragraphs(const char *text)
{
	for (;;) {
		char line[2048];
		const char *end = strstr(text, "\n\n");
		size_t len = end ? (size_t)(end - text) : strlen(text);
		if (len >= sizeof(line))
			len = sizeof(line) - 1;
		memcpy(line, text, len);
		line[len] = 0;
		put_line(line);
		if (!end)
			return;
		puts(".PP");
		text = end + 2;
	}
}

/* A phrase of a table as a sentence. */
static void put_sentence(const char *text)
{
	/* A letter is never special to roff. */
	bool letter = islower((unsigned char)text[0]);

	if (letter)
		putchar(toupper((unsigned char)text[0]));
	put_text(letter ? text + 1 : text);
	puts(".");
}

static void put_options(const struct verb_option *options)
{
	for (const struct verb_option *o = options; o && o->name; o++) {
		fputs(".TP\n.B ", stdout);
		put_text(o->name);
		if (o->value) {
			fputs(" \\fI", stdout);
			put_text(o->value);
			fputs("\\fR", stdout);
		}
		putchar('\n');
		put_sentence(o->doc);
	}
}

static void put_title(const char *name, const char *section, const char *date)
{
	fputs(".\\\" Made by packaging/man/make-man.c.\n.TH \"", stdout);
	for (const char *p = name; *p; p++) {
		if (*p == '-')
			fputs("\\-", stdout);
		else
			putchar(toupper((unsigned char)*p));
	}
	printf("\" \"%s\" \"%s\" \"Pawl %s\" \"Pawl\"\n", section, date, PAWL_VERSION);
}

static void put_name(const char *name, const char *summary)
{
	puts(".SH NAME");
	put_text(name);
	fputs(" \\- ", stdout);
	put_line(summary);
}

static void put_verb(const struct verb_program *p, const struct verb *v)
{
	fputs(".SS \"", stdout);
	put_text(p->name);
	putchar(' ');
	put_text(v->name);
	fputs(v->options ? " [OPTION...]" : "", stdout);
	fputs(v->args[0] ? " " : "", stdout);
	put_text(v->args);
	puts("\"");
	put_sentence(v->summary);
	if (v->text) {
		puts(".PP");
		put_paragraphs(v->text);
	}
	put_options(v->options);
}

static void put_exit_statuses(void)
{
	puts(".SH \"EXIT STATUS\"");
	puts("The status is the reason, the same as in the journal and in the messages.");
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		printf(".TP\n.B %d\n", codes[i].exit);
		put_text(codes[i].name);
		fputs(": ", stdout);
		put_text(codes[i].meaning);
		fputs(". What to do: ", stdout);
		put_text(codes[i].action);
		puts(".");
	}
}

static void put_program(const struct verb_program *p, const char *date)
{
	put_title(p->name, "1", date);
	put_name(p->name, p->summary);
	fputs(".SH SYNOPSIS\n.B ", stdout);
	put_text(p->name);
	puts("\n[OPTION...] VERB [ARGUMENT...]");
	puts(".SH DESCRIPTION");
	put_paragraphs(p->description);
	puts(".SH OPTIONS\nOptions before the verb:");
	put_options(p->options);
	puts(".SH VERBS");
	for (const struct verb *v = p->verbs; v->name; v++)
		put_verb(p, v);
	put_exit_statuses();
	puts(".SH \"SEE ALSO\"\n.BR pawl (1),\n.BR pawl\\-repo (1),\n.BR pawl.conf (5)");
}

#ifdef MAN_CONFIG
static void put_key(const struct config_key *k)
{
	fputs(".TP\n.B ", stdout);
	put_text(k->key);
	fputs(" = \\fI", stdout);
	put_text(k->value);
	puts("\\fR");
	put_sentence(k->doc);
	if (!k->standard)
		puts("Must be given.");
	else if (k->standard[0] == 0)
		puts("Default: empty.");
	else {
		fputs("Default:\n.BR \"", stdout);
		put_text(k->standard);
		puts("\" .");
	}
}

static void put_config(const char *date)
{
	const char *section = "";

	put_title("pawl.conf", "5", date);
	put_name("pawl.conf", "configuration of pawl, the update agent");
	puts(".SH SYNOPSIS\n.I /etc/pawl/pawl.conf");
	puts(".SH DESCRIPTION");
	put_paragraphs(
		"Lines are KEY = VALUE below a [SECTION], or comments that begin with # or ;. A key that "
		"is unknown, malformed or given twice is an error that names the line; nothing is "
		"guessed. `pawl doctor` checks the file against the device.\n\n"
		"Paths are absolute. With `pawl --root DIR` all of them are taken below DIR. Image names "
		"are those of the manifest, and both slots must have the same ones.");
	for (size_t i = 0; config_key_at(i); i++) {
		const struct config_key *k = config_key_at(i);
		if (strcmp(section, k->section) != 0)
			printf(".SH \"SECTION [%s]\"\n", k->section);
		section = k->section;
		put_key(k);
	}
	puts(".SH EXAMPLE\n.nf");
	put_text("[device]\nproduct = demo\ncompatible = demo-board-1\n\n"
		 "[repository]\nurl = https://updates.example.com/demo\n\n"
		 "[slot A]\nrootfs = /dev/mmcblk0p2\n\n[slot B]\nrootfs = /dev/mmcblk0p3\n");
	puts(".fi\n.SH \"SEE ALSO\"\n.BR pawl (1)");
}
#endif

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], MAN_PROGRAM.name) == 0) {
		put_program(&MAN_PROGRAM, argv[2]);
		return 0;
	}
#ifdef MAN_CONFIG
	if (argc == 3 && strcmp(argv[1], "pawl.conf") == 0) {
		put_config(argv[2]);
		return 0;
	}
#endif
	fprintf(stderr, "usage: make-man PAGE DATE\n");
	return 2;
}
