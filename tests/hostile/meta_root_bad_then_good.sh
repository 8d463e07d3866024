#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A bad root 2, then a root 3 signed by its keys (CVE-2020-15163): root 2 is never used, not after
# a restart either, and not when somebody put it onto the data partition.
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
hostile_begin

# Root 2 belongs to a stranger; one old key signed it, one less than needed. Root 3 and all
# below it are good by the stranger's keys.
forge_takeover() {
	forge <<-'PY'
		thief = [Key.make("p256"), Key.make("p256")]
		f = r.next_root()
		for role in ("root", "timestamp", "snapshot", "targets"):
		    r.use_key(f, role, thief, 2)
		f.sign([r.keys["root-1"]] + thief)
		r.put(f)
		f.signed["version"] = 3
		f.sign(thief)
		r.put(f)
		for role in ("targets", "snapshot", "timestamp"):
		    f = r.load(role)
		    f.sign(thief)
		    r.put(f)
		    if role != "timestamp":
		        up = r.load("snapshot" if role == "targets" else "timestamp")
		        up.signed["meta"][role + ".json"].update(
		            {"length": len(f.bytes), "hashes": {"sha256": sha256(f.bytes)}})
		        up.sign(thief)
		        r.put(up)
	PY
}

hostile_case
forge_takeover
hostile_poll "a bad root 2" E_THRESHOLD --word 2.root.json
hostile_poll "and again after a restart" E_THRESHOLD --word 2.root.json
# shellcheck disable=SC2016 # eval expands it
tap_check "no root 2 or 3 is stored" eval '! ls "$D"/var/lib/pawl/tuf/roots/[23].root.json'

# Root 2 vanishes from the server; root 3 alone is of no use.
mv "$P/metadata/2.root.json" "$T/bad-2.root.json"
hostile_poll "root 3 alone, and what its keys signed" E_SIG --word timestamp.json

# Somebody writes both roots onto the data partition: the chain is verified from the image's root.
mkdir -p "$D/var/lib/pawl/tuf/roots"
cp "$T/bad-2.root.json" "$D/var/lib/pawl/tuf/roots/2.root.json"
cp "$P/metadata/3.root.json" "$D/var/lib/pawl/tuf/roots/3.root.json"
hostile_poll "bad roots on the data partition do not count" E_SIG --word timestamp.json \
	--stored root.json

# The real root 2 appears: the device goes on from the image's root.
rm -rf "$P"
cp -a "$T/kept/w/public" "$P"
forge <<'PY'
r.put(r.next_root())
PY
hostile_take "a good root 2 is taken afterwards" 2 p poll --now
tap_check "and replaces the bad one on the data partition" cmp \
	"$P/metadata/2.root.json" "$D/var/lib/pawl/tuf/roots/2.root.json"
tap_check "the journal verifies" p journal verify
tap_end
