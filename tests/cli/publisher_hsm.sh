#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Signing by a command: the release key lives in an HSM (SoftHSM, PKCS #11), nothing of it in a file.
# The steps are those of docs/keys.md.
set -u
. tests/lib/tap.sh
. tests/lib/publisher.sh

module=
for m in /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so \
	/usr/lib/*/pkcs11/libsofthsm2.so; do
	[ ! -e "$m" ] || module=$m
done
if [ -z "$module" ] || ! command -v pkcs11-tool >/dev/null || ! command -v softhsm2-util >/dev/null; then
	tap_skip "a release is signed by an HSM" "softhsm2 or pkcs11-tool is missing"
	tap_end
	exit
fi

mkdir "$T/tokens"
printf 'directories.tokendir = %s\nlog.level = ERROR\n' "$T/tokens" >"$T/softhsm2.conf"
export SOFTHSM2_CONF="$T/softhsm2.conf"
export PAWL_PIN=1234 PAWL_MODULE="$module"

hsm() {
	pkcs11-tool --module "$module" --token-label pawl --login --pin "$PAWL_PIN" "$@"
}
make_key() {
	hsm --keypairgen --key-type EC:prime256v1 --id "$1" --label "$2" >/dev/null 2>&1 &&
		hsm --read-object --type pubkey --id "$1" --output-file "$T/$2.der" >/dev/null 2>&1 &&
		openssl pkey -pubin -inform DER -in "$T/$2.der" -out "$T/$2.pub.pem"
}

# The wrapper of docs/keys.md: bytes on standard input, signature (DER) on standard output.
cat >"$T/hsm-sign" <<'SH'
#!/bin/sh
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
openssl dgst -sha256 -binary >"$work/digest"
pkcs11-tool --module "$PAWL_MODULE" --token-label pawl --login --pin "$PAWL_PIN" \
	--sign --mechanism ECDSA --signature-format openssl --id "$1" \
	--input-file "$work/digest" --output-file "$work/sig" >&2
cat "$work/sig"
echo "$PAWL_ROLE ${#PAWL_KEYID}" >>"$PAWL_LOG"
SH
chmod 755 "$T/hsm-sign"
export PAWL_LOG="$T/log"
: >"$PAWL_LOG"

tap_check "a token" softhsm2-util --init-token --free --label pawl --pin 1234 --so-pin 1234
tap_check "a key in it" make_key 01 release
mkdir -p "$W/keys"
cp "$T/release.pub.pem" "$W/keys/"
tap_refuse "without a command init cannot sign" 10 "--sign-with" repo init --product demo
tap_check "init with the HSM's release key" repo --sign-with "$T/hsm-sign 01" init --product demo
tap_check "its private half is in no file" is "$(ls "$W"/keys/release.pem 2>/dev/null)" ""
stage 1.0
tap_check "publish" repo --sign-with "$T/hsm-sign 01" publish
tap_check "the command was told role and keyid" is "$(sort -u "$PAWL_LOG" | tr '\n' ' ')" \
	"releases 64 targets 64 "
tap_check "the tree is right" good

python3 - "$W/pawl-repo.json" "$T/hsm-sign 01" <<'PY'
import json, sys
j = json.load(open(sys.argv[1]))
j["sign_with"] = {"release": sys.argv[2]}
json.dump(j, open(sys.argv[1], "w"), indent=1)
PY
stage 1.1
tap_check "the command may stand in pawl-repo.json" repo publish
tap_check "refresh does not ask the HSM" repo --sign-with /bin/false refresh

tap_check "a second key in the token" make_key 02 release2
stage 1.2
tap_refuse "a signature by another key is not used" 12 "does not fit" \
	repo --sign-with "$T/hsm-sign 02" publish
tap_check "and nothing was published" is \
	"$(now_of targets 'j["targets"]["demo/stable.json"]["custom"]["release"]')" 2
tap_refuse "a command that fails is named with what it says" 51 "ended with status" \
	repo --sign-with "$T/hsm-sign 99" publish
tap_refuse "a command that does not exist" 51 "/nonexistent/sign" \
	repo --sign-with /nonexistent/sign publish
printf '#!/bin/sh\ncat >/dev/null\n' >"$T/silent"
chmod 755 "$T/silent"
tap_refuse "a command that says nothing" 12 "does not fit" repo --sign-with "$T/silent" publish
# No shell is involved: this would make the file if there were one.
tap_refuse "no shell reads the command" 10 "is not found" \
	repo --sign-with "true;touch $T/shell" publish
tap_check "so nothing happened" is "$(ls "$T/shell" 2>/dev/null)" ""

tap_check "rotate to the second key" \
	repo --sign-with "$T/hsm-sign 02" rotate release --new-key "$T/release2.pub.pem"
tap_check "publish with it" repo --sign-with "$T/hsm-sign 02" publish
tap_check "the tree is right at the end" good
tap_refuse "the first one signs nothing any more" 12 "does not fit" \
	repo --sign-with "$T/hsm-sign 01" refresh --targets
tap_end
