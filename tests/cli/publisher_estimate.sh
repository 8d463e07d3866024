#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# pawl-repo estimate and factory: what a device would fetch is said to the byte; what a new device
# should hold is written.
set -u
. tests/lib/tap.sh
. tests/lib/publisher.sh
TMPDIR=$T/tmp
mkdir "$TMPDIR"
export TMPDIR

python3 - "$T" <<'PY'
import random, sys
r = random.Random(7)
a = bytearray(r.randbytes(2 << 20))
open(sys.argv[1] + '/a', 'wb').write(a)
b = bytearray(a)
for i in range(5): # five blocks, far from each other
    b[i * 400000:i * 400000 + 9] = b'different'
open(sys.argv[1] + '/b', 'wb').write(b)
open(sys.argv[1] + '/moved', 'wb').write((a[:5000] + b'inserted' + a[5000:])[:2 << 20])
PY
make_release() {
	make_file=$1
	shift
	repo --quiet release --version "$make_file" --compatible board --class functional \
		--encoding none --level 0 --image "rootfs=$T/$make_file:raw" "$@" 2>/dev/null
}
# make_said: as make_release, with what it says
make_said() {
	make_file=$1
	shift
	repo release --version "$make_file" --compatible board --class functional \
		--encoding none --level 0 --image "rootfs=$T/$make_file:raw" "$@" 2>"$T/said" || {
		make_status=$?
		cat "$T/said"
		return "$make_status"
	}
}
# line WORD: the line of the last output that begins with WORD
line() {
	printf '%s\n' "$out" | grep "^ *$1" | tr -s ' ' | sed 's/^ //'
}
estimate() {
	out=$(repo estimate "$@" 2>&1)
}
nothing_left() {
	is "$(ls -A "$TMPDIR")" ""
}

repo --quiet --product demo init >/dev/null
tap_check "a first release has none before it to make a patch from" \
	make_release a --patch-from previous
make_release b
repo --quiet publish
make_release b
length() { # RELEASE EXPRESSION: of its image; published or staged
	python3 - "$W" "$1" "$2" <<'PY'
import glob, json, sys
w, n, what = sys.argv[1:]
path = glob.glob('%s/public/targets/demo/releases/*.%s.json' % (w, n)) + \
    glob.glob('%s/staging/demo-%s/manifest.json' % (w, n))
i = json.load(open(path[0]))['images'][0]
def comes(table): # as its difference from the newest release with another one
    return table['from'][0]['length'] if 'from' in table else table['length']
print(eval(what))
PY
}

tables=$(length 2 "sum(comes(i[k]) for k in ('index', 'leaves')) + i['data']['frames']['length']")
estimate 1 2
tap_check "five blocks are fetched in one request" \
	is "$(line delta | sed 's/ <- .*//')" \
	"delta $((tables + 5 * 4096)) bytes $(python3 -c "print('%.3f' % ($((tables + 5 * 4096)) / 1048576))") MiB: data $((5 * 4096)) in 1 request, tables $tables"
tap_check "leaves and index come as their differences" \
	is "$(length 2 "comes(i['index']) < i['index']['length'] / 4, comes(i['leaves']) < i['leaves']['length']")" "(True, True)"
tap_check "what a device without older tables fetches more is said" is "$(line and)" \
	"and $(length 2 "sum(i[k]['length'] - comes(i[k]) for k in ('index', 'leaves'))") bytes where the device has no tables of what it runs (\`pawl-repo factory\` puts them there)"
tap_check "and that is the way" is "$(line delta | grep -c '<- this way')" 1
tap_check "the whole image is told beside it" is "$(line full | cut -d' ' -f2)" \
	"$(length 2 "i['full']['length'] + i['full']['pieces']['length'] + comes(i['leaves'])")"
tap_check "the sum is what the way costs" is "$(line sum: | cut -d' ' -f2)" \
	"$((tables + 5 * 4096))"
tap_check "back to the release before costs the frames around its blocks" \
	is "$(estimate 2 1 && line delta | grep -o 'data [0-9]*')" "data $((5 * 262144))"
estimate 2 3
tap_check "what did not change is copied" is "$(line copy | grep -c '<- this way')" 1
tap_check "for nothing: the device knows its leaves" is "$(line sum: | cut -d' ' -f2)" 0

# --- Files ------------------------------------------------------------------------
estimate "$T/a" "$T/b" --encoding none --level 0
tap_check "two files give the same as their releases" \
	is "$(line delta | grep -o 'data [0-9]* in 1 request, tables [0-9]*')" \
	"data $((5 * 4096)) in 1 request, tables $tables"
estimate 1 "$T/b" --encoding none --level 0
tap_check "a release and a file, too" \
	is "$(line delta | grep -o 'data [0-9]* in 1')" "data $((5 * 4096)) in 1"
tap_check "which takes the name of the image" is "$(line rootfs | cut -d: -f1)" rootfs
estimate "$T/b" 3
tap_check "a file that is the image of a release is known as it" \
	is "$(line copy | grep -c '<- this way')" 1
estimate 3 "rootfs=$T/moved" --level 1
tap_check "what changes the kind of index is a delta like any other" \
	is "$(line delta | grep -c '<- this way') $(printf '%s\n' "$out" | grep -c 'index of chunks')" "1 2"
estimate 3 "rootfs=$T/moved" --level 1 --index blocks
tap_check "the kind can be chosen" is "$(printf '%s\n' "$out" | grep -c 'index of blocks')" 2
estimate 3 "boot=$T/b" --level 1
tap_check "an image that the old release has not comes whole" \
	is "$(line full | grep -c '<- this way')" 1
tap_check "nothing is left of what was cut" nothing_left

tap_refuse "a release that is not there" 33 "no release 9" repo estimate 1 9
tap_refuse "a file that is not there" 42 "$T/none" repo estimate 1 "$T/none"
tap_refuse "one word" 2 "OLD and NEW" repo estimate 1
tap_check "nothing is left after a refusal" nothing_left

# --- Objects that are elsewhere -----------------------------------------------------
make_release a --no-delta
estimate 2 4
tap_check "without an index there is no delta, and the reason is said" \
	is "$(line full | grep -c '<- this way') $(line no | cut -d' ' -f3-)" "1 it has no index"
sha=$(length 2 "i['data']['frames']['sha256']")
mv "$W/public/objects/$(echo "$sha" | cut -c1-2)/$sha" "$T/away"
estimate 1 2
tap_check "nor without a table that is not here" \
	is "$(line no | grep -c "$sha")" 1
mv "$T/away" "$W/public/objects/$(echo "$sha" | cut -c1-2)/$sha"

# --- Patches ----------------------------------------------------------------------------
make_release b --patch-from 1,2,3
tap_check "a patch from a release with another image is made" is \
	"$(length 5 "len(i['patches']), i['patches'][0]['length'] < 5000")" "(1, True)"
repo --quiet publish
estimate 1 5
tap_check "and is the way for devices on that release" is \
	"$(line patch | grep -c '<- this way') $(line sum: | cut -d' ' -f2)" \
	"1 $(length 5 "comes(i['leaves']) + sum(o['length'] for o in
		(i['patches'][0], i['patches'][0]['table']))")"
estimate 4 5
tap_check "and on one with the same image" is "$(line patch | grep -c '<- this way')" 1
tap_check "the repository with it is good" repo verify
tap_refuse "a patch from no release" 33 "no release 9" make_said b --patch-from 9
tap_refuse "twice from the same" 2 "given twice" make_said b --patch-from 1,1
tap_refuse "twice, once by its word" 2 "release 5 is given twice" make_said b --patch-from previous,5
tap_refuse "from what is no number" 2 'must be the number of a release or "previous"' make_said b --patch-from last
head -c 2097152 /dev/urandom >"$T/new"
make_said new --patch-from 1
tap_check "a patch that saves nothing is left out" is \
	"$(length 6 "'patches' in i") $(grep -c 'no smaller' "$T/said")" "False 1"
tap_check "with its objects" is "$(find "$W/staging/demo-6/objects" -type f | wc -l)" 5

# --- factory --------------------------------------------------------------------------
factory_is_right() {
	python3 - "$T/factory" "$W" <<'PY'
import glob, hashlib, json, os, sys
d, w = sys.argv[1:]
f = json.load(open(d + '/factory.json'))
text = open(glob.glob(w + '/public/targets/demo/releases/*.2.json')[0], 'rb').read()
m = json.loads(text)
assert f['manifest'] == hashlib.sha256(text).hexdigest()
for k in ('product', 'release', 'version', 'epoch'):
    assert f[k] == m[k], k
assert f['schema'] == 1 and len(f['images']) == 1
a, b = f['images'][0], m['images'][0]
for k in ('name', 'size', 'leaf_hash'):
    assert a[k] == b[k], k
for k in ('leaves', 'index'):
    assert a[k] == {'sha256': b[k]['sha256'], 'length': b[k]['length']}, k
for folder, o in (('leaves', a['leaves']), ('cache', a['index'])):
    assert os.listdir('%s/%s' % (d, folder)) == [o['sha256']]
    data = open('%s/%s/%s' % (d, folder, o['sha256']), 'rb').read()
    assert len(data) == o['length'] and hashlib.sha256(data).hexdigest() == o['sha256']
assert sorted(os.listdir(d)) == ['cache', 'factory.json', 'leaves']
PY
}
tap_check "factory writes what a new device should hold" repo --quiet factory 2 --output "$T/factory"
tap_check "leaves, index and what they belong to" factory_is_right
tap_check "again into the same folder" repo --quiet factory 2 --output "$T/factory"
tap_check "an image without an index has none" repo --quiet factory 4 --output "$T/plain"
tap_check "and says nothing of one" is \
	"$(field "$T/plain/factory.json" "'index' in j['images'][0]")" False
tap_refuse "factory needs a folder" 2 "--output" repo factory 2
tap_refuse "factory of no release" 33 "no release 9" repo factory 9 --output "$T/none"
tap_check "which leaves no factory.json" test ! -e "$T/none/factory.json"
index=$(length 2 "i['index']['sha256']")
printf x | dd of="$W/public/objects/$(echo "$index" | cut -c1-2)/$index" bs=1 seek=99 conv=notrunc \
	2>/dev/null
tap_refuse "a damaged object does not go to devices" 18 "$index" \
	repo factory 2 --output "$T/damaged"
tap_refuse "nor into an estimate" 18 "$index" repo estimate 2 1
tap_end
