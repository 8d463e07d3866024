#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One key that wants to count twice (CVE-2020-6174): under two ids, with other PEM text, by two
# signatures, in the old and in the new root.
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
hostile_begin

# Targets need two keys; the second is the first in disguise, and both "sign".
forge_twins() {
	forge <<-PY
		a = r.keys["release"]
		pem = a.object["keyval"]["public"]
		b = a.alias($1)
		assert a.id != b.id
		root = r.next_root()
		r.use_key(root, "targets", [a, b], 2)
		root.sign(r.owners("root"))
		r.put(root)
		r.save(r.load("targets"), by=[a, b])
	PY
}

# What the refusal leaves behind: the root was good, and so was the way down to targets.
down_to_targets=root.json,roots/2.root.json,timestamp.json,cache/timestamp.tag,snapshot.json

hostile_case
forge_twins 'keytype="ecdsa-sha2-nistp256"'
hostile_poll "one key under two ids" E_SIG --word "1 valid signatures" --stored $down_to_targets
hostile_case
forge_twins 'public=pem + "\n"'
hostile_poll "other PEM text, same key: a line more" E_SIG --word "1 valid signatures" \
	--stored $down_to_targets
hostile_case
forge_twins 'public=pem.replace("\n", "\r\n")'
hostile_poll "other PEM text, same key: CR LF" E_SIG --word "1 valid signatures" \
	--stored $down_to_targets
hostile_case
forge_twins 'public="some text before\n" + pem'
hostile_poll "other PEM text, same key: text before" E_SIG --word "1 valid signatures" \
	--stored $down_to_targets

hostile_case
forge <<'PY'
root = r.next_root()
root.signed["roles"]["targets"] = {"keyids": [r.keys["release"].id] * 2, "threshold": 2}
root.sign(r.owners("root"))
r.put(root)
PY
hostile_poll "a key id listed twice in a role" E_META --word "listed twice"

hostile_case
forge <<'PY'
f = r.load("timestamp")
f.sign([r.keys["online"]] * 2)
r.put(f)
PY
hostile_poll "two signatures by one key id" E_META --word "two signatures"

hostile_case
forge <<'PY'
root = r.next_root()
key = r.keys["release"]
root.signed["keys"]["ab" * 32] = key.object
root.signed["roles"]["targets"] = {"keyids": [key.id, "ab" * 32], "threshold": 2}
root.sign(r.owners("root"))
r.put(root)
PY
hostile_poll "a key id that is not its key's hash" E_META --word "not the hash"

# Roots: 2 of 3 old keys; the twin is known to the new root only.
hostile_case
forge <<'PY'
a, b = r.keys["root-1"], r.keys["root-1"].alias(keytype="ecdsa-sha2-nistp256")
root = r.next_root()
r.use_key(root, "root", [a, b, r.keys["root-2"]], 2)
root.sign([a, b])
r.put(root)
PY
hostile_poll "a root signed by one key twice" E_THRESHOLD --word "1 of the old keys"

hostile_case
forge <<'PY'
a, b = r.keys["root-3"], r.keys["root-3"].alias(keytype="ecdsa-sha2-nistp256")
root = r.next_root()
r.use_key(root, "root", [a, b], 2)
root.sign([r.keys["root-1"], r.keys["root-2"], a, b])
r.put(root)
PY
hostile_poll "a root whose new threshold is one key twice" E_THRESHOLD --word "1 of the new keys"

hostile_case
forge <<'PY'
a = r.keys["release"]
b = Key.make("p256")
root = r.next_root()
r.use_key(root, "targets", [a, b], 2)
root.sign(r.owners("root"))
r.put(root)
r.save(r.load("targets"), by=[a, b])
PY
hostile_take "two different keys are two" 2 p poll --now
tap_end
