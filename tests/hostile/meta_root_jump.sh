#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Successor roots (published flaws of TUF clients): each one must be N + 1, signed by the old and
# by the new threshold; otherwise the trusted root on disk stays as it is.
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
hostile_begin

hostile_case
forge <<'PY'
f = r.next_root(version=3)
r.put(f, 2)
PY
hostile_poll "version N + 2 where N + 1 is asked for" E_META --word 2.root.json --word "version 3"

hostile_case
forge <<'PY'
f = r.next_root(version=1)
r.put(f, 2)
PY
hostile_poll "version N again" E_META --word 2.root.json --word "version 1"

hostile_case
forge <<'PY'
f = r.load("root")
r.put(f, 2)
PY
hostile_poll "the very root N again" E_META --word 2.root.json --word "version 1"

# forge_rotation SIGNERS: root 2 hands the root role to new-1 and new-2.
forge_rotation() {
	forge <<-PY
		r.keys["new-1"], r.keys["new-2"] = Key.make("p256"), Key.make("p256")
		f = r.next_root()
		r.use_key(f, "root", [r.keys["new-1"], r.keys["new-2"]], 2)
		f.sign([r.keys[k] for k in "$1".split()])
		r.put(f)
	PY
}

hostile_case
forge_rotation "root-1 root-2"
hostile_poll "signed by the old keys only" E_THRESHOLD --word "0 of the new keys"
hostile_case
forge_rotation "new-1 new-2"
hostile_poll "signed by the new keys only" E_THRESHOLD --word "0 of the old keys"
hostile_case
forge_rotation "root-1 new-1 new-2"
hostile_poll "signed by too few of the old keys" E_THRESHOLD --word "1 of the old keys"
hostile_case
forge_rotation "root-1 root-2 new-1"
hostile_poll "signed by too few of the new keys" E_THRESHOLD --word "1 of the new keys"

hostile_case
forge <<'PY'
f = r.next_root(consistent_snapshot=False)
r.put(f)
PY
hostile_poll "consistent_snapshot false" E_META --word consistent_snapshot

hostile_case
forge <<'PY'
f = r.next_root()
f.signed["_type"] = "timestamp"
f.sign(r.owners("root"))
r.put(f)
PY
hostile_poll "a root of another type" E_META --word 2.root.json

hostile_case
forge <<'PY'
f = r.next_root(x_padding="x" * 300000)
r.put(f)
PY
hostile_poll "a root larger than its cap" E_SIZE --word 2.root.json

# A root that nobody asks for because there is a gap.
hostile_case
forge <<'PY'
f = r.next_root(version=3)
r.put(f)
PY
root_before=$(sha256sum <"$D/var/lib/pawl/tuf/root.json")
hostile_take "3.root.json without 2.root.json is not even read" 2 p poll --now
tap_check "and the trusted root stays" test "$root_before" = \
	"$(sha256sum <"$D/var/lib/pawl/tuf/root.json")"

hostile_case
forge_rotation "root-1 root-2 new-1 new-2"
hostile_take "signed by old and new keys it is taken" 2 p poll --now
tap_check "and stored" test -e "$D/var/lib/pawl/tuf/roots/2.root.json"

# The image demands a root that the repository does not have (the last rotation is withheld).
hostile_case
jq -c '.root_version = 2' "$D/usr/share/pawl/backstop.json" >"$T/b" &&
	cp "$T/b" "$D/usr/share/pawl/backstop.json"
hostile_poll "a root under the image's floor" E_ROLLBACK --word "root is version 1"
tap_end
