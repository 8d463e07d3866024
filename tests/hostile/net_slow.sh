#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Servers that are slow or fall silent, and networks that go away in the middle (rauc 1517, 1912):
# given up in time, gone on with later, and no byte that was written is fetched twice.
# shellcheck disable=SC2015,SC2016,SC2034 # eval expands what stands in single quotes
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
# shellcheck source=tests/lib/odd.sh
. "$PAWL_SOURCE/tests/lib/odd.sh"

PIECE=$((4 * 1024 * 1024))
IMAGE=$((3 * PIECE))

# A release of three pieces, so that something can be kept.
world_add() {
	device_add "$D" repository "object-deadline = 4"
	truncate -s $IMAGE "$D/dev/slot-b-rootfs"
	head -c $IMAGE /dev/urandom >"$T/large"
	repo release --release 3 --version 3.0.0 --compatible demo-board --class functional \
		--encoding none --image "rootfs=$T/large:raw" 2>>"$T/release.log" &&
		repo publish && repo bundle 3 --out "$T/now/3.pawl"
}
# shellcheck disable=SC2119 # no options
odd_world

LEAVES=$(forge <<<'print(r.manifest(3)["images"][0]["leaves"]["sha256"])')
FULL=$(forge <<<'print(r.manifest(3)["images"][0]["full"]["sha256"])')

same() {
	cmp -n $IMAGE "$T/large" "$D/dev/slot-b-rootfs"
}

# sent_between LEAST MOST: bytes of the image since odd_forget
sent_between() {
	local sent
	sent=$(odd_sent "/$FULL")
	[ "$sent" -ge "$1" ] && [ "$sent" -le "$2" ] || {
		echo "$sent bytes of the image were sent, not $1 to $2"
		return 1
	}
}

# kept: how much of the image is in the slot, leaf by leaf (leaf 0 comes last)
kept() {
	python3 - "$T/large" "$D/dev/slot-b-rootfs" <<-'PY'
		import sys
		a, b = (open(p, "rb").read() for p in sys.argv[1:])
		leaf = 262144
		print(sum(leaf for i in range(0, len(a), leaf) if a[i:i + leaf] == b[i:i + leaf]))
	PY
}

# goes_on NAME: the next poll, of an honest server, fetches what is missing and no more.
goes_on() {
	local name=$1 have
	have=$(kept)
	odd_url
	odd_forget
	hostile_take "$name: the next poll goes on" 3 p poll --now
	tap_check "$name: the slot holds the image" same
	tap_check "$name: nothing that was there is fetched again" \
		sent_between 0 $((IMAGE - have))
}

# --- Slow from the start ---------------------------------------------------------------------
slow() {
	local name=$1
	shift
	hostile_case
	odd_url "$@"
	hostile_poll "$name" E_TIMEOUT --seconds 20
}
slow "a connection that is taken, and silence" silence
slow "one byte a second of a timestamp" only,timestamp slow,1
slow "a timestamp that stalls" only,timestamp stall,100
hostile_case
device_set "$D" low-speed-seconds 60
device_add "$D" repository "metadata-deadline = 1"
odd_url only,timestamp slow,200
hostile_poll "fast enough, but not done in time" E_TIMEOUT --seconds 20

# --- Objects ------------------------------------------------------------------------------------
hostile_case
odd_url "only,$LEAVES" stall,100
hostile_poll "a leaf list that stalls" E_TIMEOUT --wrote --stored "$REFRESHED" --seconds 30
goes_on "after the leaf list"
hostile_case
odd_url "only,$FULL" stall,$((PIECE + 1000))
hostile_poll "an image that stalls in its second piece" E_TIMEOUT --wrote \
	--stored "$REFRESHED" --seconds 30
tap_check "the first piece is kept" eval '[ "$(kept)" -ge $((PIECE - 262144)) ]'
goes_on "after the stall"

# --- The network goes away and comes back ---------------------------------------------------------
hostile_case
device_set "$D" object-deadline 60
odd_url "only,$FULL" cut,$((PIECE + 300000)),1
odd_forget
hostile_take "a reset in the middle: the same poll goes on" 3 p poll --now
tap_check "the slot holds the image" same
# In flight at the reset: what the kernel had not handed over yet.
tap_check "it went on where it broke" sent_between $IMAGE $((IMAGE + 600000))
tap_check "in two requests" eval '[ "$(odd_count "/$FULL")" -eq 2 ]'
hostile_case
device_set "$D" object-deadline 60
odd_url "only,$FULL" cut,$((PIECE + 300000)),2 no-etag
odd_forget
hostile_take "resets twice, without ETags" 3 p poll --now
tap_check "then the slot holds the image" same
tap_check "each time it went on" sent_between $IMAGE $((IMAGE + 1200000))

# Another address: the server is gone, and another one has the same files.
odd_start SECOND || exit
hostile_case
odd_url "only,$FULL" cut,$((2 * PIECE + 5000)) status-after,2,503
hostile_poll "the network drops" E_NET --wrote --stored "$REFRESHED" --seconds 30
have=$(kept)
tap_check "two pieces are kept" [ "$have" -ge $((2 * PIECE - 262144)) ]
BASE=http://127.0.0.1:$SECOND/
goes_on "from another address"

# Killed in the middle: the next run finds out by itself what is there.
hostile_case
device_set "$D" object-deadline 60
odd_url "only,$FULL" stall,$((2 * PIECE + 9000))
"$PAWL" --root "$D" --quiet poll --now 2>/dev/null &
agent=$!
disown $agent
for ((i = 0; i < 100; i++)); do
	[ "$(kept)" -lt $((2 * PIECE - 262144)) ] || break
	sleep 0.1
done
kill -KILL $agent
goes_on "after kill -9"
tap_check "the journal verifies" p journal verify

# --- A bundle from a URL ---------------------------------------------------------------------------
hostile_case
cp "$T/now/3.pawl" "$P/3.pawl"
hostile_refuse "a bundle from a silent server" E_TIMEOUT --seconds 30 -- \
	"$PAWL" --root "$D" install "${BASE}~silence/now/w/public/3.pawl"
hostile_take "a bundle from a URL whose connection breaks" 3 p install \
	"${BASE}~cut,$((PIECE + 70000)),1/now/w/public/3.pawl"
tap_check "that slot holds the image" same

tap_end
