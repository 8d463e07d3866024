#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Servers that lie about ranges (nerves_hub_link: silent corruption): nothing wrong is written,
# and what was written and verified is not fetched again.
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
# shellcheck source=tests/lib/odd.sh
. "$PAWL_SOURCE/tests/lib/odd.sh"
# shellcheck disable=SC2119 # no options
odd_world

LEAF=262144
FULL=$(forge <<<'print(r.manifest(2)["images"][0]["full"]["sha256"])')
IMAGE=$P/objects/${FULL:0:2}/$FULL

# Leaf 1 is in the target already, leaf 3 is all zeros: leaves 0 and 2 come in two ranges.
range_case() {
	hostile_case
	dd if="$IMAGE" of="$D/dev/slot-b-rootfs" bs=$LEAF skip=1 seek=1 count=1 conv=notrunc \
		status=none
	odd_forget
	odd_url "$@"
}

# The slot holds the image: what the server said about ranges is one thing, this is another.
same() {
	cmp -n 1048576 "$IMAGE" "$D/dev/slot-b-rootfs"
}

sent_at_most() {
	local sent
	sent=$(odd_sent "/$FULL")
	[ "$sent" -le "$1" ] || {
		echo "$sent bytes of the image were sent, $1 are enough"
		return 1
	}
}

range_case "only,$FULL"
hostile_take "an honest server" 2 p poll --now
tap_check "the slot holds the image" same
tap_check "only what was missing was sent" sent_at_most $((2 * LEAF))

# --- Lies that are seen for what they are --------------------------------------------------
lie() {
	local code=$1 name=$2
	shift 2
	range_case "only,$FULL" "$@"
	hostile_poll "$name" "$code" --wrote --stored "$REFRESHED"
	range_case_after "$name"
}

# The next poll, of an honest server, in the same state.
range_case_after() {
	odd_url
	odd_forget
	hostile_take "$1: the next poll succeeds" 2 p poll --now
	tap_check "$1: then the slot holds the image" same
	tap_check "$1: nothing is fetched twice" sent_at_most "${KEPT:-$((2 * LEAF))}"
}

lie E_NET "another range than asked for" wrong-range
lie E_HASH "the right head, bytes of another place" lie-range
lie E_NET "a shorter range than asked for" short-range,7
lie E_SIZE "a total that is not the signed length" wrong-total,5
lie E_NET "a part without Content-Range" no-content-range
lie E_SIZE "206 with a wrong length" wrong-length,3
# Plain pieces are verified leaf by leaf, but written when all of the piece has come.
lie E_HASH "the object changes between two ranges" changed,2 no-etag
lie E_HASH "it changes, and If-Range is ignored" changed,2 ignore-if-range

# --- Servers that are odd, but not wrong ----------------------------------------------------------
fine() {
	local name=$1 most=$2
	shift 2
	range_case "only,$FULL" "$@"
	hostile_take "$name: succeeds" 2 p poll --now
	tap_check "$name: the slot holds the image" same
	tap_check "$name: bounded bytes" sent_at_most "$most"
}

fine "no ranges" $((1024 * 1024)) no-range
fine "no ranges, no length" $((1024 * 1024)) no-range close
fine "no ETag" $((2 * LEAF)) no-etag
fine "weak ETags" $((2 * LEAF)) weak-etag
fine "another ETag each time, the same bytes" $((4 * 1024 * 1024)) etag-flaps
fine "chunked ranges" $((2 * LEAF)) chunked

tap_end
