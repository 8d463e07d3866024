#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The files of a layout say the same: U-Boot, Linux and the disk image must mean one environment.
set -u
cd "$PAWL_SOURCE/partitions/layouts/arm64-uboot" || exit 1
. "$PAWL_SOURCE/tests/lib/tap.sh"

option() { # the value of CONFIG_<NAME> in the fragment
	sed -n "s/^CONFIG_$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" u-boot-fragment.config
}

size=$(option ENV_SIZE)
for copy in "1 $(option ENV_OFFSET)" "2 $(option ENV_OFFSET_REDUND)"; do
	tap_check "fw_env.config has copy ${copy% *} where U-Boot has it" sh -c \
		"grep -v '^#' fw_env.config | sed -n '${copy% *}p' | grep -qE ' ${copy#* } +$size\$'"
done
tap_check "the disk image has its partition there" test "$(option ENV_OFFSET)" = \
	"$(printf '0x%x' $(($(sed -n '/partition pawl-env/,/}/s/.*offset = \([0-9]*\)M$/\1/p' genimage.cfg) << 20)))"
tap_check "the built-in environment boots as the stored one" test \
	"$(option BOOTCOMMAND)" = "$(sed -n 's/^pawl_boot=//p' env.txt)"
tap_check "the stored environment boots at all" grep -qx 'bootcmd=run pawl_boot' env.txt
for slot in A B; do
	path=$(sed -n "/^\[slot $slot\]/,/^\$/s,^rootfs = /dev/disk/by-partuuid/,,p" pawl.conf)
	tap_check "slot $slot is the same partition for all" sh -c \
		"test -n '$path' && grep -q '$path' boot.cmd && grep -q '$path' genimage.cfg && grep -q '$path' pawl.wks"
done
tap_end
