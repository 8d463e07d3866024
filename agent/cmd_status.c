/* SPDX-License-Identifier: Apache-2.0 */
/* pawl status, pawl version. */
#include <stdio.h>

#include "agent/base/json.h"
#include "agent/commands.h"
#include "agent/status.h"

enum { STATUS_JSON, STATUS_COUNT };
const struct verb_option status_options[] = {
	{"--json", NULL, "as JSON (schema in docs/status.md)"},
	{NULL, NULL, NULL},
};

int cmd_status(void *ctx, int argc, char **argv, struct err *e)
{
	const char *values[STATUS_COUNT];
	JSON_AUTO json_t *status = NULL;
	struct session s;
	int rest = 0;

	if (verb_read_options(status_options, argc, argv, values, &rest, e) < 0 ||
		command_no_words(rest, argv, e) < 0)
		return -1;
	int rc = session_open(ctx, SESSION_READ, &s, e);
	if (rc == 0)
		rc = status_gather(&s, &status, e);
	session_close(&s);
	if (rc < 0)
		return -1;
	if (values[STATUS_JSON]) {
		json_dumpf(status, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		status_print(status);
	}
	return 0;
}

int cmd_version(void *ctx, int argc, char **argv, struct err *e)
{
	int rest = 0;

	(void)ctx;
	if (verb_read_options(NULL, argc, argv, NULL, &rest, e) < 0 ||
		command_no_words(rest, argv, e) < 0)
		return -1;
	printf("pawl %s\nboot loaders:", PAWL_VERSION);
	for (size_t i = 0; boot_loader_name(i); i++)
		printf(" %s", boot_loader_name(i));
#ifdef CONFIG_HTTP
	printf("\nHTTP: yes");
#else
	printf("\nHTTP: no");
#endif
#ifdef CONFIG_ZSTD
	printf("\nzstd: yes\n");
#else
	printf("\nzstd: no\n");
#endif
	return 0;
}
