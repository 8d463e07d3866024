#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What does it cost to plan a delta of an image without a single zero block, the worst case? The
# new image differs from the running one in 256 KiB of every 8 MiB, and its last eighth has moved
# by one block; the target holds an older release, which differs in other places. Milliseconds:
#   read       old image and target with dd oflag=direct, the time that no plan can be faster than
#   survey     slot_survey: SHA-256 of the target's leaves, XXH3 of the blocks of wrong ones
#   seed-open  slot_seed_open: the running image read through, its table made
#   match      slot_match_make
# and the memory's high water in KiB (resident). Needs no root.
# usage: plan_bench.sh     BENCH_MIB=1024 BENCH_ROUNDS=3 BENCH_DIR=folder
set -eu
mib=${BENCH_MIB:-1024}
rounds=${BENCH_ROUNDS:-3}
driver=${PAWL_BUILD:-build}/tests/bench/slot_plan
work=$(mktemp -d "${BENCH_DIR:-/var/tmp}/pawl-bench-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

now() { date +%s%3N; }
# As much as that, the same for the same word.
bytes_of() { # WORD MIB
	openssl enc -aes-128-ctr -nosalt -pbkdf2 -pass "pass:$1" -in /dev/zero 2>/dev/null |
		head -c $(($2 * 1048576))
}
# Writes a quarter of a MiB at some place of every 8 MiB.
change() { # FILE WORD FIRST
	bytes_of "$2" $((mib / 32 + 1)) >"$work/change"
	at=$3
	i=0
	while [ "$at" -lt "$mib" ]; do
		dd if="$work/change" of="$1" bs=256K count=1 skip=$i seek=$((at * 4)) conv=notrunc 2>/dev/null
		at=$((at + 8))
		i=$((i + 1))
	done
}

bytes_of old "$mib" >"$work/old"
cp "$work/old" "$work/target"
cp "$work/old" "$work/new"
change "$work/target" before 3
change "$work/new" after 5
eighth=$((mib * 32))
dd if="$work/old" of="$work/new" bs=4096 skip=$((7 * eighth)) seek=$((7 * eighth + 1)) \
	count=$((eighth - 1)) conv=notrunc 2>/dev/null
mkdir "$work/packed"
"$driver" pack "$work/new" "$work/packed"
sync

echo "image: $mib MiB"
i=0
while [ "$i" -lt "$rounds" ]; do
	began=$(now)
	dd if="$work/old" of=/dev/null bs=1M iflag=direct 2>/dev/null
	dd if="$work/target" of=/dev/null bs=1M iflag=direct 2>/dev/null
	echo "read:$(($(now) - began)) $("$driver" plan "$work/packed" "$work/old" "$work/target" |
		tr '\n' ' ')"
	i=$((i + 1))
done
