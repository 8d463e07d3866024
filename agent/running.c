/* SPDX-License-Identifier: Apache-2.0 */
/* Which slot really runs: three witnesses must agree before anything is written. */
#include "agent/running.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/must.h"

#define CMDLINE_MAX 4096
#define DM_LEVELS   4 /* dm-verity over dm-crypt over a partition is three */

size_t running_root_part(const struct config_slot *slot)
{
	for (size_t i = 0; i < slot->count; i++) {
		if (strcmp(slot->parts[i].image, "rootfs") == 0)
			return i;
	}
	return 0;
}

/* The value of root= on <root>/proc/cmdline; the simulated boot loader writes it. */
static int check_root_word(const struct config *c, const char *part, struct err *e)
{
	char path[CONFIG_PATH_SIZE];
	AUTO_BUF struct buf line = buf_make(CMDLINE_MAX);

	if (file_join(path, sizeof(path), c->root, "proc/cmdline", e) < 0 ||
		file_read(AT_FDCWD, path, &line, e) < 0)
		return err_wrap(e, "kernel command line");
	char *save = NULL;
	for (char *w = strtok_r((char *)line.data, " \n", &save); w;
		w = strtok_r(NULL, " \n", &save)) {
		if (strncmp(w, "root=", 5) != 0)
			continue;
		if (MUST("running.root-word", strcmp(w + 5, part) == 0))
			return 0;
		return err_set(e, E_BOOT,
			"the kernel's root is %.160s, but %s names %.160s for this slot", w + 5,
			c->file, part);
	}
	return err_set(e, E_BOOT, "%s has no root=", path);
}

/*
 * A device-mapper root (verity, crypt, linear) stands on one device below it:
 * follow /sys/dev/block/M:m/slaves/NAME/dev while there is exactly one.
 */
static bool lower_device(dev_t from, dev_t *to)
{
	char path[300];
	unsigned major_no;
	unsigned minor_no;
	int found = 0;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/slaves", major(from), minor(from));
	DIR *dir = opendir(path);
	if (!dir)
		return false;
	for (struct dirent *d; (d = readdir(dir));) {
		char file[600];
		struct err e = {0};
		AUTO_BUF struct buf text = buf_make(32);
		if (d->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%.255s/dev", path, d->d_name);
		if (file_read(AT_FDCWD, file, &text, &e) == 0 &&
			sscanf(buf_text(&text), "%u:%u", &major_no, &minor_no) == 2) {
			*to = makedev(major_no, minor_no);
			found++;
		}
	}
	closedir(dir);
	return found == 1;
}

static bool stands_on(dev_t top, dev_t want)
{
	for (int level = 0; level <= DM_LEVELS; level++) {
		if (top == want)
			return true;
		if (!lower_device(top, &top))
			return false;
	}
	return false;
}

static int check_root_device(const struct config *c, const char *part, struct err *e)
{
	struct stat root;
	struct stat want;

	if (stat(c->root_mount, &root) < 0)
		return err_sys(e, E_BOOT, errno, "cannot look at root-mount %s", c->root_mount);
	if (stat(part, &want) < 0)
		return err_sys(e, E_BOOT, errno, "cannot look at %s", part);
	if (!S_ISBLK(want.st_mode))
		return err_set(e, E_BOOT, "%s of %s is not a block device", part, c->file);
	if (major(root.st_dev) == 0)
		return err_set(e, E_BOOT,
			"%s is on no block device (overlay or initramfs?): set root-mount in [boot] of %s "
			"to where the slot's file system is mounted",
			c->root_mount, c->file);
	if (MUST("running.root-device", stands_on(root.st_dev, want.st_rdev)))
		return 0;
	return err_set(e, E_BOOT, "%s is on device %u:%u, but %s names %s (%u:%u) for this slot",
		c->root_mount, major(root.st_dev), minor(root.st_dev), c->file, part,
		major(want.st_rdev), minor(want.st_rdev));
}

int running_check_root(const struct config *c, char slot, struct err *e)
{
	const struct config_slot *s = config_slot_of(c, slot);
	const char *part = s->parts[running_root_part(s)].path;

	/* Below another root there are files for devices (tests): the kernel's word is the witness. */
	if (strcmp(c->loader, "sim") == 0 || strcmp(c->root, "/") != 0)
		return check_root_word(c, part, e);
	return check_root_device(c, part, e);
}

static int check_identity(const struct boot_facts *f, struct err *e)
{
	if (f->blank)
		return err_set(e, E_BOOTENV,
			"the boot environment holds nothing of Pawl: run `pawl provision`, then reboot");
	if (!f->id_env[0])
		return err_set(e, E_BOOTENV,
			"the boot environment has no pawl_id: run `pawl provision`, then reboot");
	if (!f->id_booted[0])
		return err_set(e, E_BOOTENV,
			"the boot loader passed no pawl.id: reboot after `pawl provision`; if it stays so, "
			"boot.cmd is not Pawl's or reads another environment than fw_env.config names");
	/* Mender hub 2167: boot loader and Linux used different environments, for months. */
	if (!MUST("running.identity", strcmp(f->id_env, f->id_booted) == 0))
		return err_set(e, E_BOOTENV,
			"boot loader and Linux use different environments (pawl.id %s, pawl_id %s): correct "
			"the offsets in fw_env.config",
			f->id_booted, f->id_env);
	return 0;
}

static bool is_slot(char c)
{
	return c == 'A' || c == 'B';
}

int running_identify(const struct config *c, struct boot *b, struct running *out, struct err *e)
{
	struct running d = {0};

	if (boot_read(b, &d.facts, e) < 0)
		return -1;
	if ((boot_ops_of(b)->caps & BOOT_CAP_IDENTITY) && check_identity(&d.facts, e) < 0)
		return -1;
	d.booted = d.facts.booted;
	d.committed = d.facts.committed;
	if (!is_slot(d.booted))
		return err_set(e, E_BOOT,
			"the boot loader does not say which slot runs (no pawl.slot=A or B on the kernel "
			"command line)");
	if (!is_slot(d.committed))
		return err_set(e, E_BOOTENV, "the boot environment names no committed slot");
	if (running_check_root(c, d.booted, e) < 0)
		return err_wrap(e, "slot %c runs by the boot loader's word", d.booted);
	d.on_trial = d.facts.trial == d.booted && d.booted != d.committed;
	d.fallback = d.booted != d.committed && !d.on_trial;
	if (d.booted == d.committed)
		d.target = config_other_slot(d.booted);
	*out = d;
	return 0;
}
