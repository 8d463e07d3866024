#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Raspberry Pi layout with the firmware's own A/B, and systemd in the guest: the reboot argument
# goes through systemd, the shipped units do what they say, systemd feeds the watchdog.
set -u
exec python3 "$PAWL_SOURCE/tests/boot/boots.py" raspberrypi-tryboot \
	"$PAWL_BOOT_OUT/raspberrypi-tryboot+systemd" "$PAWL_BOOT_OUT/systemd-update" \
	good panic unhealthy power_cut emergency
