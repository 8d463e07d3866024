#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Metadata that is older than what the device has seen, on each level (CVE-2022-29173).
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"

# The device has seen the metadata of release 2.
world_add() {
	p check >/dev/null
}

hostile_begin
OLD=$(jq .signed.version "$D/var/lib/pawl/tuf/targets.json")
OLD=$((OLD - 1))

# A device without metadata still takes what is published: none of these files is bad in itself.
forge_old_timestamp() {
	forge <<-PY
		f = r.load("timestamp")
		f.signed["version"] = 1
		r.save(f)
	PY
}
hostile_case
forge_old_timestamp
hostile_poll "an older timestamp" E_ROLLBACK --word timestamp.json --word "was seen before"

# Everything of one generation before, as a mirror that hangs behind has it.
hostile_case
forge <<PY
f = r.load("timestamp")
old = r.read(f"metadata/$OLD.snapshot.json")
f.signed["version"] += 1
f.signed["meta"]["snapshot.json"] = {"version": $OLD, "length": len(old),
                                     "hashes": {"sha256": sha256(old)}}
r.save(f)
PY
hostile_poll "a newer timestamp that lists an older snapshot" E_ROLLBACK \
	--word timestamp.json --word "snapshot $OLD"

# newer SNAPSHOT-EDITS: a newer snapshot (f) and timestamp with these changes.
newer_snapshot() {
	forge <<-PY
		old = r.read("metadata/$OLD.targets.json")
		f = r.load("snapshot")
		f.signed["version"] += 1
		meta = f.signed["meta"]
		$1
		t = r.load("timestamp")
		t.signed["version"] += 1
		r.put(t)
		r.save(f)
	PY
}
below_timestamp=timestamp.json,cache/timestamp.tag

hostile_case
newer_snapshot "meta['targets.json'] = {'version': $OLD, 'length': len(old), 'hashes': {'sha256': sha256(old)}}"
hostile_poll "a newer snapshot that lists older targets" E_ROLLBACK \
	--word snapshot --word "targets.json" --stored $below_timestamp

hostile_case
newer_snapshot "meta['targets.json'] = {'version': $OLD}"
hostile_poll "the same without a hash" E_ROLLBACK --word snapshot --stored $below_timestamp

hostile_case
newer_snapshot "del meta['releases.json']"
hostile_poll "a role that vanishes from the snapshot" E_ROLLBACK \
	--word snapshot --word releases.json --stored $below_timestamp

hostile_case
newer_snapshot "meta['releases.json']['version'] = 1"
hostile_poll "a delegated role that goes back" E_ROLLBACK \
	--word releases.json --stored $below_timestamp

# The refusal holds after a restart, too, and when the same comes again by another road.
hostile_case
forge_old_timestamp
hostile_poll "an older timestamp, first time" E_ROLLBACK --word timestamp.json
hostile_poll "an older timestamp, second time" E_ROLLBACK --word timestamp.json

hostile_case
newer_snapshot "pass"
hostile_take "a newer snapshot of the same is taken" 2 p poll --now
tap_end
