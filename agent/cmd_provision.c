/* SPDX-License-Identifier: Apache-2.0 */
/* pawl provision, pawl sim boot. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/hex.h"
#include "agent/commands.h"
#include "agent/running.h"
#ifdef CONFIG_BOOT_SIM
#include "partitions/boot/sim.h"
#endif

enum { PROVISION_SLOT, PROVISION_COUNT };
const struct verb_option provision_options[] = {
	{"--slot", "A|B", "the slot that is committed (default: the one that runs, else A)"},
	{NULL, NULL, NULL},
};

static int provision(struct session *s, const char *slot_word, struct err *e)
{
	struct boot_facts f;
	uint8_t id[16];
	char text[BOOT_ID_SIZE];

	if (session_open_boot(s, e) < 0 || boot_read(s->boot, &f, e) < 0)
		return -1;
	if (f.id_env[0])
		return err_set(
			e, E_BUSY, "the boot environment has an identity already (%s)", f.id_env);
	char slot = slot_word ? slot_word[0] : f.booted ? f.booted : 'A';
	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return err_set(e, E_IO, "no random numbers for the identity");
	hex_encode(id, sizeof(id), text);
	bool carried = boot_ops_of(s->boot)->caps & BOOT_CAP_IDENTITY;
	if (boot_commit(s->boot, slot, 0, e) < 0)
		return -1;
	/* Twice: each store goes into the other copy, and both must carry the identity. */
	for (int copy = 0; carried && copy < 2; copy++) {
		if (boot_set_identity(s->boot, text, e) < 0)
			return -1;
	}
	s->state.provisioned = true;
	if (session_store(s, e) < 0)
		return -1;
	if (carried)
		printf("slot %c is committed, identity %s: reboot now\n", slot, text);
	else
		printf("slot %c is committed\n", slot);
	return 0;
}

int cmd_provision(void *ctx, int argc, char **argv, struct err *e)
{
	const char *values[PROVISION_COUNT];
	struct session s;
	int rest = 0;

	if (verb_read_options(provision_options, argc, argv, values, &rest, e) < 0 ||
		command_no_words(rest, argv, e) < 0)
		return -1;
	const char *slot = values[PROVISION_SLOT];
	if (slot && strcmp(slot, "A") != 0 && strcmp(slot, "B") != 0)
		return err_set(e, E_USAGE, "--slot is A or B");
	int rc = session_open(ctx, SESSION_WRITE, &s, e);
	s.actor = JOURNAL_USER;
	if (rc == 0)
		rc = provision(&s, slot, e);
	session_close(&s);
	return rc;
}

#ifdef CONFIG_BOOT_SIM

/*
 * The simulated loader can load a slot when every image in it has a head: what
 * is being written, or has failed, starts with 4 KiB of zeros.
 */
static bool part_loads(const char *path)
{
	uint8_t head[SLOT_BLOCK_SIZE];
	struct err e = {0};
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || file_pread_full(fd, head, sizeof(head), 0, &e) < 0)
		return false;
	for (size_t i = 0; i < sizeof(head); i++) {
		if (head[i])
			return true;
	}
	return false;
}

static bool slot_loads(void *ctx, char name)
{
	const struct config_slot *slot = config_slot_of(ctx, name);

	for (size_t i = 0; i < slot->count; i++) {
		if (!part_loads(slot->parts[i].path))
			return false;
	}
	return slot->count > 0;
}

static const char *slot_root(void *ctx, char name)
{
	const struct config_slot *slot = config_slot_of(ctx, name);

	return slot->parts[running_root_part(slot)].path;
}

int cmd_sim_boot(void *ctx, int argc, char **argv, struct err *e)
{
	const struct session_options *o = ctx;
	struct config c;
	struct sim_outcome out = {0};
	int rest = 0;

	if (verb_read_options(NULL, argc, argv, NULL, &rest, e) < 0 ||
		command_no_words(rest, argv, e) < 0 || config_load(o->root, o->config, &c, e) < 0)
		return -1;
	if (strcmp(c.loader, "sim") != 0)
		return err_set(e, E_CONFIG, "%s: loader is %s, not sim", c.file, c.loader);
	struct boot_options b = {.root = c.root,
		.loader = c.loader,
		.fw_env_config = c.fw_env_config,
		.allow_single_env = c.allow_single_env};
	struct sim_slots slots = {.ctx = &c, .loads = slot_loads, .root_of = slot_root};
	int rc = sim_boot(&b, &slots, &out, e);
	if (out.slot == 0)
		return rc < 0 ? -1 : err_set(e, E_BOOT, "no slot can be loaded");
	printf("%c\n", out.slot);
	return rc;
}

#endif
