#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A device on a real U-Boot: 50 updates one after the other (PAWL_CYCLES), with nobody at it.
set -u
exec python3 "$PAWL_SOURCE/tests/boot/boots.py" qemu-arm64 "$PAWL_BOOT_OUT/qemu-arm64" \
	"$PAWL_BOOT_OUT/cycles" cycles
