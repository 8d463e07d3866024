#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# pawl-repo bundle: form, order and content as docs/formats.md says; damage is noticed and leaves
# the old file alone.
set -u
. tests/lib/tap.sh
. tests/lib/publisher.sh
export SOURCE_DATE_EPOCH=1767225600

repo --quiet --product demo init >/dev/null
head -c 5000000 /dev/urandom >"$T/rootfs"
head -c 300000 /dev/urandom >"$T/boot"
repo --quiet release --version 1 --compatible board --class functional --encoding none \
	--image "rootfs=$T/rootfs:raw" --image "boot=$T/boot:raw" --image "copy=$T/boot:raw" 2>/dev/null
repo --quiet publish >/dev/null
repo --quiet rotate online >/dev/null 2>&1

tap_check "a published release can be bundled" repo bundle 1 --out "$T/demo.pawl"

# Headers are read byte by byte, because tar programs forgive much.
cat >"$T/headers.py" <<'PY'
import hashlib, json, sys
data = open(sys.argv[1], 'rb').read()
public = sys.argv[2]
names, at = [], 0
while data[at] != 0:
    h = data[at:at + 512]
    text = lambda a, n: h[a:a + n].split(b'\0')[0].split(b' ')[0].decode()
    name = text(0, 100)
    if text(345, 155):
        name = text(345, 155) + '/' + name
    size = int(text(124, 12), 8)
    assert h[156:157] == b'0', (name, 'type', h[156:157])
    assert h[257:265] == b'ustar\x0000', (name, 'magic')
    assert int(text(100, 8), 8) == 0o644, (name, 'mode')
    assert int(text(108, 8), 8) == 0 and int(text(116, 8), 8) == 0, (name, 'owner')
    assert int(text(136, 12), 8) == 0, (name, 'time')
    assert not text(265, 32) and not text(297, 32), (name, 'owner name')
    body = data[at + 512:at + 512 + size]
    assert body == open(public + '/' + name, 'rb').read(), (name, 'content')
    names.append(name)
    at += 512 + (size + 511) // 512 * 512
assert not data[at:].strip(b'\0') and len(data) - at >= 1024, 'end'
assert len(names) == len(set(names)), 'a name twice'
kinds = [n.split('/')[0] for n in names]
assert kinds == sorted(kinds, key=['metadata', 'targets', 'objects'].index), kinds
meta = [n for n in names if n.startswith('metadata/')]
roots = [n for n in meta if n.endswith('root.json')]
assert roots == ['metadata/%d.root.json' % (i + 1) for i in range(len(roots))] and len(roots) == 2
rest = [n.split('/')[1].split('.')[-2] for n in meta[len(roots):]]
assert rest == ['timestamp', 'snapshot', 'targets', 'releases'], rest
target = [n for n in names if n.startswith('targets/')]
assert len(target) == 1 and target[0].endswith('.1.json') and '/demo/releases/' in target[0]
m = json.load(open(public + '/' + target[0]))
tables, fulls = [], []
for i in m['images']:
    for o, l in ((i['leaves'], tables), (i['full']['pieces'], tables), (i['full'], fulls)):
        n = 'objects/%s/%s' % (o['sha256'][:2], o['sha256'])
        if n not in l:
            l.append(n)
assert [n for n in names if n.startswith('objects/')] == tables + fulls
assert len(tables) == 4 and len(fulls) == 2
PY
tap_check "members, their order and their headers" python3 "$T/headers.py" "$T/demo.pawl" "$W/public"

tap_refuse "a release that is not published" 33 "not published" repo bundle 2 --out "$T/x.pawl"
tap_refuse "another product" 33 "not published" repo bundle 1 --product other --out "$T/x.pawl"
tap_refuse "no number" 2 "release number" repo bundle
tap_refuse "a wrong number" 2 "1x" repo bundle 1x
tap_check "nothing was written for them" test ! -e "$T/x.pawl"

before=$(sha256sum "$T/demo.pawl")
unchanged() {
	is "$(sha256sum "$T/demo.pawl")" "$before" && is "$(find "$T" -maxdepth 1 -name '.*.new')" ""
}

# damage FILE: turns one byte in the middle round, the length stays
damage() {
	python3 -c 'import sys; f = open(sys.argv[1], "r+b"); f.seek(100); b = f.read(1)[0]
f.seek(100); f.write(bytes([b ^ 1]))' "$1"
}
full=$(find "$W/public/objects" -type f -size +4M)
cp "$full" "$T/kept"
chmod u+w "$full"
damage "$full"
tap_refuse "an object with a wrong byte" 18 "$(basename "$full")" repo bundle 1 --out "$T/demo.pawl"
tap_check "leaves the old bundle as it was" unchanged
truncate -s -1 "$full"
tap_refuse "an object that is too short" 19 "$(basename "$full")" repo bundle 1 --out "$T/demo.pawl"
tap_check "leaves it, too" unchanged
rm "$full"
tap_refuse "an object that is gone" 33 "$(basename "$full")" repo bundle 1 --out "$T/demo.pawl"
cp "$T/kept" "$full"
manifest=$(find "$W/public/targets/demo/releases" -name '*.1.json')
damage "$manifest"
refuses_bundle() {
	! repo bundle 1 --out "$T/demo.pawl"
}
tap_check "a damaged manifest is refused" refuses_bundle
tap_check "and leaves the old bundle" unchanged
tap_end
