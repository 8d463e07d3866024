#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# pawl on devices that keep the boot script of RAUC or Mender (loader = uboot-rauc, uboot-mender):
# the cycle end to end, with both scripts played by fw_printenv and fw_setenv.
# shellcheck disable=SC2016 # eval expands what stands in single quotes
set -u
: "${PAWL:?}" "${PAWL_REPO:?}" "${PAWL_SOURCE:?}"
# shellcheck source=tests/lib/tap.sh
. "$PAWL_SOURCE/tests/lib/tap.sh"
# shellcheck source=tests/lib/device.sh
. "$PAWL_SOURCE/tests/lib/device.sh"
# shellcheck source=tests/lib/hostile.sh
. "$PAWL_SOURCE/tests/lib/hostile.sh"

# Without the right to open libubootenv's lock these loaders rightly store nothing.
if ! (: >>/var/lock/fw_printenv.lock) 2>/dev/null; then
	tap_skip "boot scripts of others" "cannot open /var/lock/fw_printenv.lock"
	tap_end
	exit
fi

get() {
	fw_printenv -c "$D/etc/fw_env.config" -n "$1" 2>/dev/null
}

# set_all NAME=VALUE...: one store
set_all() {
	printf '%s\n' "$@" | fw_setenv -c "$D/etc/fw_env.config" -s -
}

holds() {
	p status --json | jq -e "$1" >/dev/null || {
		p status
		fw_printenv -c "$D/etc/fw_env.config"
		return 1
	}
}

# starts SLOT WORDS: what the kernel is told, and what runs comes out of the slot
starts() {
	local letter image
	letter=$(echo "$1" | tr AB ab)
	image=$D/dev/slot-$letter-rootfs
	echo "root=$(realpath "$D")/dev/slot-$letter-rootfs $2" >"$D/proc/cmdline"
	mkdir -p "$D/proc/sys/kernel/random"
	cat /proc/sys/kernel/random/uuid >"$D/proc/sys/kernel/random/boot_id"
	rm -rf "$D/usr/share/pawl" "$D/usr/lib/pawl"
	mkdir -p "$D/usr/share/pawl" "$D/usr/lib/pawl"
	image_extract "$image" /usr/share/pawl "$D/usr/share/pawl"
	image_extract "$image" /usr/lib/pawl "$D/usr/lib/pawl"
}

# The script of RAUC's contrib/: the first slot of the order that has boots left.
rauc_boot() {
	local slot left
	for slot in $(get BOOT_ORDER); do
		left=$((0x$(get "BOOT_${slot}_LEFT")))
		if [ $left -gt 0 ]; then
			set_all "BOOT_${slot}_LEFT=$(printf %x $((left - 1)))"
			starts "$slot" "rauc.slot=$slot"
			[ "$slot" = "$1" ] || echo "slot $slot started, not $1"
			[ "$slot" = "$1" ]
			return
		fi
	done
	set_all BOOT_A_LEFT=3 BOOT_B_LEFT=3
	rauc_boot "$1"
}

# U-Boot's boot count and Mender's boot code; partition 2 is A, 3 is B.
mender_boot() {
	local slot count
	if [ "$(get upgrade_available)" = 1 ]; then
		count=$(($(get bootcount) + 1))
		set_all bootcount=$count
		if [ $count -gt "$(get bootlimit)" ]; then
			slot=$((5 - $(get mender_boot_part)))
			set_all mender_boot_part=$slot mender_boot_part_hex=$slot upgrade_available=0
		fi
	fi
	[ "$(get mender_boot_part)" = "$(get mender_boot_part_hex)" ] || return
	slot=$(get mender_boot_part | tr 23 AB)
	starts "$slot" "pawl.slot=$slot"
	[ "$slot" = "$1" ] || echo "slot $slot started, not $1"
	[ "$slot" = "$1" ]
}

# migrate LOADER VARIABLE...: a device of the world whose environment is another updater's
migrate() {
	hostile_case
	printf '%s\n' "${@:2}" "bootcmd=run other" | mkenvimage -r -s 0x4000 -o "$D/dev/env-0" -
	cp "$D/dev/env-0" "$D/dev/env-1"
	printf '#!/bin/sh\n' >"$D/reboot" && chmod 755 "$D/reboot"
	device_set "$D" loader "$1" && device_add "$D" boot "reboot-command = /reboot"
	device_add "$D" boot "partition-a = 2" && device_add "$D" boot "partition-b = 3"
}

hostile_begin

# --- RAUC -------------------------------------------------------------------------------------
rauc() {
	migrate uboot-rauc "BOOT_ORDER=A B" BOOT_A_LEFT=3 BOOT_B_LEFT=3
}
rauc
tap_check "a RAUC device boots A" rauc_boot A
tap_check "and is Pawl's without more" eval 'p boot && p health && holds ".committed == \"A\""'
tap_check "boot gives A its boots back" eval '[ "$(get BOOT_A_LEFT)" = 3 ]'
tap_check "an install puts B on trial" eval 'p poll && rauc_boot B && p boot && holds ".on_trial"'
tap_check "it is counted" eval '[ "$(get BOOT_ORDER)" = "B A" ] && [ "$(get BOOT_B_LEFT)" = 2 ]'
tap_check "health commits" eval 'p health && holds ".committed == \"B\" and .release_floor == 2"'
tap_check "many boots later it is committed" eval \
	'for i in 1 2 3 4 5; do rauc_boot B && p boot || exit; done; holds ".committed == \"B\""'
tap_check "nothing else in the environment changed" eval '[ "$(get bootcmd)" = "run other" ]'
rauc
tap_check "a trial that nobody judges" eval 'rauc_boot A && p boot && p poll'
tap_check "has three boots" eval 'rauc_boot B && rauc_boot B && rauc_boot B'
tap_check "then A boots again, and says why" eval \
	'rauc_boot A && p boot && holds ".failed[0].release == 2 and .trial_waits == false"'
tap_check "B is out of the order" eval '[ "$(get BOOT_ORDER)" = A ] && rauc_boot A'

# --- Mender -----------------------------------------------------------------------------------
mender() {
	migrate uboot-mender bootlimit=1 bootcount=0 upgrade_available=0 mender_boot_part=2 \
		mender_boot_part_hex=2 mender_check_saveenv_canary=1 mender_saveenv_canary=1
}
mender
tap_check "a Mender device boots A" mender_boot A
tap_check "and is Pawl's without more, too" eval 'p boot && p health && holds ".committed == \"A\""'
tap_check "an install puts B on trial there" eval \
	'p poll && mender_boot B && p boot && holds ".on_trial"'
tap_check "health commits it" eval \
	'p health && holds ".committed == \"B\"" && [ "$(get upgrade_available)" = 0 ]'
tap_check "B boots from now on" eval 'mender_boot B && mender_boot B && p boot && p health'
mender
tap_check "a trial that nobody judges, there" eval 'mender_boot A && p boot && p poll && mender_boot B'
tap_check "ends at bootlimit" mender_boot A
tap_check "and is known as failed" eval 'p boot && holds ".failed[0].release == 2"'
mender
set_all bootlimit=
tap_refuse "without bootlimit nothing is installed" 44 bootlimit eval 'mender_boot A && p poll'
tap_end
