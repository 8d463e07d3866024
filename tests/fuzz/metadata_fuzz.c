/* SPDX-License-Identifier: Apache-2.0 */
/* TUF metadata of each role, as it is read before and after its signature: first byte: the role. */
#include "agent/trust/canonical.h"
#include "agent/trust/role.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = {0};

	if (size < 1)
		return 0;
	enum role_kind kind = (enum role_kind)(data[0] % ROLE_KIND_COUNT);
	AUTO_BUF struct buf bytes = buf_make(1u << 20);
	AUTO_ROLE struct role role = {0};
	if (buf_add(&bytes, data + 1, size - 1, &e) < 0 ||
		role_parse(kind, role_name(kind), &bytes, false, &role, &e) < 0) {
		fuzz_must(e.code != E_OK && e.text[0] != 0);
		return 0;
	}
	/* What was accepted can be signed and compared: its canonical form exists. */
	AUTO_BUF struct buf canonical = buf_make(4u << 20);
	fuzz_must(role.doc != NULL && role.body != NULL && role.version > 0);
	fuzz_must(canonical_write(role.body, &canonical, &e) == 0);
	return 0;
}
