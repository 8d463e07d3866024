#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Files of different publications, each well signed, put together by a mirror (mix-and-match).
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
hostile_begin
NOW=$(jq '.signed.meta["snapshot.json"].version' "$P/metadata/timestamp.json")
OLD=$((NOW - 1))
down_to_snapshot=timestamp.json,cache/timestamp.tag
down_to_targets=$down_to_snapshot,snapshot.json

# instead FILE OTHER: FILE of metadata/ holds OTHER's bytes.
instead() {
	rm -f "$P/metadata/$1"
	cp "$P/metadata/$2" "$P/metadata/$1"
}

hostile_case
instead "$NOW.snapshot.json" "$OLD.snapshot.json"
hostile_poll "timestamp of one generation, snapshot of another" E_MIX \
	--word "$NOW.snapshot.json" --word "version $OLD" --stored $down_to_snapshot

hostile_case
instead "$NOW.targets.json" "$OLD.targets.json"
hostile_poll "snapshot of one generation, targets of another" E_MIX \
	--word "$NOW.targets.json" --word "version $OLD" --stored $down_to_targets

# TUF allows lists without hashes; the version must do then.
hostile_case
forge <<'PY'
f = r.load("timestamp")
f.signed["meta"]["snapshot.json"] = {"version": f.signed["meta"]["snapshot.json"]["version"]}
r.save(f)
PY
instead "$NOW.snapshot.json" "$OLD.snapshot.json"
hostile_poll "the same where only versions are listed" E_MIX \
	--word "$NOW.snapshot.json" --stored $down_to_snapshot

# Two snapshots of one number (two publishers, one key): the hash tells them apart.
hostile_case
forge <<'PY'
f = r.load("snapshot")
f.signed["x-other"] = 1
f.sign(r.owners("snapshot"))
r.put(f)
PY
hostile_poll "another snapshot of the same version" E_SIZE --word "$NOW.snapshot.json" \
	--stored $down_to_snapshot

hostile_case
forge <<'PY'
f = r.load("targets")
r.save(f)
listed = len(f.bytes)
f.signed["expires"] = f.signed["expires"][:-2] + ("0Z" if f.signed["expires"][-2] != "0" else "1Z")
# An ECDSA signature has 70 to 72 bytes.
for _ in range(1000):
    f.sign(r.owners("targets"))
    if len(f.bytes) == listed:
        break
r.put(f)
PY
hostile_poll "other targets of the same version and length" E_HASH --word "$NOW.targets.json" \
	--stored $down_to_targets

hostile_case
forge <<'PY'
entry = r.load("targets").signed["targets"]["demo/stable.json"]
name = r.target_file("demo/stable.json", entry["hashes"]["sha256"])
data = bytearray(r.read(name))
data[data.index(b'"2.0.0"') + 1] ^= 1
r.write(name, bytes(data))
PY
hostile_poll "a manifest that differs in one bit" E_HASH --word demo/ \
	--stored $down_to_targets,targets.json

hostile_case
forge <<'PY'
entry = r.load("targets").signed["targets"]["demo/stable.json"]
name = r.target_file("demo/stable.json", entry["hashes"]["sha256"])
r.write(name, r.read(name) + b"\n")
PY
hostile_poll "a manifest that is longer than signed" E_SIZE --word demo/ \
	--stored $down_to_targets,targets.json

hostile_case
forge <<'PY'
entry = r.load("targets").signed["targets"]["demo/stable.json"]
name = r.target_file("demo/stable.json", entry["hashes"]["sha256"])
r.write(name, r.read(name)[:-1])
PY
hostile_poll "a manifest that is shorter than signed" E_SIZE --word demo/ \
	--stored $down_to_targets,targets.json

# A snapshot's bytes called timestamp: one online key signs both.
hostile_case
instead timestamp.json "$NOW.snapshot.json"
hostile_poll "a snapshot in the timestamp's place" E_META --word timestamp.json --word type
tap_end
