#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A bundle that is replaced, truncated, overwritten or renamed after it was verified
# (CVE-2020-25860), a stick that is pulled: what lands in the slot is what was signed, or nothing
# is activated. A hook between verification and writing plays the other hand.
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"

# A bundle of a release that another publisher signed: what an attacker would like to have there.
world_add() {
	"$PAWL_REPO" --repo "$T/other" --product demo --quiet init &&
		cp "$T/backstop.json" "$T/own.json" &&
		head -c 1048576 /dev/urandom >"$T/evil" &&
		"$PAWL_REPO" --repo "$T/other" --quiet release --release 2 --version 2.0.0 \
			--compatible demo-board --class functional --encoding none \
			--image "rootfs=$T/evil:raw" 2>>"$T/release.log" &&
		"$PAWL_REPO" --repo "$T/other" --quiet publish &&
		"$PAWL_REPO" --repo "$T/other" --quiet bundle 2 --out "$T/now/evil.pawl"
}
# shellcheck disable=SC2119 # no options
hostile_begin
B=$T/now/2.pawl

# hand STAGE COMMANDS: what happens to the bundle at that stage
hand() {
	local hook=$D/etc/pawl/hooks/$1.d/60-hand
	printf '#!/bin/sh\n%s\n' "$2" >"$hook"
	chmod 755 "$hook"
}

same() {
	cmp -n 1048576 "$T/image.ext4" "$D/dev/slot-b-rootfs"
}

# swapped NAME CODE COMMANDS: the content is not what was verified any more
swapped() {
	hostile_case
	hand pre-write "$3"
	hostile_bundle "$1" "$2" --wrote --time
	rm "$D/etc/pawl/hooks/pre-write.d/60-hand"
	cp "$T/kept/2.pawl" "$B"
	hostile_take "$1: an honest bundle afterwards" 2 p install "$B"
}

# harmless NAME COMMANDS: the open file is still the one that was verified
harmless() {
	hostile_case
	hand pre-write "$2"
	hostile_take "$1: the file that was verified is written" 2 p install "$B"
	tap_check "$1: the slot holds the signed image" same
}

harmless "replaced by a rename" "mv '$T/now/evil.pawl' '$B'"
harmless "removed" "rm '$B'"
harmless "renamed" "mv '$B' '$B.old'"
harmless "a link in its place" "rm '$B'; ln -s '$T/now/evil.pawl' '$B'"
swapped "overwritten in place" E_HASH "cat '$T/now/evil.pawl' >'$B'"
swapped "the image overwritten" E_HASH \
	"dd if='$T/evil' of='$B' bs=4096 seek=20 conv=notrunc status=none"
swapped "one byte of the image" E_HASH \
	"printf X | dd of='$B' bs=1 seek=600000 conv=notrunc status=none"
swapped "truncated to nothing" E_IO "truncate -s 0 '$B'"
swapped "truncated in the image" E_IO "truncate -s 500000 '$B'"
swapped "all zeros" E_HASH "truncate -s 0 '$B'; truncate -s 1064960 '$B'"

# After the slot was written and read back the bundle has no say any more.
hostile_case
hand pre-activate "cat '$T/now/evil.pawl' >'$B'"
hostile_take "overwritten after the read-back" 2 p install "$B"
tap_check "the slot holds the signed image then, too" same

# A mirror that changes its mind behaves the same way.
hostile_case
hand pre-write "find '$P/objects' -size +100k -exec cp '$T/evil' {} \\;"
hostile_poll "objects of a mirror replaced" E_HASH --wrote --stored '*'

tap_end
