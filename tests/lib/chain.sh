# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A publisher with a chain of small releases, and devices that run one of them: a block image
# (rootfs), a content-defined one (apps) and one that never changes (logo). Sourced by bash scripts
# (brings tap.sh and device.sh along); needs PAWL, PAWL_REPO, PAWL_SOURCE.
#
#   chain_make N               releases 1 to N, or the end of the script
#   release N [OPTIONS]        one more, with options of `pawl-repo release`
#   device_at N [bare]         a device with release N in slot A; bare: that knows nothing of it
#   arrived N                  slot B holds release N, byte for byte, and waits for its trial
#   of IMAGE.FIELD [RELEASE]   name of an object below public/, such as "rootfs.data.frames"; of
#                              the last release of chain_make
#
# Set for you: T (temporary; chain_clean removes it), W (workspace), P (W/public), D (device).
# URL and CA, where set, are the repository of the devices and its authority.

: "${PAWL:?}" "${PAWL_REPO:?}" "${PAWL_SOURCE:?}"
PATH=$PATH:/usr/sbin:/sbin
# shellcheck source=tests/lib/tap.sh
. "$PAWL_SOURCE/tests/lib/tap.sh"
# shellcheck source=tests/lib/device.sh
. "$PAWL_SOURCE/tests/lib/device.sh"

T=$(realpath "$(mktemp -d)")
W=$T/w
P=$W/public
D=$T/dev
chain_clean() {
	chmod -R u+w "$T"
	rm -rf "$T"
}

p() {
	"$PAWL" --root "$D" --quiet "$@"
}

repo() {
	"$PAWL_REPO" --repo "$W" --quiet "$@"
}

# noise KEY KIB: bytes that nothing compresses, the same for the same key
noise() {
	head -c "$(($2 * 1024))" /dev/zero | openssl enc -aes-128-ctr -nosalt -K "$(printf '%032d' "$1")" \
		-iv 00000000000000000000000000000000 2>/dev/null
}

# release N OPTIONS: each release changes one file of each image and adds one.
release() {
	local n=$1 i
	shift
	repo allot --out "$T/backstop.json" >/dev/null
	if [ "$n" = 1 ]; then
		tree_make "$T/tree" "$W/root.json" "" 0
		mkdir -p "$T/tree/usr/bin" "$T/apps"
		for i in 1 2 3 4 5 6 7 8; do
			noise "$i" 256 >"$T/tree/usr/bin/prog$i"
			noise "$((i + 100))" 128 >"$T/apps/app$i"
		done
		noise 5000 512 >"$T/logo"
	fi
	cp "$T/backstop.json" "$T/tree/usr/share/pawl/"
	noise "$((n + 1000))" 200 >"$T/tree/usr/bin/prog$n"
	noise "$((n + 2000))" 60 >"$T/tree/usr/bin/new$n"
	noise "$((n + 3000))" 100 | head -c $((100000 + 777 * n)) >"$T/apps/app$n"
	image_make "$T/tree" "$T/rootfs-$n" ext4 8
	image_make "$T/apps" "$T/apps-$n" squashfs
	cp "$T/logo" "$T/logo-$n"
	repo release --release "$n" --version "$n.0" --compatible demo-board --class functional \
		--level 1 --image "rootfs=$T/rootfs-$n:raw" --image "apps=$T/apps-$n" \
		--image "logo=$T/logo-$n:raw" "$@" 2>>"$T/release.log" && repo publish
}

# device_at N [bare]: a device straight from the factory, with release N in slot A
device_at() {
	local n=$1 part
	rm -rf "$D"
	device_make "$D" "${URL:-http://127.0.0.1:9/}" 8
	if [ -n "${CA:-}" ]; then
		cp "$CA" "$D/etc/pawl/ca.pem"
		device_add "$D" repository "ca-file = /etc/pawl/ca.pem"
	else
		device_add "$D" repository "allow-http = yes"
	fi
	device_add "$D" policy "reboot = never"
	device_flash "$D" a "$T/rootfs-$n"
	for part in apps logo; do
		truncate -s 4M "$D/dev/slot-a-$part" "$D/dev/slot-b-$part"
		device_add "$D" "slot A" "$part = /dev/slot-a-$part"
		device_add "$D" "slot B" "$part = /dev/slot-b-$part"
		dd if="$T/$part-$n" of="$D/dev/slot-a-$part" conv=notrunc status=none
	done
	[ "${2:-}" = bare ] || device_factory "$D" "$W" "$n"
	device_boot "$D" >/dev/null && p provision >/dev/null && device_boot "$D" >/dev/null && p boot
}

# arrived N: slot B holds release N, byte for byte, and waits for its trial
arrived() {
	local part size
	for part in rootfs apps logo; do
		size=$(stat -c %s "$T/$part-$1")
		cmp -n "$size" "$T/$part-$1" "$D/dev/slot-b-$part" || return 1
	done
	p status --json | jq -e --argjson n "$1" '.trial_waits and .transaction.release == $n' >/dev/null
}

# of FIELD [RELEASE]: the name of an object of a release in a bundle
of() {
	local h
	h=$(jq -r --arg n "${1%%.*}" ".images[] | select(.name == \$n) | .${1#*.}.sha256" \
		"$P"/targets/demo/releases/*."${2:-$CHAIN}".json)
	echo "objects/${h:0:2}/$h"
}

chain_make() {
	local n
	CHAIN=$1
	"$PAWL_REPO" --repo "$W" --product demo --quiet init
	for n in $(seq "$1"); do
		release "$n" && continue
		echo "not ok - release $n"
		sed 's/^/# /' "$T/release.log"
		exit 1
	done
}
