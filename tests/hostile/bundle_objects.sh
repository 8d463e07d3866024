#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Signed releases whose objects are bombs or lie about themselves: refused at the limit, nothing
# behind the end of the image is touched, and the next honest release is taken.
# shellcheck disable=SC2016 # eval expands what stands in single quotes
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"

# The target is full of a pattern, so that a stray write shows.
world_add() {
	head -c 6291456 /dev/zero | tr '\0' '\125' >"$D/dev/slot-b-rootfs"
}
# shellcheck disable=SC2119
hostile_begin

IMAGE=1048576

# Nothing behind the image (or behind the head, where nothing was to be written) has changed.
tail_is_untouched() {
	[ "$(tail -c +$((IMAGE + 1)) "$D/dev/slot-b-rootfs" | tr -d '\125' | wc -c)" -eq 0 ]
}

# lie NAME CODE PROGRAM [OPTIONS of refuse.py]: by poll, and from a bundle where ALSO is set
lie() {
	local name=$1 code=$2 program=$3 wrote=--wrote
	shift 3
	[ "${BEFORE:-}" != yes ] || wrote=--time
	hostile_case
	forge <<<"import forge_image as image; from forge_image import *
$program
r.pack('$T/now/lie.pawl', 2)" || {
		tap_result 1 "$name: cannot be forged"
		return
	}
	hostile_poll "$name" "$code" $wrote --stored '*' "$@"
	tap_check "$name: nothing behind the image is touched" tail_is_untouched
	[ -n "${ALSO:-}" ] || return 0
	mv "$T/now/lie.pawl" "$T/lie.pawl"
	hostile_case
	mv "$T/lie.pawl" "$T/now/2.pawl"
	hostile_bundle "$name, in a bundle" "$code" $wrote --time "$@"
}

# --- The control -------------------------------------------------------------------------------
for how in 'encoding="none"' 'encoding="zlib", pieces=[pack(current(r))]' \
	'encoding="zstd", pieces=[sized_zstd(current(r))]'; do
	hostile_case
	forge <<<"from forge_image import *; offer(r, $how)"
	hostile_take "an honest image, $how" 2 p poll --now
	tap_check "nothing behind it is touched" tail_is_untouched
done

# --- Bombs -----------------------------------------------------------------------------------------
zeros='bytes(64 << 20)'
ALSO=bundle
lie "a zlib bomb of 64 MiB" E_SIZE "offer(r, encoding='zlib', pieces=[pack($zeros)])"
lie "a zstd bomb of 64 MiB" E_SIZE "offer(r, encoding='zstd', pieces=[sized_zstd($zeros)])"
ALSO=
lie "a zstd bomb that does not say its size" E_SIZE \
	"offer(r, encoding='zstd', pieces=[zstd($zeros)])"
lie "one byte too much, zlib" E_SIZE "offer(r, encoding='zlib', pieces=[pack(current(r) + b'x')])"
lie "one byte too much, zstd" E_SIZE \
	"offer(r, encoding='zstd', pieces=[sized_zstd(current(r) + b'x')])"
lie "one byte too few, zlib" E_SIZE "offer(r, encoding='zlib', pieces=[pack(current(r)[:-1])])"
lie "one byte too few, zstd" E_SIZE \
	"offer(r, encoding='zstd', pieces=[sized_zstd(current(r)[:-1])])"
lie "data behind the stream, zlib" E_SIZE \
	"offer(r, encoding='zlib', pieces=[pack(current(r)) + b'xx'])"
lie "data behind the frame, zstd" E_SIZE \
	"offer(r, encoding='zstd', pieces=[sized_zstd(current(r)) + b'xx'])"
lie "two frames in a piece" E_SIZE \
	"c = current(r); offer(r, encoding='zstd', pieces=[sized_zstd(c[:9]) + sized_zstd(c[9:])])"
lie "a skippable frame before it" E_META \
	"offer(r, encoding='zstd', pieces=[bytes.fromhex('502a4d1804000000') + b'skip' + sized_zstd(current(r))])"
lie "a stream that is cut off, zlib" E_SIZE \
	"offer(r, encoding='zlib', pieces=[pack(current(r))[:-9]])"
lie "a frame that is cut off, zstd" E_SIZE \
	"offer(r, encoding='zstd', pieces=[sized_zstd(current(r))[:-9]])"
lie "a window of 128 MiB" E_SIZE \
	"offer(r, encoding='zstd', pieces=[zstd(current(r), '--ultra', '-20', '--long=27')])"
lie "no stream at all, zlib" E_META "offer(r, encoding='zlib', pieces=[current(r)[:5000]])"
lie "no frame at all, zstd" E_META "offer(r, encoding='zstd', pieces=[current(r)[:5000]])"
lie "zstd where zlib is signed" E_META \
	"offer(r, encoding='zlib', pieces=[sized_zstd(current(r))])"
lie "other content than the leaves, zlib" E_HASH \
	"offer(r, encoding='zlib', pieces=[pack(bytes($IMAGE))])"
# The hash of the stored bytes is asked first: this bomb never reaches zlib.
lie "a bomb under another hash" E_HASH \
	"p = pack(current(r)); offer(r, encoding='zlib', pieces=[p], full=pack($zeros)[:len(p)].ljust(len(p)))"

# --- Tables ---------------------------------------------------------------------------------------
tab() {
	lie "$1" E_META "c = current(r); offer(r, tab=table(len(c), [c], $2))"
}
tab "a table with another magic" 'magic=b"PWLX"'
tab "a table of another version" 'version=2'
tab "a table with a flag" 'flags=1'
tab "a table of no piece" 'count=0'
tab "a table that counts one more" 'count=2'
tab "a table that counts 2^32 - 1" 'count=0xffffffff'
tab "a table that counts 2^22 + 1" 'count=(1 << 22) + 1'
tab "a piece of no bytes" 'lengths=[0]'
tab "a piece of 4 GiB" 'lengths=[0xffffffff]'
tab "a piece that is shorter than the image" 'lengths=[len(c) - 1]'
tab "bytes behind the table" 'extra=b"x"'
lie "another hash in the table" E_HASH \
	"c = current(r); p = pack(c); offer(r, encoding='zlib', pieces=[p], tab=table(len(c), [p], hashes=[bytes(32)]))"
lie "a table of another image's size" E_META "c = current(r); offer(r, tab=table(len(c) * 4, [c]))"
lie "a table that is cut off" E_META "c = current(r); offer(r, tab=table(len(c), [c])[:-1])"
lie "an empty table" E_META "offer(r, tab=b'')"
lie "lengths that wrap around 2^32" E_META \
	"c = current(r); offer(r, size=len(c) + 4194304, image=c + bytes(4194304), tab=table(len(c) + 4194304, [c, c], lengths=[0xfff00000, 0x00200000]))"

# --- Leaves ----------------------------------------------------------------------------------------
lie "a leaf too few" E_META "offer(r, leaves=digests(current(r))[:-32])"
lie "a leaf too many" E_META "offer(r, leaves=digests(current(r)) + bytes(32))"
lie "leaves of another image" E_HASH "offer(r, leaves=digests(bytes($IMAGE)[:-1] + b'x'))"
lie "no leaves" E_META "offer(r, leaves=b'')"

# --- Numbers in the manifest: refused before anything is touched --------------------------------------
BEFORE=yes
lie "an image of no bytes" E_META "offer(r, size=0, tab=b'x')"
lie "an image of half a block" E_META "offer(r, size=$IMAGE + 1)"
lie "an image of 2^63 - 1 bytes" E_META "offer(r, size=(1 << 63) - 1)"
lie "an image of 64 GiB and a block" E_META "offer(r, size=(64 << 30) + 4096)"
lie "an image that is larger than its slot" E_COMPAT \
	"c = current(r) + bytes(7 << 20); offer(r, image=c, pieces=[c[:PIECE], c[PIECE:]])"
BEFORE=

# --- Shorter and longer than announced ------------------------------------------------------------------
for which in leaves full pieces; do
	for how in '[:-1]' '+ b"x"' '[:0]'; do
		hostile_case
		forge <<-PY
			import forge_image as image
			i = r.manifest(2)["images"][0]
			o = {"leaves": i["leaves"], "full": i["full"], "pieces": i["full"]["pieces"]}["$which"]
			d = o["sha256"]
			image.swap(r, d, r.read(f"objects/{d[:2]}/{d}") $how)
			r.pack("$T/now/2.pawl", 2)
		PY
		hostile_bundle "$which $how in a bundle" E_SIZE --wrote --time
		tap_check "$which $how: nothing behind the image is touched" tail_is_untouched
	done
done

tap_end
