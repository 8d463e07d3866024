/* SPDX-License-Identifier: Apache-2.0 */
/* pawl journal show, pawl journal verify. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/commands.h"

enum { SHOW_JSON, SHOW_DETAILS, SHOW_COUNT };
const struct verb_option journal_show_options[] = {
	{"--json", NULL, "the records as they are stored, one a line"},
	{"--details", NULL, "details (polls, hooks) too, not only milestones"},
	{NULL, NULL, NULL},
};

static struct journal_config reading_config(const struct session *s)
{
	struct journal_config c = {
		.dir = s->data,
		.product = s->config.product,
		.epoch = s->state.journal_epoch,
		.expected_seq = s->state.journal_seq,
		.log = &s->log,
		.read_only = true,
	};

	memcpy(c.expected_head, s->state.journal_head, HASH_SIZE);
	return c;
}

static int print_json(void *ctx, const char *line, const json_t *record, struct err *e)
{
	(void)ctx;
	(void)record;
	(void)e;
	puts(line);
	return 0;
}

static const char *text_of(const json_t *record, const char *key)
{
	const char *t = json_string_value(json_object_get(record, key));

	return t ? t : "";
}

/* Event data in short: numbers and words as they are, digests cut. */
static void print_data(const json_t *record)
{
	const json_t *data = json_object_get(record, "data");
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)data, key, value) {
		if (json_is_integer(value))
			printf(" %s=%" JSON_INTEGER_FORMAT, key, json_integer_value(value));
		else if (json_is_string(value))
			printf(" %s=%.12s%s", key, json_string_value(value),
				strlen(json_string_value(value)) > 12 ? "…" : "");
	}
}

static int print_line(void *ctx, const char *line, const json_t *record, struct err *e)
{
	char when[CLOCK_TEXT_SIZE];

	(void)ctx;
	(void)line;
	(void)e;
	clock_format(json_integer_value(json_object_get(record, "wall")), when);
	printf("%5" JSON_INTEGER_FORMAT "  %s  boot %" JSON_INTEGER_FORMAT "  %-18s %-6s %s",
		json_integer_value(json_object_get(record, "seq")), when,
		json_integer_value(json_object_get(record, "boot")), text_of(record, "evt"),
		text_of(record, "out"),
		strcmp(text_of(record, "rc"), "E_OK") ? text_of(record, "rc") : "");
	print_data(record);
	putchar('\n');
	return 0;
}

int cmd_journal_show(void *ctx, int argc, char **argv, struct err *e)
{
	const char *values[SHOW_COUNT];
	struct session s;
	int rest = 0;

	if (verb_read_options(journal_show_options, argc, argv, values, &rest, e) < 0 ||
		command_no_words(rest, argv, e) < 0)
		return -1;
	int rc = session_open(ctx, SESSION_READ, &s, e);
	if (rc == 0) {
		struct journal_config c = reading_config(&s);
		rc = journal_each(&c, values[SHOW_DETAILS] != NULL,
			values[SHOW_JSON] ? print_json : print_line, NULL, e);
	}
	session_close(&s);
	return rc;
}

int cmd_journal_verify(void *ctx, int argc, char **argv, struct err *e)
{
	struct journal_verdict v = {0};
	struct session s;
	int rest = 0;

	if (verb_read_options(NULL, argc, argv, NULL, &rest, e) < 0 ||
		command_no_words(rest, argv, e) < 0)
		return -1;
	int rc = session_open(ctx, SESSION_READ, &s, e);
	if (rc == 0) {
		struct journal_config c = reading_config(&s);
		rc = journal_verify(&c, &v, e);
	}
	session_close(&s);
	if (rc == 0)
		printf("journal verifies: %" PRIu64 " milestones, %" PRIu64 " details\n"
		       "level L0 (hash chain): shows accidents and naive edits, not a forger with root\n",
			v.milestones, v.details);
	return rc;
}
