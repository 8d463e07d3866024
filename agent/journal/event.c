/* SPDX-License-Identifier: Apache-2.0 */
/* Names of events, outcomes and actors: words of the record that never change. */
#include "agent/journal/event.h"

static const struct {
	const char *name;
	const char *category;
	bool milestone;
	const char *meaning;
} events[] = {
#define ROW(id, name, category, milestone, meaning) {name, category, milestone, meaning},
	JOURNAL_EVENT_TABLE(ROW)
#undef ROW
};

static const char *const outcomes[] = {"intent", "ok", "fail", "note"};
static const char *const actors[] = {"agent", "user", "bootloader", "server"};

const char *journal_event_name(enum journal_event ev)
{
	return events[ev].name;
}

const char *journal_event_meaning(enum journal_event ev)
{
	return events[ev].meaning;
}

const char *journal_event_category(enum journal_event ev)
{
	return events[ev].category;
}

bool journal_event_is_milestone(enum journal_event ev)
{
	return events[ev].milestone;
}

const char *journal_outcome_name(enum journal_outcome o)
{
	return outcomes[o];
}

const char *journal_actor_name(enum journal_actor a)
{
	return actors[a];
}
