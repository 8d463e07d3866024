#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# pawl-repo init: modes of files, passphrases, keys from elsewhere, never over something that is there.
set -u
. tests/lib/tap.sh
. tests/lib/publisher.sh

mode_is() {
	is "$(stat -c %a "$W/$1")" "$2"
}
private_modes() {
	for k in root-1 root-2 root-3 release online; do
		mode_is "keys/$k.pem" 600 || return 1
	done
}
world_readable() {
	is "$(find "$W/public" -type f ! -perm 644 -o -type d ! -perm 755 | wc -l)" 0
}
key_is_encrypted() {
	grep -q 'BEGIN ENCRYPTED PRIVATE KEY' "$W/keys/$1.pem"
}
key_opens_with() {
	openssl pkey -in "$W/keys/$1.pem" -passin "pass:$2" -noout
}

tap_refuse "a product is needed" 2 "--product" repo init
tap_refuse "a product's name is no path" 2 "is not a name" repo init --product ../x
tap_check "init without passphrase" repo init --product demo
tap_check "private keys are 0600" private_modes
tap_check "their folder is 0700" mode_is keys 700
tap_check "public/ can be read by a web server" world_readable
tap_check "an empty repository is right" good
tap_check "root.json is the published root" cmp "$W/root.json" "$W/public/metadata/1.root.json"
tap_check "the root needs two of three keys" is \
	"$(now_of root 'j["roles"]["root"]["threshold"], len(j["roles"]["root"]["keyids"])')" "(2, 3)"
tap_check "timestamp lives 30 days" is "$(now_of timestamp \
	'(__import__("datetime").datetime.fromisoformat(j["expires"][:-1])
	-__import__("datetime").datetime.fromisoformat(j["x-issued"][:-1])).days')" 30
before=$(sha256sum "$W"/keys/*.pem "$W/root.json")
tap_refuse "init does not run twice" 10 "workspace already" repo init --product demo
tap_check "and leaves the keys alone" is "$(sha256sum "$W"/keys/*.pem "$W/root.json")" "$before"
mv "$W/pawl-repo.json" "$T/settings"
stage_refused() { repo publish; }
tap_refuse "no workspace without settings" 10 "not a workspace" stage_refused
mv "$T/settings" "$W/pawl-repo.json"
repo --quiet refresh
mv "$W/pawl-repo.json" "$T/settings"
tap_refuse "init does not start a published repository anew" 10 "published repository" \
	repo init --product demo
tap_check "nor touches its keys" is "$(sha256sum "$W"/keys/*.pem "$W/root.json")" "$before"

# A web server must read what a careful umask wrote.
W=$T/umask
careful_umask() (
	umask 077
	repo init --product demo
)
tap_check "init under umask 077" careful_umask
tap_check "public/ can still be read" world_readable

W=$T/secret
printf 'correct horse\n' >"$T/pass"
tap_check "init with a passphrase file" repo --passphrase-file "$T/pass" init --product demo
for k in root-1 root-2 root-3 release online; do
	tap_check "$k is encrypted" key_is_encrypted "$k"
done
tap_check "openssl opens it with that passphrase" key_opens_with release "correct horse"
tap_refuse "without the passphrase nothing is signed" 10 "is encrypted" repo refresh
printf 'wrong\n' >"$T/wrong"
tap_refuse "nor with a wrong one" 10 "no passphrase that was given" \
	repo --passphrase-file "$T/wrong" refresh
with_fd() { repo --passphrase-fd 7 refresh 7<"$T/pass"; }
tap_check "a descriptor gives it too" with_fd
printf 'wrong\ncorrect horse\n' >"$T/both"
tap_check "several are tried in turn" repo --passphrase-file "$T/both" refresh
tap_check "still right" good
: >"$T/empty"
tap_refuse "an empty passphrase file is a mistake" 10 "empty" \
	repo --passphrase-file "$T/empty" refresh

printf 'wrong' >"$T/wrong"
both_fd() { repo --passphrase-file "$T/wrong" --passphrase-fd 7 refresh 7<"$T/pass"; }
tap_check "file and descriptor are two passphrases, also without a newline" both_fd

# What holds keys leaves no core file; a signing command inherits the limit, so it can be seen there.
W=$T/limit
repo --quiet init --product demo
mv "$W/keys/release.pem" "$T/release.pem"
cat >"$T/sign" <<-SH
	#!/bin/sh
	ulimit -c >"$T/core"
	exec openssl dgst -sha256 -sign "$T/release.pem"
SH
chmod 755 "$T/sign"
core_refresh() {
	# shellcheck disable=SC3045 # dash and busybox know it
	ulimit -S -c unlimited 2>/dev/null
	repo --sign-with "$T/sign" refresh --targets
}
tap_check "a command signs" core_refresh
tap_check "there is no core file of a publisher" is "$(cat "$T/core")" 0

W=$T/given
mkdir -p "$W/keys"
openssl genpkey -algorithm ed25519 -out "$W/keys/online.pem" 2>/dev/null
tap_check "init takes a key that is there" repo init --product demo
tap_check "as it is (Ed25519)" is \
	"$(now_of root 'j["keys"][j["roles"]["timestamp"]["keyids"][0]]["keytype"]')" ed25519
tap_check "and publishes with it" repo verify

W=$T/same
mkdir -p "$W/keys"
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$W/keys/release.pem" 2>/dev/null
cp "$W/keys/release.pem" "$W/keys/online.pem"
tap_refuse "one key for release and online is refused" 10 "same key" repo init --product demo

W=$T/w
mv "$T/settings" "$W/pawl-repo.json"
tap_refuse "an option on the wrong side of the verb is explained" 2 "stands before the verb" \
	repo publish --quiet
tap_end
