/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests: refused, or read into values that are within their bounds. */
#include "agent/plan/manifest.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_part p = {.data = data, .len = size};
	AUTO_FREE uint8_t *copy = fuzz_copy(p);
	AUTO_MANIFEST struct manifest *m = NULL;
	struct err e = {0};

	if (manifest_parse(copy, size, &m, &e) < 0) {
		fuzz_must(e.code != E_OK && e.text[0] != 0);
		return 0;
	}
	fuzz_must(manifest_name_is_valid(m->plan.product));
	fuzz_must(m->plan.image_count >= 1 && m->plan.image_count <= PLAN_IMAGES_MAX);
	for (size_t i = 0; i < m->plan.image_count; i++)
		fuzz_must(manifest_name_is_valid(m->plan.images[i].name));
	return 0;
}
