/* SPDX-License-Identifier: Apache-2.0 */
/* The table of verbs: help, man page and command line in one place. */
#include "agent/commands.h"

static const struct verb_option program_options[] = {
	{"--root", "DIR", "take all paths below DIR (tests, image builds)"},
	{"--config", "FILE", "read FILE instead of /etc/pawl/pawl.conf"},
	{"--progress-fd", "N", "write progress as lines of JSON to descriptor N"},
	{"--quiet", NULL, "only warnings and errors"},
	{"--verbose", NULL, "say more"},
	{NULL, NULL, NULL},
};

static const struct verb verbs[] = {
	{"poll", "", "ask the repository; install and reboot as policy allows",
		"For a timer or cron. Asks each mirror in turn, verifies everything that it gets, and "
		"installs the newest release when policy lets it through. Does nothing (and succeeds) "
		"while a trial runs, while it backs off after failures, or when there is nothing new.\n\n"
		"A release that waits for its reboot is asked about again: when it was put on hold or "
		"withdrawn meanwhile, its trial is cancelled.\n\n"
		"What old content gives is not fetched: the running slot, the target, and the image of "
		"--offline-from, an old or the new one, are read through first. What came before a cut "
		"of the power or the network is not fetched again.",
		poll_options, cmd_poll},
	{"check", "", "ask the repository and tell, without installing",
		"Refreshes and verifies the metadata, and prints what poll would do and why, and what "
		"that would take: it reads both slots, fetches the small tables of the release into the "
		"cache, and so knows the bytes to the last one. No data is fetched, no slot is written. "
		"For each image the bytes of the ways that were looked at are named: copy (this device "
		"has it), patch, delta (what no old content gives) and full.",
		check_options, cmd_check},
	{"install", "FILE|URL|-", "install a bundle (.pawl); - is standard input",
		"Verifies the bundle, writes its release into the slot that does not run, reads it back "
		"and puts it on trial. For a local file or a pipe the expiry dates of the online roles "
		"are not asked for (somebody is at the device); see offline-expiry in pawl.conf(5). A "
		"URL obeys all expiries. Waves, caps and the automatic policy do not hold back an "
		"install by hand.",
		install_options, cmd_install},
	{"status", "", "what runs, what waits, and why", NULL, status_options, cmd_status},
	{"boot", "", "note what really booted",
		"For an early unit at boot. Records which slot the boot loader started, and finishes what "
		"a power cut interrupted.",
		NULL, cmd_boot},
	{"health", "", "run the health checks; on trial: commit or roll back",
		"On trial, runs the checks in health/required.d until all pass or the deadline is over. "
		"All good: the slot is committed. Otherwise the release is remembered as failed, the "
		"trial is cancelled and the machine reboots into the committed slot. Not on trial, it "
		"only tells, and finishes the return from a failed trial.",
		health_options, cmd_health},
	{"commit", "", "commit the running trial by hand",
		"A person (or a test of the integrator) says that the running trial is good. No check is "
		"asked.",
		NULL, cmd_commit},
	{"rollback", "", "go back to the other slot by hand",
		"On trial: gives the trial up. Otherwise puts the other slot on trial, if it holds a system "
		"that was committed once and is not under the epoch floor. What is left this way is not "
		"installed again by poll.",
		NULL, cmd_rollback},
	{"reboot", "", "reboot into a waiting trial", NULL, reboot_options, cmd_reboot},
	{"journal show", "", "print the record", NULL, journal_show_options, cmd_journal_show},
	{"journal verify", "", "verify the record's hash chain",
		"Names the first bad record. Level L0: shows accidents and naive edits, not a forger who "
		"has root on the device.",
		NULL, cmd_journal_verify},
	{"doctor", "", "check configuration, slots, boot environment, trust, state and clock",
		"Each check says good, bad or unknown; what is not good, why it matters and what to do. "
		"Changes nothing without --repair.\n\n"
		"With it, these are put right first, each with a line and a record in the journal: a bad "
		"copy of the boot environment (from the good one), no valid copy (from the board's "
		"defaults in /etc/u-boot-initial-env, with the slot that runs), a missing identity, a "
		"trial that no installed release waits for, an autoboot.txt in two minds. Where the boot "
		"loader seems to use another environment than fw_env.config names, nothing is written.",
		doctor_options, cmd_doctor},
	{"provision", "", "give the boot environment its identity, once in the factory",
		"Writes a random pawl_id and the slot that runs as the committed one. Boot loader and "
		"agent compare this identity ever after, so that they cannot work on different "
		"environments. Refuses when there is one already.",
		provision_options, cmd_provision},
#ifdef CONFIG_BOOT_SIM
	{"sim boot", "", "boot the simulated boot loader once (loader = sim)",
		"Does what boot.cmd does, on the environment that fw_env.config names: chooses the slot, "
		"counts the try, and writes proc/cmdline below --root. For the demo and tests.",
		NULL, cmd_sim_boot},
#endif
	{"version", "", "print the version and what is built in", NULL, NULL, cmd_version},
	{NULL, NULL, NULL, NULL, NULL, NULL},
};

const struct verb_program pawl_program = {
	.name = "pawl",
	.summary = "update agent for embedded Linux with two slots",
	.description =
		"pawl polls for updates, verifies who released them (The Update Framework), writes the "
		"system slot that is not running, makes the boot loader try it, and returns to the old "
		"slot by itself when the new one fails its health checks. Every step is recorded in a "
		"hash-chained journal.",
	.options = program_options,
	.verbs = verbs,
};
