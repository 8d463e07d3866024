#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Hashes that are none (CVE-2020-7982: a leading space made a package manager skip the check).
# Refused wherever a hash stands, never read as "no hash is fine".
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
hostile_begin
down_to_targets=timestamp.json,cache/timestamp.tag,snapshot.json
down_to_manifest=$down_to_targets,targets.json

# The forms: a Python expression of the good hash h.
forms=("empty|''" "leading space|' ' + h[:63]" "trailing newline|h + chr(10)" "upper case|h.upper()"
	"63 digits|h[:63]" "65 digits|h + '0'" "no digits|'g' * 64" "a number|0" "null|None")

# in_each FUNCTION: calls it with name and expression of each form.
in_each() {
	local form
	for form in "${forms[@]}"; do
		hostile_case
		"$1" "${form%%|*}" "${form#*|}"
	done
}

in_target() {
	forge <<-PY
		f = r.load("targets")
		hashes = f.signed["targets"]["demo/stable.json"]["hashes"]
		h = hashes["sha256"]
		hashes["sha256"] = $2
		r.save(f)
	PY
	hostile_poll "target's hash: $1" E_META --word targets.json --word sha256 \
		--stored $down_to_targets
}
in_each in_target

in_leaves() {
	forge <<-PY
		m = r.manifest(2)
		h = m["images"][0]["leaves"]["sha256"]
		m["images"][0]["leaves"]["sha256"] = $2
		r.put_manifest(2, m)
	PY
	hostile_poll "manifest's hash: $1" E_META --word leaves --stored $down_to_manifest
}
in_each in_leaves

# forge_hashes ROLE STATEMENT: changes the entry of what ROLE lists.
forge_hashes() {
	forge <<-PY
		f = r.load("$1")
		if "$1" == "targets":
		    entry = f.signed["targets"]["demo/stable.json"]
		else:
		    entry = f.signed["meta"]["snapshot.json" if "$1" == "timestamp" else "targets.json"]
		h = entry.get("hashes", {}).get("sha256")
		$2
		r.save(f)
	PY
}
for what in "unknown algorithm|entry['hashes'] = {'sha3': h}" "no algorithm|entry['hashes'] = {}" \
	"a list|entry['hashes'] = [h]" "absent|del entry['hashes']" "a text|entry['hashes'] = h"; do
	hostile_case
	forge_hashes targets "${what#*|}"
	hostile_poll "target's hashes: ${what%%|*}" E_META --word hash --stored $down_to_targets
done
for what in "unknown algorithm|entry['hashes'] = {'sha3': h}" "no algorithm|entry['hashes'] = {}" \
	"upper case|entry['hashes'] = {'sha256': h.upper()}" "empty|entry['hashes'] = {'sha256': ''}"; do
	hostile_case
	forge_hashes timestamp "${what#*|}"
	hostile_poll "snapshot's hashes in timestamp: ${what%%|*}" E_META --word timestamp.json
	hostile_case
	forge_hashes snapshot "${what#*|}"
	hostile_poll "targets' hashes in snapshot: ${what%%|*}" E_META --word snapshot.json \
		--stored timestamp.json,cache/timestamp.tag
done

hostile_case
forge_hashes targets "entry['hashes'] = {'sha512': '0' * 128}"
hostile_poll "a target with SHA-512 only" E_META --word SHA-256 --stored $down_to_targets

hostile_case
forge_hashes targets "entry['hashes']['sha512'] = '0' * 128"
hostile_poll "a target whose second hash is wrong" E_HASH --word SHA-512 --stored $down_to_manifest

hostile_case
forge_hashes targets "entry['hashes']['sha3'] = 'whatever'"
hostile_take "an unknown hash beside the known one is no fault" 2 p poll --now
tap_end
