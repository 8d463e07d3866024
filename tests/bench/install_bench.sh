#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# How long does installing take beside what must be done anyway? An ext4 image of
# /usr goes into a loop device with direct I/O, with a cold cache, until it is on
# the medium. Needs root, losetup, mke2fs, zstd. Times in milliseconds.
#   decode   zstd -d | sha256sum                     (no medium)
#   copy     dd oflag=direct, fsync                  (no decoding)
#   bound    zstd -d | tee sha256sum | dd oflag=direct, fsync: both in one run
#   write    slot_spoil + slot_write                 (looks for right leaves first)
#   readback slot_finish: every leaf again from the medium, then leaf 0
# Ratios are of speed, 1 = as fast as the reference: a/b is the time of a beside the time of b.
#   (decode+copy)/write   one after the other, as a script would
#   bound/write           all in one pipe, on as many cores as there are
# usage: install_bench.sh     BENCH_MIB=512 BENCH_ROUNDS=3 BENCH_DIR=folder
set -eu
mib=${BENCH_MIB:-512}
rounds=${BENCH_ROUNDS:-3}
driver=${PAWL_BUILD:-build}/tests/bench/slot_install
if [ "$(id -u)" -ne 0 ]; then
	echo "install_bench: needs root for loop devices" >&2
	exit 1
fi
work=$(mktemp -d "${BENCH_DIR:-/var/tmp}/pawl-bench-XXXXXX")
loop=
cleanup() {
	[ -z "$loop" ] || losetup -d "$loop"
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

now() { date +%s%3N; }
cold() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
}
# A target that holds other content, as the slot of an old release does.
old_content() {
	head -c "$bytes" /dev/urandom | dd of="$loop" bs=1M iflag=fullblock oflag=direct conv=fsync 2>/dev/null
}

# Folders of /usr until the image is full; mke2fs wants to be told a size that fits.
mkdir "$work/tree"
budget=$((mib * 80 / 100))
for d in /usr/bin /usr/lib/x86_64-linux-gnu /usr/lib/aarch64-linux-gnu /usr/share /usr/lib; do
	[ -d "$d" ] || continue
	find "$d" -xdev -type f -size -4000k 2>/dev/null | sort >"$work/list"
	while read -r f; do
		echo "$f"
	done <"$work/list"
done | awk '!seen[$0]++' | tr '\n' '\0' | du -k --files0-from=- 2>/dev/null |
	awk -v max=$((budget * 1024)) '{ sum += $1; if (sum > max) exit; sub(/^[0-9]+\t/, ""); print }' |
	tar -C / -cf - -T - --transform 's,^/,,' 2>/dev/null | tar -C "$work/tree" -xf -
truncate -s "${mib}M" "$work/image"
mke2fs -q -t ext4 -b 4096 -O ^has_journal -E hash_seed=00000000-0000-0000-0000-000000000001 \
	-U 00000000-0000-0000-0000-000000000002 -d "$work/tree" "$work/image" "${mib}M"
rm -rf "$work/tree"
bytes=$(stat -c %s "$work/image")
mkdir "$work/packed"
"$driver" pack "$work/image" "$work/packed" zstd
truncate -s "$bytes" "$work/disk"
loop=$(losetup --find --show --direct-io=on "$work/disk")
old_content
printf '%s MiB, stored %s MiB, %s rounds\n' "$mib" \
	"$(($(stat -c %s "$work/packed/full") / 1048576))" "$rounds"
printf '%7s %6s %6s %6s %9s %20s %12s %6s %9s %8s\n' decode copy bound write readback \
	'(decode+copy)/write' bound/write again anon_KiB rss_KiB

row() {
	printf '%7d %6d %6d %6d %9d %20s %12s %6d %9d %8d\n' "$1" "$2" "$3" "$4" "$5" \
		"$(ratio $(($1 + $2)) "$4")" "$(ratio "$3" "$4")" "$6" "$7" "$8"
}
ratio() { awk "BEGIN { printf \"%.2f\", $1 / $2 }"; }
value() { sed -n "s/^$1://p" "$work/out"; }
i=0
while [ "$i" -lt "$rounds" ]; do
	i=$((i + 1))
	cold
	t=$(now)
	zstd -dc <"$work/packed/full" | sha256sum >/dev/null
	decode=$(($(now) - t))

	cat "$work/image" >/dev/null # the copy is measured, not reading its source
	t=$(now)
	dd if="$work/image" of="$loop" bs=1M oflag=direct conv=fsync 2>/dev/null
	copy=$(($(now) - t))

	old_content
	cold
	mkfifo "$work/fifo"
	t=$(now)
	sha256sum <"$work/fifo" >/dev/null &
	hasher=$!
	zstd -dc <"$work/packed/full" | tee "$work/fifo" |
		dd of="$loop" bs=1M iflag=fullblock oflag=direct conv=fsync 2>/dev/null
	wait "$hasher"
	bound=$(($(now) - t))
	rm "$work/fifo"
	cmp "$work/image" "$loop"

	old_content
	cold
	"$driver" install "$work/packed" "$loop" >"$work/out"
	write=$(value write)
	readback=$(value readback)
	anon=$(value anonymous)
	rss=$(value resident)
	cmp "$work/image" "$loop"
	# Once more over the same content: what a resume costs.
	cold
	"$driver" install "$work/packed" "$loop" >"$work/out"
	again=$(value write)
	row "$decode" "$copy" "$bound" "$write" "$readback" "$again" "$anon" "$rss"
	echo "$decode $copy $bound $write $readback $again $anon $rss" >>"$work/rows"
done
# The least of each column: what a busy machine disturbs least.
echo "least:"
# shellcheck disable=SC2046 # words
row $(awk '{ for (i = 1; i <= NF; i++) if (NR == 1 || $i < m[i]) m[i] = $i } END { $0 = ""; for (i = 1; i <= 8; i++) $i = m[i]; print }' "$work/rows")
