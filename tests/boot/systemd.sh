# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The root file system of rootfs.sh with Debian's systemd and the shipped units in the place of
# busybox's init. Sourced after rootfs.sh; needs PAWL_ARM64.

# shellcheck disable=SC2154 # boot_cache is fetch.sh's

# systemd_fetch: systemd for arm64 and what it needs, in $boot_cache/systemd
systemd_fetch() {
	local out=$boot_cache/systemd new=$boot_cache/systemd.new name file
	[ ! -e "$out/done" ] || return 0
	boot_update
	rm -rf "$out" "$new" "$boot_cache/debs/systemd"
	mkdir -p "$new/usr/bin" "$new/usr/sbin" "$new/usr/lib" "$boot_cache/debs/systemd/partial"
	# An empty status: everything is wanted, whatever this machine has.
	boot_apt apt-get -qq -y -o Dir::State::status=/dev/null -o APT::Architecture=arm64 \
		-o Dir::Cache::archives="$boot_cache/debs/systemd" --no-install-recommends \
		--download-only install systemd-sysv udev mount || return 1
	for name in bin sbin lib; do ln -s "usr/$name" "$new/$name"; done
	for file in "$boot_cache"/debs/systemd/*.deb; do
		dpkg-deb --fsys-tarfile "$file" | tar -x -C "$new" --keep-directory-symlink || return 1
	done
	rm -rf "$new"/usr/share/{doc,man,locale,lintian} "$new/usr/lib/udev/hwdb.d" \
		"$boot_cache/debs/systemd"
	mv "$new" "$out"
	: >"$out/done"
}

# Symbolic links of the tree lead out of it.
there() {
	[ -e "$1" ] || [ -L "$1" ]
}

# systemd_make TREE: puts systemd into a tree of rootfs_make, and pawl's units
systemd_make() {
	local tree=$1 base=$1.base name
	mv "$tree" "$base"
	cp -a "$boot_cache/systemd" "$tree"
	rm -f "$tree/done" "$base/var/run" "$base/var/lock"
	# What busybox stands for, and libraries, where Debian's packages have nothing.
	for name in "$base"/bin/* "$base"/lib/*; do
		name=${name#"$base"/}
		there "$tree/$name" || there "$tree/sbin/${name##*/}" ||
			there "$tree/lib/aarch64-linux-gnu/${name##*/}" ||
			cp -a "$base/$name" "$tree/${name%/*}/"
	done
	cp -a "$base/sbin/console" "$tree/sbin/"
	rm -rf "${base:?}/bin" "${base:?}/lib" "${base:?}/sbin"
	cp -a "$base"/. "$tree/"
	rm -rf "$base"
	ln -sfn /run "$tree/var/run"
	ln -sfn /run/lock "$tree/var/lock"
	make -s -C "$PAWL_SOURCE" O="$PAWL_BUILD" install-units DESTDIR="$tree" PREFIX=/usr || return 1
	cp "$PAWL_SOURCE"/tests/boot/guest/systemd/*.service "$tree/usr/lib/systemd/system/"
	echo 0123456789abcdef0123456789abcdef >"$tree/etc/machine-id"
	{
		echo "$(cat "$tree/etc/data-device") /data ext4 noatime,x-systemd.device-timeout=10 0 0"
		echo "/data /var/lib/pawl none bind 0 0"
		echo "tmp /tmp tmpfs defaults 0 0"
	} >"$tree/etc/fstab"
	mkdir -p "$tree/etc/systemd/system.conf.d"
	printf '[Manager]\nRuntimeWatchdogSec=30\n' >"$tree/etc/systemd/system.conf.d/watchdog.conf"
	systemd_enable "$tree"
}

# What `systemctl enable` and `mask` do.
systemd_enable() {
	local units=$1/etc/systemd/system name
	mkdir -p "$units"
	ln -s /lib/systemd/system/multi-user.target "$units/default.target"
	for name in guest-early:sysinit.target.wants pawl-boot:sysinit.target.wants \
		guest-late:multi-user.target.wants pawl-health:multi-user.target.wants \
		pawl-health:boot-complete.target.requires guest-console:multi-user.target.wants; do
		mkdir -p "$units/${name#*:}"
		ln -s "/usr/lib/systemd/system/${name%:*}.service" "$units/${name#*:}/"
	done
	mkdir -p "$units/timers.target.wants" "$units/emergency.target.wants"
	ln -s /usr/lib/systemd/system/pawl-deadline.timer "$units/timers.target.wants/"
	ln -s /usr/lib/systemd/system/pawl-emergency.service "$units/emergency.target.wants/"
	# Ten minutes on a device.
	mkdir -p "$units/pawl-emergency.service.d"
	printf '[Service]\nEnvironment=PAWL_EMERGENCY_SECONDS=40\n' \
		>"$units/pawl-emergency.service.d/test.conf"
	# Needs D-Bus, a folder that can be written, or the console.
	for name in systemd-logind.service systemd-random-seed.service serial-getty@ttyAMA0.service \
		systemd-update-utmp.service systemd-hwdb-update.service getty.target; do
		ln -s /dev/null "$units/$name"
	done
}
