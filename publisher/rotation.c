/* SPDX-License-Identifier: Apache-2.0 */
/* Replacing a key: new key, new root, everything that it signed, then the key files' names. */
#include "publisher/rotation.h"

#include <string.h>

int rotation_finish(struct publisher *p, struct roles *r, struct err *e)
{
	bool wrote;

	if (roles_commit(p, r, &wrote, e) < 0)
		return -1;
	publisher_say(p, "finished the rotation of %s that was interrupted", r->resumed);
	return 0;
}

int rotation_run(
	struct publisher *p, struct roles *r, const struct rotation *rotation, struct err *e)
{
	AUTO_ENTRY struct keys_entry next = {0};
	bool wrote;

	/* A run that was cut off had already published the new root. */
	if (strcmp(r->resumed, rotation->name) == 0)
		return rotation_finish(p, r, e);
	if (keys_prepare_next(p, rotation->name, rotation->new_key, &next, e) < 0 ||
		roles_replace_key(r, rotation->signer, rotation->keyid_out, &next, e) < 0 ||
		roles_commit(p, r, &wrote, e) < 0 || keys_settle_next(p, rotation->name, e) < 0)
		return -1;
	publisher_say(p, "%s is now key %.16s…; root version %lld", rotation->name, next.keyid,
		(long long)roles_version(r, ROLE_ROOT));
	if (rotation->keyid_out)
		publisher_say(p, "key %.16s… is no longer trusted; its files are in retired/",
			rotation->keyid_out);
	return 0;
}
