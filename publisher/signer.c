/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures by a key file or by a command; each is verified before it is used. */
#include "publisher/signer.h"

#include <string.h>

#include "agent/base/must.h"
#include "agent/trust/key.h"
#include "publisher/keys.h"

static void cleanup_key(struct key **k)
{
	key_free(*k);
}

/* The key of a role, by the name that people know it by ("release"). */
static const char *key_name(const char *role)
{
	if (strcmp(role, "root") == 0)
		return "root";
	return strcmp(role, "targets") == 0 || strcmp(role, "releases") == 0 ? "release" : "online";
}

/* The command for a role, or NULL. */
static const char *command_for(const struct publisher *p, const char *role)
{
	const json_t *all = json_object_get(p->settings, "sign_with");

	return p->sign_with ? p->sign_with
			    : json_string_value(json_object_get(all, key_name(role)));
}

/* Signs with NAME.pem; E_NOTFOUND when there is none. */
static int sign_with_file(struct publisher *p, const char *keyid, const struct buf *data,
	struct buf *sig, struct err *e)
{
	AUTO_ENTRY struct keys_entry entry = {0};
	AUTO_PKEY EVP_PKEY *key = NULL;

	if (keys_find(p, keyid, &entry, e) < 0 || keys_open_private(p, entry.name, &key, e) < 0)
		return -1;
	if (keys_pem_sign(key, data->data, data->len, sig, e) < 0)
		return err_wrap(e, "%s.pem", entry.name);
	return 0;
}

static int sign_by_any(struct publisher *p, const char *role, const char *keyid,
	const struct buf *data, struct buf *sig, struct err *e)
{
	const char *command = command_for(p, role);

	if (sign_with_file(p, keyid, data, sig, e) == 0)
		return 0;
	if (e->code != E_NOTFOUND)
		return -1;
	if (command)
		return signer_run_command(command, role, keyid, data, sig, e);
	struct err why = *e;
	return err_set(e, E_CONFIG,
		"no private key: %.300s; add its folder with --keys, or give --sign-with COMMAND",
		why.text);
}

int signer_sign(struct publisher *p, const char *role, const char *keyid, const json_t *object,
	const struct buf *data, struct buf *sig, struct err *e)
{
	__attribute__((cleanup(cleanup_key))) struct key *key = NULL;
	AUTO_BUF struct buf got = buf_make(SIGNER_SIGNATURE_MAX);

	if (key_parse(object, &key, e) < 0)
		return err_wrap(e, "key %.16s… of %s", keyid, role);
	if (sign_by_any(p, role, keyid, data, &got, e) < 0)
		return -1;
	/* A command that signs with another key would publish what no device accepts. */
	if (!MUST("signer.verifies", key_verifies(key, data->data, data->len, got.data, got.len)))
		return err_set(e, E_SIG,
			"the signature that was made for %s does not fit key %.16s… (%zu bytes)",
			role, keyid, got.len);
	return buf_add(sig, got.data, got.len, e);
}
