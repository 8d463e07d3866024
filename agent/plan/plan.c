/* SPDX-License-Identifier: Apache-2.0 */
/* Words of the plan's enums as the manifest spells them. */
#include "agent/plan/plan.h"

const char *plan_class_name(enum plan_class c)
{
	static const char *const names[] = {
		[PLAN_SECURITY] = "security",
		[PLAN_FUNCTIONAL] = "functional",
		[PLAN_MIXED] = "mixed",
	};

	return names[c];
}

const char *plan_format_name(enum plan_format f)
{
	static const char *const names[] = {
		[PLAN_RAW] = "raw",
		[PLAN_EXT4] = "ext4",
		[PLAN_SQUASHFS] = "squashfs",
		[PLAN_EROFS] = "erofs",
	};

	return names[f];
}

const char *plan_encoding_name(enum plan_encoding c)
{
	static const char *const names[] = {
		[PLAN_NONE] = "none",
		[PLAN_ZLIB] = "zlib",
		[PLAN_ZSTD] = "zstd",
	};

	return names[c];
}
