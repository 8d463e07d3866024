#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `make install` puts every file where packages and images expect it, and nothing elsewhere.
set -u
cd "$PAWL_SOURCE" || exit 1
. tests/lib/tap.sh
unset MAKEFLAGS MFLAGS MAKELEVEL # of the make that runs this test
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

tap_check "make install with DESTDIR and PREFIX" \
	make -s O="$PAWL_BUILD" DESTDIR="$dir/root" PREFIX=/opt/pawl install

for file in bin/pawl bin/pawl-repo share/man/man1/pawl.1 share/man/man1/pawl-repo.1 \
	share/man/man5/pawl.conf.5 lib/systemd/system/pawl-poll.timer \
	lib/systemd/system/pawl-poll.service lib/systemd/system/pawl-boot.service \
	lib/systemd/system/pawl-health.service lib/pawl/hooks/health.d/units \
	lib/pawl/hooks/health/required.d/10-disk lib/pawl/hooks/health/wanted.d/20-units \
	share/doc/pawl/LICENSE \
	share/doc/pawl/examples/cron share/doc/pawl/layouts/arm64-uboot/boot.cmd; do
	tap_check "there is $file" test -s "$dir/root/opt/pawl/$file"
done
tap_check "nothing lies outside the prefix" \
	sh -c "test \"\$(cd '$dir/root' && find . -type f | grep -cv '^./opt/pawl/')\" -eq 0"
tap_check "units run the program of the prefix" \
	grep -q '^ExecStart=/opt/pawl/bin/pawl poll' \
	"$dir/root/opt/pawl/lib/systemd/system/pawl-poll.service"
tap_check "no unit keeps a mark to be replaced" \
	sh -c "! grep -r '@PREFIX@' '$dir/root/opt/pawl/lib/systemd'"
tap_check "the health unit stands before boot-complete.target" \
	grep -q '^Before=boot-complete.target' \
	"$dir/root/opt/pawl/lib/systemd/system/pawl-health.service"

# In a poll's unit the agent must reach its devices and the lock in /run/lock.
poll=$dir/root/opt/pawl/lib/systemd/system/pawl-poll.service
tap_check "a poll may write devices, /run/lock and /var/lib/pawl" \
	sh -c "! grep -E '^(ProtectSystem=strict|ProtectClock|PrivateDevices|DevicePolicy)' '$poll'"
if command -v systemd-analyze >/dev/null && [ -e /lib/systemd/system/sysinit.target ]; then
	# Enabled as README.md says, in a folder that comes before the system's; programs that exist.
	units=$dir/units
	mkdir -p "$units/sysinit.target.wants" "$units/multi-user.target.wants" \
		"$units/boot-complete.target.requires"
	for unit in "$dir"/root/opt/pawl/lib/systemd/system/*; do
		sed 's,/opt/pawl/bin/pawl,/bin/true,' "$unit" >"$units/${unit##*/}"
	done
	ln -s ../pawl-boot.service "$units/sysinit.target.wants/"
	ln -s ../pawl-health.service "$units/multi-user.target.wants/"
	ln -s ../pawl-health.service "$units/boot-complete.target.requires/"
	for timer in "$units"/*.timer; do
		target=$(sed -n 's/^WantedBy=//p' "$timer")
		mkdir -p "$units/$target.wants"
		ln -s "../${timer##*/}" "$units/$target.wants/"
	done
	SYSTEMD_UNIT_PATH=$units: systemd-analyze --man=no verify "$units"/pawl-* \
		multi-user.target boot-complete.target emergency.target >"$dir/verify" 2>&1
	tap_check "systemd finds nothing wrong with the units" \
		sh -c "! grep -E 'pawl|cycle' '$dir/verify'"
fi

# Every verb and every key of the configuration is in the pages, as they are made from the tables.
page=$dir/root/opt/pawl/share/man/man1/pawl.1
"$dir/root/opt/pawl/bin/pawl" help | sed -n '/^Verbs:/,/^$/s/^  \([a-z ]*[a-z]\)  .*/\1/p' >"$dir/verbs"
tap_check "help lists verbs" test -s "$dir/verbs"
missing=
while read -r verb; do
	grep -q "^.SS \"pawl $verb" "$page" || missing="$missing $verb"
done <"$dir/verbs"
tap_check "each verb is in pawl(1)" test -z "$missing"
tap_check "each key is in pawl.conf(5)" \
	sh -c "test \"\$(grep -c '^.B .* = ' '$dir/root/opt/pawl/share/man/man5/pawl.conf.5')\" -gt 30"

# A root file system below O has folders of hooks whose names look like make's own files.
mkdir -p "$PAWL_BUILD/install-test/health.d"
tap_check "make goes on with an installation below its folder" make -s O="$PAWL_BUILD" programs
rmdir "$PAWL_BUILD/install-test/health.d" "$PAWL_BUILD/install-test"
tap_check "BINDIR is where units look" make -s O="$PAWL_BUILD" DESTDIR="$dir/bin" BINDIR=/apps install-units
tap_check "and they look there" grep -qx 'ExecStart=/apps/pawl boot' \
	"$dir/bin/usr/lib/systemd/system/pawl-boot.service"

tap_check "MAN=n leaves the pages out" \
	make -s O="$PAWL_BUILD" DESTDIR="$dir/plain" MAN=n install
tap_check "and installs the program" test -x "$dir/plain/usr/bin/pawl"
tap_check "and no page" sh -c "! test -e '$dir/plain/usr/share/man'"
tap_end
