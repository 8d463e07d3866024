#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two at once, and what is left behind when one is killed: a half-written slot never boots, the
# committed one is never overwritten, a fallback boot is proved before it takes an offer
# (seen in review; swupdate 4ed43c76). Clocks that are years off meanwhile (systemd 17833).
# shellcheck disable=SC2016 # eval expands what stands in single quotes
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
# shellcheck source=tests/lib/odd.sh
. "$PAWL_SOURCE/tests/lib/odd.sh"
# shellcheck disable=SC2119 # no options
odd_world

FULL=$(forge <<<'print(r.manifest(2)["images"][0]["full"]["sha256"])')

holds() {
	p status --json | jq -e "$1" >/dev/null || {
		p status
		return 1
	}
}

boots() {
	local slot
	slot=$(device_boot "$D")
	[ "$slot" = "$1" ] || {
		echo "slot $slot started, not $1"
		return 1
	}
}

# variables NAME=VALUE...: what somebody does with fw_setenv; "" removes all of them
variables() {
	local id
	id=$(grep -o 'pawl.id=[0-9a-f]*' "$D/proc/cmdline" | cut -d= -f2)
	{
		printf 'pawl_id=%s\n' "$id"
		printf '%s\n' "$@"
	} | mkenvimage -r -s 0x4000 -o "$D/dev/env-0" -
	cp "$D/dev/env-0" "$D/dev/env-1"
}

# writing: an agent that is in the middle of the write, its server silent; its pid
# is in $T/agent, because tap_check runs what it is given in a shell of its own
writing() {
	local try
	device_set "$D" low-speed-seconds 60
	odd_url "only,$FULL" stall,300000
	odd_forget
	"$PAWL" --root "$D" --quiet poll --now >/dev/null 2>&1 &
	echo $! >"$T/agent"
	disown
	for ((try = 0; try < 100; try++)); do
		[ "$(odd_sent "/$FULL")" -lt 300000 ] || return 0
		sleep 0.1
	done
	return 1
}

killed() {
	hostile_case
	writing || return
	kill_agent
}

kill_agent() {
	local agent
	read -r agent <"$T/agent"
	kill -KILL "$agent"
	while kill -0 "$agent" 2>/dev/null; do sleep 0.05; done
	odd_url
}

# --- Two at once -----------------------------------------------------------------------------
hostile_case
tap_check "an agent is in the middle of its write" writing
for verb in "poll --now" "install $T/now/2.pawl" check; do
	# shellcheck disable=SC2086 # words
	tap_refuse "meanwhile: $verb" 52 E_BUSY timeout 10 "$PAWL" --root "$D" $verb
done
# What a boot needs waits for the lock instead of going away.
tap_refuse "meanwhile: health waits" 124 "" timeout 1 "$PAWL" --root "$D" health
tap_check "status answers all the same" holds '.booted == "A" and .trial_waits == false'
tap_check "so does journal verify" p journal verify
kill_agent
hostile_take "when it is dead, the next one goes on" 2 timeout 20 "$PAWL" --root "$D" --quiet \
	poll --now
tap_check "the journal verifies" p journal verify

# Another hand at the environment while the agent writes: nothing of it is lost or believed.
hostile_case
mkdir -p "$D/etc/pawl/hooks/pre-activate.d"
cp "$D/dev/env-0" "$T/env"
cat >"$D/etc/pawl/hooks/pre-activate.d/60-hand" <<-HOOK
	#!/bin/sh
	printf 'pawl_slot=A\nbootdelay=7\npawl_id=%s\n' \
		"\$(grep -o 'pawl.id=[0-9a-f]*' '$D/proc/cmdline' | cut -d= -f2)" |
		'$(command -v mkenvimage)' -r -s 0x4000 -o '$D/dev/env-0' - &&
		cp '$D/dev/env-0' '$D/dev/env-1'
HOOK
chmod 755 "$D/etc/pawl/hooks/pre-activate.d/60-hand"
hostile_take "somebody sets a variable in the middle" 2 p install "$T/now/2.pawl"
tap_check "it is still there" grep -qa bootdelay=7 "$D/dev/env-1"

# The data folder is erased while an agent works (factory reset).
hostile_case
cat >"$D/etc/pawl/hooks/pre-write.d/60-reset" <<-HOOK
	#!/bin/sh
	rm -rf '$D/var/lib/pawl'
HOOK
chmod 755 "$D/etc/pawl/hooks/pre-write.d/60-reset"
tap_check "a factory reset in the middle: no trial without a state" eval \
	'! p install "$T/now/2.pawl"'
tap_check "slot A starts" boots A
rm "$D/etc/pawl/hooks/pre-write.d/60-reset"
tap_check "the agent finds itself again" eval 'p boot && p health'
hostile_take "and takes the release" 2 p install "$T/now/2.pawl"

# --- Killed in the middle --------------------------------------------------------------------
tap_check "an agent is killed in its write" killed
tap_check "slot A starts" boots A
tap_check "the head of the target is zero" \
	eval '[ "$(head -c 4096 "$D/dev/slot-b-rootfs" | tr -d "\0" | wc -c)" -eq 0 ]'
hostile_take "the next run finishes it" 2 p poll --now

tap_check "killed again" killed
variables pawl_slot=B
tap_check "somebody points the environment at the half-written slot: it is not loaded" \
	eval '! boots B && ! grep -q pawl.slot=B "$D/proc/cmdline"'

tap_check "killed, a third time" killed
variables pawl_slot=B pawl_fallback=A
tap_check "with a fallback, A starts" boots A
tap_check "it is a fallback boot" eval 'p boot && holds ".booted == \"A\" and .committed == \"B\""'
tap_refuse "no bundle before it is proved" 52 E_BUSY p install "$T/now/2.pawl"
tap_check "a poll proves it first, then takes the offer" \
	eval 'p poll --now && holds ".committed == \"A\" and .trial_waits"'
tap_check "the running slot is what it was" cmp "$T/kept/dev/dev/slot-a-rootfs" \
	"$D/dev/slot-a-rootfs"
tap_check "the trial boots, and is whole" eval 'boots B && p boot && p health'

tap_check "killed, a fourth time" killed
head -c 16384 /dev/zero | tee "$D/dev/env-0" >"$D/dev/env-1"
device_boot "$D" >/dev/null 2>&1
tap_check "a blank environment boots A, never B" grep -q pawl.slot=A "$D/proc/cmdline"
tap_refuse "and nothing is done with it" 44 provision "$PAWL" --root "$D" poll --now

# --- Clocks ---------------------------------------------------------------------------------------
# at SECONDS COMMAND...: the command believes it is then; only where a wrong clock can be made
at() {
	local when=$1
	shift
	FAKETIME_DONT_FAKE_MONOTONIC=1 ASAN_OPTIONS=verify_asan_link_order=0 \
		faketime -f "@$(date -u -d "@$when" '+%Y-%m-%d %H:%M:%S')" "$@"
}
now=$(date +%s)
year=$((365 * 86400))
if command -v faketime >/dev/null; then
	hostile_case
	hostile_clock unset
	tap_check "1970: the release is taken" at 1000 "$PAWL" --root "$D" --quiet poll --now
	tap_check "the freshness is unknown, and says so" eval \
		'p journal show --json --details | jq -se "any(.evt == \"trust.freshness\")" >/dev/null'
	tap_check "the trial boots twenty years later" eval \
		'boots B && at $((now + 20 * year)) "$PAWL" --root "$D" --quiet boot'
	tap_check "and commits twenty years before" at $((now - 20 * year)) "$PAWL" --root "$D" \
		--quiet health
	tap_check "B is committed" holds '.committed == "B" and .release_floor == 2'
	tap_check "the jumps are recorded" eval \
		'p journal show --json --details | jq -se "any(.evt == \"clock.jump\")" >/dev/null'
	tap_check "order is by sequence: the journal verifies" p journal verify
	hostile_case
	hostile_refuse "2099 with a clock that is believed" E_EXPIRED --stored '*' -- \
		env FAKETIME_DONT_FAKE_MONOTONIC=1 ASAN_OPTIONS=verify_asan_link_order=0 \
		faketime -f "@2099-01-01 00:00:00" "$PAWL" --root "$D" poll --now
	hostile_take "when the clock is right again, so is the device" 2 p poll --now
else
	tap_skip "clocks that are years off" "needs faketime"
fi

tap_end
