#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Bundles "from release N on", from file and pipe: a block image (rootfs), a content-defined one
# (apps) and a small one that never changes. Devices for which a bundle is made install it, others
# are told what to do before anything is written.
# shellcheck disable=SC2016 # eval expands what stands in single quotes
set -u
# shellcheck source=tests/lib/chain.sh
. "${PAWL_SOURCE:?}/tests/lib/chain.sh"
trap chain_clean EXIT

# takes NAME N COMMAND: the command brings release N
takes() {
	local name=$1 n=$2
	shift 2
	tap_check "$name" "$@"
	tap_check "$name: it is there, byte for byte" arrived "$n"
}

# refused NAME CODE WORD COMMAND: nothing waits for a trial; the running slot is as before, and so is
# the other one, where UNTOUCHED is set
refused() {
	local name=$1 code=$2 word=$3 before out status=0
	shift 3
	before=$(slots)
	out=$("$@" 2>&1) || status=$?
	[ "$status" -ne 0 ] && printf %s "$out" | grep -q -e "$code" && printf %s "$out" | grep -qF -e "$word" &&
		[ "$before" = "$(slots)" ] &&
		p status --json | jq -e '.trial_waits | not' >/dev/null
	tap_result $? "$name"
	[ "$status" -ne 0 ] || echo "# it succeeded"
	printf '%s\n' "$out" | sed 's/^/# /'
}

slots() {
	# shellcheck disable=SC2046 # three names
	sha256sum "$D"/dev/slot-a-* $([ -z "${UNTOUCHED:-}" ] || echo "$D"/dev/slot-b-*)
}

members() {
	tar -tf "$1"
}

size_in() {
	tar -tvf "$1" "$2" | awk '{ print $3 }'
}

chain_make 4

# --- What is in them -------------------------------------------------------------------------------
tap_check "a full bundle" repo bundle 4 --out "$T/full.pawl"
tap_check "a bundle from release 3 on" repo bundle 4 --from 3 --out "$T/from3.pawl"
tap_check "a bundle from release 2 on" repo bundle 4 --from 2 --out "$T/from2.pawl"
tap_check "the same again has the same bytes" repo bundle 4 --from 2 --out "$T/again.pawl"
tap_check "… it has" cmp "$T/from2.pawl" "$T/again.pawl"
tap_refuse "--from must be below the release" 2 "below release" repo bundle 4 --from 4 --out "$T/x"
tap_check "what it holds is said" sh -c '"$0" --repo "$1" bundle 4 --from 3 --out "$2" 2>&1 |
	grep -q "for devices that run release 3 or a later one (1 published)"' "$PAWL_REPO" "$W" "$T/y"

# data_head BUNDLE: what it has is the beginning of data, and less than the whole
data_head() {
	local image name
	for image in rootfs apps; do
		name=$(of $image.data)
		tar -xOf "$1" "$name.head" >"$T/head" || return 1
		[ "$(stat -c %s "$T/head")" -lt "$(stat -c %s "$P/$name")" ] || return 1
		cmp -n "$(stat -c %s "$T/head")" "$T/head" "$P/$name" || return 1
		members "$1" | grep -qF "$(of $image.leaves)" && members "$1" | grep -qF "$(of $image.index)" &&
			members "$1" | grep -qF "$(of $image.data.frames)" || return 1
		! members "$1" | grep -qF "$(of $image.full)" || return 1
	done
	members "$1" | grep -qF "$(of logo.leaves)" && ! members "$1" | grep -qF "$(of logo.full)"
}
tap_check "from 3: heads of data with their tables, no full" data_head "$T/from3.pawl"
tap_check "from 2: the same, and longer" data_head "$T/from2.pawl"
longer() {
	local image
	for image in rootfs apps; do
		[ "$(size_in "$T/from2.pawl" "$(of $image.data).head")" -gt \
			"$(size_in "$T/from3.pawl" "$(of $image.data).head")" ] || return 1
	done
}
tap_check "from 2 has more of data than from 3" longer
tap_check "indexes of older releases are not there" \
	eval '! members "$T/from2.pawl" | grep -qF -e "$(of apps.index 2)" -e "$(of apps.index 3)"'
tap_check "it is less than half of a full one" eval \
	'[ $((2 * $(stat -c %s "$T/from3.pawl"))) -lt "$(stat -c %s "$T/full.pawl")" ]'

# --- Devices ------------------------------------------------------------------------------------------
device_at 3
takes "a device on 3 takes the bundle from 3 on" 4 p install "$T/from3.pawl"
device_at 3 bare
takes "and so does one that does not know what it runs" 4 p install "$T/from3.pawl"
device_at 2
takes "a device on 2 takes the bundle from 2 on" 4 p install "$T/from2.pawl"
device_at 3
takes "a device on 3 takes the bundle from 2 on" 4 p install "$T/from2.pawl"
device_at 2
UNTOUCHED=1
printf 'an older system' | dd of="$D/dev/slot-b-rootfs" conv=notrunc status=none
refused "a device on 2 is told that a bundle from 3 on is not for it" E_NOTFOUND \
	"take a full bundle or the repository" p install "$T/from3.pawl"
takes "… and takes a full one then" 4 p install "$T/full.pawl"
device_at 1
refused "a device on 1 likewise" E_NOTFOUND "take a full bundle or the repository" \
	p install "$T/from2.pawl"
device_at 3
# A file that no release changed, and that is therefore far behind the head.
python3 - "$D/dev/slot-a-rootfs" "$T/tree/usr/bin/prog8" <<'PY'
import sys
slot, file = sys.argv[1:]
at = open(slot, "rb").read().index(open(file, "rb").read(4096))
with open(slot, "r+b") as f:
    f.seek(at + 100)
    f.write(b"written here")
PY
refused "a slot that was written to lacks what the bundle lacks" E_NOTFOUND \
	"take a full bundle or the repository" p install "$T/from3.pawl"

UNTOUCHED=

# --- Pipes ------------------------------------------------------------------------------------------------
# piped FILE: not a file for the agent
# shellcheck disable=SC2002 # a pipe is what is tested
piped() {
	cat "$1" | p install -
}
device_at 2
takes "a full bundle out of a pipe" 4 piped "$T/full.pawl"
device_at 3
takes "a bundle from 3 on out of a pipe" 4 piped "$T/from3.pawl"
device_at 3
takes "a file as standard input" 4 eval 'p install - <"$T/from3.pawl"'
device_at 3
head -c $(($(stat -c %s "$T/full.pawl") / 2)) "$T/full.pawl" >"$T/half"
refused "a pipe that ends early" E_BUNDLE truncated piped "$T/half"
takes "… and the whole one after it" 4 piped "$T/full.pawl"
tap_check "nothing is left of the pipe in the data folder" eval \
	'! find "$D/var/lib/pawl" -name "*.spool" | grep -q .'

# --- Patches -------------------------------------------------------------------------------------------------
tap_check "a release with patches" release 6 --patch-from 4 --patch-from 3
tap_check "a bundle from 4 on" repo bundle 6 --from 4 --out "$T/patch.pawl"
tap_check "it has a patch of rootfs, and neither index nor data" eval \
	'! members "$T/patch.pawl" | grep -qF "$(of rootfs.index 6)" &&
	! members "$T/patch.pawl" | grep -qF "$(of rootfs.data 6)" &&
	members "$T/patch.pawl" | grep -qF "$(of rootfs.patches[0] 6)" &&
	members "$T/patch.pawl" | grep -qF "$(of rootfs.patches[0].table 6)"'
tap_check "from 3 on both patches are larger than the head of data" \
	repo bundle 6 --from 3 --out "$T/mixed.pawl"
tap_check "… so it has that" eval 'members "$T/mixed.pawl" | grep -qF "$(of rootfs.data 6).head"'
tap_check "where a release has no patch, it has data" repo bundle 6 --from 2 --out "$T/mixed.pawl"
tap_check "… it has" eval 'members "$T/mixed.pawl" | grep -qF "$(of rootfs.data 6).head"'
tap_refuse "a range without a release in it" 2 "is published" repo bundle 6 --from 5 --out "$T/x"
device_at 4
takes "a device on 4 takes its patch" 6 p install "$T/patch.pawl"
device_at 4
takes "a device on 4 takes its patch out of a pipe" 6 piped "$T/patch.pawl"
device_at 3
refused "a device on 3 has no patch there" E_NOTFOUND "take a full bundle or the repository" \
	p install "$T/patch.pawl"

tap_end
