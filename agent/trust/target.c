/* SPDX-License-Identifier: Apache-2.0 */
/* A target's bytes against what was signed, and where it lies in the repository. */
#include <inttypes.h>
#include <string.h>

#include "agent/base/hex.h"
#include "agent/base/must.h"
#include "agent/trust/client.h"
#include "agent/trust/hashes.h"

int trust_check_target(
	const struct trust_target *target, const void *data, size_t len, struct err *e)
{
	struct hashes h = {.has_sha256 = target->has_sha256, .has_sha512 = target->has_sha512};

	if (!MUST("target.length", len == target->length))
		return err_set(e, E_SIZE, "target: has %zu bytes, %" PRIu64 " are signed", len,
			target->length);
	memcpy(h.sha256, target->sha256, sizeof(h.sha256));
	memcpy(h.sha512, target->sha512, sizeof(h.sha512));
	if (!MUST("target.has-hash", h.has_sha256 || h.has_sha512))
		return err_set(e, E_META, "target: no hash is signed");
	return hashes_check(&h, data, len, "target", e);
}

int trust_target_file(
	const struct trust_target *target, const char *path, struct buf *out, struct err *e)
{
	const char *slash = strrchr(path, '/');
	size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
	char hex[2 * HASHES_SHA512_SIZE + 1];

	if (target->has_sha256)
		hex_encode(target->sha256, sizeof(target->sha256), hex);
	else
		hex_encode(target->sha512, sizeof(target->sha512), hex);
	if (buf_add(out, path, folder, e) < 0)
		return -1;
	return buf_printf(out, e, "%s.%s", hex, path + folder);
}
