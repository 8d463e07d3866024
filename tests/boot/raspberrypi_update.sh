#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Raspberry Pi layout with U-Boot on QEMU's raspi3b: an update, a release whose kernel panics.
# A kernel that hangs is not covered: QEMU does not emulate the countdown of the Pi's watchdog.
set -u
more=
[ -z "${PAWL_LONG:-}" ] || more="unhealthy power_cut truncated"
# shellcheck disable=SC2086 # a list of words
exec python3 "$PAWL_SOURCE/tests/boot/boots.py" raspberrypi-uboot \
	"$PAWL_BOOT_OUT/raspberrypi-uboot" "$PAWL_BOOT_OUT/rpi" good panic $more
