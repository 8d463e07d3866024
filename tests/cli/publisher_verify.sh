#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# pawl-repo verify: a flipped byte in each kind of file, what is missing, what is too much.
set -u
. tests/lib/tap.sh
. tests/lib/publisher.sh

repo --quiet init --product demo
stage 1.0 --channel stable,beta
repo --quiet publish
stage 1.1
repo --quiet publish
repo --quiet rotate root 1
repo --quiet rotate online
repo --quiet rotate release
cp -r "$W" "$T/whole"

# The file is named relative to public/; a byte in its middle is flipped.
flip() {
	python3 - "$W/public/$1" <<'PY'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[len(data) // 2] ^= 1
open(sys.argv[1], "wb").write(data)
PY
}
# A change that leaves the JSON readable: only a signature or a hash can notice.
edit_text() {
	sed -i "$2" "$W/public/$1"
}
restore() {
	rm -rf "$W"
	cp -r "$T/whole" "$W"
}
name_of() {
	(cd "$W/public" && find . -type f -path "$1" | sed 's|^\./||' | sort | head -n 1)
}

# Not the first of release 1: nothing refers to that one any more.
stable=./targets/demo/$(now_of targets \
	'j["targets"]["demo/stable.json"]["hashes"]["sha256"]').stable.json

tap_check "the whole tree is good" repo verify
for what in './metadata/1.root.json' './metadata/2.root.json' './metadata/4.root.json' \
	'./metadata/timestamp.json' './metadata/1.snapshot.json' './metadata/5.snapshot.json' \
	'./metadata/1.targets.json' './metadata/4.targets.json' './metadata/1.releases.json' \
	'./metadata/4.releases.json' "$stable" './targets/demo/*.beta.json' \
	'./targets/demo/releases/*.1.json' './objects/*/*'; do
	file=$(name_of "$what")
	if [ -z "$file" ]; then
		tap_result 1 "there is a file $what"
		continue
	fi
	flip "$file"
	tap_status=0
	out=$(repo verify 2>&1) || tap_status=$?
	[ "$tap_status" -ne 0 ] && printf '%s\n' "$out" | grep -qF "${file##*/}"
	tap_result $? "a flipped byte in $what is found and named"
	restore
done
for file in metadata/timestamp.json metadata/4.targets.json metadata/4.releases.json \
	metadata/5.snapshot.json metadata/3.root.json metadata/1.targets.json; do
	edit_text "$file" 's/"expires":"2/"expires":"3/'
	tap_status=0
	out=$(repo verify 2>&1) || tap_status=$?
	[ "$tap_status" -ne 0 ] && printf '%s\n' "$out" | grep -q "^E_SIG $file"
	tap_result $? "a later expiry in $file is not signed"
	restore
done

# The signature still fits, the hash above it does not.
for file in metadata/4.targets.json metadata/4.releases.json metadata/5.snapshot.json; do
	echo >>"$W/public/$file"
	tap_refuse "a longer $file is not what is signed" 18 "$file" repo verify
	restore
done
file=$(name_of "$stable")
edit_text "$file" 's/"security"/"mixed"/; s/"functional"/"security"/'
tap_refuse "a manifest that says something else" 18 "$file: differs from the length and hash" \
	repo verify
restore

for what in './metadata/3.root.json' './metadata/5.snapshot.json' "$stable" \
	'./targets/demo/releases/*.2.json' './objects/*/*'; do
	file=$(name_of "$what")
	rm "$W/public/$file"
	tap_status=0
	out=$(repo verify 2>&1) || tap_status=$?
	[ "$tap_status" -ne 0 ]
	tap_result $? "a missing $what is found"
	restore
done

for file in metadata/x.json metadata/9.targets.json metadata/.timestamp.json.new targets/readme \
	targets/demo/x.json objects/aa/bb objects/x index.html; do
	mkdir -p "$W/public/$(dirname "$file")"
	cp "$W/public/metadata/timestamp.json" "$W/public/$file"
	tap_refuse "a stray $file is named" 21 "$file" repo verify
	restore
done
ln -s timestamp.json "$W/public/metadata/1.extra.json"
tap_refuse "a stray link is named" 21 "1.extra.json" repo verify
restore

# Signed and with the right hashes, but tables that do not fit the image or each other.
cat >"$T/swap.py" <<'PY'
import hashlib, json, os, sys
stage, what = sys.argv[1], sys.argv[2]
path = stage + '/manifest.json'
j = json.load(open(path))
image = j['images'][0]
if what == 'first':
    image['data']['frames']['first'] = [{'generations': 1, 'sha256': '00' * 32, 'length': 61}]
    json.dump(j, open(path, 'w'))
    sys.exit()
holder = {'index': image, 'frames': image['data'], 'table': image.get('patches', [0])[0],
          'difference': {'difference': image['index'].get('from', [0])[0]}}[what]
old = holder[what]
name = lambda o: '%s/objects/%s/%s' % (stage, o['sha256'][:2], o['sha256'])
data = bytearray(open(name(old), 'rb').read())
# The image's size in tables; what tells a zstd frame from other bytes.
data[3 if what == 'difference' else 8] ^= 0x10
hex = hashlib.sha256(data).hexdigest()
holder[what].update({'sha256': hex, 'length': len(data)})
os.makedirs(os.path.dirname(name(holder[what])), exist_ok=True)
open(name(holder[what]), 'wb').write(data)
json.dump(j, open(path, 'w'))
PY
for what in index frames table difference first; do
	stage 1.2
	if [ "$what" = table ] || [ "$what" = difference ]; then
		# A patch is made where a little changed.
		repo --quiet publish
		printf x | dd of="$T/image" bs=1 seek=1000 conv=notrunc 2>/dev/null
		repo --quiet release --version 1.3 --compatible demo-board --class functional \
			--image "rootfs=$T/image:raw" --patch-from 3 2>>"$T/stage.log"
	fi
	python3 "$T/swap.py" "$(find "$W/staging" -name 'demo-[34]')" "$what"
	repo --quiet publish
	named="image rootfs"
	[ "$what" = difference ] && named="not a zstd frame"
	[ "$what" = first ] && named="the first 61 bytes of frames have another hash"
	tap_refuse "$what that does not fit is named" 21 "$named" repo verify
	restore
done

# Signed, but by nobody who may: the old online key after its rotation.
old=$(find "$W/keys/retired" -name 'online-*.pem' ! -name '*.pub.pem')
python3 - "$W/public/metadata/timestamp.json" "$old" <<'PY'
import json, subprocess, sys
def canonical(v):
    if isinstance(v, str): return '"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(v, int): return str(v)
    if isinstance(v, list): return "[" + ",".join(map(canonical, v)) + "]"
    return "{" + ",".join(canonical(k) + ":" + canonical(x) for k, x in sorted(v.items())) + "}"
f = json.load(open(sys.argv[1]))
sig = subprocess.run(["openssl", "dgst", "-sha256", "-sign", sys.argv[2]],
                     input=canonical(f["signed"]).encode(), capture_output=True, check=True).stdout
f["signatures"][0]["sig"] = sig.hex()
json.dump(f, open(sys.argv[1], "w"))
PY
tap_refuse "a signature by a retired key does not count" 12 "0 valid signatures" repo verify
restore

SOURCE_DATE_EPOCH=$(($(date +%s) + 40 * 86400))
export SOURCE_DATE_EPOCH
tap_refuse "an expired timestamp is named" 16 "metadata/timestamp.json: has expired" repo verify
unset SOURCE_DATE_EPOCH
rm -rf "$W/keys"
tap_check "no key files are needed" repo verify
tap_end
