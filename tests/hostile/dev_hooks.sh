#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Hooks that never end, leave daemons, print without end, die, cannot be run: ended with their
# whole group at the limit, output bounded, E_HOOK; nothing is activated.
# shellcheck disable=SC2016 # eval expands what stands in single quotes
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"

world_add() {
	rm "$D"/etc/pawl/hooks/*.d/50-mark
	device_add "$D" health "hook-timeout = 1"
}
# shellcheck disable=SC2119 # no options
hostile_begin

# hook STAGE COMMANDS
hook() {
	HOOK=$D/etc/pawl/hooks/$1/10-odd
	mkdir -p "$(dirname "$HOOK")"
	printf '#!/bin/bash\n%s\n' "$2" >"$HOOK"
	chmod 755 "$HOOK"
}

# What a hook wrote into $T/pids is gone soon after.
all_gone() {
	local try pid left
	for ((try = 0; try < 20; try++)); do
		left=
		while read -r pid; do
			! kill -0 "$pid" 2>/dev/null || left="$left $pid"
		done <"$T/pids"
		[ -n "$left" ] || return 0
		sleep 0.1
	done
	echo "still there:$left"
	return 1
}

# odd NAME WORD COMMANDS: before anything is begun
odd() {
	hostile_case
	: >"$T/pids"
	hook check.d "echo \$\$ >>'$T/pids'; $3"
	hostile_bundle "$1" E_HOOK --time --seconds 15 --word "$2"
	tap_check "$1: no process is left" all_gone
}

# late NAME WORD COMMANDS: the transaction has begun, the slot is not touched yet
late() {
	hostile_case
	: >"$T/pids"
	hook pre-write.d "echo \$\$ >>'$T/pids'; $3"
	hostile_bundle "$1, before the write" E_HOOK --wrote --time --seconds 15 --word "$2"
	tap_check "$1, before the write: no process is left" all_gone
	tap_check "$1, before the write: the target is untouched" \
		cmp "$T/kept/dev/dev/slot-b-rootfs" "$D/dev/slot-b-rootfs"
	rm "$HOOK"
	hostile_take "$1: without it the release is taken" 2 p install "$T/now/2.pawl"
}

late "a hook that sleeps" 10-odd 'sleep 300'
late "a hook that says no" "exit 3" 'exit 3'
odd "a hook that sleeps" 10-odd 'sleep 300'
odd "a hook that works without end" 10-odd 'while :; do :; done'
odd "a hook that hears no TERM" 10-odd 'trap "" TERM HUP INT; while :; do sleep 1; done'
odd "a hook that stops itself" 10-odd 'kill -STOP $$'
odd "a hook with children" 10-odd \
	"for i in 1 2 3; do sleep 300 & echo \$! >>'$T/pids'; done; wait"
odd "a hook that closes its output and sleeps" 10-odd 'exec >&- 2>&-; sleep 300'
odd "a hook that prints without end" 10-odd 'while :; do head -c 65536 /dev/zero; done'
odd "a hook that ends by a signal" signal 'kill -KILL $$'
odd "a hook that crashes" signal 'kill -SEGV $$'
odd "a hook that says no" "exit 3" 'exit 3'

# --- Good hooks with bad manners --------------------------------------------------------------
# mannered NAME COMMANDS: succeeds, in time, and nothing is left behind
mannered() {
	hostile_case
	: >"$T/pids"
	hook check.d "$2"
	hostile_take "$1" 2 timeout 15 "$PAWL" --root "$D" --quiet install "$T/now/2.pawl"
	tap_check "$1: no process is left" all_gone
}
mannered "a hook that leaves a child with its output" "sleep 300 & echo \$! >>'$T/pids'"
mannered "a hook that leaves a child without it" \
	"sleep 300 >/dev/null 2>&1 & echo \$! >>'$T/pids'"
mannered "a hook that prints 16 MiB" 'head -c 16777216 /dev/zero | tr "\0" x'
mannered "a hook that reads nothing" 'exec <&-'
tap_check "the journal did not take what it printed" \
	eval '[ "$(du -sk "$D/var/lib/pawl" | cut -f1)" -lt 8192 ]'

# --- What cannot be run -----------------------------------------------------------------------
# broken NAME: $HOOK as it is now
broken() {
	hostile_bundle "$1" E_HOOK --time --seconds 15 --word 10-odd
}
hostile_case
hook check.d 'exit 0'
chmod 644 "$HOOK"
broken "a hook that is not executable"
hostile_case
hook check.d 'exit 0'
ln -sf /nowhere "$HOOK"
broken "a link that leads nowhere"
hostile_case
hook check.d 'exit 0'
printf '#!/no/such/interpreter\n' >"$HOOK"
broken "a hook whose interpreter is missing"
hostile_case
hook check.d 'exit 0'
head -c 4096 /dev/urandom >"$HOOK"
broken "a hook that is no program"
hostile_case
hook check.d 'exit 0'
rm "$HOOK"
mkfifo "$HOOK"
chmod 755 "$HOOK"
broken "a FIFO for a hook"

# --- Behind the write: the slot is whole, but not on trial ---------------------------------------
hostile_case
: >"$T/pids"
hook pre-activate.d "echo \$\$ >>'$T/pids'; sleep 300"
tap_refuse "a pre-activate hook that never ends" 51 E_HOOK timeout 20 "$PAWL" --root "$D" \
	install "$T/now/2.pawl"
tap_check "no process is left" all_gone
tap_check "nothing is on trial" eval 'p status --json | jq -e ".trial_waits == false" >/dev/null'
tap_check "slot A starts" eval '[ "$(device_boot "$D")" = A ]'
rm "$HOOK"
hostile_take "without it the release is taken" 2 p install "$T/now/2.pawl"

# --- In the trial: rollback ---------------------------------------------------------------------
hostile_case
tap_check "a release goes on trial" eval \
	'p install "$T/now/2.pawl" && [ "$(device_boot "$D")" = B ] && p boot'
: >"$T/pids"
hook health/required.d "echo \$\$ >>'$T/pids'; sleep 300"
tap_refuse "a check that never ends: the trial fails" 50 E_HEALTH timeout 30 "$PAWL" \
	--root "$D" health
tap_check "no process of it is left" all_gone
tap_check "the old slot starts" eval '[ "$(device_boot "$D")" = A ]'
rm "$HOOK"
tap_check "and is healthy" eval 'p boot && p health'
tap_check "the journal verifies" p journal verify

tap_end
