#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `pawl poll --jitter` waits without the lock: under cron it may wait an hour, and `pawl health` of a
# trial that booted meanwhile would be too late.
set -u
: "${PAWL:?}" "${PAWL_SOURCE:?}"
# shellcheck source=tests/lib/tap.sh
. "$PAWL_SOURCE/tests/lib/tap.sh"
# shellcheck source=tests/lib/device.sh
. "$PAWL_SOURCE/tests/lib/device.sh"
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
D=$T/device
device_make "$D" https://updates.invalid/demo

# A poll whose share is long: of a day; up to two minutes of that would be bad luck, so again.
waits() {
	for _ in 1 2 3; do
		"$PAWL" --root "$D" poll --jitter 86400 >"$T/out" 2>&1 &
		poll=$!
		for _ in $(seq 50); do
			[ -e "$D/var/lib/pawl/state.json" ] && break
			sleep 0.1
		done
		sleep 0.5
		kill -0 "$poll" 2>/dev/null && return
		rm -rf "$D/var/lib/pawl"
	done
	cat "$T/out"
	return 1
}

waits
tap_result $? "a poll with jitter waits"
tap_check "its lock is free meanwhile" flock -n "$D/var/lib/pawl/lock" true
kill "$poll" 2>/dev/null
wait "$poll" 2>/dev/null
tap_refuse "seconds are checked first" 2 "--jitter" "$PAWL" --root "$D" poll --jitter 1h
tap_end
