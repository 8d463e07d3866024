#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Is a stripped program small enough for a device? usage: check-size.sh STRIP PROGRAM KIB
set -eu
strip=$1
program=$2
limit=$3
copy=$(mktemp)
trap 'rm -f "$copy"' EXIT
"$strip" -o "$copy" "$program"
kib=$((($(stat -c %s "$copy") + 1023) / 1024))
echo "$program: $kib KiB stripped, allowed are $limit"
[ "$kib" -le "$limit" ]
