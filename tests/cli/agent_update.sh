#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# pawl end to end: the ways that an update can go, by poll and by hand, on a device out of files.
# shellcheck disable=SC2016 # eval expands what stands in single quotes
set -u
: "${PAWL:?}" "${PAWL_REPO:?}" "${PAWL_SOURCE:?}"
# shellcheck source=tests/lib/tap.sh
. "$PAWL_SOURCE/tests/lib/tap.sh"
# shellcheck source=tests/lib/device.sh
. "$PAWL_SOURCE/tests/lib/device.sh"
# shellcheck source=tests/lib/hostile.sh
. "$PAWL_SOURCE/tests/lib/hostile.sh"

# holds EXPRESSION: a jq expression over `pawl status --json` is true
holds() {
	p status --json | jq -e "$1" >/dev/null || {
		p status
		return 1
	}
}

# recorded EVENT OUTCOME CODE: the journal has such a record
recorded() {
	p journal show --json --details | jq -e -s --arg e "$1" --arg o "$2" --arg c "$3" \
		'any(.evt == $e and .out == $o and .rc == $c)' >/dev/null || {
		p journal show --details | tail -12
		return 1
	}
}

# boots SLOT: the simulated boot loader starts that slot
boots() {
	local slot
	slot=$(device_boot "$D")
	[ "$slot" = "$1" ] || {
		echo "slot $slot started, not $1"
		return 1
	}
}

exits() {
	local want=$1 got=0
	shift
	"$@" || got=$?
	[ "$got" -eq "$want" ] || {
		echo "exit status $got, not $want"
		return 1
	}
}

# A bad system: its required check fails.
bad_release() {
	local n=$1
	repo allot --out "$T/backstop.json" >/dev/null &&
		tree_make "$T/tree" "$W/root.json" "$T/backstop.json" 1 &&
		image_make "$T/tree" "$T/bad.ext4" ext4 1 &&
		repo release --release "$n" --version "$n.0.0" --compatible demo-board \
			--class functional --encoding zstd --level 1 --image "rootfs=$T/bad.ext4" \
			2>>"$T/release.log" && repo publish
}

to_trial() {
	p poll && boots B && p boot
}

# shellcheck disable=SC2119 # no options
hostile_server
# shellcheck disable=SC2119
hostile_world || {
	echo "Bail out! the world cannot be made"
	exit 1
}

# --- The straight way -----------------------------------------------------------------
hostile_case
tap_check "check succeeds" p check
tap_check "check keeps the offer for status" holds '.offer.release == 2 and .trial_waits == false'
tap_check "poll installs release 2" p poll
tap_check "the trial waits for its reboot" holds '.trial_waits and .transaction.phase == "activated"'
tap_check "the agent asked for the reboot" device_reboot_asked "$D"
tap_check "the running slot is still A, and committed" holds '.booted == "A" and .committed == "A"'
tap_check "a second poll before the reboot changes nothing" p poll
tap_check "it is still one transaction" holds '.transaction.number == 1 and .trial_waits'
tap_check "the next boot is the trial" boots B
tap_check "boot notes it" p boot
tap_check "on trial" holds '.on_trial and .booted == "B" and .committed == "A"'
tap_check "a poll during the trial does nothing" p poll
tap_refuse "no bundle is installed during the trial" 52 E_BUSY p install "$T/now/2.pawl"
tap_check "health commits" p health
tap_check "slot B is committed, with its floor" holds \
	'.committed == "B" and .on_trial == false and .release_floor == 2 and .transaction == null'
tap_check "the commit is recorded" recorded update.committed ok E_OK
tap_check "the committed hook ran" grep -q committed "$D/hook-ran"
tap_check "nothing more to do" p poll
tap_check "the next boot is B again" boots B
tap_check "the journal verifies" p journal verify

# --- Back by hand -----------------------------------------------------------------------
tap_check "boot and health in the committed slot" eval 'p boot && p health'
tap_check "rollback puts slot A on trial" p rollback
tap_check "it asked for the reboot" device_reboot_asked "$D"
tap_check "A starts" boots A
tap_check "health commits A" eval 'p boot && p health && holds ".committed == \"A\""'
tap_check "the floor stays" holds '.release_floor == 2'
tap_check "what was left is not installed again by a poll" \
	eval 'p poll && holds ".trial_waits == false"'
tap_check "but --retry-failed repairs: the very release of the floor" \
	eval 'p poll --retry-failed && holds ".trial_waits and .transaction.release == 2"'

# --- A trial that fails --------------------------------------------------------------------
hostile_case
bad_release 3
tap_check "a bad release goes on trial" to_trial
tap_refuse "health refuses it" 50 E_HEALTH p health
tap_check "the reboot back was asked for" device_reboot_asked "$D"
tap_check "A starts" boots A
tap_check "the failed slot keeps its content until A has proved itself" \
	eval '[ "$(head -c 4096 "$D/dev/slot-b-rootfs" | tr -d "\0" | wc -c)" -gt 0 ]'
tap_check "health of A ends the transaction" eval 'p boot && p health && holds ".transaction == null"'
tap_check "the head of the failed slot is zero" \
	eval '[ "$(head -c 4096 "$D/dev/slot-b-rootfs" | tr -d "\0" | wc -c)" -eq 0 ]'
tap_check "the reason is in status" holds '.failed[0].release == 3 and .failed[0].code == "E_HEALTH"'
tap_check "and in the journal" recorded update.rolledback ok E_HEALTH
tap_check "it is not tried again" eval 'p poll && holds ".trial_waits == false"'
tap_check "the rolled-back hook ran" grep -q rolled-back "$D/hook-ran"
hostile_release 4 && repo publish
tap_check "a higher release is" eval 'p poll && holds ".trial_waits and .transaction.release == 4"'

tap_check "leaf lists of images that are in no slot are gone" \
	eval '[ "$(find "$D/var/lib/pawl/leaves" -type f | wc -l)" -eq 1 ]'

# --- Trials that nobody judges ----------------------------------------------------------------
hostile_case
tap_check "to the trial" to_trial
tap_check "a power cut in the trial does not burn it" boots B
tap_check "boot of the second try" p boot
tap_check "a third try" boots B
tap_check "the boot loader gives up by itself" boots A
tap_check "boot notes the failure" eval 'p boot && holds ".failed[0].release == 2"'
tap_check "health ends it" eval 'p health && holds ".transaction == null"'
tap_check "it is recorded" recorded update.rolledback ok E_BOOT

hostile_case
tap_check "to the trial again" to_trial
tap_refuse "the deadline timer rolls back" 50 deadline p health --expired
tap_check "A starts after it" boots A
tap_check "with the reason" eval 'p boot && holds ".failed[0].code == \"E_HEALTH\""'

hostile_case
tap_check "to the trial, a third time" to_trial
tap_check "a person commits" p commit
tap_check "B is committed" holds '.committed == "B"'
tap_refuse "commit without a trial" 52 E_BUSY p commit
tap_check "after a commit the deadline timer does nothing" p health --expired

hostile_case
tap_check "to the trial, a fourth time" to_trial
tap_check "a person gives it up" p rollback
tap_check "A is back" eval 'boots A && p boot && p health && holds ".committed == \"A\""'

# --- The wrong image on trial ---------------------------------------------------------------
hostile_case
repo allot --out "$T/backstop.json" >/dev/null
tree_make "$T/tree" "$W/root.json" "$T/backstop.json" 0
sed -i 's/"release": *[0-9]*/"release": 77/' "$T/tree/usr/share/pawl/backstop.json"
image_make "$T/tree" "$T/other.ext4" ext4 1
repo release --version 3 --compatible demo-board --class functional --encoding none \
	--image "rootfs=$T/other.ext4" 2>>"$T/release.log"
repo publish
tap_check "an image with another release's backstop goes on trial" to_trial
tap_refuse "and is refused there" 50 "release 77" p health

# --- An image that does not say which release it is ------------------------------------------
hostile_case
repo allot --out "$T/backstop.json" >/dev/null
rm -rf "$T/tree"
tree_make "$T/tree" "$W/root.json" "" 0
image_make "$T/tree" "$T/plain.ext4" ext4 1
repo release --release 3 --version 3 --epoch 2 --compatible demo-board --class functional \
	--encoding none --image "rootfs=$T/plain.ext4" 2>>"$T/release.log"
repo publish
tap_check "an image without a backstop goes on trial" to_trial
tap_check "no floor rises on trial" holds '.release_floor == 1 and .epoch_floor == 0'
tap_check "the commit alone raises the floors" \
	eval 'p health && holds ".release_floor == 3 and .epoch_floor == 2"'

# --- Holds ------------------------------------------------------------------------------------
hostile_case
tap_check "poll installs" p poll
repo hold 2
tap_check "a release on hold is cancelled before its reboot" \
	eval 'p poll && holds ".trial_waits == false and .transaction == null"'
tap_check "the hold is recorded" recorded update.held ok E_HELD
tap_check "the old slot starts" boots A
repo unhold 2
tap_check "after unhold it is installed" eval 'p boot; p poll && holds ".trial_waits"'

hostile_case
repo hold 2
tap_check "a held release is not taken" eval 'p poll && holds ".trial_waits == false"'
tap_refuse "nor from its bundle" 25 E_HELD p install "$T/now/2.pawl"
hostile_case
repo withdraw 2
tap_check "a withdrawn release is not taken" eval 'p poll && holds ".trial_waits == false"'
tap_refuse "nor from a bundle made before" 25 E_HELD p install "$T/now/2.pawl"

# --- Policy -------------------------------------------------------------------------------------
hostile_case
device_set "$D" auto security
tap_check "auto = security leaves a functional release alone" \
	eval 'p poll && holds ".trial_waits == false and .offer.release == 2"'
tap_check "install by hand takes it" eval 'p install "$T/now/2.pawl" && holds ".trial_waits"'
hostile_case
device_set "$D" auto all
device_add "$D" policy "reboot = never"
tap_check "reboot = never" p poll
tap_check "the trial waits" holds .trial_waits
tap_check "no reboot was asked for" eval '! device_reboot_asked "$D"'
tap_check "pawl reboot asks for it" eval 'p reboot && device_reboot_asked "$D"'

# --- Hooks that decide -----------------------------------------------------------------------------
hook() {
	mkdir -p "$D/etc/pawl/hooks/$1"
	printf '#!/bin/sh\nexit %s\n' "$2" >"$D/etc/pawl/hooks/$1/10-decide"
	chmod 755 "$D/etc/pawl/hooks/$1/10-decide"
}
hostile_case
hook check.d 1
tap_refuse "a check hook refuses the update" 51 E_HOOK p poll
tap_check "nothing was begun" holds '.transaction == null'
hostile_case
hook pre-activate.d 75
tap_refuse "pre-activate says later" 53 E_LATER p poll
tap_check "the release is written and waits" holds '.transaction.phase == "written" and .trial_waits == false'
hook pre-activate.d 0
tap_check "the next poll goes on without writing again" \
	eval 'p poll && holds ".trial_waits and .transaction.number == 1"'
hostile_case
hook pre-reboot.d 75
tap_check "pre-reboot says later: the poll succeeds, no reboot" \
	eval 'p poll && holds ".trial_waits" && ! device_reboot_asked "$D"'
hook pre-reboot.d 0
tap_check "a later poll reboots" eval 'p poll && device_reboot_asked "$D"'

# --- What was there before -----------------------------------------------------------------------
hostile_case
rm "$D/var/lib/pawl/state.json"
tap_check "without state.json the image's floors hold and updates go on" \
	eval 'p boot && holds ".release_floor == 1 and .slots.A.release == 1" && to_trial && p health'
hostile_case
echo '{"garbage":' >"$D/var/lib/pawl/state.json"
tap_check "garbage in state.json likewise" eval 'p boot && holds ".release_floor == 1"'
tap_check "and it is recorded" recorded state.lost note E_STATE

# --- The command line -----------------------------------------------------------------------------
hostile_case
tap_refuse "unknown verb" 2 "unknown verb" p fly
tap_refuse "unknown option" 2 "unknown option" p poll --fly
tap_refuse "install without a file" 2 E_USAGE p install
tap_refuse "no such file" 33 nothing.pawl p install "$T/nothing.pawl"
tap_check "help" p help
tap_check "help of each verb" eval \
	'for v in poll check install status boot health commit rollback reboot "journal show" "journal verify" doctor provision version; do p help $v >/dev/null || exit 1; done'
tap_check "version" p version
tap_check "a relative --root finds its hooks" eval \
	'cd "$T/now" && "$PAWL" --root dev --quiet boot && "$PAWL" --root dev --quiet health'
tap_refuse "a --root that is not there" 2 "nowhere" "$PAWL" --root "$T/nowhere" status
tap_check "doctor finds nothing bad" p doctor
tap_refuse "an unknown key is an error with its line" 10 "pawl.conf:2" \
	eval 'sed -i "2i colour = red" "$D/etc/pawl/pawl.conf"; p status'
for copy in 0 1; do
	hostile_case
	printf 'damaged' | dd of="$D/dev/env-$copy" bs=1 conv=notrunc status=none
	tap_check "either copy of the environment carries the identity alone ($copy)" \
		holds '.booted == "A" and .committed == "A"'
	tap_check "doctor tells of the damaged copy ($copy)" \
		eval 'p doctor | grep -q "1 of 2 copies"'
done
hostile_case
truncate -s 0 "$D/usr/share/pawl/root.json"
tap_refuse "doctor names the empty root" 11 "root.json" p doctor
tap_refuse "provision refuses a second time" 52 identity p provision

# --- Two at once -------------------------------------------------------------------------------
hostile_case
exec {hold_fd}>"$D/var/lib/pawl/lock"
flock "$hold_fd"
tap_refuse "a second agent goes away" 52 E_BUSY p poll
exec {hold_fd}>&-

# --- Bundles from a URL ----------------------------------------------------------------------------
hostile_case
cp "$T/now/2.pawl" "$P/2.pawl"
tap_check "install URL" eval 'p install "${URL}2.pawl" && holds ".trial_waits"'

tap_end
