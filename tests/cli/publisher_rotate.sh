#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# pawl-repo rotate, revoke-key: every key can be replaced, none by fewer signatures than needed.
set -u
. tests/lib/tap.sh
. tests/lib/publisher.sh

# keyid NAME: of the key file
keyid() {
	repo show --json >"$T/show.json"
	field "$T/show.json" "[k['keyid'] for k in j['keys'] if k['name'] == '$1'][0]"
}
root_version() {
	now_of root 'j["version"]'
}
trusted() {
	now_of root "'$1' in j['keys']"
}

repo --quiet init --product demo
stage 1.0
repo --quiet publish
n=1
for key in "root 1" "root 2" "root 3" release online; do
	name=$(echo "$key" | tr ' ' -)
	old=$(keyid "$name")
	# shellcheck disable=SC2086 # two words
	tap_check "rotate $key" repo rotate $key
	n=$((n + 1))
	tap_check "makes root $n" is "$(root_version)" "$n"
	tap_check "the old key is no longer trusted" is "$(trusted "$old")" False
	tap_check "the new one has its name" is "$(trusted "$(keyid "$name")")" True
	tap_check "the old files are kept apart" test -f \
		"$W/keys/retired/$name-$(echo "$old" | cut -c 1-16).pem"
	tap_check "no half-named file is left" is "$(find "$W/keys" -name '*.next*' | wc -l)" 0
	tap_check "the tree is right" good
done
stage 1.1
tap_check "the new keys publish" repo publish
tap_check "and the tree is right" good

# A lost root key: two others suffice, for old and new root.
rm "$W/keys/root-2.pem"
tap_check "a lost root key is replaced by the two others" repo rotate root 2
tap_check "the tree is right" good
rm "$W/keys/root-1.pem" "$W/keys/root-2.pem"
v=$(root_version)
tap_refuse "two lost root keys cannot be replaced" 13 "needs 2 signatures" repo rotate root 1
tap_check "and no root is published" is "$(root_version)" "$v"
tap_check "and what is published stays right" good

W=$T/w2
repo --quiet init --product demo
stage 1.0
repo --quiet publish
lost=$(keyid root-3)
tap_refuse "revoke-key needs eight digits" 2 "at least 8" repo revoke-key abcdef
tap_refuse "of a key of the root" 33 "no key of the root" repo revoke-key 0000000000
tap_check "revoke a root key" repo revoke-key "$(echo "$lost" | cut -c 1-12)"
tap_check "it is no longer trusted" is "$(trusted "$lost")" False
tap_check "the threshold stays" is "$(now_of root 'j["roles"]["root"]["threshold"]')" 2
tap_refuse "not below the threshold" 13 "--replace" repo revoke-key "$(keyid root-1)"
tap_check "a third key is added again" repo rotate root 3
tap_check "so there are three" is "$(now_of root 'len(j["roles"]["root"]["keyids"])')" 3
stolen=$(keyid release)
tap_refuse "the release key needs a replacement" 13 "--replace" repo revoke-key "$stolen"
tap_check "with one" repo revoke-key --replace "$stolen"
tap_check "the stolen key is no longer trusted" is "$(trusted "$stolen")" False
stolen=$(keyid root-1)
tap_check "a root key with replacement" repo revoke-key --replace "$stolen"
tap_check "the stolen one is no longer trusted" is "$(trusted "$stolen")" False
tap_check "the tree is right" good
# Its public file is lost too: only the keyid is known.
lost=$(keyid root-2)
rm "$W"/keys/root-2.*
tap_refuse "a root key without any file is taken out by its keyid" 33 "revoke-key" \
	repo rotate root 2
tap_check "that is how" repo revoke-key --replace "$lost"
tap_check "the tree is right at the end" good
tap_refuse "rotate names its keys" 2 "which key?" repo rotate root 4
tap_end
