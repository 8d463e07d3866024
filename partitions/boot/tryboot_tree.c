/* SPDX-License-Identifier: Apache-2.0 */
/* What the Raspberry Pi firmware tells Linux, in the device tree. */
#include "partitions/boot/tryboot_tree.h"

#include <fcntl.h>
#include <stdio.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/must.h"

#define TREE "proc/device-tree/chosen/bootloader"

#define CAPABLE_OF_A_B (1u << 2) /* of `capabilities`: tryboot_a_b */
/* November 2022, when autoboot.txt with tryboot_a_b came; asked where there are no capabilities. */
#define OLDEST_BUILD 1669334400u

/* 1: *value is what the property says; 0: it is not there; -1. */
static int read_u32(const char *root, const char *name, uint32_t *value, struct err *e)
{
	AUTO_BUF struct buf text = buf_make(64);
	char path[512];
	char tail[96];
	struct err why = {0};

	snprintf(tail, sizeof(tail), TREE "/%s", name);
	if (file_join(path, sizeof(path), root, tail, e) < 0)
		return -1;
	if (file_read(AT_FDCWD, path, &text, &why) < 0) {
		if (why.code == E_NOTFOUND)
			return 0;
		*e = why;
		e->code = E_BOOTENV;
		return err_wrap(e, "device tree");
	}
	if (!MUST("boot.tree.size", text.len == 4))
		return err_set(e, E_BOOTENV, "%s has %zu bytes, 4 are wanted", path, text.len);
	const uint8_t *b = text.data;
	*value = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
	return 1;
}

int tryboot_tree_read(const char *root, struct tryboot_tree *out, struct err *e)
{
	struct tryboot_tree t = {0};
	uint32_t flag = 0;

	int rc = read_u32(root, "partition", &t.partition, e);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return err_set(e, E_BOOTENV,
			"the device tree has no chosen/bootloader/partition: this is no Raspberry Pi, "
			"or its firmware is older than 2022; run rpi-eeprom-update");
	int knows = read_u32(root, "tryboot", &flag, e);
	int capable = read_u32(root, "capabilities", &t.capabilities, e);
	int built = read_u32(root, "build-timestamp", &t.built, e);
	if (knows < 0 || capable < 0 || built < 0)
		return -1;
	t.knows_tryboot = knows == 1;
	t.tryboot = flag != 0;
	t.has_capabilities = capable == 1;
	*out = t;
	return 0;
}

int tryboot_tree_check(const struct tryboot_tree *t, struct err *e)
{
	bool new_enough = t->built == 0 || t->built >= OLDEST_BUILD;

	if (!MUST("boot.tree.tryboot", t->knows_tryboot))
		return err_set(e, E_BOOTENV,
			"the firmware does not know tryboot (no chosen/bootloader/tryboot in the device "
			"tree); run rpi-eeprom-update");
	if (!MUST("boot.tree.capable", !t->has_capabilities || (t->capabilities & CAPABLE_OF_A_B)))
		return err_set(e, E_BOOTENV,
			"the boot EEPROM cannot do tryboot_a_b (capabilities 0x%x); run "
			"rpi-eeprom-update",
			t->capabilities);
	if (!MUST("boot.tree.age", t->has_capabilities || new_enough))
		return err_set(e, E_BOOTENV,
			"the boot EEPROM was built in or before November 2022, too early for "
			"tryboot_a_b; run rpi-eeprom-update");
	return 0;
}
