#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# pawl-repo allot, release and adopt: numbers, what is staged, and what is refused without a trace.
set -u
. tests/lib/tap.sh
. tests/lib/publisher.sh
export SOURCE_DATE_EPOCH=1767225600 # 2026-01-01

repo --quiet --product demo init >/dev/null
head -c 5000001 /dev/zero | tr '\0' 'x' >"$T/rootfs"
head -c 8192 /dev/zero >"$T/boot"

# make WORDS...: a release that lacks nothing
make_release() {
	repo release --version 1 --compatible board --class functional --image "rootfs=$T/rootfs" \
		--level 1 "$@"
}

# staged: names in staging/, hidden ones too
staged() {
	(cd "$W/staging" && find . -mindepth 1 -maxdepth 1 | sort | tr '\n' ' ')
}

nothing_staged() {
	is "$(staged)" ""
}

# --- Refusals come before anything is staged ----------------------------------
tap_refuse "no version" 2 "--version" repo release --class functional --compatible b \
	--image "rootfs=$T/rootfs"
tap_refuse "no class" 2 "--class" repo release --version 1 --compatible b \
	--image "rootfs=$T/rootfs"
tap_refuse "no image" 2 "--image" repo release --version 1 --compatible b --class functional
tap_refuse "an image that is not there" 42 "$T/none" make_release --image "boot=$T/none"
tap_refuse "two images of one name" 21 "twice" make_release --image "rootfs=$T/boot"
tap_refuse "an unknown option" 2 "--chanel" make_release --chanel beta
tap_refuse "a word too many" 2 "extra" make_release extra
tap_refuse "support that is over" 2 "--support-end" make_release --support-end 2025-12-31
tap_refuse "a mixed release without a reason" 21 "inseparable_reason" make_release --class mixed
gzip -c "$T/boot" >"$T/boot.gz"
tap_refuse "a compressed image" 2 "gzip" make_release --image "boot=$T/boot.gz"
tap_refuse "no workspace" 10 "pawl-repo.json" "$PAWL_REPO" --repo "$T" release --version 1 \
	--compatible b --class functional --image "rootfs=$T/rootfs"
tap_check "refusals leave nothing in staging" nothing_staged
tap_check "and use up no number" test ! -e "$W/allotted/demo.json"

# --- allot, then release --------------------------------------------------------
tap_check "allot prints the number that it writes" is "$(repo allot --out "$T/backstop.json")" 1
tap_check "backstop.json has the number" is "$(field "$T/backstop.json" 'j["release"]')" 1
tap_check "backstop.json has the time of the build" \
	is "$(field "$T/backstop.json" 'j["build_time"]')" 2026-01-01T00:00:00Z
tap_check "backstop.json has the version of the root" \
	is "$(field "$T/backstop.json" 'j["root_version"]')" 1

out=$(make_release --image "boot=$T/boot" --epoch 1 2>&1)
tap_check "a release takes the number that was allotted" is "$(staged)" "./demo-1 "
tap_check "padding is told" is "$(echo "$out" | grep -c 'rootfs: 1215 zero bytes added')" 1
tap_check "what is missing is told" is "$(echo "$out" | grep -c -e '--support-end')" 1
manifest=$W/staging/demo-1/manifest.json
tap_check "both images are in the manifest" is \
	"$(field "$manifest" '[(i["name"], i["size"]) for i in j["images"]]')" \
	"[('rootfs', 5001216), ('boot', 8192)]"
tap_check "the default encoding is zstd" is \
	"$(field "$manifest" 'j["images"][0]["full"]["encoding"]')" zstd

# Every object has the name of its hash, and the manifest knows exactly these.
objects_are_right() {
	for f in "$W/staging/demo-1/objects"/*/*; do
		is "$(sha256sum <"$f" | cut -d' ' -f1)" "$(basename "$f")" || return 1
		is "$(basename "$f" | cut -c1-2)" "$(basename "$(dirname "$f")")" || return 1
		is "$(stat -c %a "$f")" 644 || return 1
	done
	is "$(field "$manifest" "len(set(o['sha256'] for i in j['images'] for o in
		[i['leaves'], i['full'], i['full']['pieces']] +
		([i['index'], i['data'], i['data']['frames']] if 'index' in i else [])))")" \
		"$(find "$W/staging/demo-1" -path '*/objects/*/*' | wc -l)"
}
tap_check "objects have the names of their hashes" objects_are_right
tap_check "an image has index and data, a small one needs none" is \
	"$(field "$manifest" "['index' in i and 'data' in i for i in j['images']]")" "[True, False]"
tap_check "the kind of index is told with its reason" \
	is "$(echo "$out" | grep -c 'image rootfs: index of blocks: in plain content')" 1
tap_refuse "the same number again" 15 "only rise" make_release --release 1
tap_refuse "an epoch below the last" 2 "--epoch" make_release --epoch 0
tap_refuse "adopt where there is a release" 2 "already" repo adopt --version 0 \
	--compatible board --image "rootfs=$T/rootfs"

# --- INI, inheritance, the next number ------------------------------------------
cat >"$T/release.ini" <<INI
[release]
version = 1.1
channel = beta, stable
class = security
advisory = DEMO-2026-1
image = rootfs=$T/rootfs
encoding = zlib
wave = 10@0
wave = 100@2d
INI
tap_check "a release from a file" repo --quiet release --file "$T/release.ini" --version 1.2
manifest=$W/staging/demo-2/manifest.json
tap_check "the command line wins over the file" is "$(field "$manifest" 'j["version"]')" 1.2
tap_check "lists of the file are whole" is \
	"$(field "$manifest" 'j["channels"], j["rollout"]["waves"]')" \
	"(['beta', 'stable'], [[10, 0], [100, 172800]])"
tap_check "epoch and hardware are those of the release before" is \
	"$(field "$manifest" 'j["epoch"], j["compatible"]')" "(1, ['board'])"
echo 'verison = 2' >>"$T/release.ini"
tap_refuse "a wrong key is named with its line" 10 "release.ini line 10" \
	repo release --file "$T/release.ini"

# --- index and data ---------------------------------------------------------------
tap_refuse "an unknown kind of index" 2 "neither blocks, chunks nor auto" make_release --index x
tap_refuse "a kind of index where there is none" 2 "either --index or --no-delta" \
	make_release --index blocks --no-delta
sed -i 's/^verison.*/no-delta = yes/' "$T/release.ini"
tap_check "no-delta from a file" repo --quiet release --file "$T/release.ini" --product plain \
	--compatible board
tap_check "leaves both out" is "$(field "$W/staging/plain-1/manifest.json" \
	"[k for k in ('index', 'data', 'patches') if k in j['images'][0]]")" "[]"

# --- What an interrupted run left does not stand in the way ----------------------
mkdir -p "$W/staging/.demo-3.new/objects/ab"
echo x >"$W/staging/.demo-3.new/objects/ab/cd"
echo x >"$W/staging/.demo-3.new/objects/.object.new"
tap_check "after an interrupted run a release can be made again" make_release --release 3
tap_check "and nothing is left of it" is "$(staged)" "./demo-1 ./demo-2 ./demo-3 ./plain-1 "

# --- adopt -----------------------------------------------------------------------
tap_check "adopt makes release 1 of a product that has none" repo --quiet adopt --product old \
	--version 0.9 --compatible board --image "rootfs=$T/rootfs" --level 1
manifest=$W/staging/old-1/manifest.json
tap_check "of the class functional" is \
	"$(field "$manifest" 'j["product"], j["release"], j["class"]')" "('old', 1, 'functional')"
tap_refuse "adopt has no number to choose" 2 "--release" repo adopt --release 2 --version 1
tap_end
