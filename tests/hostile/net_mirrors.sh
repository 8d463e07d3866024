#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Several mirrors, of which the first is bad (CVE-2018-0501): each answer is verified in full, and
# one poll ends with the release from the good one.
# shellcheck disable=SC2015,SC2016,SC2034 # eval expands what stands in single quotes
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
# shellcheck source=tests/lib/odd.sh
. "$PAWL_SOURCE/tests/lib/odd.sh"

# Before release 2 was published: what a mirror has that is not brought up to date.
world_add() {
	rm -rf "$T/now/old" && cp -a "$P" "$T/now/old" &&
		hostile_release 3 && repo publish && device_seen 3
}
# The device has seen the timestamp of release 2, so that a mirror can be older than that.
device_seen() {
	p check >/dev/null
}
# shellcheck disable=SC2119 # no options
odd_world

LEAVES=$(forge <<<'print(r.manifest(3)["images"][0]["leaves"]["sha256"])')
FULL=$(forge <<<'print(r.manifest(3)["images"][0]["full"]["sha256"])')
GOOD=${BASE}now/w/public/
BAD=$T/now/bad

# mirrors URL...: in this order
mirrors() {
	device_set "$D" url "$*"
}

# A copy that lies: bad FILE-PATTERN HOW
bad() {
	rm -rf "$BAD"
	cp -a "$P" "$BAD"
}

holds_release() {
	local image=$P/objects/${FULL:0:2}/$FULL
	cmp -n 1048576 "$image" "$D/dev/slot-b-rootfs"
}

# second NAME WORD...: the poll succeeds although the first mirror is bad.
second() {
	local name=$1
	odd_forget
	hostile_take "$name: the second mirror gives it, in one poll" 3 p poll --now
	tap_check "$name: the slot holds the signed image" holds_release
	tap_check "$name: the first one was asked" eval '[ "$(odd_count "$FIRST")" -gt 0 ]'
}

flip() {
	python3 - "$1" "$2" <<-'PY'
		import os, sys
		path, at = sys.argv[1], int(sys.argv[2])
		data = bytearray(open(path, "rb").read())
		data[at] ^= 1
		os.unlink(path)
		open(path, "wb").write(data)
	PY
}

FIRST=now/bad/
for file in timestamp snapshot targets.json; do
	hostile_case
	bad
	name=$(find "$BAD/metadata" -name "*$file*" | sort -V | tail -n 1)
	flip "$name" 200
	mirrors "${BASE}now/bad/" "$GOOD"
	second "a flipped byte in $file"
done
hostile_case
bad
flip "$(find "$BAD/targets" -name '*.stable.json' -newer "$T/now/2.pawl")" 20
mirrors "${BASE}now/bad/" "$GOOD"
second "a flipped byte in the manifest"
for object in "$LEAVES" "$FULL"; do
	hostile_case
	bad
	flip "$BAD/objects/${object:0:2}/$object" 77
	mirrors "${BASE}now/bad/" "$GOOD"
	second "a flipped byte in object ${object:0:4}"
	hostile_case
	bad
	rm "$BAD/objects/${object:0:2}/$object"
	mirrors "${BASE}now/bad/" "$GOOD"
	second "without object ${object:0:4}"
	hostile_case
	bad
	truncate -s -1 "$BAD/objects/${object:0:2}/$object"
	mirrors "${BASE}now/bad/" "$GOOD"
	second "a short object ${object:0:4}"
done
hostile_case
mirrors "${BASE}now/old/" "$GOOD"
FIRST=now/old/
second "a mirror that is older than what was seen"
hostile_case
bad
rm "$BAD/metadata/timestamp.json"
mirrors "${BASE}now/bad/" "$GOOD"
FIRST=now/bad/
second "a mirror without a timestamp"
hostile_case
mirrors "${BASE}~status,503/now/w/public/" "$GOOD"
FIRST=status,503
second "a mirror that is down for repair"
hostile_case
mirrors "http://127.0.0.1:1/" "${BASE}~silence/" "$GOOD"
FIRST=silence
second "no server, then a silent one"

# --- None is good -----------------------------------------------------------------------------
hostile_case
mirrors "${BASE}now/old/" "http://127.0.0.1:1/"
hostile_poll "all are older or away: the older one speaks" E_ROLLBACK
hostile_case
bad
flip "$BAD/objects/${FULL:0:2}/$FULL" 77
mirrors "${BASE}now/bad/" "${BASE}now/bad/"
hostile_poll "the same lie twice" E_HASH --wrote --stored "$REFRESHED"
hostile_poll "and again" E_HASH --wrote --stored "$REFRESHED"
mirrors "${BASE}now/bad/" "$GOOD"
FIRST=now/bad/
second "lies do not use up the attempts"

# A refusal is about the release, not about the mirror: no other one is asked.
hostile_case
forge <<-'PY'
	for role in ("releases", "targets", "snapshot", "timestamp"):
	    f = r.load(role)
	    f.signed["version"] += 1
	    r.save(f)
	r.edit_manifest(3, compatible=["other-board"])
PY
mirrors "$GOOD" "${BASE}~silence/"
odd_forget
hostile_poll "a release for another board" E_COMPAT --stored "$REFRESHED"
tap_check "the second mirror was not asked" eval '[ "$(odd_count silence)" -eq 0 ]'

tap_end
