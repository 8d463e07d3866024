#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Memory of `release` does not grow with the image, and no byte is lost beyond 2 and 4 GiB (sizes
# that fit 32 bits were cut by other tools). Long version: more than 8 GiB, sparse.
set -u
. tests/lib/tap.sh
. tests/lib/publisher.sh

mib=500
[ -z "${PAWL_LONG:-}" ] || mib=8300
repo --quiet --product demo init >/dev/null
# Zeros but for the first and the last bytes, and an odd end.
printf begin >"$T/rootfs"
truncate -s "${mib}M" "$T/rootfs"
printf end >>"$T/rootfs"

cat >"$T/run.py" <<'PY'
import resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
print('peak %d MiB' % peak)
sys.exit(status or peak > int(sys.argv[1]))
PY
# Sanitizers need more than the program itself.
limit=64
! grep -q __asan_init "$PAWL_REPO" || limit=600
tap_check "a large image is cut within $limit MiB" python3 "$T/run.py" "$limit" \
	"$PAWL_REPO" --repo "$W" --quiet release --version 1 --compatible board \
	--class functional --image "rootfs=$T/rootfs" --level 1 --threads 2

cat >"$T/check.py" <<'PY'
import hashlib, json, struct, sys
stage, mib = sys.argv[1], int(sys.argv[2])
image = json.load(open(stage + '/manifest.json'))['images'][0]
def read(o):
    data = open('%s/objects/%s/%s' % (stage, o['sha256'][:2], o['sha256']), 'rb').read()
    assert len(data) == o['length'] and hashlib.sha256(data).hexdigest() == o['sha256']
    return data
size = mib * 1048576 + 4096
assert image['size'] == size, image['size']
leaf = lambda data: hashlib.sha256(data).digest()
zeros = bytes(262144)
want = [leaf(zeros)] * (mib * 4) + [leaf(b'end' + bytes(4093))]
want[0] = leaf(b'begin' + zeros[5:])
leaves = read(image['leaves'])
assert leaves == b''.join(want)
pieces = read(image['full']['pieces'])
count = -(-size // 4194304)
assert pieces[:8] == b'PWLP\1\0\0\0' and struct.unpack('<QI', pieces[8:20]) == (size, count)
full, at = read(image['full']), 0
for i in range(count):
    stored, = struct.unpack_from('<I', pieces, 20 + 36 * i)
    assert hashlib.sha256(full[at:at + stored]).digest() == pieces[24 + 36 * i:56 + 36 * i], i
    at += stored
assert at == len(full)
PY
tap_check "every leaf and every piece of it is right" python3 "$T/check.py" "$W/staging/demo-1" "$mib"
tap_end
