#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The files of each layout say the same, and each boot script can be made.
set -u
. "$PAWL_SOURCE/tests/lib/tap.sh"
layouts=$PAWL_SOURCE/partitions/layouts
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 "$PAWL_SOURCE/tests/lib/layouts.py" "$layouts" >"$work/said"
tap_agree=$?
sed -n '/^1\.\./!p' "$work/said"
tap_count=$(grep -cE '^(not )?ok ' "$work/said")
tap_result "$tap_agree" "the files of every layout agree"
for layout in arm64-uboot qemu-arm64 raspberrypi-uboot; do
	tap_check "boot.scr of $layout" sh "$layouts/make-boot-scr.sh" "$layouts/$layout" "$work/boot.scr"
	tap_check "default environment of $layout" mkenvimage -r -s 0x10000 -o "$work/env.bin" \
		"$layouts/$layout/env.txt"
done
for layout in arm64-uboot qemu-arm64 raspberrypi-uboot raspberrypi-tryboot; do
	mkdir -p "$work/$layout/var/lib/pawl"
	"$PAWL" --root "$work/$layout" --config "$layouts/$layout/pawl.conf" doctor >"$work/doctor" 2>&1
	tap_check "pawl takes the pawl.conf of $layout" grep -q '^good *config' "$work/doctor"
done
tap_end
