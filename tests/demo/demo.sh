#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job on real input: a device out of files, real Debian images, a real web server,
# and every way that an update can end. `make demo` runs it; it needs no root.
# usage: demo.sh [FOLDER]   (default: a new folder below build; kept for you to look into)
set -euo pipefail
: "${PAWL:?}" "${PAWL_REPO:?}"
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/device.sh
. "$here/lib/device.sh"
# shellcheck source=tests/lib/server.sh
. "$here/lib/server.sh"

work=${1:-$(mktemp -d)}
mkdir -p "$work"
work=$(cd "$work" && pwd)
PATH=$PATH:/usr/sbin:/sbin
dev=$work/device
repo=$work/publisher
export SOURCE_DATE_EPOCH
SOURCE_DATE_EPOCH=$(date +%s)

bold=$'\033[1m' plain=$'\033[0m'
[ -t 1 ] || { bold='' plain=''; }

step() {
	printf '\n%s== %s%s\n' "$bold" "$*" "$plain"
}

# Shows a command as a person would type it, then runs it.
run() {
	local shown="$*"
	shown=${shown//$PAWL_REPO/pawl-repo}
	shown=${shown//$PAWL/pawl}
	shown=${shown//$work\//}
	[ "$1" != p ] || shown="pawl ${shown#p }"
	printf '  $ %s\n' "$shown"
	"$@" 2>&1 | sed -u 's/^/    /'
}

# Runs what must be refused: shows the message, and fails the demo when the code is another one.
refused() {
	local code=$1 out
	shift
	local shown="$*"
	[ "$1" != p ] || shown="pawl ${shown#p }"
	printf '  $ %s\n' "${shown//$work\//}"
	if out=$("$@" 2>&1); then
		printf '%s\n' "$out"
		die "this must be refused, but it was accepted"
	fi
	printf '%s\n' "$out" | sed 's/^/    /'
	printf '%s\n' "$out" | grep -q "$code" || die "refused, but not with $code"
}

die() {
	echo "demo: FAILED: $*" >&2
	echo "demo: everything is kept in $work" >&2
	exit 1
}

# want WHAT EXPECTED ACTUAL
want() {
	[ "$2" = "$3" ] || die "$1 is '$3', not '$2'"
	printf '    %s: %s\n' "$1" "$3"
}

p() {
	"$PAWL" --root "$dev" "$@"
}

status_of() {
	p status --json | jq -r "$1"
}

# One whole boot of the device: boot loader, early service, health service.
boot_device() {
	local slot
	slot=$(device_boot "$dev")
	printf '    (the boot loader starts slot %s)\n' "$slot"
	run p boot
	run p health || true
}

trap server_stop EXIT

# --- A small Debian, as files ------------------------------------------------------
packages="base-files base-passwd bash busybox-static coreutils dash debianutils findutils grep
	gzip libc6 libssl3 login mount perl-base sed systemd tar util-linux"

make_debian() {
	local deb
	mkdir -p "$work/debs" "$work/debian"
	# shellcheck disable=SC2086
	(cd "$work/debs" && apt-get -q -q -o APT::Sandbox::User=root download $packages) ||
		die "cannot download Debian packages (apt-get update first?)"
	for deb in "$work"/debs/*.deb; do
		dpkg-deb -x "$deb" "$work/debian"
		# shellcheck disable=SC2016 # dpkg-deb expands it
		dpkg-deb --show --showformat='${Package}\t${Version}\n' "$deb"
	done | jq -R -s '{bomFormat: "CycloneDX", specVersion: "1.5", version: 1, components:
		(split("\n") | map(select(. != "") | split("\t") |
			{type: "library", name: .[0], version: .[1]}))}' >"$work/sbom.json"
}

# make_image NUMBER VERSION FORMAT HEALTH_EXIT SAYS: the image of one release.
make_image() {
	local n=$1 version=$2 format=$3 health=$4 says=$5 tree=$work/debian
	local hook=$tree/usr/lib/pawl/hooks/health/required.d/10-demo-app
	mkdir -p "$tree/usr/share/pawl" "$(dirname "$hook")"
	cp "$work/root.json" "$tree/usr/share/pawl/root.json"
	cp "$work/backstop-$n.json" "$tree/usr/share/pawl/backstop.json"
	printf '%s\n' "$version" >"$tree/etc/demo-version"
	printf '#!/bin/sh\necho "%s"\nexit %s\n' "$says" "$health" >"$hook"
	chmod 755 "$hook"
	image_make "$tree" "$work/image-$n.$format" "$format" 120
}

# release NUMBER VERSION FORMAT HEALTH_EXIT SAYS CLASS: allot, build the image, make the release.
release() {
	local n=$1 version=$2 format=$3
	run "$PAWL_REPO" --repo "$repo" allot --out "$work/backstop-$n.json"
	make_image "$n" "$version" "$format" "$4" "$5"
	local more=()
	[ "$6" != security ] || more=(--advisory "DEMO-$n")
	run "$PAWL_REPO" --repo "$repo" release --release "$n" --version "$version" \
		--compatible demo-board --class "$6" "${more[@]}" --sbom "$work/sbom.json" --level 3 \
		--support-end "$(date -u -d '+6 years' +%F)" --image "rootfs=$work/image-$n.$format"
}

started=$(date +%s)
step "A publisher makes its keys and an empty repository"
run "$PAWL_REPO" --repo "$repo" --product demo init
run find "$repo/keys" -name '*.pem' -printf '%m %f\n'
cp "$repo/public/metadata/1.root.json" "$work/root.json"

step "A real Debian, packed into the factory image (release 1)"
make_debian
release 1 1.0.0 ext4 0 "demo-app answers" functional
run "$PAWL_REPO" --repo "$repo" publish

step "A web server from Debian (nginx) serves the folder over HTTPS"
server_start "$work/server" "$repo/public"
echo "    $SERVER_URL"

step "A device: two slots, a redundant U-Boot environment, a data folder; release 1 in slot A"
device_make "$dev" "$SERVER_URL" 128
device_add "$dev" repository "ca-file = /etc/pawl/ca.pem"
cp "$work/server/ca.pem" "$dev/etc/pawl/ca.pem"
device_flash "$dev" a "$work/image-1.ext4"
printf '    (the boot loader starts slot %s)\n' "$(device_boot "$dev")"
run p provision
boot_device
run p poll
want "running release" 1 "$(status_of '.slots[.booted].release')"

step "Release 2 is published; the device polls, installs, reboots, proves it healthy, commits"
release 2 2.0.0 ext4 0 "demo-app 2 answers" functional
run "$PAWL_REPO" --repo "$repo" publish
run p poll
device_reboot_asked "$dev" || die "no reboot was asked for"
boot_device
want "running slot" B "$(status_of .booted)"
want "committed slot" B "$(status_of .committed)"
want "running release" 2 "$(status_of '.slots[.booted].release')"

step "Release 3 is bad: its health check fails; the device goes back by itself"
release 3 3.0.0 ext4 1 "demo-app 3 does not answer" security
run "$PAWL_REPO" --repo "$repo" publish
run p poll
boot_device
device_reboot_asked "$dev" || die "no reboot was asked for"
boot_device
want "running slot" B "$(status_of .booted)"
want "running release" 2 "$(status_of '.slots[.booted].release')"
want "release 3 failed with" E_HEALTH "$(status_of '.failed[0].code')"
want "because" "$(status_of '.failed[0].why')" "$(status_of '.failed[0].why')"

step "Release 3 is not tried again"
run p poll --now
want "running slot" B "$(status_of .booted)"
want "trial waits" false "$(status_of .trial_waits)"

step "Release 4 (squashfs), with a byte changed on the server, in full and in data: refused"
release 4 4.0.0 squashfs 0 "demo-app 4 answers" security
cp -p "$repo/public/metadata/timestamp.json" "$work/old-timestamp.json"
run "$PAWL_REPO" --repo "$repo" publish
manifest=$(find "$repo/public/targets/demo/releases" -name '*.4.json')
# Either alone would do no harm: a device whose way is closed takes the other.
mkdir "$work/good"
for way in full data; do
	sha=$(jq -r ".images[0].$way.sha256" "$manifest")
	object=$repo/public/objects/${sha:0:2}/$sha
	chmod u+w "$object"
	cp "$object" "$work/good/$sha"
	printf '\377' | dd of="$object" bs=1 seek=1000000 conv=notrunc status=none
	cmp -s "$object" "$work/good/$sha" &&
		printf '\000' | dd of="$object" bs=1 seek=1000000 conv=notrunc status=none
done
refused E_HASH p poll --now
want "trial waits" false "$(status_of .trial_waits)"
for object in "$work"/good/*; do
	sha=${object##*/}
	cp "$object" "$repo/public/objects/${sha:0:2}/$sha"
done

step "Somebody replays an old timestamp: refused"
p check >/dev/null
cp -p "$repo/public/metadata/timestamp.json" "$work/new-timestamp.json"
cp -p "$work/old-timestamp.json" "$repo/public/metadata/timestamp.json"
refused E_ROLLBACK p poll --now
cp -p "$work/new-timestamp.json" "$repo/public/metadata/timestamp.json"

step "A bundle without signatures: refused"
run "$PAWL_REPO" --repo "$repo" bundle 4 --out "$work/release-4.pawl"
mkdir -p "$work/unsigned"
tar -C "$work/unsigned" -xf "$work/release-4.pawl"
jq -c '.signatures = []' "$work/unsigned/metadata/timestamp.json" >"$work/t" &&
	mv "$work/t" "$work/unsigned/metadata/timestamp.json"
tar -tf "$work/release-4.pawl" |
	tar -C "$work/unsigned" --format=ustar --owner=0 --group=0 --mtime=@0 --mode=644 \
		-cf "$work/unsigned.pawl" -T -
refused E_SIG p install "$work/unsigned.pawl"

step "Release 4 from a bundle file, as from a USB stick, without the server"
server_stop
run p install "$work/release-4.pawl"
device_reboot_asked "$dev" || die "no reboot was asked for"
boot_device
want "running slot" A "$(status_of .booted)"
want "committed slot" A "$(status_of .committed)"
want "running release" 4 "$(status_of '.slots[.booted].release')"

step "What the device says of itself"
run p status

step "What an auditor reads"
run p journal show
run p journal verify

printf '\n%sThe demo passed%s in %d s. Everything is in %s: look around with\n  %s --root %s status\n' \
	"$bold" "$plain" "$(($(date +%s) - started))" "$work" "$PAWL" "$dev"
