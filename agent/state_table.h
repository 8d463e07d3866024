/* SPDX-License-Identifier: Apache-2.0 */
/* The members of state.json. */
#pragma once

#include "agent/state_field.h"

extern const struct state_field state_table[];
