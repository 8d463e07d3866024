#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A device without a trusted root must not install anything (Mender did), by no road, and says how
# to repair it.
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
hostile_begin
ROOT=$D/usr/share/pawl/root.json

# both NAME: neither a poll nor a bundle goes through.
both() {
	hostile_poll "$1, poll" E_TRUST --word "trusted root" --word "pawl-repo init"
	hostile_bundle "$1, bundle" E_TRUST --word "trusted root" --word "pawl-repo init"
}

hostile_case
rm "$ROOT"
both "root.json absent"
hostile_case
: >"$ROOT"
both "root.json empty"
hostile_case
rm "$ROOT" && mkdir "$ROOT"
both "root.json a folder"
hostile_case
rm "$ROOT" && mkfifo "$ROOT"
both "root.json a FIFO"
hostile_case
rm "$ROOT" && ln -s nowhere "$ROOT"
both "root.json a dangling link"
hostile_case
truncate -s 100 "$ROOT"
both "root.json cut off"
hostile_case
truncate -s 100M "$ROOT"
both "root.json of 100 MiB"
hostile_case
jq -c '.signatures = []' "$W/root.json" >"$ROOT"
both "root.json unsigned"
hostile_case
cp "$P/metadata/timestamp.json" "$ROOT"
both "root.json is a timestamp"

# What a former root left on the data partition is no substitute.
hostile_case
forge <<'PY'
r.put(r.next_root())
PY
p check >/dev/null
tap_check "root 2 is stored" test -e "$D/var/lib/pawl/tuf/roots/2.root.json"
rm "$ROOT"
both "root.json absent, roots stored"

hostile_case
rm "$ROOT" && p poll --now 2>/dev/null
cp "$W/root.json" "$ROOT"
hostile_take "with root.json back it works again" 2 p poll --now
tap_end
