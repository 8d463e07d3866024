#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Peak memory (VmHWM) of pawl on this machine, with all the libraries it brings: at most
# 20 MiB while it polls over HTTPS and installs, from a repository or a bundle file, and while it
# refuses metadata that is made to take memory. Short: 48 MiB, of which half does not compress,
# as the worst piece counts and not their number. PAWL_LONG=1: 1 GiB of real files.
# shellcheck source=tests/lib/tap.sh
. "${PAWL_SOURCE:?}/tests/lib/tap.sh"
# shellcheck source=tests/lib/device.sh
. "$PAWL_SOURCE/tests/lib/device.sh"
# shellcheck source=tests/lib/server.sh
. "$PAWL_SOURCE/tests/lib/server.sh"
: "${PAWL:?}" "${PAWL_REPO:?}"
PATH=$PATH:/usr/sbin:/sbin

BAR=20480 # KiB
MIB=48
[ -z "${PAWL_LONG:-}" ] || MIB=1024

T=$(mktemp -d "${MEMORY_DIR:-/var/tmp}/pawl-memory-XXXXXX")
clean() {
	server_stop
	[ -z "${ODD_FD:-}" ] || exec {ODD_FD}>&-
	rm -rf "$T"
}
trap clean EXIT
D=$T/now

p() {
	"$PAWL" --root "$D" --quiet "$@"
}

repo() {
	"$PAWL_REPO" --repo "$T/repo" --quiet "$@"
}

# release NUMBER IMAGE [OPTIONS]
release() {
	local n=$1 image=$2
	shift 2
	repo allot --out "$T/backstop.json" >/dev/null &&
		repo release --release "$n" --version "$n.0.0" --compatible demo-board \
			--class functional --support-end 2036-12-31 --image "rootfs=$image" "$@" \
			2>>"$T/release.log" && repo publish
}

# real_files FOLDER MIB: files of this machine, copied below a folder; again, where they are few.
real_files() {
	local round have
	for round in 1 2 3 4 5 6 7 8; do
		have=$(du -sm "$1" | cut -f 1)
		[ "$have" -lt $(($2 * 97 / 100)) ] || return 0
		mkdir -p "$1/$round"
		copy_files "$1/$round" $(($2 - have))
	done
}

copy_files() {
	local to=$1 kib=$(($2 * 1024))
	find /usr/bin /usr/lib /usr/share /usr/sbin /opt /usr/local /usr/include \
		-xdev -type f -size +16k -size -65536k -printf '%k\t%p\n' 2>/dev/null |
		awk -F '\t' -v max="$kib" 'sum + $1 <= max { sum += $1; print $2 }' |
		tar -C / -cf - -T - --transform 's,^/,,' 2>/dev/null | tar -C "$to" -xf -
}

# The short image: half noise, nearly half real. The long one is 1 GiB of real files.
make_content() {
	if [ -n "${PAWL_LONG:-}" ]; then
		real_files "$T/tree" $((MIB * 93 / 100))
	else
		head -c $((MIB / 2))M /dev/urandom >"$T/tree/noise"
		real_files "$T/tree" $((MIB * 93 / 100))
	fi
}

make_world() {
	repo --product demo init || return
	repo allot --out "$T/backstop.json" >/dev/null || return
	tree_make "$T/tree" "$T/repo/root.json" "$T/backstop.json" 0
	image_make "$T/tree" "$T/one.ext4" ext4 4
	repo release --release 1 --version 1.0.0 --compatible demo-board --class functional \
		--support-end 2036-12-31 --image "rootfs=$T/one.ext4" 2>>"$T/release.log" &&
		repo publish || return
	server_start "$T/server" "$T/repo/public" || return
	device_make "$D" "$SERVER_URL" "$MIB"
	device_add "$D" repository "ca-file = /etc/ca.pem"
	cp "$T/server/ca.pem" "$D/etc/ca.pem"
	device_flash "$D" a "$T/one.ext4"
	device_boot "$D" >/dev/null && p provision >/dev/null && device_boot "$D" >/dev/null &&
		p boot && p health >/dev/null || return
	make_content
	image_make "$T/tree" "$T/two.ext4" ext4 "$MIB"
	rm -rf "$T/tree"
	release 2 "$T/two.ext4" --encoding zstd --level 1 || return
	repo bundle 2 --out "$T/2.pawl" || return
	cp -a --sparse=always "$D" "$T/kept"
}

fresh() {
	rm -rf "$D"
	cp -a --sparse=always "$T/kept" "$D"
}

# peak STATUS COMMAND...: sets PEAK; the command must end with that exit status. GNU time's own
# process is smaller than any pawl, so it does not count for more than the command.
peak() {
	local want=$1 got=0
	shift
	/usr/bin/time -o "$T/peak" -f %M "$@" >"$T/out" 2>&1 || got=$?
	PEAK=$(tail -n 1 "$T/peak")
	[ "$got" -eq "$want" ] && return
	echo "exit status $got, not $want"
	cat "$T/out"
	return 1
}

# stays_below NAME STATUS COMMAND...
stays_below() {
	local name=$1 status=0
	shift
	tap_out=$(peak "$@" && echo "$PEAK") || status=1
	if [ "$status" -eq 0 ] && [ "$tap_out" -gt "$BAR" ]; then
		status=1
	fi
	tap_result "$status" "$name: at most $BAR KiB"
	printf '%s\n' "$tap_out" | sed '1s/^[0-9]*$/& KiB/; s/^/# /'
}

installed() {
	cmp "$T/two.ext4" "$D/dev/slot-b-rootfs" && p status --json | jq -e .trial_waits >/dev/null
}

make_world || {
	echo "not ok - the world cannot be made"
	exit 1
}

# Zeros would cost nothing: seven eighths of the blocks must be content.
mostly_content() {
	python3 - "$T/two.ext4" <<-'PY'
		import sys
		zero = bytes(4096)
		with open(sys.argv[1], "rb") as f:
		    blocks = [block != zero for block in iter(lambda: f.read(4096), b"")]
		print(f"{sum(blocks)} of {len(blocks)} blocks")
		sys.exit(sum(blocks) < 0.875 * len(blocks))
	PY
}
tap_check "the image is content" mostly_content

stays_below "poll installs $MIB MiB over HTTPS" 0 "$PAWL" --root "$D" --quiet poll
tap_check "all of it is there" installed
echo "# stored: $(($(du -sk "$T/2.pawl" | cut -f 1) / 1024)) MiB"

fresh
dd if="$T/two.ext4" of="$D/dev/slot-b-rootfs" bs=1M count=$((MIB / 2)) conv=notrunc status=none
stays_below "poll goes on where half is there" 0 "$PAWL" --root "$D" --quiet poll
tap_check "all of it is there" installed

fresh
stays_below "install of a bundle file" 0 "$PAWL" --root "$D" --quiet install "$T/2.pawl"
tap_check "all of it is there" installed

# --- Metadata that is made to take memory ---------------------------------------------------
fresh
stays_below "check" 0 "$PAWL" --root "$D" --quiet check

# A server of its own, because nginx only serves what is right.
odd_start() {
	local line port
	mkfifo "$T/odd.in" "$T/odd.out"
	python3 "$PAWL_SOURCE/tests/lib/odd_server.py" --root "$T/odd" --tls "$T/server/server.pem" \
		"$T/server/server.key" <"$T/odd.in" >"$T/odd.out" &
	exec {ODD_FD}>"$T/odd.in"
	read -r line port <"$T/odd.out"
	[ "$line" = PORT ] && ODD=https://127.0.0.1:$port/
}

mkdir "$T/odd"
cp -a "$T/repo/public/metadata" "$T/repo/public/targets" "$T/odd/"
odd_start || {
	echo "not ok - the odd server does not start"
	exit 1
}

# hostile NAME STATUS FILE WORD: a poll that is shown something odd for one file
hostile() {
	fresh
	device_set "$D" url "${ODD}~only,$3/~$4/"
	stays_below "$1" "$2" "$PAWL" --root "$D" --quiet poll --now
}

SIZE=19 JSON=20 NET=30 # exit statuses
hostile "a timestamp without end" $SIZE timestamp endless
hostile "a snapshot without end" $SIZE snapshot endless
hostile "targets without end" $SIZE .targets.json endless
hostile "a bomb of 64 MiB" $NET timestamp bomb

# published FILE PROGRAM: what the odd server has for a file of metadata/, written by Python
published() {
	fresh
	device_set "$D" url "$ODD"
	python3 -c "$2" >"$T/odd/metadata/$1"
}

published timestamp.json 'print("[" + "0," * (50 << 20) + "0]")'
stays_below "100 MiB of JSON instead of a timestamp" $SIZE "$PAWL" --root "$D" --quiet poll --now
cp "$T/repo/public/metadata/timestamp.json" "$T/odd/metadata/"
published 2.root.json 'print("[" + ",".join(["[" * 12 + "0" + "]" * 12] * 9000) + "]")'
stays_below "200 KiB of nested arrays instead of a root" $JSON \
	"$PAWL" --root "$D" --quiet poll --now
rm "$T/odd/metadata/2.root.json"

# Signed, valid, as large as a file may be, and with as many objects as it may have (each costs
# most): unknown fields are kept, so all of it goes through the parser and through canonical JSON.
fresh
repo refresh
cp -a "$T/repo" "$T/forged"
python3 "$PAWL_SOURCE/tests/lib/forge.py" "$T/forged" <<-'PY'
	f = r.load("targets")
	f.signed["x-odd"] = [{"k": "x" * 180}] * 5400
	r.bump = True
	r.save(f)
PY
rm -rf "$T/odd/metadata" "$T/odd/targets"
cp -a "$T/forged/public/metadata" "$T/forged/public/targets" "$T/odd/"
device_set "$D" url "$ODD"
stays_below "1 MiB of valid targets with as many objects as may be" 0 "$PAWL" --root "$D" --quiet check
largest=$(find "$T/odd/metadata" -name '*.targets.json' -printf '%s\n' | sort -n | tail -n 1)
tap_check "that was nearly as large as there may be" test "$largest" -gt 1000000
tap_end
