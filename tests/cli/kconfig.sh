#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Features are chosen as Kconfig users expect, with Kconfiglib and without any tool.
set -u
cd "$PAWL_SOURCE" || exit 1
. tests/lib/tap.sh
unset MAKEFLAGS MFLAGS MAKELEVEL # of the make that runs this test
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

configure() { # TARGET [VARIABLE=VALUE...]
	make -s O="$dir/b" "$@"
}

has() {
	grep -qx "$1" "$dir/b/.config"
}

has_not() {
	! grep -q "^$1=" "$dir/b/.config"
}

tap_check "defconfig" configure defconfig
tap_check "defconfig has HTTP" has CONFIG_HTTP=y
tap_check "minimal_defconfig" configure minimal_defconfig
tap_check "minimal_defconfig has U-Boot" has CONFIG_BOOT_UBOOT=y
tap_check "minimal_defconfig has no HTTP" has_not CONFIG_HTTP

# What is said stays, what is not said gets its default.
echo '# CONFIG_ZSTD is not set' >"$dir/b/.config"
tap_check "olddefconfig" configure olddefconfig
tap_check "olddefconfig keeps what is said" has_not CONFIG_ZSTD
tap_check "olddefconfig fills in defaults" has CONFIG_BOOT_UBOOT=y

tap_check "savedefconfig" configure savedefconfig
tap_check "savedefconfig holds the difference only" \
	sh -c "test \"\$(grep -c CONFIG_ '$dir/b/defconfig')\" -eq 1"
cp "$dir/b/defconfig" "$dir/b/.config"
tap_check "what was saved can be taken again" configure olddefconfig
tap_check "and says the same" has_not CONFIG_ZSTD

# Each defconfig is complete: the fallback copies it as it is.
for file in configs/*_defconfig; do
	rm -rf "$dir/b" && configure "$(basename "$file")" >"$dir/said"
	grep -E '^(# )?CONFIG_' "$dir/b/.config" | sort >"$dir/full"
	grep -E '^(# )?CONFIG_' "$file" | sort >"$dir/copied"
	tap_check "$file names every option" cmp "$dir/full" "$dir/copied"
done

# Without any tool, plain make uses configs/pawl_defconfig.
rm -rf "$dir/b"
tap_check "no tool: minimal_defconfig" configure PYTHON3=/nonexistent minimal_defconfig
tap_check "no tool: it is the file" cmp configs/minimal_defconfig "$dir/b/.config"
rm -rf "$dir/b"
tap_check "no tool: plain make" configure PYTHON3=/nonexistent "$dir/b/config.mk"
tap_check "no tool: plain make takes pawl_defconfig" cmp configs/pawl_defconfig "$dir/b/.config"

# A feature that is off is not in the build's list of features either.
configure minimal_defconfig
make -s O="$dir/b" "$dir/b/config.mk"
tap_check "the header follows" sh -c "! grep -q CONFIG_HTTP '$dir/b/include/config.h'"
tap_check "targets are spelled out for make -pn" \
	sh -c "make -pn O='$dir/b' help | grep -q '^minimal_defconfig:'"
tap_end
