/* SPDX-License-Identifier: Apache-2.0 */
/* A data partition with as much free space as a test says (--wrap=fstatvfs, fstatvfs64). */
#pragma once

#include <stdint.h>
#include <sys/statvfs.h>

static uint64_t room; /* bytes free, of 1 GiB */

int __wrap_fstatvfs(int fd, struct statvfs *v);
int __wrap_fstatvfs64(int fd, struct statvfs *v);

int __wrap_fstatvfs(int fd, struct statvfs *v)
{
	(void)fd;
	*v = (struct statvfs){.f_frsize = 1, .f_blocks = UINT64_C(1) << 30, .f_bavail = room};
	return 0;
}

int __wrap_fstatvfs64(int fd, struct statvfs *v)
{
	return __wrap_fstatvfs(fd, v);
}
