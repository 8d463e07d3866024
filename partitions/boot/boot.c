/* SPDX-License-Identifier: Apache-2.0 */
/* Which slot boots: the table of boot loaders, and the checks that all of them share. */
#include "partitions/boot/boot.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/must.h"
#include "partitions/boot/facts.h"
#ifdef CONFIG_BOOT_UBOOT
#include "partitions/boot/uboot.h"
#endif
#ifdef CONFIG_BOOT_UBOOT_MIGRATION
#include "partitions/boot/uboot_mender.h"
#include "partitions/boot/uboot_rauc.h"
#endif
#ifdef CONFIG_BOOT_TRYBOOT
#include "partitions/boot/tryboot.h"
#endif
#ifdef CONFIG_BOOT_SCRIPT
#include "partitions/boot/script.h"
#endif
#ifdef CONFIG_BOOT_SIM
#include "partitions/boot/sim.h"
#endif

struct boot {
	const struct boot_ops *ops;
	void *ctx;
};

static const struct boot_ops *const loaders[] = {
#ifdef CONFIG_BOOT_UBOOT
	&uboot_ops,
#endif
#ifdef CONFIG_BOOT_UBOOT_MIGRATION
	&uboot_rauc_ops,
	&uboot_mender_ops,
#endif
#ifdef CONFIG_BOOT_TRYBOOT
	&tryboot_ops,
#endif
#ifdef CONFIG_BOOT_SCRIPT
	&script_ops,
#endif
#ifdef CONFIG_BOOT_SIM
	&sim_ops,
#endif
	NULL,
};

const char *boot_loader_name(size_t index)
{
	for (size_t i = 0; loaders[i]; i++) {
		if (i == index)
			return loaders[i]->name;
	}
	return NULL;
}

int boot_open(const struct boot_options *o, struct boot **out, struct err *e)
{
	const struct boot_ops *ops = NULL;

	for (size_t i = 0; loaders[i] && !ops; i++) {
		if (strcmp(loaders[i]->name, o->loader) == 0)
			ops = loaders[i];
	}
	if (!ops)
		return err_set(e, E_CONFIG, "boot loader \"%.40s\" is not built in", o->loader);
	AUTO_FREE struct boot *b = calloc(1, sizeof(*b));
	if (!b)
		return err_set(e, E_NOMEM, "boot loader");
	b->ops = ops;
	if (ops->probe(o, &b->ctx, e) < 0)
		return -1;
	*out = steal_ptr(b);
	return 0;
}

void boot_close(struct boot *b)
{
	if (!b)
		return;
	b->ops->close(b->ctx);
	free(b);
}

const struct boot_ops *boot_ops_of(const struct boot *b)
{
	return b->ops;
}

int boot_read(struct boot *b, struct boot_facts *out, struct err *e)
{
	return b->ops->read(b->ctx, out, e);
}

int boot_self_test(struct boot *b, struct err *e)
{
	return b->ops->self_test(b->ctx, e);
}

static bool is_slot(char slot)
{
	return slot == 'A' || slot == 'B';
}

/* A fallback that is the booting slot itself would be no way out. */
static int check_fallback(char slot, char fallback, struct err *e)
{
	if (!MUST("boot.fallback", fallback == 0 || (is_slot(fallback) && fallback != slot)))
		return err_set(
			e, E_BOOTENV, "the fallback of slot %c cannot be slot %c", slot, fallback);
	return 0;
}

int boot_set_trial(struct boot *b, char slot, unsigned tries, struct err *e)
{
	struct boot_facts now;

	/* 10 would be read as hexadecimal, 0 would report a trial that never boots. */
	if (!MUST("boot.trial.tries", tries >= 1 && tries <= BOOT_TRIES_MAX))
		return err_set(
			e, E_BOOTENV, "a trial has 1 to %d tries, not %u", BOOT_TRIES_MAX, tries);
	if (!MUST("boot.trial.slot", is_slot(slot)))
		return err_set(e, E_BOOTENV, "only slot A or B can be put on trial");
	if (boot_read(b, &now, e) < 0)
		return -1;
	if (!MUST("boot.trial.other", slot != now.committed))
		return err_set(e, E_BOOTENV, "slot %c is the committed one, no trial", slot);
	return b->ops->set_trial(b->ctx, slot, tries, e);
}

int boot_commit(struct boot *b, char slot, char fallback, struct err *e)
{
	if (!MUST("boot.commit.slot", is_slot(slot)))
		return err_set(e, E_BOOTENV, "only slot A or B can be committed");
	if (check_fallback(slot, fallback, e) < 0)
		return -1;
	return b->ops->commit(b->ctx, slot, fallback, e);
}

int boot_cancel(struct boot *b, char fallback, struct err *e)
{
	struct boot_facts now;

	if (boot_read(b, &now, e) < 0 || check_fallback(now.committed, fallback, e) < 0)
		return -1;
	return b->ops->cancel(b->ctx, fallback, e);
}

int boot_set_identity(struct boot *b, const char *id, struct err *e)
{
	char checked[BOOT_ID_SIZE] = "";

	if (!MUST("boot.identity", facts_read_id(id, checked) == 0 && checked[0] != 0))
		return err_set(e, E_BOOTENV, "an identity has 32 lower-case hexadecimal digits");
	if (!(b->ops->caps & BOOT_CAP_IDENTITY))
		return err_set(e, E_BOOTENV, "the boot loader %s passes no identity to the kernel",
			b->ops->name);
	return b->ops->set_identity(b->ctx, id, e);
}

int boot_restore(struct boot *b, char slot, const char *id, struct err *e)
{
	char checked[BOOT_ID_SIZE] = "";

	if (!MUST("boot.restore.slot", is_slot(slot)))
		return err_set(e, E_BOOTENV, "only slot A or B can be committed");
	if (!MUST("boot.restore.identity", facts_read_id(id, checked) == 0 && checked[0] != 0))
		return err_set(e, E_BOOTENV, "an identity has 32 lower-case hexadecimal digits");
	if (!b->ops->restore)
		return err_set(e, E_BOOTENV, "the boot loader %s cannot be written anew by Pawl",
			b->ops->name);
	return b->ops->restore(b->ctx, slot, id, e);
}

int boot_settle(struct boot *b, struct err *e)
{
	return b->ops->settle ? b->ops->settle(b->ctx, e) : 0;
}

int boot_reboot(struct boot *b, struct err *e)
{
	return b->ops->reboot(b->ctx, e);
}
