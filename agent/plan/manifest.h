/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest of a release (docs/formats.md): strict reading. Shared with the publisher. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/plan/plan.h"

#define MANIFEST_SCHEMA    1
#define MANIFEST_MAX       (1024 * 1024)
#define MANIFEST_WAVES_MAX 32

struct manifest_wave {
	unsigned percent; /* 0..100, cumulative, not falling */
	uint64_t seconds; /* after rollout start, rising */
};

/* As signed. Every string is NUL-terminated, printable UTF-8 without control characters. */
struct manifest {
	struct plan plan;
	char (*channels)[PLAN_NAME_SIZE];
	size_t channel_count;
	char (*compatible)[PLAN_VERSION_SIZE];
	size_t compatible_count;
	char (*advisories)[PLAN_VERSION_SIZE];
	size_t advisory_count;
	char (*cves)[PLAN_VERSION_SIZE];
	size_t cve_count;
	uint64_t min_from; /* lowest installed release it may be installed over; 0 = any */
	int64_t available_until; /* 0 = not said */
	char notes[1025];
	char inseparable_reason[257];
	char sbom_uri[513];
	bool has_rollout;
	int64_t rollout_start;
	char rollout_salt[65];
	struct manifest_wave waves[MANIFEST_WAVES_MAX];
	size_t wave_count;
};

/*
 * Reads verified bytes. The hash of the manifest is computed here. *out is the
 * caller's (manifest_free). E_JSON; E_META for a missing or malformed field,
 * named; E_COMPAT for an unknown schema, an unknown entry of `requires`, an
 * unknown format or encoding. Other unknown fields are ignored.
 */
int manifest_parse(const uint8_t *data, size_t len, struct manifest **out, struct err *e);
void manifest_free(struct manifest *m);
static inline void cleanup_manifest(struct manifest **m)
{
	manifest_free(*m);
}
#define AUTO_MANIFEST __attribute__((cleanup(cleanup_manifest)))

/* Is it a product or channel name ([a-z0-9][a-z0-9._-]{0,31}) without a path in it? */
bool manifest_name_is_valid(const char *name);
