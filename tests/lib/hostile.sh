# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For tests/hostile: a small publisher and a device that is up to date with it, made once and
# copied for each case, and one function that asserts everything that must hold when the device
# refuses something. Sourced by bash scripts (brings tap.sh and device.sh along); needs PAWL,
# PAWL_REPO, PAWL_SOURCE.
#
#   hostile_begin                     starts the server and makes the world: release 1 runs in
#                                     slot A, committed; release 2 is published, not taken yet
#   hostile_case                      a fresh copy of it
#   hostile_refuse NAME CODE [OPTIONS of refuse.py] -- COMMAND...
#   hostile_poll NAME CODE [OPTIONS]    the same for a poll of what is published now
#   hostile_bundle NAME CODE [OPTIONS]  the same for the bundle $T/now/2.pawl
#   hostile_take NAME RELEASE COMMAND...   the command succeeds and puts RELEASE on trial
#   hostile_server                    serves $P as http://127.0.0.1:PORT/ (odd_server.py)
#
# Set for you: T (temporary, removed at the end), W (publisher's workspace), P (W/public),
# D (device), URL. They are the same paths in every case.

: "${PAWL:?}" "${PAWL_REPO:?}" "${PAWL_SOURCE:?}"
PATH=$PATH:/usr/sbin:/sbin
# shellcheck source=tests/lib/tap.sh
. "$PAWL_SOURCE/tests/lib/tap.sh"
# shellcheck source=tests/lib/device.sh
. "$PAWL_SOURCE/tests/lib/device.sh"

T=$(mktemp -d)
T=$(realpath "$T")
W=$T/now/w
P=$W/public
D=$T/now/dev
URL=

hostile_clean() {
	# The server ends with its standard input.
	[ -z "${HOSTILE_FD:-}" ] || exec {HOSTILE_FD}>&-
	chmod -R u+w "$T" 2>/dev/null
	rm -rf "$T"
}
trap hostile_clean EXIT

# hostile_server [OPTIONS of odd_server.py]: serves P; sets URL.
# shellcheck disable=SC2120 # options are there for others
hostile_server() {
	local port line
	mkdir -p "$P"
	mkfifo "$T/server.in" "$T/server.out"
	python3 "$PAWL_SOURCE/tests/lib/odd_server.py" --root "$P" "$@" \
		<"$T/server.in" >"$T/server.out" &
	exec {HOSTILE_FD}>"$T/server.in"
	read -r line port <"$T/server.out"
	[ "$line" = PORT ] || return 1
	URL=http://127.0.0.1:$port/
}

p() {
	"$PAWL" --root "$D" --quiet "$@"
}

repo() {
	"$PAWL_REPO" --repo "$W" --quiet "$@"
}

# hostile_release NUMBER [OPTIONS of `pawl-repo release`...]: stages a release whose image holds
# the trusted root and its own backstop, as a real one does. NUMBER is the next one; HOSTILE_EPOCH
# is its epoch, where it is set. Where HOSTILE_FULL is set the release has no index and data, so
# that devices fetch `full`.
hostile_release() {
	local n=$1 image=$T/image.ext4
	shift
	[ -z "${HOSTILE_EPOCH:-}" ] || set -- --epoch "$HOSTILE_EPOCH" "$@"
	[ -z "${HOSTILE_FULL:-}" ] || set -- --no-delta "$@"
	repo allot ${HOSTILE_EPOCH:+--epoch "$HOSTILE_EPOCH"} --out "$T/backstop.json" >/dev/null ||
		return
	rm -rf "$T/tree"
	tree_make "$T/tree" "$W/root.json" "$T/backstop.json" 0
	printf 'release %s\n' "$n" >"$T/tree/etc/release"
	head -c 600000 /dev/urandom >"$T/tree/etc/ballast"
	image_make "$T/tree" "$image" ext4 1
	repo release --release "$n" --version "$n.0.0" --compatible demo-board --class functional \
		--support-end 2036-12-31 --encoding none --image "rootfs=$image" "$@" \
		2>>"$T/release.log"
}

# Hooks that leave a mark: what is refused must run none of them. What the integrator puts into
# /etc stays over an update, what is in the image comes with it.
hostile_hooks() {
	local stage hook
	for stage in check pre-write pre-activate pre-reboot committed rolled-back; do
		hook=$D/etc/pawl/hooks/$stage.d/50-mark
		mkdir -p "$(dirname "$hook")"
		# shellcheck disable=SC2016 # PAWL_ROOT is the hook's
		printf '#!/bin/sh\necho %s >>"$PAWL_ROOT/hook-ran"\n' "$stage" >"$hook"
		chmod 755 "$hook"
	done
}

# hostile_world: makes the world; where the script has a function world_add, it may add to it.
hostile_world() {
	mkdir -p "$T/now"
	"$PAWL_REPO" --repo "$W" --product demo --quiet init || return
	hostile_release 1 && repo publish || return
	device_make "$D" "${URL:-http://127.0.0.1:9/}" 2
	device_add "$D" repository "allow-http = yes"
	# Expiry is judged: this device's clock is good (see hostile_clock).
	mkdir -p "$D/run/systemd/timesync"
	touch "$D/run/systemd/timesync/synchronized"
	device_flash "$D" a "$T/image.ext4"
	device_boot "$D" >/dev/null && p provision >/dev/null &&
		device_boot "$D" >/dev/null && p boot >/dev/null && p health >/dev/null || return
	[ -z "$URL" ] || p check >/dev/null || return
	hostile_hooks
	hostile_release 2 && repo publish || return
	repo bundle 2 --out "$T/now/2.pawl" || return
	! declare -F world_add >/dev/null || world_add || return
	cp -a "$T/now" "$T/kept"
}

# hostile_begin: server and world, or the end of the script.
hostile_begin() {
	# shellcheck disable=SC2119 # no options
	if hostile_server && hostile_world; then
		return
	fi
	echo "not ok - the world cannot be made"
	exit 1
}

hostile_case() {
	chmod -R u+w "$T/now"
	rm -rf "$T/now"
	cp -a "$T/kept" "$T/now"
}

# hostile_clock good|unset: is the device's clock synchronised?
hostile_clock() {
	if [ "$1" = good ]; then
		touch "$D/run/systemd/timesync/synchronized"
	else
		rm -f "$D/run/systemd/timesync/synchronized"
	fi
}

hostile_refuse() {
	local name=$1 code=$2
	shift 2
	tap_check "$name: $code" python3 "$PAWL_SOURCE/tests/lib/refuse.py" --device "$D" \
		--code "$code" "$@"
}

# hostile_poll NAME CODE [OPTIONS of refuse.py]: a poll must refuse what is published now.
hostile_poll() {
	hostile_refuse "$@" -- "$PAWL" --root "$D" poll --now
}

# hostile_bundle NAME CODE [OPTIONS of refuse.py]: the device must refuse $T/now/2.pawl.
hostile_bundle() {
	hostile_refuse "$@" -- "$PAWL" --root "$D" install "$T/now/2.pawl"
}

# hostile_waits RELEASE: a trial of that release waits for the reboot.
hostile_waits() {
	p status --json | jq -e --argjson n "$1" \
		'.trial_waits and .transaction.release == $n' >/dev/null || {
		p status
		return 1
	}
}

hostile_take_now() {
	local release=$1
	shift
	"$@" && hostile_waits "$release"
}

hostile_take() {
	local name=$1 release=$2
	shift 2
	tap_check "$name" hostile_take_now "$release" "$@"
}

# forge <<PROGRAM: changes what is published; see forge.py.
forge() {
	python3 "$PAWL_SOURCE/tests/lib/forge.py" "$W"
}
