/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fw_env.config: where the boot environment lies. Read with the rules of
 * libubootenv 0.3.2, but strictly: libubootenv passes over lines that it does
 * not understand, and a second copy that is passed over is no redundancy.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

#define ENV_COPIES_MAX  2
#define ENV_DEVICE_SIZE 256 /* libubootenv's DEVNAME_MAX_LENGTH */
#define ENV_SIZE_MAX    (4u * 1024 * 1024)
#define ENV_SIZE_MIN    256u

/* One copy: a line of the file. */
struct env_place {
	char device[ENV_DEVICE_SIZE];
	int64_t offset; /* bytes; negative = from the end of a block device */
	size_t size; /* bytes, with the checksum */
};

struct env_config {
	struct env_place place[ENV_COPIES_MAX];
	size_t count; /* 1 or 2 */
};

/*
 * Reads the file. E_CONFIG names file, line and field: not DEVICE OFFSET SIZE
 * [SECTOR-SIZE [SECTORS]], a size out of range (sizes are hexadecimal with or
 * without 0x), two sizes, a third line, or none at all.
 */
int env_config_read(const char *path, struct env_config *out, struct err *e);
