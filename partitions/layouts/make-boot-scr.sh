#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes boot.scr: the shared rules, then the layout's own part.
# usage: make-boot-scr.sh LAYOUT-FOLDER OUTPUT   (needs mkimage of u-boot-tools)
set -eu
[ $# -eq 2 ] || {
	echo "usage: $0 LAYOUT-FOLDER OUTPUT" >&2
	exit 2
}
common=$(dirname "$0")/common
joined=$(mktemp)
trap 'rm -f "$joined"' EXIT
cat "$common/boot-core.cmd" "$1/boot.cmd" >"$joined"
mkimage -A arm64 -O linux -T script -C none -n "Pawl boot script" -d "$joined" "$2"
