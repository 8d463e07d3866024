#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Replay of releases: equal, lower, under the epoch floor, and with the device's state deleted,
# damaged or put back from a backup. The image's own backstop holds then.
# shellcheck source=tests/lib/hostile.sh
# shellcheck disable=SC2016 # eval expands what stands in single quotes
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"

go_on() {
	device_boot "$D" >/dev/null && p boot >/dev/null && p health 2>/dev/null
}

# Release 4 (epoch 1) runs in slot B; releases 1 and 2 (epoch 0) are old; the state of before is kept.
world_add() {
	cp "$D/var/lib/pawl/state.json" "$T/state-of-1.json"
	repo bundle 1 --out "$T/now/1.pawl" &&
		repo allot >/dev/null && HOSTILE_EPOCH=1 hostile_release 4 && repo publish &&
		repo bundle 4 --out "$T/now/4.pawl" && p poll 2>/dev/null && go_on &&
		p check >/dev/null && rm -f "$D/hook-ran"
}

hostile_begin
STATE=$D/var/lib/pawl/state.json

# install_refused NAME BUNDLE WORD [OPTIONS]
install_refused() {
	local name=$1 bundle=$2 word=$3
	shift 3
	hostile_refuse "$name" E_ROLLBACK --word "$word" "$@" -- \
		"$PAWL" --root "$D" install "$T/now/$bundle.pawl"
}

# forge_newest RELEASE EPOCH: what the repository calls newest.
forge_newest() {
	forge <<-PY
		r.bump = True
		m = r.manifest(4)
		m["release"], m["epoch"] = $1, $2
		r.put_manifest(4, m)
	PY
}

hostile_case
tap_check "release 4 runs" eval 'p status --json | jq -e ".release_floor == 4 and .epoch_floor == 1" >/dev/null'
install_refused "a lower release, bundle" 2 "release 2 is not higher than 4"
install_refused "a much lower release, bundle" 1 "release 1 is not higher than 4"
hostile_case
forge_newest 3 1
hostile_poll "a lower release, poll" E_ROLLBACK --word "release 3" --stored '*'
hostile_case
forge_newest 5 0
hostile_poll "an epoch under the floor" E_ROLLBACK --word "epoch 0" --stored '*'
hostile_case
tap_check "the equal release: nothing to do" p poll --now
tap_check "and nothing was done" eval '! test -e "$D/hook-ran"'
hostile_case
forge_newest 4 1
forge <<'PY'
r.bump = True
r.edit_manifest(4, version="4.0.1", notes="the same number, other content")
PY
tap_check "other content under the equal number" p poll --now
tap_check "is not installed" eval 'p status --json | jq -e ".trial_waits == false" >/dev/null'

# The backstop of the image that runs holds, whatever became of the state.
floors_hold() {
	tap_check "$1: the floors are the image's" eval \
		'p status --json | jq -e ".release_floor == 4 and .epoch_floor == 1" >/dev/null'
}

# --- State is lost -----------------------------------------------------------------------
hostile_case
rm "$STATE"
install_refused "state.json deleted: a lower release" 2 "release 2"
floors_hold "state.json deleted"
hostile_case
rm -rf "$D/var/lib/pawl"
install_refused "the data partition is new: a lower release" 2 "release 2" --stored '*'
hostile_case
rm -rf "$D/var/lib/pawl"
forge_newest 9 0
hostile_poll "the data partition is new: an epoch under the image's" E_ROLLBACK --word "epoch 0" \
	--stored '*'
for garbage in '' '{' '[]' '{"schema": 2}' 'null' '{"schema": 1, "release_floor": -1}'; do
	hostile_case
	printf '%s' "$garbage" >"$STATE"
	install_refused "state.json holds '$garbage'" 2 "release 2" --put-back
done
hostile_case
head -c 100000 /dev/urandom >"$STATE"
install_refused "state.json holds noise" 2 "release 2"
floors_hold "state.json holds noise"
hostile_case
truncate -s 100M "$STATE"
install_refused "state.json of 100 MiB" 2 "release 2"
tap_check "the loss of the state is in the journal" eval \
	'p journal show --json | jq -e -s "any(.evt == \"state.lost\")" >/dev/null'
hostile_case
cp "$T/state-of-1.json" "$STATE"
install_refused "state.json put back from a backup of release 1" 2 "release 2" --put-back
floors_hold "a backup of release 1"
hostile_case
jq 'del(.sum) | .release_floor = 0 | .epoch_floor = 0 | .slot_b.release = 0' "$STATE" >"$T/s" && cp "$T/s" "$STATE"
install_refused "floors set to 0 by hand" 2 "release 2" --put-back

# --- The floor is above what runs: back by hand in the release before -----------------------
hostile_case
jq 'del(.sum) | .slot_a.epoch = 1' "$STATE" >"$T/s" && cp "$T/s" "$STATE"
p rollback 2>/dev/null && go_on
rm -f "$D/hook-ran"
tap_check "release 1 runs again, the floor is 4" eval \
	'p status --json | jq -e ".booted == \"A\" and .committed == \"A\" and .release_floor == 4" >/dev/null'
install_refused "a release between the running one and the floor" 2 "installed before"
hostile_take "the very release of the floor repairs" 4 p install --retry-failed "$T/now/4.pawl"
tap_end
