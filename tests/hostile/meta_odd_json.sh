#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# JSON on which parsers differ, and JSON that costs memory: E_JSON, in bounded memory.
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
hostile_begin

# forge_raw ROLE EXPRESSION: the role's bytes are EXPRESSION, of `raw` (today's bytes) and
# put(VALUE), which puts a member "x-odd" with that text into `signed`.
forge_raw() {
	forge <<-PY
		f = r.load("$1")
		raw = f.bytes
		def put(value):
		    return raw.replace(b'"signed":{', b'"signed":{"x-odd":' + value + b',', 1)
		f.raw = $2
		r.put(f); r.link(f)
	PY
}

# The same for timestamp, as the first thing that a device parses.
odd() {
	hostile_case
	forge_raw timestamp "$2"
	hostile_poll "$1" "${3:-E_JSON}" --word timestamp.json
}

odd "a key twice at the top" "raw[:-1] + b',\"signed\":{}}'"
odd "a key twice in signed" "put(b'1,\"version\":99')"
odd "a key twice, once with an escape" "put(b'1,\"versi\\\\u006fn\":99')"
odd "a key twice, deep inside" "put(b'[{\"a\":{\"b\":1,\"b\":1}}]')"
odd "NaN" "put(b'NaN')"
odd "Infinity" "put(b'-Infinity')"
odd "1e9" "put(b'1e9')"
odd "1.0" "put(b'1.0')"
odd "2^63" "put(b'9223372036854775808')"
odd "-2^63 - 1" "put(b'-9223372036854775809')"
odd "a number of 20,000 digits" "put(b'1' * 20000)"
odd "a leading zero" "put(b'01')"
odd "depth 10,000" "put(b'[' * 10000 + b']' * 10000)"
odd "depth 10,000, never closed" "b'{\"a\":' * 5000"
odd "depth 17" "put(b'[' * 16 + b']' * 16)"
odd "an escaped NUL in a text" "put(b'\"a\\\\u0000b\"')"
odd "an escaped NUL in a key" "put(b'1,\"a\\\\u0000b\":1')"
odd "a raw NUL" "put(b'\"a' + bytes(1) + b'b\"')"
odd "a lone surrogate" "put(b'\"\\\\ud800\"')"
odd "surrogates in the wrong order" "put(b'\"\\\\udc00\\\\ud800\"')"
odd "bytes that are no UTF-8" "put(b'\"' + bytes([0xff]) + b'\"')"
odd "an overlong slash" "put(b'\"' + bytes([0xc0, 0xaf]) + b'\"')"
odd "a surrogate in UTF-8" "put(b'\"' + bytes([0xed, 0xa0, 0x80]) + b'\"')"
odd "a byte order mark" "bytes([0xef, 0xbb, 0xbf]) + raw"
odd "UTF-16" "raw.decode().encode('utf-16')"
odd "a second document" "raw + b'{}'"
odd "a NUL behind the end" "raw + bytes(1)"
odd "a comma too many" "put(b'[1,]')"
odd "a comment" "b'/* */' + raw"
odd "single quotes" "raw.replace(b'\"', b\"'\")"
odd "a control character in a text" "put(b'\"' + bytes([1]) + b'\"')"
odd "nothing" "b''"
odd "only blanks" "b' ' * 1000"
odd "an array" "b'[' + raw + b']'" E_META
odd "null" "b'null'"

# Files that are larger than their cap are not read to the end.
odd "100 MiB" "put(b'[' + b'1,' * 52428800 + b'1]')" E_SIZE
for role in snapshot targets; do
	hostile_case
	forge_raw $role "put(b'\"' + b'x' * 104857600 + b'\"')"
	hostile_poll "$role of 100 MiB, well listed" E_SIZE --word "$role.json" \
		--stored timestamp.json,cache/timestamp.tag,snapshot.json
done
hostile_case
forge <<'PY'
r.write("metadata/2.root.json", b"[" * 104857600)
PY
hostile_poll "root of 100 MiB" E_SIZE --word 2.root.json

# Below the cap, but made of very many values: an array of them would cost 25 MiB.
hostile_case
forge_raw targets "put(b'[' + b'1,' * 480000 + b'1]')"
hostile_poll "480,000 values in targets" E_JSON --word targets.json \
	--stored timestamp.json,cache/timestamp.tag,snapshot.json
hostile_case
forge_raw targets "put(b'{' + b','.join(b'\"%d\":{}' % i for i in range(60000)) + b'}')"
hostile_poll "60,000 objects in targets" E_JSON --word targets.json \
	--stored timestamp.json,cache/timestamp.tag,snapshot.json

# manifest EXPRESSION: the manifest's bytes, well listed and signed.
manifest() {
	hostile_case
	forge <<-PY
		raw = dump(r.manifest(2))
		r.put_manifest(2, $2)
	PY
	hostile_poll "manifest: $1" E_JSON --word manifest --stored '*'
}
manifest "a key twice" "raw[:-1] + b',\"release\":3}'"
manifest "480,000 values" "raw[:-1] + b',\"x\":[' + b'1,' * 480000 + b'1]}'"
manifest "depth 10,000" "raw[:-1] + b',\"x\":' + b'[' * 10000 + b']' * 10000 + b'}'"
manifest "bytes after the end" "raw + b'x'"
manifest "a fraction" "raw[:-1] + b',\"x\":0.5}'"
hostile_case
forge <<'PY'
raw = dump(r.manifest(2))
r.put_manifest(2, raw[:-1] + b',"x":"' + b"x" * 104857600 + b'"}')
PY
hostile_poll "manifest of 100 MiB, well listed" E_SIZE --word stable.json --stored '*'

hostile_case
forge_raw timestamp "put(b'\"\\\\u0041\\\\ud83d\\\\ude00\\\\/\"')" # signed as it is read
forge <<'PY'
f = r.load("timestamp")
data = f.signed
f.sign(r.owners("timestamp"))
r.put(f)
PY
hostile_take "escapes that every parser reads alike are no fault" 2 p poll --now
tap_end
