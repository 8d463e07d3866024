/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated boot loader: what the shipped boot.cmd does, on a real libubootenv environment. */
#pragma once

#include <stdbool.h>

#include "agent/base/err.h"
#include "partitions/boot/boot.h"

struct sim_outcome {
	char slot; /* what was started, 0 = nothing could be loaded */
	bool trial; /* as a trial */
	bool env_saved; /* the environment was written */
};

extern const struct boot_ops sim_ops;

/*
 * One boot, by the rules of design 6. `loads` says whether a slot can be
 * loaded (kernel and root there). Writes <root>/proc/cmdline with pawl.slot,
 * pawl.id, panic and root=<root_of(slot)>, a fresh
 * <root>/proc/sys/kernel/random/boot_id, and removes <root>/run/pawl-reboot.
 * When nothing could be loaded, proc/cmdline is removed. E_BOOTENV when the
 * environment cannot be read at all or no copy of it is valid (then A, then B
 * are tried, as the script does, and *out is filled in all the same); E_IO when
 * the files cannot be written.
 */
struct sim_slots {
	void *ctx;
	bool (*loads)(void *ctx, char slot);
	const char *(*root_of)(void *ctx, char slot);
};
int sim_boot(const struct boot_options *o, const struct sim_slots *slots, struct sim_outcome *out,
	struct err *e);
