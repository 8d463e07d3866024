/* SPDX-License-Identifier: Apache-2.0 */
/* Phased rollout without a server (design 10): which share of the devices may have it when. Pure. */
#pragma once

#include <stdint.h>

#include "agent/plan/manifest.h"

#define ROLLOUT_ALL 10000 /* shares count in hundredths of a percent, like places */

/*
 * Share 0..ROLLOUT_ALL at `time`: nobody before the first wave, linear between
 * two waves, the last wave's percentage after it. A device is in when its place
 * is lower. Without a rollout: everybody.
 */
unsigned rollout_share(const struct manifest *m, int64_t time);

/*
 * The first second at which a device with this place is in, or 0 when it never
 * will be by the waves that are signed.
 */
int64_t rollout_time_of(const struct manifest *m, unsigned place);
