#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A device on a real U-Boot: an update, a release whose kernel panics, one that is not healthy.
set -u
more=
[ -z "${PAWL_LONG:-}" ] || more="silent power_cut_install watchdog watchdog_hang watchdog_crash"
# shellcheck disable=SC2086 # a list of words
exec python3 "$PAWL_SOURCE/tests/boot/boots.py" qemu-arm64 "$PAWL_BOOT_OUT/qemu-arm64" \
	"$PAWL_BOOT_OUT/update" good panic unhealthy $more
