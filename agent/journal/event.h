/* SPDX-License-Identifier: Apache-2.0 */
/* Names of events, outcomes and actors: words of the record that never change. Internal. */
#pragma once

#include <stdbool.h>

#include "agent/journal/journal.h"

const char *journal_event_category(enum journal_event ev);
bool journal_event_is_milestone(enum journal_event ev);
const char *journal_outcome_name(enum journal_outcome o);
const char *journal_actor_name(enum journal_actor a);
