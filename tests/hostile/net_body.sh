#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Answers whose body is not what was asked for: without end, with a wrong length, encoded
# (bombs), a web page. Refused at the cap or the signed length, never decoded, and the next poll
# of an honest server succeeds.
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
# shellcheck source=tests/lib/odd.sh
. "$PAWL_SOURCE/tests/lib/odd.sh"
# shellcheck disable=SC2119 # no options
odd_world

LEAVES=$(forge <<<'print(r.manifest(2)["images"][0]["leaves"]["sha256"])')
PIECES=$(forge <<<'print(r.manifest(2)["images"][0]["pieces"]["sha256"])' 2>/dev/null) ||
	PIECES=$(forge <<<'print(r.manifest(2)["images"][0]["full"]["pieces"]["sha256"])')
FULL=$(forge <<<'print(r.manifest(2)["images"][0]["full"]["sha256"])')

# odd NAME CODE FILE WORD: one odd answer for one file; what was verified before it is stored.
odd() {
	local name=$1 code=$2 file=$3 word=$4 options=()
	hostile_case
	case $file in
	2.root | timestamp) ;;
	snapshot) options=(--stored "timestamp.json,cache/timestamp.tag") ;;
	.targets.json) options=(--stored "timestamp.json,cache/timestamp.tag,snapshot.json") ;;
	.stable.) options=(--stored "$REFRESHED") ;;
	*) options=(--wrote --stored "$REFRESHED") ;;
	esac
	odd_url "only,$file" "$word"
	hostile_poll "$name: $word" "$code" "${options[@]}"
}

# --- No end ------------------------------------------------------------------------------
odd "the next root" E_SIZE 2.root endless
odd "timestamp" E_SIZE timestamp endless
odd "snapshot" E_SIZE snapshot endless
odd "targets" E_SIZE .targets.json endless
odd "the manifest" E_SIZE .stable. endless
odd "the leaves" E_SIZE "$LEAVES" endless
odd "the piece table" E_SIZE "$PIECES" endless
odd "the image" E_HASH "$FULL" endless
hostile_case
odd_url
hostile_take "after all of that an honest answer is taken" 2 p poll --now

# --- Another length than announced -----------------------------------------------------------
odd "timestamp" E_NET timestamp wrong-length,9
odd "timestamp" E_JSON timestamp wrong-length,-9
odd "timestamp" E_JSON timestamp chunked,5
odd "snapshot" E_SIZE snapshot wrong-length,-9
odd "snapshot" E_SIZE snapshot chunked,5
odd "targets" E_SIZE .targets.json wrong-length,-9
odd "the manifest" E_SIZE .stable. wrong-length,-9
odd "the manifest" E_SIZE .stable. chunked,5
odd "the leaves" E_SIZE "$LEAVES" wrong-length,9
odd "the leaves" E_SIZE "$LEAVES" wrong-length,-9
odd "the leaves" E_SIZE "$LEAVES" chunked,5
odd "the image" E_SIZE "$FULL" wrong-length,9
odd "the image" E_SIZE "$FULL" wrong-length,-9
odd "the image" E_SIZE "$FULL" chunked,5

# --- Encodings that nobody asked for; 64 MiB out of 64 KiB --------------------------------------
for word in bomb gzip te-gzip; do
	odd "timestamp" E_NET timestamp $word
	odd "the manifest" E_NET .stable. $word
	odd "the leaves" E_NET "$LEAVES" $word
	odd "the image" E_NET "$FULL" $word
done

# --- A head without end, a web page -----------------------------------------------------------
odd "the next root" E_NET 2.root headers,70000
odd "the image" E_NET "$FULL" headers,70000
odd "the next root" E_JSON 2.root html
odd "timestamp" E_JSON timestamp html
odd "the manifest" E_SIZE .stable. html
odd "the leaves" E_SIZE "$LEAVES" html
odd "the image" E_SIZE "$FULL" html

tap_end
