/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel command line: what the boot loader says it started. */
#include "partitions/boot/cmdline.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/must.h"
#include "partitions/boot/facts.h"

static int take_slot(struct cmdline *c, const char *value, struct err *e)
{
	char slot;

	if (facts_read_slot(value, &slot) < 0 || slot == 0)
		return err_set(e, E_BOOTENV,
			"kernel command line: pawl.slot is \"%.32s\", A or B is wanted; "
			"correct the boot script",
			value);
	if (!MUST("boot.cmdline.one-slot", c->slot == 0 || c->slot == slot))
		return err_set(e, E_BOOTENV,
			"kernel command line: pawl.slot is said twice, %c and %c; "
			"remove the one in bootargs",
			c->slot, slot);
	c->slot = slot;
	return 0;
}

static int take_id(struct cmdline *c, const char *value, struct err *e)
{
	char id[BOOT_ID_SIZE];

	if (facts_read_id(value, id) < 0)
		return err_set(e, E_BOOTENV,
			"kernel command line: pawl.id is \"%.40s\", 32 lower-case "
			"hexadecimal digits are wanted; correct the boot script",
			value);
	if (!MUST("boot.cmdline.one-id", c->id[0] == 0 || strcmp(c->id, id) == 0))
		return err_set(e, E_BOOTENV,
			"kernel command line: pawl.id is said twice with different values; "
			"remove the one in bootargs");
	memcpy(c->id, id, sizeof(id));
	return 0;
}

static int take_word(struct cmdline *c, const char *word, struct err *e)
{
	if (strncmp(word, "pawl.slot=", 10) == 0)
		return take_slot(c, word + 10, e);
	if (strncmp(word, "pawl.id=", 8) == 0)
		return take_id(c, word + 8, e);
	/* Longer than any that could mean A or B: cut, it still means neither. */
	if (strncmp(word, "rauc.slot=", 10) == 0)
		snprintf(c->rauc_slot, sizeof(c->rauc_slot), "%s", word + 10);
	if (strncmp(word, "root=", 5) != 0)
		return 0;
	if (snprintf(c->root, sizeof(c->root), "%s", word + 5) >= (int)sizeof(c->root))
		return err_set(e, E_BOOTENV, "kernel command line: root= is longer than %d bytes",
			CMDLINE_ROOT_SIZE - 1);
	return 0;
}

/* Ends the word at `p` (a space within double quotes does not) and gives the next one's start. */
static char *end_word(char *p)
{
	bool quoted = false;

	for (; *p; p++) {
		if (*p == '"')
			quoted = !quoted;
		else if ((*p == ' ' || *p == '\n' || *p == '\t') && !quoted)
			break;
	}
	if (*p)
		*p++ = 0;
	return p;
}

int cmdline_read(const char *root, struct cmdline *out, struct err *e)
{
	AUTO_BUF struct buf text = buf_make(CMDLINE_MAX);
	struct cmdline got = {0};
	char path[512];

	if (file_join(path, sizeof(path), root, "proc/cmdline", e) < 0)
		return -1;
	if (file_read(AT_FDCWD, path, &text, e) < 0) {
		e->code = E_BOOTENV;
		return err_wrap(e, "kernel command line");
	}
	if (text.len == 0) {
		*out = got;
		return 0;
	}
	for (char *word = (char *)text.data; *word;) {
		char *next = end_word(word);
		if (take_word(&got, word, e) < 0)
			return -1;
		word = next;
	}
	*out = got;
	return 0;
}
