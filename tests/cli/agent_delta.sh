#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a device fetches, by the web server's own log: from any version, over a real nginx, with a
# block image (rootfs) and a content-defined one (apps) in each release; and what becomes of it when
# tables, data, the running slot or the data partition are not as they should be.
# shellcheck disable=SC2016 # eval expands what stands in single quotes
set -u
# shellcheck source=tests/lib/chain.sh
. "${PAWL_SOURCE:?}/tests/lib/chain.sh"
# shellcheck source=tests/lib/server.sh
. "$PAWL_SOURCE/tests/lib/server.sh"

NEW=5
clean() {
	server_stop
	! mountpoint -q "$D/var/lib/pawl" || umount "$D/var/lib/pawl"
	chain_clean
}
trap clean EXIT

# Larger releases than those of chain.sh, without its logo.
# release N: both images; each release changes one file of a dozen, and adds one.
release() {
	local n=$1 i
	repo allot --out "$T/backstop.json" >/dev/null
	if [ "$n" = 1 ]; then
		tree_make "$T/tree" "$W/root.json" "" 0
		mkdir -p "$T/tree/usr/bin" "$T/apps"
		for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
			noise "$i" 256 >"$T/tree/usr/bin/prog$i"
			noise "$((i + 100))" 128 >"$T/apps/app$i"
		done
	fi
	cp "$T/backstop.json" "$T/tree/usr/share/pawl/"
	noise "$((n + 1000))" 200 >"$T/tree/usr/bin/prog$n"
	noise "$((n + 2000))" 60 >"$T/tree/usr/bin/new$n"
	# Of odd sizes: what follows is shifted, and only content-defined entries find it again.
	noise "$((n + 3000))" 100 | head -c $((100000 + 777 * n)) >"$T/apps/app$n"
	image_make "$T/tree" "$T/rootfs-$n" ext4 8
	image_make "$T/apps" "$T/apps-$n" squashfs
	shift
	repo release --release "$n" --version "$n.0" --compatible demo-board --class functional \
		--level 1 --image "rootfs=$T/rootfs-$n:raw" --image "apps=$T/apps-$n" "$@" \
		2>>"$T/release.log" && repo publish
}

# device_at N [bare]: a device straight from the factory, with release N in slot A
device_at() {
	local n=$1
	! mountpoint -q "$D/var/lib/pawl" || umount "$D/var/lib/pawl"
	rm -rf "$D"
	device_make "$D" "$SERVER_URL" 8
	device_add "$D" repository "ca-file = /etc/pawl/ca.pem"
	cp "$SERVER_DIR/ca.pem" "$D/etc/pawl/"
	device_add "$D" policy "reboot = never"
	truncate -s 4M "$D/dev/slot-a-apps" "$D/dev/slot-b-apps"
	device_add "$D" "slot A" "apps = /dev/slot-a-apps"
	device_add "$D" "slot B" "apps = /dev/slot-b-apps"
	device_flash "$D" a "$T/rootfs-$n"
	dd if="$T/apps-$n" of="$D/dev/slot-a-apps" conv=notrunc status=none
	[ "${2:-}" = bare ] || device_factory "$D" "$W" "$n"
	device_boot "$D" >/dev/null && p provision >/dev/null && device_boot "$D" >/dev/null &&
		p boot >/dev/null && mark
}

# mark: the server's log counts from here; asked FIELDS: log lines since then that ask for one of
# these objects of the newest release, such as "rootfs.data" or "apps.full.pieces"
mark() {
	seen=$(wc -l <"$SERVER_DIR/access.log")
}

hex() {
	jq -r --arg n "${1%%.*}" ".images[] | select(.name == \$n) | .${1#*.} | objects | .sha256" \
		"$P"/targets/demo/releases/*."$NEW".json
}

# differences FIELD: hashes of the differences of a table; from two older ones they may be the same
differences() {
	jq -r --arg n "${1%%.*}" ".images[] | select(.name == \$n) | .${1#*.}.from // [] | .[].sha256" \
		"$P"/targets/demo/releases/*."$NEW".json | sort -u
}

# asked_differences FIELDS: log lines that ask for one of them
asked_differences() {
	local field h
	for field; do
		for h in $(differences "$field"); do
			tail -n "+$((seen + 1))" "$SERVER_DIR/access.log" | grep -F "/$h "
		done
	done
}

object() {
	local h
	h=$(hex "$1")
	echo "$P/objects/${h:0:2}/$h"
}

asked() {
	local field
	for field; do
		tail -n "+$((seen + 1))" "$SERVER_DIR/access.log" | grep -F "/$(hex "$field") "
	done
}

requests() {
	asked "$@" | wc -l
}

# bytes FIELDS: what the server sent of them
bytes() {
	asked "$@" | awk '{ sum += $10 } END { print sum + 0 }'
}

all_bytes() {
	tail -n "+$((seen + 1))" "$SERVER_DIR/access.log" | grep objects/ |
		awk '{ sum += $10 } END { print sum + 0 }'
}

# arrived: slot B holds the newest release, byte for byte, and waits for its trial
arrived() {
	local size
	for part in rootfs apps; do
		size=$(jq --arg n $part '.images[] | select(.name == $n) | .size' \
			"$P"/targets/demo/releases/*."$NEW".json)
		cmp <(head -c "$size" "$D/dev/slot-b-$part") \
			<(head -c "$size" <(cat "$T/$part-$NEW" /dev/zero)) || return 1
	done
	p status --json | jq -e --argjson n "$NEW" '.trial_waits and .transaction.release == $n' >/dev/null
}

# record FIELD: a number or word of the last install.written
record() {
	p journal show --json | jq -r -s --arg f "$1" \
		'map(select(.evt == "install.written")) | last | .data[$f]'
}

# closed WAY CODE: the journal says that this way failed for that reason
closed() {
	p journal show --json --details | jq -e -s --arg w "$1" --arg c "$2" \
		'any(.evt == "install.way" and .data.way == $w and .rc == $c)' >/dev/null
}

little_of_full() {
	is_zero "$(requests rootfs.full apps.full rootfs.full.pieces apps.full.pieces)"
}

is_zero() {
	[ "$1" -eq 0 ] || {
		echo "$1, not 0"
		tail -n "+$((seen + 1))" "$SERVER_DIR/access.log" | grep objects/
		return 1
	}
}

at_most() {
	[ "$1" -le "$2" ] || {
		echo "$1, more than $2"
		return 1
	}
}

repo --product demo init
server_start "$T/server" "$P" || {
	echo "Bail out! no server"
	exit 1
}
for n in 1 2 3 4 5; do
	release $n || {
		cat "$T/release.log"
		echo "Bail out! release $n cannot be made"
		exit 1
	}
done

# --- From any version ------------------------------------------------------------------------
for n in 4 3 2 1; do
	device_at $n
	tap_check "from $n: poll" p poll
	tap_check "from $n: release 5 is in slot B" arrived
	tap_check "from $n: at most 3 requests for data of each image" eval \
		'at_most "$(requests rootfs.data)" 3 && at_most "$(requests apps.data)" 3'
	tap_check "from $n: nothing of full" little_of_full
	tap_check "from $n: the record says delta, and what the server saw" eval \
		'[ "$(record way)" = delta ] && at_most "$(record fetched)" "$(all_bytes)" &&
		at_most "$(all_bytes)" $(($(record fetched) + 65536))'
	tap_check "from $n: less than half of full" eval \
		'at_most "$(all_bytes)" $((($(stat -c %s "$(object rootfs.full)") + $(stat -c %s "$(object apps.full)")) / 2))'
	tap_check "from $n: the index comes as its difference from that of release $n" eval \
		'is_zero "$(requests rootfs.index apps.index)" && [ "$(asked_differences rootfs.index apps.index | wc -l)" -eq 2 ] &&
		at_most "$(asked_differences rootfs.index | awk "{ sum += \$10 } END { print sum }")" $(($(stat -c %s "$(object rootfs.index)") / 3))'
	tap_check "from $n: no spool is left, nor a table that nothing needs" eval \
		'[ -z "$(find "$D/var/lib/pawl/cache" -name "*.part")" ] && ! find "$D/var/lib/pawl/cache" -name "$(hex rootfs.data.frames)" | grep .'
	tap_check "from $n: the index is kept for the next update" eval \
		'find "$D/var/lib/pawl/cache" -name "$(hex rootfs.index)" | grep -q .'
done
tap_check "leaves come as a difference, too" eval \
	'device_at 4 && p poll && arrived && is_zero "$(requests rootfs.leaves)" && [ "$(asked_differences rootfs.leaves | wc -l)" -eq 1 ]'

# --- The plan before the download ----------------------------------------------------------------
device_at 4
tap_check "check tells the plan" eval 'p check >"$T/check" && grep -q "would fetch .*: data .*, tables .* (full: .* MiB)" "$T/check"'
tap_check "no data was fetched for it" eval 'is_zero "$(requests rootfs.data apps.data)"'
tap_check "slot B is as it was" eval 'cmp -n 65536 "$D/dev/slot-b-rootfs" /dev/zero'
p status --json >"$T/status"
tap_check "status has the plan" eval 'jq -e ".offer.plan.way == \"delta\" and .offer.plan.write > 0" "$T/status" >/dev/null'
mark
tap_check "poll after it" p poll
tap_check "fetches what was planned, and no table again" eval \
	'[ "$(all_bytes)" -eq "$(jq ".offer.plan.fetch - .offer.plan.tables" "$T/status")" ]'
device_at 4
tap_check "a cache that was thrown away is made again" eval 'p check >/dev/null && rm -rf "$D/var/lib/pawl/cache" && p poll && arrived'
device_at 4
p check >/dev/null
for file in "$D"/var/lib/pawl/cache/*; do printf X | dd of="$file" bs=1 seek=30 conv=notrunc status=none; done
tap_check "so is a damaged one" eval 'p poll && arrived && little_of_full'

# --- What is there already --------------------------------------------------------------------------
device_at 4
device_flash "$D" b "$T/rootfs-5"
dd if="$T/apps-5" of="$D/dev/slot-b-apps" conv=notrunc status=none
touch -d 2020-01-01 "$D"/dev/slot-b-*
tap_check "a target that holds the release" p poll
tap_check "is taken as it is" arrived
tap_check "nothing is written" eval '[ -z "$(find "$D/dev" -name "slot-b-*" -newermt 2021-01-01)" ] && [ "$(record way)" = whole ] && is_zero "$(record written)"'
# shellcheck disable=SC2034 # used in eval
leaves=$(asked_differences rootfs.leaves apps.leaves | awk '{ sum += $10 } END { print sum + 0 }')
tap_check "only leaves are fetched" eval '[ "$(all_bytes)" -eq $(($(bytes rootfs.leaves apps.leaves) + leaves)) ]'
device_at 4
dd if="$T/apps-5" of="$D/dev/slot-b-apps" conv=notrunc status=none
tap_check "one image of two is there already" eval 'p poll && arrived && [ "$(record way)" = mixed ]'
tap_check "nothing but leaves is fetched for it" eval 'is_zero "$(requests apps.data apps.index apps.full)"'

# --- A running slot that is not what it was -------------------------------------------------------------
device_at 4
p poll
# shellcheck disable=SC2034 # used in eval
whole=$(bytes rootfs.data) whole_apps=$(bytes apps.data)
device_at 4
noise 9000 400 | dd of="$D/dev/slot-a-rootfs" bs=1k seek=3000 conv=notrunc status=none
tap_check "a damaged running slot" eval 'p poll && arrived'
tap_check "costs its own blocks" eval '[ "$(bytes rootfs.data)" -gt "$whole" ] && at_most "$(bytes rootfs.data)" $((whole + 1200000))'

# --- Without what the factory leaves -----------------------------------------------------------------------
device_at 4 bare
tap_check "a device without factory.json" eval 'p poll && arrived'
tap_check "apps are content-defined" test "$(od -An -tu2 -j6 -N2 "$(object apps.index)" | tr -d ' ')" -eq 1
tap_check "scans its blocks" eval 'is_zero "$(requests rootfs.full)" && at_most "$(bytes rootfs.data)" "$whole"'
tap_check "and its chunks" eval 'is_zero "$(requests apps.full)" && at_most "$(bytes apps.data)" "$whole_apps"'
device_at 4
sed -i 's/"release": 4/"release": 3/' "$D/var/lib/pawl/factory.json"
rm "$D/var/lib/pawl/state.json"
tap_check "a factory.json of another release is not used" eval '"$PAWL" --root "$D" boot 2>&1 | grep "factory-not-used code=E_POLICY"'

# --- Differences of tables that are of no use: the whole table, once ---------------------------------------
device_at 4 bare
tap_check "without older tables: whole ones" eval \
	'p poll && arrived && [ "$(requests rootfs.leaves rootfs.index)" -eq 2 ] && is_zero "$(asked_differences rootfs.leaves rootfs.index apps.index | wc -l)"'
device_at 4
for file in "$D"/var/lib/pawl/cache/* "$D"/var/lib/pawl/leaves/*; do
	printf XXXX | dd of="$file" bs=1 seek=30 conv=notrunc status=none
done
tap_check "damaged ones: whole ones" eval \
	'p poll && arrived && [ "$(requests rootfs.leaves rootfs.index)" -eq 2 ] && is_zero "$(asked_differences rootfs.leaves rootfs.index apps.index | wc -l)"'
tap_check "and the journal says so" closed difference E_HASH
for how in gone other; do
	for h in $(differences rootfs.index) $(differences rootfs.leaves); do
		file=$P/objects/${h:0:2}/$h
		chmod u+w "$file"
		mv "$file" "$T/away-$h"
		[ $how = gone ] || noise 9002 1 | head -c "$(stat -c %s "$T/away-$h")" >"$file"
	done
	device_at 4
	tap_check "differences that are $how: poll" eval 'p poll && arrived'
	tap_check "differences that are $how: one try, whole tables, a delta" eval \
		'[ "$(asked_differences rootfs.index rootfs.leaves | wc -l)" -eq 2 ] && [ "$(requests rootfs.leaves rootfs.index)" -eq 2 ] &&
		is_zero "$(requests rootfs.full)" && [ "$(record way)" = delta ]'
	tap_check "differences that are $how: the journal says so" closed difference \
		"$([ $how = gone ] && echo E_NOTFOUND || echo E_HASH)"
	for h in $(differences rootfs.index) $(differences rootfs.leaves); do
		mv -f "$T/away-$h" "$P/objects/${h:0:2}/$h"
	done
done
# --- A server that lacks something ----------------------------------------------------------------------------
for field in rootfs.index rootfs.frames rootfs.data; do
	[ "$field" = rootfs.frames ] && field=rootfs.data.frames
	file=$(object "$field")
	# With an older index it would not be asked for.
	factory=
	[ "$field" = rootfs.index ] && factory=bare
	device_at 4 $factory
	mv "$file" "$file.away"
	tap_check "without $field: full" eval 'p poll && arrived && [ "$(requests rootfs.full)" -gt 0 ] && closed delta E_NOTFOUND'
	mv "$file.away" "$file"
	cp -p "$file" "$file.away" && chmod u+w "$file"
	size=$(stat -c %s "$file")
	noise 9001 $((size / 1024 + 1)) | head -c "$size" | cat >"$file"
	device_at 4 $factory
	tap_check "$field with other bytes: full" eval 'p poll && arrived && [ "$(requests rootfs.full)" -gt 0 ] && closed delta E_HASH'
	mv -f "$file.away" "$file"
done
device_at 4
server_stop
tap_refuse "a server that is down leaves the target alone" 30 E_NET p poll
tap_check "no head was zeroed, no record changed" eval 'p status --json | jq -e ".slots.B.status == \"unknown\"" >/dev/null'
server_start "$T/server" "$P"
device_set "$D" url "$SERVER_URL"

# --- Cut in the middle of the spool --------------------------------------------------------------------------
device_at 2
device_add "$D" repository "rate-limit = 400000"
"$PAWL" --root "$D" --quiet poll 2>/dev/null &
pid=$!
part=$D/var/lib/pawl/cache/$(hex rootfs.data).part
for _ in $(seq 200); do
	[ "$(stat -c %b "$part" 2>/dev/null || echo 0)" -gt 600 ] && break
	sleep 0.05
done
kill -9 $pid
wait $pid 2>/dev/null
tap_check "killed while it fetched" test -e "$part"
device_set "$D" rate-limit 0
# frames_kept: stored bytes of the frames that are whole in the spool
frames_kept() {
	python3 - "$part" "$(object rootfs.data.frames)" <<-'PY'
		import hashlib, struct, sys
		table = open(sys.argv[2], "rb").read()
		part = open(sys.argv[1], "rb").read()
		at = kept = 0
		for i in range(struct.unpack_from("<I", table, 16)[0]):
		    g, stored, raw, sha = struct.unpack_from("<BII32s", table, 20 + 41 * i)
		    if hashlib.sha256(part[at:at + stored]).digest() == sha:
		        kept += stored
		    at += stored
		print(kept)
	PY
}
kept=$(frames_kept)
tap_check "some frames are there" test "$kept" -gt 0
mark
tap_check "it goes on" eval 'p poll && arrived'
again=$(bytes rootfs.data)
device_at 2
p poll
tap_check "and fetches nothing again of what was there" test "$((again + kept))" -eq "$(bytes rootfs.data)"

# --- Little room -----------------------------------------------------------------------------------------
device_at 1
mkdir "$T/data" && cp -a "$D/var/lib/pawl/." "$T/data"
if mount -t tmpfs -o size=1500k tmpfs "$D/var/lib/pawl" 2>/dev/null; then
	cp -a "$T/data/." "$D/var/lib/pawl"
	noise 9000 1200 | dd of="$D/dev/slot-a-rootfs" bs=1k seek=3000 conv=notrunc status=none
	tap_check "a data partition without room for the spool: streams" eval 'p poll && arrived && is_zero "$(requests rootfs.full)"'
	tap_check "one request for each generation, or two" at_most "$(requests rootfs.data)" 10
else
	tap_skip "a data partition without room for the spool" "no right to mount a tmpfs"
fi

# --- An image by hand ------------------------------------------------------------------------------------
device_at 1
cp "$T/rootfs-5" "$D/rootfs.img" && cp "$T/apps-5" "$D/apps.img"
tap_check "check --offline-from" eval 'p check --offline-from "$D/rootfs.img" | grep "image rootfs: .* by delta: data 0,"'
tap_check "poll --offline-from a new block image" eval 'p poll --offline-from "$D/rootfs.img" && arrived && is_zero "$(requests rootfs.data)"'
for n in 4 5; do
	device_at 1 bare
	cp "$T/apps-$n" "$D/apps.img"
	tap_check "a content-defined image of a release that nobody names ($n) as a file" eval 'p poll --offline-from "$D/apps.img" && arrived'
	tap_check "its content is not fetched ($n)" at_most "$(bytes apps.data apps.full)" $(((5 - n) * 400000))
done
device_at 1
noise 1 100 >"$D/odd.img"
tap_check "a file of something else costs nothing" eval 'p poll --offline-from "$D/odd.img" && arrived'
device_at 1
before=$(wc -l <"$SERVER_DIR/access.log")
for verb in poll check "install $D/none.pawl"; do
	# shellcheck disable=SC2086 # a verb and its word
	tap_refuse "one that is not there is a mistake: ${verb%% *}" 2 "none.img cannot be read" \
		p $verb --offline-from "$D/none.img"
done
tap_check "nothing was asked for" test "$(wc -l <"$SERVER_DIR/access.log")" -eq "$before"

# --- A patch -----------------------------------------------------------------------------------------------
NEW=6
release 6 --patch-from previous
patch=$(jq -r '.images[0].patches[0].sha256' "$P"/targets/demo/releases/*.6.json)
patch=$P/objects/${patch:0:2}/$patch
device_at 5
tap_check "a patch" eval 'p poll && arrived && [ "$(record way)" = patch ]'
tap_check "is fetched, and neither index nor data" eval \
	'is_zero "$(requests rootfs.index rootfs.data apps.index apps.data)" &&
	[ "$(all_bytes)" -eq "$(record fetched)" ]'
device_at 5
printf X | dd of="$D/dev/slot-a-rootfs" bs=1 seek=5000000 conv=notrunc status=none
tap_check "a changed running slot: delta" eval 'p poll && arrived && [ "$(requests rootfs.data)" -gt 0 ]'
chmod u+w "$patch"
cp "$patch" "$T/patch"
printf XXXX | dd of="$patch" bs=1 seek=2000 conv=notrunc status=none
device_at 5
tap_check "a patch with other bytes: delta" eval 'p poll && arrived && closed patch E_HASH && is_zero "$(requests rootfs.full)"'
rm "$patch"
device_at 5
tap_check "a patch that is not there: delta" eval 'p poll && arrived && closed patch E_NOTFOUND && is_zero "$(requests rootfs.full)"'

tap_end
