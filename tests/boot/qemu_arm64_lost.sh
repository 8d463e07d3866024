#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A device on a real U-Boot: a power cut in the first boot of a good release, a release whose
# kernel hangs, one whose root file system is half missing.
set -u
more=
[ -z "${PAWL_LONG:-}" ] || more="env_lost env_one_bad power_cut_tries reset_button"
# shellcheck disable=SC2086 # a list of words
exec python3 "$PAWL_SOURCE/tests/boot/boots.py" qemu-arm64 "$PAWL_BOOT_OUT/qemu-arm64" \
	"$PAWL_BOOT_OUT/lost" power_cut hang truncated $more
