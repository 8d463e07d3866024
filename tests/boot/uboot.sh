#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds U-Boot from Debian's source with a layout's fragment, as an integrator does.
# usage: uboot.sh qemu-arm64|raspberrypi-uboot|sandbox OUTPUT-FOLDER
# Leaves u-boot.bin (sandbox: u-boot and u-boot.dtb) there; builds again only when fragment,
# source or this script changed.
set -euo pipefail
[ $# -eq 2 ] || {
	echo "usage: $0 LAYOUT OUTPUT-FOLDER" >&2
	exit 2
}
here=$(cd "$(dirname "$0")" && pwd)
layout=$1 out=$2
# shellcheck source=tests/boot/fetch.sh
. "$here/fetch.sh"

fragment=$here/../../partitions/layouts/$layout/u-boot-fragment.config
flags=(CROSS_COMPILE=aarch64-linux-gnu-)
targets=(u-boot.bin)
case $layout in
qemu-arm64)
	board=qemu_arm64
	# The environment's SD card is behind PCI: the fragment says so, too.
	flags+=(KCFLAGS=-DCONFIG_SYS_EARLY_PCI_INIT=1)
	;;
raspberrypi-uboot) board=rpi_3 ;;
sandbox)
	board=sandbox
	fragment=$here/sandbox.config
	flags=(NO_SDL=1 NO_LTO=1)
	targets=(u-boot u-boot.dtb)
	;;
*)
	echo "$0: unknown layout $layout" >&2
	exit 2
	;;
esac

boot_alone apt boot_uboot_source
source=$boot_cache/u-boot
stamp=$(cat "$fragment" "$0" "$here/sandbox.dtsi" "$source/debian/changelog" | sha256sum)
kept=$boot_cache/built-$layout

# Options that this version does not know, or does not allow, must not pass in silence.
check_options() {
	local refused
	refused=$(grep -E '^(CONFIG_|# CONFIG_)' "$fragment" | grep -v CONFIG_ENV_REDUNDANT |
		while read -r line; do
			name=$(echo "$line" | grep -oE 'CONFIG_[A-Z0-9_]+' | head -n 1)
			case $line in
			"# "*) grep "^$name=" "$1" || true ;;
			*) grep -qxF "$line" "$1" || echo "$line" ;;
			esac
		done)
	[ -z "$refused" ] || {
		printf 'uboot.sh: %s: the configuration is not what the fragment says:\n%s\n' \
			"$layout" "$refused" >&2
		return 1
	}
}

build() {
	# Another build may have made it while this one waited.
	[ "$(cat "$kept/stamp" 2>/dev/null)" != "$stamp" ] || return 0
	build=$(mktemp -d "$boot_cache/build.XXXXXX")
	trap 'rm -rf "$build"' EXIT
	if [ "$layout" = sandbox ]; then
		# The sandbox keeps its environment nowhere; a device keeps it on its card.
		cp -R "$source" "$build/source"
		source=$build/source
		sed -i 's/ENVL_NOWHERE/ENVL_MMC/' "$source/board/sandbox/sandbox.c"
		cat "$here/sandbox.dtsi" >>"$source/arch/sandbox/dts/sandbox.dts"
	fi
	make -s -C "$source" O="$build" "${board}_defconfig"
	(cd "$build" && sh "$source/scripts/kconfig/merge_config.sh" -m -O . .config "$fragment") >/dev/null
	make -s -C "$source" O="$build" olddefconfig 2>/dev/null
	check_options "$build/.config"
	if ! make -s -j"$(nproc)" -C "$source" O="$build" "${flags[@]}" "${targets[@]}" \
		>"$build/log" 2>&1; then
		tail -n 40 "$build/log" >&2
		return 1
	fi
	rm -rf "$kept"
	mkdir -p "$kept"
	for file in u-boot u-boot.bin u-boot.dtb .config; do
		[ ! -e "$build/$file" ] || cp "$build/$file" "$kept/"
	done
	printf '%s\n' "$stamp" >"$kept/stamp"
}

boot_alone "$layout" build
mkdir -p "$out"
cp "$kept"/u-boot* "$out/"
