/* SPDX-License-Identifier: Apache-2.0 */
/* The plan: which release to install and what it consists of. The value that flows between steps. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/hash.h"

#define PLAN_IMAGES_MAX   8
#define PLAN_NAME_SIZE    33 /* product, channel, image name, with the NUL */
#define PLAN_VERSION_SIZE 65
#define PLAN_LIST_MAX     64 /* entries of advisories, cves, compatible, channels, requires */
#define PLAN_PATCHES_MAX  8 /* of one image */
#define PLAN_BASES_MAX    8 /* older tables that differences of one table are from */
#define PLAN_FIRST_MAX    4 /* first parts of one table of frames */

enum plan_class { PLAN_SECURITY, PLAN_FUNCTIONAL, PLAN_MIXED };
enum plan_encoding { PLAN_NONE, PLAN_ZLIB, PLAN_ZSTD };
enum plan_format { PLAN_RAW, PLAN_EXT4, PLAN_SQUASHFS, PLAN_EROFS };

/* One file under objects/, by hash. */
struct plan_object {
	uint8_t sha256[HASH_SIZE];
	uint64_t length;
};

/* A patch from one old image, which is named by the hash of its leaves object. */
struct plan_patch {
	uint8_t from[HASH_SIZE];
	struct plan_object patch;
	struct plan_object table;
};

/* A table as its differences from older ones, each of which is named by its hash. */
struct plan_difference {
	uint8_t base[HASH_SIZE];
	struct plan_object object;
};

struct plan_differences {
	struct plan_difference from[PLAN_BASES_MAX];
	size_t count;
};

/* The first bytes of a table of frames: all that it has of the newest generations. */
struct plan_first {
	unsigned generations; /* 0 … generations − 1 */
	struct plan_object part; /* no object of its own */
};

struct plan_firsts {
	struct plan_first first[PLAN_FIRST_MAX]; /* rising */
	size_t count;
};

/* One image of a slot and the objects that carry it (design 4.2, 5). */
struct plan_image {
	char name[PLAN_NAME_SIZE];
	enum plan_format format;
	uint64_t size; /* bytes of the output image */
	enum hash_alg leaf_alg;
	struct plan_object leaves;
	struct plan_differences leaves_from;
	struct plan_object full;
	enum plan_encoding encoding;
	struct plan_object pieces;
	/* Only where has_delta: index, and data with its table of frames. */
	bool has_delta;
	struct plan_object index;
	struct plan_differences index_from;
	struct plan_object data;
	enum plan_encoding data_encoding;
	struct plan_object frames;
	struct plan_firsts frames_first;
	struct plan_patch patches[PLAN_PATCHES_MAX];
	size_t patch_count;
};

/* A release that policy has let through, or (from plan_describe) that is only shown. */
struct plan {
	char product[PLAN_NAME_SIZE];
	char version[PLAN_VERSION_SIZE];
	uint64_t release;
	uint64_t epoch;
	uint8_t manifest[HASH_SIZE];
	enum plan_class update_class;
	int64_t support_end; /* seconds, 0 = not said */
	int64_t issued;
	uint8_t sbom[HASH_SIZE]; /* all zero = none */
	struct plan_image images[PLAN_IMAGES_MAX];
	size_t image_count;
};

/* Words of the enums as the manifest spells them. */
const char *plan_class_name(enum plan_class c);
const char *plan_format_name(enum plan_format f);
const char *plan_encoding_name(enum plan_encoding c);
