/* SPDX-License-Identifier: Apache-2.0 */
/* The forms of what a boot loader says, read strictly. */
#include "partitions/boot/facts.h"

#include <stddef.h>
#include <string.h>

int facts_read_slot(const char *text, char *slot)
{
	if (text[0] == 0) {
		*slot = 0;
		return 0;
	}
	if ((text[0] != 'A' && text[0] != 'B') || text[1] != 0)
		return -1;
	*slot = text[0];
	return 0;
}

int facts_read_tries(const char *text, unsigned *tries)
{
	if (text[0] == 0) {
		*tries = 0;
		return 0;
	}
	if (text[0] < '0' || text[0] > '9' || text[1] != 0)
		return -1;
	*tries = (unsigned)(text[0] - '0');
	return 0;
}

int facts_read_id(const char *text, char id[BOOT_ID_SIZE])
{
	size_t len = strlen(text);

	if (len != 0 && len != BOOT_ID_SIZE - 1)
		return -1;
	if (strspn(text, "0123456789abcdef") != len)
		return -1;
	memcpy(id, text, len + 1);
	return 0;
}

/* What a named value may be, and where it goes. */
enum form { FORM_SLOT, FORM_TRIES, FORM_ID };
static const char *const wanted_of[] = {
	[FORM_SLOT] = "A, B or nothing",
	[FORM_TRIES] = "one digit or nothing",
	[FORM_ID] = "32 lower-case hexadecimal digits or nothing",
};

static int take_form(struct boot_facts *f, enum form form, size_t offset, const char *value)
{
	void *place = (char *)f + offset;

	switch (form) {
	case FORM_SLOT:
		return facts_read_slot(value, place);
	case FORM_TRIES:
		return facts_read_tries(value, place);
	case FORM_ID:
		return facts_read_id(value, place);
	}
	return -1;
}

int facts_take(struct boot_facts *f, const char *name, const char *value, const char *from,
	unsigned *said, struct err *e)
{
	static const struct {
		const char *name;
		enum fact bit;
		enum form form;
		size_t offset;
	} rows[] = {
		{"booted", FACT_BOOTED, FORM_SLOT, offsetof(struct boot_facts, booted)},
		{"committed", FACT_COMMITTED, FORM_SLOT, offsetof(struct boot_facts, committed)},
		{"trial", FACT_TRIAL, FORM_SLOT, offsetof(struct boot_facts, trial)},
		{"tries", FACT_TRIES, FORM_TRIES, offsetof(struct boot_facts, tries)},
		{"fallback", FACT_FALLBACK, FORM_SLOT, offsetof(struct boot_facts, fallback)},
		{"id_env", FACT_ID_ENV, FORM_ID, offsetof(struct boot_facts, id_env)},
		{"id_booted", FACT_ID_BOOTED, FORM_ID, offsetof(struct boot_facts, id_booted)},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(name, rows[i].name) != 0)
			continue;
		/* Two answers to one question are no answer. */
		if (*said & rows[i].bit)
			return err_set(e, E_BOOTENV, "%s: says %s twice", from, name);
		if (take_form(f, rows[i].form, rows[i].offset, value) < 0)
			return err_set(e, E_BOOTENV, "%s: %s is \"%.40s\", %s is wanted", from,
				name, value, wanted_of[rows[i].form]);
		*said |= rows[i].bit;
		if (rows[i].bit == FACT_COMMITTED && f->committed == 0)
			f->committed = 'A';
		return 0;
	}
	return err_set(e, E_BOOTENV, "%s: \"%.40s\" is not a name that is known", from, name);
}
