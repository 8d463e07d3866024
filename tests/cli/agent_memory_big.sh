#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Peak memory (VmHWM) of pawl while it plans and installs images of any size over HTTPS, as a delta
# and whole: at most 20 MiB plus 0.4 % of what is not zero. Short: 96 MiB of content, and 1 GiB
# that is mostly holes. PAWL_LONG=1: 3 GiB of real files, and 8 GiB that is mostly holes.
# shellcheck source=tests/lib/tap.sh
. "${PAWL_SOURCE:?}/tests/lib/tap.sh"
# shellcheck source=tests/lib/device.sh
. "$PAWL_SOURCE/tests/lib/device.sh"
# shellcheck source=tests/lib/server.sh
. "$PAWL_SOURCE/tests/lib/server.sh"
: "${PAWL:?}" "${PAWL_REPO:?}"
PATH=$PATH:/usr/sbin:/sbin

CONTENT_MIB=96
SPARSE_MIB=1024
[ -z "${PAWL_LONG:-}" ] || CONTENT_MIB=3200 SPARSE_MIB=8192

T=$(mktemp -d "${MEMORY_DIR:-/var/tmp}/pawl-memory-XXXXXX")
clean() {
	server_stop
	rm -rf "$T"
}
trap clean EXIT
D=$T/now
W=$T/repo

p() {
	"$PAWL" --root "$D" --quiet "$@"
}

# content FILE MIB: real files of this machine one after the other, and again where they are few
content() {
	# 1: a file changed meanwhile, which is no matter; head ends it by closing the pipe.
	while tar -C / -cf - usr/bin usr/lib usr/share usr/sbin 2>/dev/null || [ $? -eq 1 ]; do
		:
	done | head -c "${2}M" >"$1"
}

# sparse FILE MIB: holes, and 64 KiB of noise every 8 MiB
sparse() {
	python3 - "$1" "$2" <<-'PY'
		import os, random, sys
		r = random.Random("sparse")
		size = int(sys.argv[2]) << 20
		with open(sys.argv[1], "wb") as f:
		    f.truncate(size)
		    for at in range(0, size, 8 << 20):
		        f.seek(at)
		        f.write(r.randbytes(65536))
	PY
}

# change FILE: every 64th MiB of it gets 256 KiB of noise: about 0.4 %
change() {
	python3 - "$1" <<-'PY'
		import os, random, sys
		r = random.Random("change")
		with open(sys.argv[1], "r+b") as f:
		    for at in range(1 << 20, os.path.getsize(sys.argv[1]) - (1 << 20), 64 << 20):
		        f.seek(at)
		        f.write(r.randbytes(256 << 10))
	PY
}

# publish IMAGE RELEASE: into the repository of its own, with an index of KIND
publish() {
	"$PAWL_REPO" --repo "$W" --quiet release --release "$2" --version "$2.0" --level 1 --index "$KIND" \
		--compatible demo-board --class functional --support-end 2099-12-31 \
		--image "rootfs=$1:raw" 2>>"$T/release.log" && "$PAWL_REPO" --repo "$W" --quiet publish
}

# device IMAGE MIB: a device that runs this file, and knows nothing of it
device() {
	rm -rf "$D"
	device_make "$D" "$SERVER_URL" "$2"
	device_add "$D" repository "ca-file = /etc/ca.pem"
	cp "$T/server/ca.pem" "$D/etc/ca.pem"
	cp "$T/root.json" "$D/usr/share/pawl/"
	dd if="$1" of="$D/dev/slot-a-rootfs" bs=1M conv=notrunc,sparse status=none
	p sim boot >/dev/null && p provision >/dev/null && p sim boot >/dev/null
}

# world IMAGE MIB: releases 1 and 2 of this image, which becomes that of release 2
world() {
	rm -rf "$W"
	"$PAWL_REPO" --repo "$W" --quiet --product demo init || return
	cp "$W/root.json" "$T/root.json"
	publish "$1" 1 || return
	cp --sparse=always "$1" "$T/old" && change "$1" && publish "$1" 2 || return
	server_stop
	server_start "$T/server" "$W/public"
}

# stays_below NAME BAR: one poll
stays_below() {
	local status=0
	tap_out=$(/usr/bin/time -o "$T/peak" -f %M "$PAWL" --root "$D" --quiet poll 2>&1) || status=1
	peak=$(tail -n 1 "$T/peak")
	[ "$peak" -le "$2" ] || status=1
	tap_result "$status" "$1: at most $2 KiB"
	echo "# $peak KiB ${tap_out:+: $tap_out}"
}

# fetched WORD...: the image came out of one of these objects, by the server's log
fetched() {
	local word name
	for word in "$@"; do
		name=$(jq -r ".images[0].$word.sha256" "$W"/public/targets/demo/releases/*.2.json)
		! grep -q "objects/.*/$name" "$T/server/access.log" || return 0
	done
	return 1
}

same() {
	cmp -n "$(stat -c %s "$1")" "$1" "$D/dev/slot-b-rootfs"
}

# both NAME MIB KIB: as a delta and whole; KIB of it are not zero
both() {
	local bar=$((20480 + $3 / 250))
	: >"$T/server/access.log"
	device "$T/old" "$2" || return
	stays_below "$1 as a delta" "$bar"
	tap_check "it came as a delta" fetched data
	tap_check "all of it is there" same "$T/new"
	head -c 1M /dev/urandom >"$T/foreign"
	: >"$T/server/access.log"
	device "$T/foreign" "$2" || return
	stays_below "$1 whole" "$bar"
	# Where nearly all is zero, all of data may be less than full.
	tap_check "it came whole" fetched full data
	tap_check "all of it is there" same "$T/new"
}

content "$T/new" "$CONTENT_MIB"
KIND=chunks # its tables are larger
world "$T/new" || tap_result 1 "releases of content"
both "$CONTENT_MIB MiB of content" "$CONTENT_MIB" $((CONTENT_MIB * 1024)) ||
	tap_result 1 "a device for content"
rm -f "$T/new" "$T/old"
sparse "$T/new" "$SPARSE_MIB"
KIND=blocks
world "$T/new" || tap_result 1 "releases of holes"
both "$SPARSE_MIB MiB of mostly holes" "$SPARSE_MIB" $((SPARSE_MIB * 8)) ||
	tap_result 1 "a device of holes"
tap_end
