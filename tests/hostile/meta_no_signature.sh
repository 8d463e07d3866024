#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Metadata without signatures (CVE-2020-10759): refused, and not stored.
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
hostile_begin

# What is verified before the forged file is stored by then; the file itself never is.
stored_before() {
	case $1 in
	root | timestamp) ;;
	snapshot) echo timestamp.json,cache/timestamp.tag ;;
	targets) echo timestamp.json,cache/timestamp.tag,snapshot.json ;;
	esac
}

# forge_role ROLE STATEMENTS: today's file of the role (root: the next one) as f, changed.
forge_role() {
	local load="f = r.load('$1')"
	[ "$1" != root ] || load="f = r.next_root()"
	forge <<-PY
		$load
		$2
		r.put(f); r.link(f)
		r.pack("$T/now/2.pawl", 2)
	PY
}

for role in root timestamp snapshot targets releases; do
	hostile_case
	forge_role $role "f.doc['signatures'] = []"
	floor=()
	# What targets say of the time counts, even when the role below is refused.
	[ $role != releases ] || floor=(--time)
	hostile_bundle "$role with signatures: [] in a bundle" E_SIG --word "$role.json" "${floor[@]}"
	# A repository's newest release is listed in targets: the delegated role is for bundles.
	[ $role != releases ] || continue
	hostile_poll "$role with signatures: []" E_SIG --word "$role.json" \
		--stored "$(stored_before $role)"

	hostile_case
	forge_role $role "del f.doc['signatures']"
	hostile_poll "$role without the field" E_META --word signatures \
		--stored "$(stored_before $role)"

	hostile_case
	forge_role $role "f.sign([Key.make('p256')])"
	hostile_poll "$role signed by a stranger" E_SIG --word "$role.json" \
		--stored "$(stored_before $role)"
done

hostile_case
hostile_take "the same world without a forgery is taken" 2 p poll --now
tap_end
