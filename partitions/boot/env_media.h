/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The copies of the boot environment as bytes on a medium. libubootenv says
 * neither whether its fsync failed nor whether one copy is bad, so our own
 * descriptors look, flush, and put the old bytes back when a store went wrong.
 * Flash (MTD, UBI) has no page cache and bad blocks that only libubootenv
 * knows; its copies are not looked at here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "partitions/boot/env_config.h"

struct env_copy {
	int fd; /* -1 for flash */
	uint64_t offset; /* from the start of the device */
	uint8_t *data; /* its bytes when it was opened; NULL for flash */
	bool bad; /* the checksum is wrong; false for flash */
};

struct env_media {
	struct env_config config;
	struct env_copy copy[ENV_COPIES_MAX];
};

/*
 * Opens every copy and reads it. E_BOOTENV names the device: missing, too
 * short, unreadable, or two copies that overlap (one torn write takes both).
 * On failure *m is closed.
 */
int env_media_open(const struct env_config *c, struct env_media *m, struct err *e);
void env_media_close(struct env_media *m);
#define AUTO_MEDIA __attribute__((cleanup(env_media_close)))

/* How many copies have a wrong checksum. */
size_t env_media_count_bad(const struct env_media *m);

/*
 * Is each copy erased storage, or an environment but for its checksum (texts of
 * name=value)? False for flash, which is not looked at, and for what holds
 * anything else, such as a file system or a partition table.
 */
bool env_media_looks_own(const struct env_media *m);

/*
 * After a store: fsync through descriptors that were open before it, so that
 * its errors are seen, then drops the page cache so that what is read next
 * comes from the medium. E_BOOTENV.
 */
int env_media_sync(const struct env_media *m, struct err *e);

/*
 * After a store that failed: writes back the bytes of the one copy that changed
 * since env_media_open. The other copy, which was valid before, is not
 * touched; when both changed somebody else was at work and nothing is. True
 * when every copy is again what it was.
 */
bool env_media_put_back(const struct env_media *m);

/* CRC-32 of IEEE 802.3, as U-Boot and zlib compute it. */
uint32_t env_crc32(const uint8_t *data, size_t len);
