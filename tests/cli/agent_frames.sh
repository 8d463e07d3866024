#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The table of frames comes in part, by the log of a real nginx: a device on the release before
# asks for the first bytes of it and no more; one whose old content is damaged, or that is told of a
# first part that is none, for all of it; a server without ranges does as well.
# shellcheck disable=SC2016 # eval expands what stands in single quotes
set -u
# shellcheck source=tests/lib/chain.sh
. "${PAWL_SOURCE:?}/tests/lib/chain.sh"
# shellcheck source=tests/lib/server.sh
. "$PAWL_SOURCE/tests/lib/server.sh"

MIB=12
clean() {
	server_stop
	chain_clean
}
trap clean EXIT

# Other releases than those of chain.sh, and so other devices.
# release N [STATEMENT]: of 7 MiB that stay, and 200 KiB that do not; the manifest may be edited
# before it is signed
release() {
	repo allot --out "$T/backstop.json" >/dev/null
	[ "$1" != 1 ] || {
		tree_make "$T/tree" "$W/root.json" "" 0
		noise 1 7400 >"$T/tree/usr/stays"
	}
	cp "$T/backstop.json" "$T/tree/usr/share/pawl/"
	noise "$(($1 + 1000))" 200 >"$T/tree/usr/changes"
	image_make "$T/tree" "$T/rootfs-$1" ext4 $MIB
	repo release --release "$1" --version "$1.0" --compatible demo-board --class functional \
		--level 1 --image "rootfs=$T/rootfs-$1" 2>>"$T/release.log" || return 1
	[ -z "${2:-}" ] || edit "$W/staging/demo-$1/manifest.json" "$2" || return 1
	repo publish
}

# edit FILE STATEMENT: of the JSON file, whose table of frames is f
edit() {
	python3 - "$1" "$2" <<-'PY'
		import json, sys
		j = json.load(open(sys.argv[1]))
		f = j["images"][0]["data"]["frames"]
		exec(sys.argv[2])
		json.dump(j, open(sys.argv[1], "w"))
	PY
}

# frames N EXPRESSION: of that release's table f, as the manifest has it
frames() {
	python3 - "$P"/targets/demo/releases/*."$1".json "$2" <<-'PY'
		import json, sys
		f = json.load(open(sys.argv[1]))["images"][0]["data"]["frames"]
		print(eval(sys.argv[2]))
	PY
}

# device_at N: a device straight from the factory, with release N in slot A
device_at() {
	rm -rf "$D"
	device_make "$D" "$SERVER_URL" $MIB
	device_add "$D" repository "ca-file = /etc/pawl/ca.pem"
	cp "$SERVER_DIR/ca.pem" "$D/etc/pawl/"
	device_add "$D" policy "reboot = never"
	device_flash "$D" a "$T/rootfs-$1"
	device_factory "$D" "$W" "$1"
	device_boot "$D" >/dev/null && p provision >/dev/null && device_boot "$D" >/dev/null &&
		p boot >/dev/null
	seen=$(wc -l <"$SERVER_DIR/range.log")
}

# asked N: STATUS BYTES RANGE of each request for that release's table of frames
asked() {
	tail -n "+$((seen + 1))" "$SERVER_DIR/range.log" | grep "/$(frames "$1" 'f["sha256"]')\$" |
		cut -d' ' -f3-5
}

# record FIELD: a number or word of the last install.written
record() {
	p journal show --json | jq -r -s --arg f "$1" \
		'map(select(.evt == "install.written")) | last | .data[$f]'
}

# arrived N: slot B holds it, byte for byte, and it came as a delta
arrived() {
	cmp "$D/dev/slot-b-rootfs" "$T/rootfs-$1" && is "$(record way)" delta
}

is() {
	[ "$1" = "$2" ] || {
		echo "\"$1\", not \"$2\""
		return 1
	}
}

repo --product demo init
if ! server_start "$T/server" "$P" || ! release 1 || ! release 2; then
	cat "$T/release.log"
	echo "Bail out! no server, or no releases"
	exit 1
fi

whole=$(frames 2 'f["length"]')
first=$(frames 2 'f["first"][0]["length"]')
tap_check "the first release has no first part: it is all new" is "$(frames 1 '"first" in f')" False
tap_check "the second has one, of what is new" is "$(frames 2 \
	'len(f["first"]) == 1 and f["first"][0]["generations"] and f["first"][0]["length"] < 400')" True
tap_check "verify is content with it" repo verify

device_at 1
tap_check "a small update" eval 'p poll && arrived 2'
tap_check "asks for the first $first of $whole bytes, once" is "$(asked 2)" \
	"206 $first \"bytes=0-$((first - 1))\""
"$PAWL_REPO" --repo "$W" estimate 1 2 >"$T/estimate" 2>&1
tap_check "and fetches what estimate has said" grep -qE "delta +$(record fetched) bytes" "$T/estimate"

device_at 1
noise 9000 300 | dd of="$D/dev/slot-a-rootfs" bs=1k seek=5000 conv=notrunc status=none
tap_check "a damaged running slot" eval 'p poll && arrived 2'
tap_check "asks for the whole table, once" is "$(asked 2)" "200 $whole \"-\""

# No ranges at all: everything, whatever is asked for.
server_stop
SERVER_DIR=$T/server
sed -i 's/max_ranges 1/max_ranges 0/' "$T/server/nginx.conf"
nginx -q -e "$T/server/error.log" -p "$T/server" -c "$T/server/nginx.conf"
device_at 1
tap_check "a server without ranges" eval 'p poll && arrived 2'
tap_check "is asked for the table once" is "$(asked 2 | wc -l)" 1

# Signed, but not what it says: the whole table, once.
release 3 'f["first"][0]["sha256"] = "00" * 32'
device_at 2
tap_check "a first part with another hash" eval 'p poll && arrived 3'
tap_check "is tried once" is "$(asked 3 | wc -l)" 2
tap_check "and the journal says so" eval 'p journal show --json --details | jq -e -s \
	"any(.evt == \"install.way\" and .data.way == \"first\" and .data.table == \"frames\" and .rc == \"E_HASH\")"'
tap_refuse "verify names it" 21 "have another hash" repo verify
release 4 'f["first"][0]["generations"] = 15'
tap_refuse "verify names one without some of its frames, too" 21 "bytes in one and" repo verify

tap_end
