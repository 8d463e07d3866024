#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# pawl with the A/B of the Raspberry Pi firmware (loader = tryboot): the whole cycle on a device
# out of files, against a script that plays the firmware.
# shellcheck disable=SC2016 # eval expands what stands in single quotes
set -u
: "${PAWL:?}" "${PAWL_REPO:?}" "${PAWL_SOURCE:?}"
# shellcheck source=tests/lib/tap.sh
. "$PAWL_SOURCE/tests/lib/tap.sh"
# shellcheck source=tests/lib/device.sh
. "$PAWL_SOURCE/tests/lib/device.sh"
# shellcheck source=tests/lib/hostile.sh
. "$PAWL_SOURCE/tests/lib/hostile.sh"

firmware() {
	python3 "$PAWL_SOURCE/tests/lib/pi_firmware.py" "$@"
}

# boots SLOT [--reset]: the firmware starts that slot, and what runs comes out of it
boots() {
	local slot image
	slot=$(firmware boot "$D" "${@:2}") || return 1
	image=$D/dev/slot-$(echo "$slot" | tr AB ab)-rootfs
	rm -rf "$D/usr/share/pawl" "$D/usr/lib/pawl"
	mkdir -p "$D/usr/share/pawl" "$D/usr/lib/pawl"
	image_extract "$image" /usr/share/pawl "$D/usr/share/pawl"
	image_extract "$image" /usr/lib/pawl "$D/usr/lib/pawl"
	[ "$slot" = "$1" ] || {
		echo "slot $slot started, not $1"
		firmware show "$D"
		return 1
	}
}

holds() {
	p status --json | jq -e "$1" >/dev/null || {
		p status
		return 1
	}
}

recorded() {
	p journal show --json --details | jq -e -s --arg e "$1" --arg o "$2" --arg c "$3" \
		'any(.evt == $e and .out == $o and .rc == $c)' >/dev/null || {
		p journal show --details | tail -12
		return 1
	}
}

# A device of the world, but with a Raspberry Pi's boot loader.
pi_case() {
	hostile_case
	firmware make "$D" &&
		device_set "$D" loader tryboot &&
		device_add "$D" boot "autoboot = /dev/mmcblk0p1" &&
		device_add "$D" boot "partition-a = 2" &&
		device_add "$D" boot "partition-b = 3" &&
		device_add "$D" boot "reboot-command = /reboot" &&
		boots A
}

unchanged() {
	[ "$(firmware show "$D")" = "$FACTORY" ]
}

# A bad system: its required check fails.
bad_release() {
	repo allot --out "$T/backstop.json" >/dev/null &&
		tree_make "$T/tree" "$W/root.json" "$T/backstop.json" 1 &&
		image_make "$T/tree" "$T/bad.ext4" ext4 1 &&
		repo release --release 3 --version 3.0.0 --compatible demo-board \
			--class functional --encoding none --image "rootfs=$T/bad.ext4" \
			2>>"$T/release.log" && repo publish
}

hostile_begin

# --- The straight way -----------------------------------------------------------------------
tap_check "a device with the firmware's A/B" pi_case
FACTORY=$(firmware show "$D")
tap_check "provision needs no identity" p provision
tap_check "boot and health in the factory's slot" eval 'p boot && p health'
tap_check "doctor knows the loader" eval 'p doctor | grep -q "Raspberry Pi firmware"'
tap_check "poll installs" p poll
tap_check "the trial waits" holds '.trial_waits and .booted == "A" and .committed == "A"'
tap_check "tryboot was asked for" grep -qx "0 tryboot" "$D/run/pi-asked"
tap_check "autoboot.txt is as the factory made it" unchanged
tap_check "the firmware tries B" boots B
tap_check "on trial" eval 'p boot && holds ".on_trial and .committed == \"A\""'
tap_check "health commits" p health
tap_check "B is committed" holds '.committed == "B" and .on_trial == false and .release_floor == 2'
tap_check "autoboot.txt says so, and tries the other" eval \
	'firmware show "$D" | tr "\n" " " | grep -qx "\[all\] tryboot_a_b=1 boot_partition=3 \[tryboot\] boot_partition=2 *"'
tap_check "B boots, also after a power cut" eval 'boots B --reset && boots B'
tap_check "and is committed" eval 'p boot && p health && holds ".committed == \"B\" and .transaction == null"'
tap_check "rollback puts A on trial" p rollback
tap_check "A is tried and committed" eval 'boots A && p boot && p health && holds ".committed == \"A\""'
tap_check "autoboot.txt is as the factory made it again" unchanged
tap_check "the journal verifies" p journal verify

# --- Power cuts around the one sector -----------------------------------------------------------
pi_case
p poll && boots B >/dev/null && p boot >/dev/null
cp -a "$D" "$T/before"
tap_check "a commit" p health
cp "$D/dev/mmcblk0p1" "$T/after-sector"
back() {
	rm -rf "$D" && cp -a "$T/before" "$D"
}
back
tap_check "cut before the sector: A runs" boots A --reset
tap_check "the trial waits for another try" \
	eval 'p boot && holds ".trial_waits and .failed == []"'
tap_check "it is tried again when due" eval 'p reboot --if-due && boots B && p boot && p health'
tap_check "and committed" holds '.committed == "B" and .release_floor == 2'
back
cp "$T/after-sector" "$D/dev/mmcblk0p1"
tap_check "cut after the sector: B runs" boots B --reset
tap_check "the commit is finished" \
	eval 'p boot && holds ".committed == \"B\" and .release_floor == 2 and .transaction == null"'
tap_check "what is left of the trial starts nothing" eval 'p reboot --if-due && boots B'
tap_check "nor is a new install disturbed by it" eval 'p boot && p health && p rollback && boots A'

# --- Trials that fail ---------------------------------------------------------------------------
pi_case
device_add "$D" policy "reboot = never"
tap_check "an install that waits for somebody's reboot" \
	eval 'p poll && [ ! -e "$D/run/pi-asked" ] && holds ".trial_waits"'
tap_check "a reboot that is not the agent's costs no try" \
	eval 'boots A --reset && p boot && grep -qx "trial=B tries=3" "$D/var/lib/pawl/tryboot-trial"'
for try in 1 2 3; do
	tap_check "try $try hangs, the watchdog resets it" eval 'p reboot && boots B && boots A --reset'
	[ $try -eq 3 ] || tap_check "after try $try it waits for the next" \
		eval 'p boot && holds ".trial_waits and .failed == []"'
done
tap_check "after the third it is given up" eval 'p boot && holds ".failed[0].release == 2"'
tap_check "health ends it" eval 'p health && holds ".transaction == null and .trial_waits == false"'
tap_check "it is recorded" recorded update.rolledback ok E_BOOT
tap_check "and not tried again" eval 'p poll && boots A && p boot && holds ".trial_waits == false"'

pi_case
bad_release
tap_check "a bad release is tried" eval 'p poll && boots B && p boot'
tap_refuse "health refuses it" 50 E_HEALTH p health
tap_check "an ordinary reboot was asked for" eval '! grep -q tryboot "$D/run/pi-asked"'
tap_check "A runs again and ends it" eval 'boots A && p boot && p health && holds ".transaction == null"'
tap_check "with the reason" eval 'recorded update.rolledback ok E_HEALTH && unchanged'

# --- What does not fit --------------------------------------------------------------------------
pi_case
printf '\356' | dd of="$D/dev/mmcblk0" bs=1 seek=450 conv=notrunc status=none
tap_refuse "a GPT disk" 44 GPT p poll
tap_check "nothing was written" holds '.transaction == null'
pi_case
sed -i 's/tryboot_a_b=1/tryboot_a_b=0/' "$D/dev/mmcblk0p1"
tap_refuse "no tryboot_a_b" 44 tryboot_a_b p poll
pi_case
sed -i 's/boot_partition=3/boot_partition=2/' "$D/dev/mmcblk0p1"
tap_refuse "two minds" 44 "two minds" p poll
tap_check "provision repairs them" eval 'p provision && unchanged && p poll && boots B'
pi_case
printf '\0\0\0\3' >"$D/proc/device-tree/chosen/bootloader/partition"
tap_refuse "firmware and kernel that disagree" 44 "pawl.slot=A" p poll
pi_case
printf '\0\0\0\173' >"$D/proc/device-tree/chosen/bootloader/capabilities"
tap_refuse "an old EEPROM" 44 rpi-eeprom-update p poll
tap_end
