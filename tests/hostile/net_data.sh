#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# range-lies, endless, slow, short-long, address-change for `data`, which is read by announced
# ranges: nothing wrong is written, another way is gone or the attempt ends with a clear code, the
# running slot stays, and no frame that came is fetched twice.
# shellcheck disable=SC2016 # eval expands what stands in single quotes
set -u
# shellcheck source=tests/lib/chain.sh
. "${PAWL_SOURCE:?}/tests/lib/chain.sh"
LIVES=()
clean() {
	local life
	for life in "${LIVES[@]}"; do
		exec {life}>&-
	done
	chain_clean
}
trap clean EXIT

chain_make 4
DATA=$(basename "$(of rootfs.data)")
FULL=$(basename "$(of rootfs.full)")

# odd NAME [OPTIONS of odd_server.py]: one more server of P; sets NAME to its port
odd() {
	local name=$1 line port life
	shift
	mkfifo "$T/$name.in" "$T/$name.out"
	python3 "$PAWL_SOURCE/tests/lib/odd_server.py" --root "$P" --log "$T/$name.log" "$@" \
		<"$T/$name.in" >"$T/$name.out" &
	exec {life}>"$T/$name.in"
	LIVES+=("$life")
	line=
	read -r line port <"$T/$name.out"
	printf -v "$name" %s "${port:-0}"
	[ "$line" = PORT ]
}
odd ODD || exit
BASE=http://127.0.0.1:$ODD/

# sent NAME HASH: bytes of an object that this server sent
sent() {
	jq -s --arg t "/$2" '[.[] | select(.path | contains($t)) | .sent] | add // 0' "$T/$1.log"
}

device_at 2 >/dev/null
cp -a "$D" "$T/kept"

# fresh WORD...: the device, as it was; its server behaves like this for data alone
fresh() {
	local words
	words=$(printf '~%s/' "$@")
	rm -rf "$D"
	cp -a "$T/kept" "$D"
	device_set "$D" url "${BASE}~only,$DATA/${words}"
	device_add "$D" repository "low-speed-seconds = 3"
	: >"$T/ODD.log"
	before=$(sha256sum "$D"/dev/slot-a-*)
}

# What an honest server sends of data.
fresh late,0
tap_check "an honest server" p poll --now
tap_check "an honest server: the release is there" arrived 4
ALL=$(sent ODD "$DATA")
tap_check "an honest server: part of data was sent" [ "$ALL" -gt 0 ]
tap_check "an honest server: nothing of full" [ "$(sent ODD "$FULL")" -eq 0 ]

# long COMMAND...: in the long version alone
long() {
	[ -z "${PAWL_LONG:-}" ] || "$@"
}

# lie NAME CODES WORD...: right bytes by another way, or one of these codes; then an honest server
lie() {
	local name=$1 codes=$2 status=0
	shift 2
	fresh "$@"
	timeout 60 "$PAWL" --root "$D" poll --now >"$T/said" 2>&1 || status=$?
	tap_check "$name: what runs is untouched" [ "$before" = "$(sha256sum "$D"/dev/slot-a-*)" ]
	if [ "$status" -eq 0 ]; then
		tap_check "$name: another way was gone" eval 'arrived 4 && [ "$(sent ODD "$FULL")" -gt 0 ]'
		return
	fi
	grep -qE "^pawl: ($codes):" "$T/said"
	tap_result $? "$name: $codes"
	sed 's/^/# /' "$T/said"
	tap_check "$name: no trial waits" eval 'p status --json | jq -e ".trial_waits | not" >/dev/null'
	device_set "$D" url "$BASE"
	: >"$T/ODD.log"
	tap_check "$name: the next poll succeeds" p poll --now
	tap_check "$name: then the release is there" arrived 4
	# What was right the first time is not fetched again; KEPT says how much that was at least.
	tap_check "$name: at most what was missing" [ "$(sent ODD "$DATA")" -le $((ALL - ${KEPT:-0})) ]
}

lie "another range than asked for" "E_NET|E_HASH" wrong-range
lie "the right head, bytes of another place" E_HASH lie-range
long lie "a shorter range than asked for" E_NET short-range,7
lie "a total that is not the signed length" E_SIZE wrong-total,5
long lie "a part without Content-Range" E_NET no-content-range
long lie "206 with a wrong length" E_SIZE wrong-length,3
lie "data of other bytes" E_HASH changed,1
lie "a body without an end" "E_SIZE|E_HASH|E_NET" endless
long lie "compressed on the way" E_NET gzip
long lie "a server error" E_NET status,500
lie "data is gone" E_NOTFOUND status,404
KEPT=262144
long lie "it stalls in the second frame, then there is no service" E_NET "stall,400000" status-after,2,503
lie "it breaks in the second frame, then there is no service" E_NET "cut,400000" status-after,2,503
unset KEPT

# fine NAME MOST WORD...: succeeds; at most so many bytes of data more than from an honest server
fine() {
	local name=$1 most=$2
	shift 2
	fresh "$@"
	tap_check "$name: succeeds" timeout 60 "$PAWL" --root "$D" --quiet poll --now
	tap_check "$name: the release is there" arrived 4
	tap_check "$name: bounded bytes" [ "$(sent ODD "$DATA")" -le $((ALL + most)) ]
}
fine "no ranges" "$(stat -c %s "$P/$(of rootfs.data)")" no-range
long fine "no ETag" 0 no-etag
fine "another ETag each time" $((2 * ALL)) etag-flaps
long fine "chunked ranges" 0 chunked
# In flight at a reset is what the kernel had not handed over yet.
fine "three resets on the way" 300000 cut,150000,3
fine "a stall on the way" 300000 stall,300000,1

# --- Differences of tables ----------------------------------------------------------------------------
# The server misbehaves for the difference of the index alone: that costs the whole index at most.
INDEX=$(basename "$(of rootfs.index)")
base=$(jq -r '.images[] | select(.name == "rootfs") | .index.sha256' "$P"/targets/demo/releases/*.2.json)
DIFFERENCE=$(jq -r --arg b "$base" '.images[] | select(.name == "rootfs") |
	.index.from[] | select(.base == $b) | .sha256' "$P"/targets/demo/releases/*.4.json)

# difference NAME WORD...: the update comes by its delta all the same
difference() {
	local name=$1
	shift
	fresh "$@"
	device_set "$D" url "${BASE}~only,$DIFFERENCE/$(printf '~%s/' "$@")"
	tap_check "difference, $name: succeeds" timeout 60 "$PAWL" --root "$D" --quiet poll --now
	tap_check "difference, $name: the release is there" arrived 4
	tap_check "difference, $name: a delta" eval \
		'[ "$(sent ODD "$FULL")" -eq 0 ] && [ "$(sent ODD "$DATA")" -eq "$ALL" ]'
	tap_check "difference, $name: what runs is untouched" [ "$before" = "$(sha256sum "$D"/dev/slot-a-*)" ]
}
asked() {
	jq -s --arg t "/$1" '[.[] | select(.path | contains($t))] | length' "$T/ODD.log"
}
difference "an honest server" late,0
tap_check "difference, an honest server: the index itself is not asked for" [ "$(asked "$INDEX")" -eq 0 ]
for word in changed,1 status,404 wrong-length,3 endless; do
	difference "$word" "$word"
	tap_check "difference, $word: asked for the index once at most" [ "$(asked "$INDEX")" -le 1 ]
	tap_check "difference, $word: no more tries than for any object" [ "$(asked "$DIFFERENCE")" -le 6 ]
done

# --- Another address ---------------------------------------------------------------------------------
# Two servers behind the name localhost, which libcurl takes for 127.0.0.1 and then ::1. The first
# one is gone in the middle of data; the other one goes on.
if odd FIRST && odd SECOND --bind ::1 --port "$FIRST" --good; then
	fresh late,0
	device_set "$D" url "http://localhost:$FIRST/~only,$DATA/~die,300000/"
	tap_check "another address in mid-download: the same poll goes on" p poll --now
	tap_check "another address: the release is there" arrived 4
	one=$(sent FIRST "$DATA")
	two=$(sent SECOND "$DATA")
	tap_check "another address: both have served" eval '[ "$one" -gt 0 ] && [ "$two" -gt 0 ]'
	tap_check "another address: bytes are not fetched twice" [ $((one + two)) -le $((ALL + 100000)) ]
	tap_check "another address: the second is asked for the rest" eval \
		'jq -s -e --arg t "/$DATA" "[.[] | select(.path | contains(\$t)) | .range][0] |
		capture(\"bytes=(?<first>[0-9]+)-\").first | tonumber > 0" "$T/SECOND.log"'
else
	tap_skip "another address" "no IPv6 loopback"
fi

tap_end
