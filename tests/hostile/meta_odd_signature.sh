#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Signatures and keys that are not what they should be (the class of CVE-2008-5077, where "error"
# was read as "good"): not counted, so too few are E_SIG, and enough others still do.
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
hostile_begin

# forge_sig EXPRESSION: the online key's signature of timestamp is EXPRESSION of the good one (s).
forge_sig() {
	forge <<-PY
		f = r.load("timestamp")
		f.sign(r.owners("timestamp"))
		s = f.signatures[0]["sig"]
		f.signatures[0]["sig"] = $1
		r.put(f)
	PY
}

for what in "empty|''" "one byte|'30'" "zeros|'00' * 70" "an empty sequence|'3000'" \
	"r and s zero|'3006020100020100'" "r and s negative|'30060201ff0201ff'" \
	"length beyond its end|'30ff' + s[4:]" "cut off|s[:-2]" "one bit changed|s[:20] + ('0' if s[20] != '0' else '1') + s[21:]" \
	"bytes behind it|s + '00'" "an odd digit|s + '0'" "upper case|s.upper()" "no digits|'zz' * 70" \
	"a leading space|' ' + s" "8,000 digits|'30' * 4000" "raw r and s|s[-128:]" \
	"DER that is no signature|'0500'" "indefinite length|'3080' + s[4:] + '0000'"; do
	hostile_case
	forge_sig "${what#*|}"
	hostile_poll "signature: ${what%%|*}" E_SIG --word timestamp.json --word "0 valid"
done
for what in "a number|1" "null|None" "a list|[s]"; do
	hostile_case
	forge_sig "${what#*|}"
	hostile_poll "signature: ${what%%|*}" E_META --word timestamp.json --word sig
done

# --- Keys: targets are given one by a good root ---------------------------------------------
down_to_targets=root.json,roots/2.root.json,timestamp.json,cache/timestamp.tag,snapshot.json

# forge_key EXPRESSION [BESIDE]: targets' only key is EXPRESSION, and it signs; with BESIDE, the
# release key is there, too, and the threshold is still 1.
forge_key() {
	forge <<-PY
		k = $1
		keys = [k] + ([r.keys["release"]] if "${2:-}" else [])
		root = r.next_root()
		r.use_key(root, "targets", keys, 1)
		root.sign(r.owners("root"))
		r.put(root)
		r.save(r.load("targets"), by=keys)
	PY
}

for what in "RSA-1024|Key.make('rsa1024')" "RSA-2048|Key.make('rsa2048')" \
	"a P-384 key that says P-256|Key.make('p384').alias(scheme='ecdsa-sha2-nistp256')" \
	"a P-256 key that says P-384|Key.make('p256').alias(scheme='ecdsa-sha2-nistp384')" \
	"an EC key that says ed25519|Key.make('p256').alias(keytype='ed25519', scheme='ed25519')" \
	"an RSA key that says ECDSA|Key.make('rsa3072').alias(keytype='ecdsa', scheme='ecdsa-sha2-nistp256')" \
	"key type and scheme differ|Key.make('p256').alias(scheme='rsassa-pss-sha256')" \
	"an unknown scheme|Key.make('p256').alias(scheme='none')" \
	"no PEM|Key.make('p256').alias(public='')" \
	"a certificate's PEM|Key.make('p256').alias(public='-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----\n')"; do
	hostile_case
	forge_key "${what#*|}"
	hostile_poll "key: ${what%%|*}" E_SIG --word targets.json --word "0 valid" \
		--stored $down_to_targets
done
for what in "RSA-1024|Key.make('rsa1024')" "key type and scheme differ|Key.make('p256').alias(scheme='rsassa-pss-sha256')"; do
	hostile_case
	forge_key "${what#*|}" beside
	hostile_take "key: ${what%%|*}, beside a met threshold" 2 p poll --now
done
for kind in ed25519 p384 rsa3072; do
	hostile_case
	forge_key "Key.make('$kind')"
	hostile_take "a good key of kind $kind is taken" 2 p poll --now
done

# --- A bad signature beside good ones --------------------------------------------------------
hostile_case
forge <<'PY'
f = r.load("timestamp")
f.sign(r.owners("timestamp"))
f.signatures.insert(0, {"keyid": "ab" * 32, "sig": "3000"})
f.signatures.append({"keyid": "not an id", "sig": "zz"})
r.put(f)
PY
hostile_take "signatures of strangers beside a good one" 2 p poll --now

hostile_case
forge <<'PY'
f = r.next_root()
f.sign([r.keys[k] for k in ("root-1", "root-2", "root-3")])
f.signatures[0]["sig"] = "30060201ff0201ff"
r.put(f)
PY
hostile_take "one bad and two good signatures of a root" 2 p poll --now

hostile_case
forge <<'PY'
f = r.next_root()
f.sign([r.keys[k] for k in ("root-1", "root-2")])
f.signatures[0]["sig"] = "30060201ff0201ff"
r.put(f)
PY
hostile_poll "one bad and one good signature of a root" E_THRESHOLD --word "1 of the old keys"

hostile_case
forge <<'PY'
f = r.load("timestamp")
f.sign(r.owners("timestamp"))
f.doc["signatures"] += [{"keyid": "%064x" % i, "sig": "00"} for i in range(300)]
r.put(f)
PY
hostile_poll "more signatures than anybody needs" E_META --word timestamp.json --word signatures
tap_end
