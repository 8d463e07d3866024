#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Raspberry Pi layout with the firmware's own A/B, which pi.py plays: power cuts in the first
# boot of a good release, right after the sector of its commit, and with that sector torn; a
# release that hangs, ended by Pawl's own watchdog.
set -u
more=
[ -z "${PAWL_LONG:-}" ] || more="power_cut_tries reset_button"
# shellcheck disable=SC2086 # a list of words
exec python3 "$PAWL_SOURCE/tests/boot/boots.py" raspberrypi-tryboot \
	"$PAWL_BOOT_OUT/raspberrypi-tryboot" "$PAWL_BOOT_OUT/tryboot-lost" \
	power_cut sector_cut sector_torn_first sector_torn_second watchdog_hang $more
