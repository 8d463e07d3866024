/* SPDX-License-Identifier: Apache-2.0 */
/* publisher/keys*, signer*: key files, passphrases, rotation of names, signatures that are checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/pem.h>

#include "agent/base/json.h"
#include "agent/trust/key.h"
#include "publisher/signer.h"
#include "publisher_workspace.h"

struct world {
	struct publisher p;
	struct err e;
};

static int begin(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	workspace_begin(&w->p);
	*state = w;
	return 0;
}

static int end(void **state)
{
	struct world *w = *state;

	workspace_end(&w->p);
	free(w);
	return 0;
}

static struct buf text_buf(const char *text)
{
	struct buf b = buf_make(4096);
	struct err e = {0};

	if (buf_add_text(&b, text, &e) < 0)
		abort();
	return b;
}

static void a_key_is_made_once(void **state)
{
	struct world *w = *state;
	AUTO_ENTRY struct keys_entry a = {0};
	AUTO_ENTRY struct keys_entry b = {0};
	struct stat st;

	assert_int_equal(keys_ensure(&w->p, "release", &a, &w->e), 0);
	assert_int_equal(keys_ensure(&w->p, "release", &b, &w->e), 0);
	assert_string_equal(a.keyid, b.keyid);
	assert_int_equal(fstatat(w->p.fd, "keys/release.pem", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* The public half is derived again, not made anew. */
	assert_int_equal(unlinkat(w->p.fd, "keys/release.pub.pem", 0), 0);
	keys_entry_free(&b);
	assert_int_equal(keys_ensure(&w->p, "release", &b, &w->e), 0);
	assert_string_equal(a.keyid, b.keyid);
}

static void every_kind_of_key_signs_what_its_public_half_accepts(void **state)
{
	struct world *w = *state;
	EVP_PKEY *keys[] = {EVP_EC_gen("P-256"), EVP_EC_gen("P-384"),
		EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), EVP_RSA_gen(3072)};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		AUTO_BUF struct buf pem = buf_make(KEYS_PEM_MAX);
		AUTO_BUF struct buf sig = buf_make(SIGNER_SIGNATURE_MAX);
		JSON_AUTO json_t *object = NULL;
		struct key *key = NULL;
		assert_int_equal(keys_pem_write_public(keys[i], &pem, &w->e), 0);
		assert_int_equal(key_object_from_pem(buf_text(&pem), pem.len, &object, &w->e), 0);
		assert_int_equal(key_parse(object, &key, &w->e), 0);
		assert_int_equal(keys_pem_sign(keys[i], "data", 4, &sig, &w->e), 0);
		assert_true(key_verifies(key, "data", 4, sig.data, sig.len));
		assert_false(key_verifies(key, "dato", 4, sig.data, sig.len));
		key_free(key);
		EVP_PKEY_free(keys[i]);
	}
}

static void an_encrypted_key_opens_with_one_of_the_passphrases_only(void **state)
{
	struct world *w = *state;
	AUTO_PKEY EVP_PKEY *key = NULL;
	AUTO_PKEY EVP_PKEY *again = NULL;
	AUTO_BUF struct buf pem = buf_make(KEYS_PEM_MAX);

	assert_int_equal(keys_pem_generate(&key, &w->e), 0);
	assert_int_equal(keys_pem_write_private(key, "secret", &pem, &w->e), 0);
	assert_non_null(strstr(buf_text(&pem), "BEGIN ENCRYPTED PRIVATE KEY"));
	assert_int_equal(keys_pem_read_private(&pem, NULL, &again, &w->e), -1);
	assert_int_equal(w->e.code, E_CONFIG);
	assert_int_equal(keys_pem_read_private(&pem, "wrong\nsecre\n", &again, &w->e), -1);
	assert_int_equal(w->e.code, E_CONFIG);
	assert_null(again);
	assert_int_equal(keys_pem_read_private(&pem, "wrong\nsecret\n", &again, &w->e), 0);
	assert_int_equal(EVP_PKEY_eq(key, again), 1);
}

/* The state of the key folder after `steps` of the four renames of a settlement. */
static void interrupt_after(struct world *w, int steps, const char *old_keyid)
{
	static const char *const from[] = {
		"online.pem", "online.pub.pem", "online.next.pem", "online.next.pub.pem"};
	char to[4][128];
	AUTO_CLOSE int keys = -1;

	assert_int_equal(publisher_open_dir(&w->p, "keys", false, &keys, &w->e), 0);
	assert_int_equal(mkdirat(keys, "retired", 0700), 0);
	snprintf(to[0], sizeof(to[0]), "retired/online-%.16s.pem", old_keyid);
	snprintf(to[1], sizeof(to[1]), "retired/online-%.16s.pub.pem", old_keyid);
	snprintf(to[2], sizeof(to[2]), "online.pem");
	snprintf(to[3], sizeof(to[3]), "online.pub.pem");
	for (int i = 0; i < steps; i++)
		assert_int_equal(renameat(keys, from[i], keys, to[i]), 0);
}

static void a_settlement_goes_on_where_it_was_cut_off(void **state)
{
	(void)state;
	for (int steps = 0; steps < 4; steps++) {
		struct world w = {0};
		AUTO_ENTRY struct keys_entry old = {0};
		AUTO_ENTRY struct keys_entry next = {0};
		AUTO_ENTRY struct keys_entry now = {0};
		AUTO_PKEY EVP_PKEY *key = NULL;
		char path[200];

		workspace_begin(&w.p);
		assert_int_equal(keys_ensure(&w.p, "online", &old, &w.e), 0);
		assert_int_equal(keys_prepare_next(&w.p, "online", NULL, &next, &w.e), 0);
		interrupt_after(&w, steps, old.keyid);
		assert_int_equal(keys_settle_next(&w.p, "online", &w.e), 0);
		assert_int_equal(keys_read_public(&w.p, "online", &now, &w.e), 0);
		assert_string_equal(now.keyid, next.keyid);
		assert_int_equal(keys_open_private(&w.p, "online", &key, &w.e), 0);
		assert_false(workspace_has(&w.p, "keys/online.next.pem"));
		assert_false(workspace_has(&w.p, "keys/online.next.pub.pem"));
		snprintf(path, sizeof(path), "keys/retired/online-%.16s.pem", old.keyid);
		assert_true(workspace_has(&w.p, path));
		workspace_end(&w.p);
	}
}

static void a_key_is_found_by_its_id_in_any_folder(void **state)
{
	struct world *w = *state;
	AUTO_ENTRY struct keys_entry a = {0};
	AUTO_ENTRY struct keys_entry found = {0};
	char stick[64];
	char list[700];

	tree_make(stick);
	w->p.keys_dir = stick;
	assert_int_equal(keys_ensure(&w->p, "root-2", &a, &w->e), 0);
	w->p.keys_dir = NULL;
	assert_int_equal(keys_find(&w->p, a.keyid, &found, &w->e), -1);
	assert_int_equal(w->e.code, E_NOTFOUND);
	snprintf(list, sizeof(list), "%s:%s", w->p.dir, stick);
	w->p.keys_dir = list;
	assert_int_equal(keys_find(&w->p, a.keyid, &found, &w->e), 0);
	assert_string_equal(found.name, "root-2");
	tree_remove(stick);
}

static void a_signature_by_another_key_is_not_used(void **state)
{
	struct world *w = *state;
	AUTO_ENTRY struct keys_entry right = {0};
	AUTO_ENTRY struct keys_entry wrong = {0};
	AUTO_BUF struct buf data = text_buf("to be signed");
	AUTO_BUF struct buf sig = buf_make(SIGNER_SIGNATURE_MAX);
	AUTO_CLOSE int keys = -1;
	char command[700];

	assert_int_equal(keys_ensure(&w->p, "release", &right, &w->e), 0);
	assert_int_equal(keys_ensure(&w->p, "online", &wrong, &w->e), 0);
	assert_int_equal(publisher_open_dir(&w->p, "keys", false, &keys, &w->e), 0);
	assert_int_equal(renameat(keys, "release.pem", keys, "elsewhere"), 0);
	snprintf(command, sizeof(command), "openssl  dgst -sha256 -sign %s/keys/online.pem",
		w->p.dir);
	w->p.sign_with = command;
	assert_int_equal(
		signer_sign(&w->p, "targets", right.keyid, right.object, &data, &sig, &w->e), -1);
	assert_int_equal(w->e.code, E_SIG);
	assert_int_equal(sig.len, 0);
	snprintf(
		command, sizeof(command), "openssl dgst -sha256 -sign %s/keys/elsewhere", w->p.dir);
	assert_int_equal(
		signer_sign(&w->p, "targets", right.keyid, right.object, &data, &sig, &w->e), 0);
	assert_true(sig.len > 0);
	w->p.sign_with = NULL;
	assert_int_equal(
		signer_sign(&w->p, "targets", right.keyid, right.object, &data, &sig, &w->e), -1);
	assert_int_equal(w->e.code, E_CONFIG);
}

static void a_command_gets_role_keyid_and_bytes_and_no_shell(void **state)
{
	struct world *w = *state;
	AUTO_BUF struct buf data = text_buf("bytes");
	AUTO_BUF struct buf out = buf_make(SIGNER_SIGNATURE_MAX);
	AUTO_BUF struct buf env = buf_make(SIGNER_SIGNATURE_MAX);

	assert_int_equal(signer_run_command("cat", "targets", "abc", &data, &out, &w->e), 0);
	assert_string_equal(buf_text(&out), "bytes");
	assert_int_equal(signer_run_command("printenv PAWL_ROLE PAWL_KEYID", "targets", "abc",
				 &data, &env, &w->e),
		0);
	assert_string_equal(buf_text(&env), "targets\nabc\n");
	buf_clear(&out);
	assert_int_equal(signer_run_command("echo $HOME;", "x", "y", &data, &out, &w->e), 0);
	assert_string_equal(buf_text(&out), "$HOME;\n");
	assert_int_equal(signer_run_command("false", "x", "y", &data, &out, &w->e), -1);
	assert_int_equal(w->e.code, E_HOOK);
	assert_int_equal(signer_run_command("  ", "x", "y", &data, &out, &w->e), -1);
	assert_int_equal(w->e.code, E_CONFIG);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(a_key_is_made_once),
		T(every_kind_of_key_signs_what_its_public_half_accepts),
		T(an_encrypted_key_opens_with_one_of_the_passphrases_only),
		cmocka_unit_test(a_settlement_goes_on_where_it_was_cut_off),
		T(a_key_is_found_by_its_id_in_any_folder),
		T(a_signature_by_another_key_is_not_used),
		T(a_command_gets_role_keyid_and_bytes_and_no_shell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
