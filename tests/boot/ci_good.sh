#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every change is tried on a real U-Boot: an update, a release that is not healthy.
set -u
exec python3 "$PAWL_SOURCE/tests/boot/boots.py" qemu-arm64 "$PAWL_BOOT_OUT/qemu-arm64" \
	"$PAWL_BOOT_OUT/ci-good" good unhealthy
