# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What real boots need from Debian's registry, in a cache: U-Boot's source, packages for arm64.
# apt gets a configuration and folders of its own, so that the system's are not touched; its
# signatures are checked as ever. Sourced by bash scripts.

boot_cache=${PAWL_BOOT_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/pawl-boot}

# boot_alone NAME COMMAND...: while nobody else works on that part of the cache
boot_alone() {
	mkdir -p "$boot_cache"
	(
		flock 9
		shift
		"$@"
	) 9>"$boot_cache/lock-$1"
}

# boot_apt COMMAND...: an apt command with lists of source packages and of arm64
boot_apt() {
	local apt=$boot_cache/apt suite key=/usr/share/keyrings/debian-archive-keyring.gpg
	suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
	cat >"$apt/sources.list" <<-LIST
		deb [arch=arm64 signed-by=$key] http://deb.debian.org/debian $suite main
		deb [arch=arm64 signed-by=$key] http://deb.debian.org/debian-security $suite-security main
		deb-src [signed-by=$key] http://deb.debian.org/debian $suite main
	LIST
	cat >"$apt/apt.conf" <<-CONF
		Dir::State::lists "$apt/lists";
		Dir::Cache "$apt/cache";
		Dir::Etc::sourcelist "$apt/sources.list";
		Dir::Etc::sourceparts "-";
		APT::Architectures { "$(dpkg --print-architecture)"; "arm64"; };
		APT::Sandbox::User "root";
		Acquire::Languages "none";
		Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
	CONF
	APT_CONFIG=$apt/apt.conf "$@"
}

# Once for each cache; a cache is thrown away to get newer packages.
boot_update() {
	[ -e "$boot_cache/apt/updated" ] || boot_apt apt-get -qq update
	touch "$boot_cache/apt/updated"
}

# boot_package NAME...: unpacks packages of arm64 into the cache; their folders are
# $boot_cache/NAME. `linux` is the kernel that linux-image-arm64 stands for.
boot_package() {
	local name package
	for name in "$@"; do
		[ ! -e "$boot_cache/$name/done" ] || continue
		boot_update
		package=$name
		if [ "$name" = linux ]; then
			package=$(boot_apt apt-cache depends linux-image-arm64:arm64 |
				sed -n 's/.*Depends: \(linux-image-[^: ]*\).*/\1/p' | head -n 1)
		fi
		rm -rf "${boot_cache:?}/$name" "$boot_cache/debs/$name"
		mkdir -p "$boot_cache/$name" "$boot_cache/debs/$name"
		(cd "$boot_cache/debs/$name" && boot_apt apt-get -qq download "$package:arm64") || return 1
		dpkg-deb -x "$boot_cache/debs/$name"/*.deb "$boot_cache/$name" || return 1
		rm -rf "${boot_cache:?}/debs/$name"
		echo "$package" >"$boot_cache/$name/done"
	done
}

# boot_uboot_source: Debian's source of U-Boot with Debian's patches, in $boot_cache/u-boot
boot_uboot_source() {
	[ ! -e "$boot_cache/u-boot/debian/changelog" ] || return 0
	boot_update
	rm -rf "$boot_cache/source" "$boot_cache/u-boot"
	mkdir -p "$boot_cache/source"
	(
		cd "$boot_cache/source" && boot_apt apt-get -qq source --download-only u-boot >/dev/null &&
			dpkg-source --no-check -x u-boot_*.dsc "$boot_cache/u-boot.new" >/dev/null
	) || return 1
	mv "$boot_cache/u-boot.new" "$boot_cache/u-boot"
	rm -rf "$boot_cache/source" "$boot_cache"/u-boot_*
}
