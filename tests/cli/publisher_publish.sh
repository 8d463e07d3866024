#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# pawl-repo publish: what goes out, what is refused, and that a second run changes nothing.
set -u
. tests/lib/tap.sh
. tests/lib/publisher.sh

state() {
	(cd "$W/public" && find . -type f -exec sha256sum {} + | sort -k 2)
}
staged_count() {
	find "$W/staging" -mindepth 1 -maxdepth 1 | wc -l
}

repo --quiet init --product demo
before=$(state)
tap_refuse "nothing staged: success, and says so" 0 "no release is staged" repo publish
tap_check "and nothing is written" is "$(state)" "$before"

stage 1.0
tap_refuse "publish" 0 "published demo release 1 (1.0)" repo publish
tap_check "the tree is right" good
tap_check "staging is empty" is "$(staged_count)" 0
tap_check "the channel has it" is \
	"$(now_of targets 'j["targets"]["demo/stable.json"]["custom"]["release"]')" 1
tap_check "the role releases has the same bytes" is \
	"$(now_of targets 'j["targets"]["demo/stable.json"]["hashes"]')" \
	"$(now_of releases 'j["targets"]["demo/releases/1.json"]["hashes"]')"

stage 1.1 --channel stable,beta
stage 1.2 --channel beta
tap_check "two releases at once" repo publish
tap_check "stable has the second" is \
	"$(now_of targets 'j["targets"]["demo/stable.json"]["custom"]["release"]')" 2
tap_check "beta has the third" is \
	"$(now_of targets 'j["targets"]["demo/beta.json"]["custom"]["release"]')" 3
tap_check "every release stays available" is \
	"$(now_of releases 'sorted(j["targets"])')" \
	"['demo/releases/1.json', 'demo/releases/2.json', 'demo/releases/3.json']"
tap_check "the tree is right after both" good

# A release that was made, published from elsewhere, and comes again.
stage 1.3
cp -r "$W/staging/demo-4" "$T/again"
repo --quiet publish
before=$(state)
cp -r "$T/again" "$W/staging/demo-4"
tap_refuse "the same release again is no error" 0 "already published" repo publish
tap_check "and writes nothing" is "$(state)" "$before"
tap_check "and is cleared from staging" is "$(staged_count)" 0

# The same number with other content; a number below the published one.
sed 's/"version": *"1.3"/"version": "6.6"/' "$T/again/manifest.json" >"$T/other"
cp -r "$T/again" "$W/staging/demo-4"
cp "$T/other" "$W/staging/demo-4/manifest.json"
tap_refuse "the same number with other content is refused" 15 "other content" repo publish
tap_check "nothing was written" is "$(state)" "$before"
rm -rf "$W/staging/demo-4"

stage 2.0
repo --quiet publish
stage 3.0
python3 - "$W/staging/demo-6/manifest.json" <<'PY'
import json, sys
m = json.load(open(sys.argv[1]))
m["release"] = 0x7fffffff
json.dump(m, open(sys.argv[1], "w"))
PY
tap_refuse "a folder that is not its manifest's is refused" 21 "holds release" repo publish
rm -rf "$W/staging/demo-6"
before=$(state)

# A second workspace with the same keys, whose counter fell behind.
stage 5.0 --release 10
repo --quiet publish
before=$(state)
cp -r "$T/again" "$W/staging/demo-8"
python3 - "$W/staging/demo-8/manifest.json" <<'PY'
import json, sys
m = json.load(open(sys.argv[1]))
m["release"] = 8
json.dump(m, open(sys.argv[1], "w"))
PY
tap_refuse "a number below the channel's newest is refused" 15 "has release 10 already" repo publish
tap_check "and nothing is written" is "$(state)" "$before"
rm -rf "$W/staging/demo-8"
cp -r "$T/again" "$W/staging/other-1"
sed -i 's/"product": *"demo"/"product": "other"/; s/"release": *4/"release": 1/' \
	"$W/staging/other-1/manifest.json"
tap_check "another product counts by itself" repo publish
tap_check "the tree is right with two products" good

# An object that was damaged in staging never becomes public.
touch "$T/before"
stage 4.0
stamp=$(now_of timestamp 'j["version"]')
victim=$(find "$W"/staging/demo-*/objects -type f -size +100k | head -n 1)
printf X | dd of="$victim" bs=1 seek=1000 conv=notrunc status=none
tap_refuse "a damaged object is refused" 18 "make the release again" repo publish
tap_check "timestamp.json is as it was" is "$(now_of timestamp 'j["version"]')" "$stamp"
rm -rf "$W"/staging/*
# Objects that went ahead of the damaged one are left; verify names them.
tap_refuse "what it left behind is named" 21 "no published release needs it" repo verify
find "$W/public/objects" -type f -newer "$T/before" -delete

# Two at once.
holder() { flock "$W/lock" sleep 4; }
holder &
sleep 0.5
tap_check "a run waits for another one's lock" repo publish
wait

# No private release key: a clear message.
stage 5.0
mv "$W/keys/release.pem" "$T/release.pem"
tap_refuse "a missing private key is explained" 10 "--sign-with" repo publish
tap_refuse "and named" 10 "release.pem" repo publish
mkdir "$T/stick"
mv "$T/release.pem" "$T/stick/release.pem"
tap_check "a key folder elsewhere is enough" repo --keys "$T/stick:$W/keys" publish
tap_check "the tree is right at the end" good

# Same input, same time: same bytes but for the signatures.
export SOURCE_DATE_EPOCH=1800000000
strip() { python3 -c 'import json,sys; j=json.load(open(sys.argv[1])); print(json.dumps(j["signed"]))' "$1"; }
W=$T/a
repo --quiet init --product demo
cp -r "$T/a" "$T/b"
head -c 300000 /dev/urandom >"$T/image"
for W in "$T/a" "$T/b"; do
	repo --quiet release --version 1 --compatible b --class functional \
		--image "rootfs=$T/image:raw" 2>/dev/null
	repo --quiet publish
done
tap_check "targets are the same in two runs" is "$(strip "$T/a/public/metadata/2.targets.json")" \
	"$(strip "$T/b/public/metadata/2.targets.json")"
tap_check "releases are the same in two runs" is "$(strip "$T/a/public/metadata/2.releases.json")" \
	"$(strip "$T/b/public/metadata/2.releases.json")"
tap_end
