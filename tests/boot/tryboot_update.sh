#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Raspberry Pi layout with the firmware's own A/B, which pi.py plays: an update, a release whose
# kernel panics, one that is not healthy.
set -u
more=
[ -z "${PAWL_LONG:-}" ] || more="silent truncated power_cut_install watchdog watchdog_crash"
# shellcheck disable=SC2086 # a list of words
exec python3 "$PAWL_SOURCE/tests/boot/boots.py" raspberrypi-tryboot \
	"$PAWL_BOOT_OUT/raspberrypi-tryboot" "$PAWL_BOOT_OUT/tryboot-update" \
	good panic unhealthy $more
