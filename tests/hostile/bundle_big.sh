#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Images around 2 and 4 GiB (CVE-2026-34155: only the first 2 GiB were hashed): every byte counts,
# the last one, too, in bounded memory. Sparse files; the long version has all sizes,
# and installs them.
# shellcheck disable=SC2016 # eval expands what stands in single quotes
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
# shellcheck source=tests/lib/server.sh
. "$PAWL_SOURCE/tests/lib/server.sh"
trap 'server_stop; hostile_clean' EXIT
mkdir -p "$P"
if ! command -v nginx >/dev/null; then
	tap_skip "images around 2 GiB" "needs nginx"
	tap_end
	exit
fi
server_start "$T/server" "$P" || exit
hostile_world || exit
device_set "$D" url "$SERVER_URL"
sed -i '/^allow-http/d' "$D/etc/pawl/pawl.conf"
device_add "$D" repository "ca-file = /etc/pawl/ca.pem"
cp "$T/server/ca.pem" "$D/etc/pawl/ca.pem"
rm -rf "$T/kept"

GIB=$((1024 * 1024 * 1024))
release=2

# big SIZE: an image with something at its beginning, around 2 GiB and at its very end
big() {
	local size=$1 at
	rm -f "$T/big"
	truncate -s "$size" "$T/big"
	for at in 0 $((GIB - 300)) $((2 * GIB - 6000)) $((size - 5000)); do
		head -c 5000 /dev/urandom |
			dd of="$T/big" bs=4096 seek=$at oflag=seek_bytes conv=notrunc status=none
	done
	truncate -s "$size" "$T/big"
	truncate -s 0 "$D/dev/slot-b-rootfs"
	truncate -s $((size + 1048576)) "$D/dev/slot-b-rootfs"
	repo release --release $release --version $release --compatible demo-board \
		--class functional --encoding none --no-delta --image "rootfs=$T/big:raw" \
		2>>"$T/release.log" && repo publish
}

# flip OFFSET: one bit of the published image
flip() {
	local full
	full=$(forge <<<"print(r.manifest($release)['images'][0]['full']['sha256'])")
	python3 - "$P/objects/${full:0:2}/$full" "$1" <<-'PY'
		import sys
		with open(sys.argv[1], "r+b") as f:
		    f.seek(int(sys.argv[2]))
		    b = f.read(1)
		    f.seek(int(sys.argv[2]))
		    f.write(bytes([b[0] ^ 1]))
	PY
}

try() {
	local size=$1
	release=$((release + 1))
	tap_check "$size bytes are published" big "$size"
	flip $((size - 1))
	hostile_refuse "$size bytes, the last one is wrong" E_HASH --wrote --stored '*' \
		--seconds 300 -- "$PAWL" --root "$D" poll --now
	[ -n "${PAWL_LONG:-}" ] || return 0
	flip $((size - 1))
	hostile_take "$size bytes, all of them right" $release p poll --now
	tap_check "the slot holds all $size of them" cmp -n "$size" "$T/big" \
		"$D/dev/slot-b-rootfs"
}

try $((2 * GIB + 4096))
if [ -n "${PAWL_LONG:-}" ]; then
	for size in $((2 * GIB - 4096)) $((2 * GIB)) $((4 * GIB)) $((4 * GIB + 4096)) $((8 * GIB)); do
		try "$size"
	done
fi
tap_end
