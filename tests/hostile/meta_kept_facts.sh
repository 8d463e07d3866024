#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a run verified stays, also when the run as a whole fails: a new root is recorded, and a
# withdrawal holds although the set that says so offers nothing.
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
hostile_begin

roots_recorded() {
	p journal show --json | jq -r 'select(.evt == "trust.root") | .data.version' | tr '\n' ' '
}

is() {
	[ "$1" = "$2" ] || {
		echo "is '$1', not '$2'"
		return 1
	}
}

hostile_case
forge <<'PY'
r.put(r.next_root())
PY
mv "$P/metadata/timestamp.json" "$T/timestamp.json"
tap_refuse "a new root, and no timestamp" 33 timestamp.json p poll --now
tap_check "the root is recorded all the same" is "$(roots_recorded)" "2 "
mv "$T/timestamp.json" "$P/metadata/timestamp.json"
tap_check "the next poll succeeds" p check
tap_check "and does not record it again" is "$(roots_recorded)" "2 "

hostile_case
withdrawn=$(sha256sum <"$P"/targets/demo/releases/*.2.json | cut -c 1-64)
cp -R "$P" "$T/before"
WITHDRAWN=$withdrawn forge <<'PY'
r.bump = True
f = r.load("targets")
f.signed["targets"]["demo/other.json"] = dict(f.signed["targets"].pop("demo/stable.json"),
                                              custom={"revoked": [os.environ["WITHDRAWN"]]})
r.save(f)
PY
tap_refuse "a set that withdraws release 2 and offers nothing" 33 demo/stable.json p check
rm -rf "$P"
cp -R "$T/before" "$P"
forge <<'PY'
r.bump = True
for role in ("targets", "targets", "snapshot"):
    r.save(r.load(role))
PY
hostile_refuse "what was withdrawn stays so when a later set forgets it" E_HELD \
	--stored 'timestamp.json,snapshot.json,targets.json,releases.json,cache/*' --time \
	-- "$PAWL" --root "$D" check
tap_end
