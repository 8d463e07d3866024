#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The sources are right for musl, too: strerror_r, say, gives a text in glibc and a number in musl.
# Compiled only, since the libraries that are here are glibc's.
set -u
cd "${PAWL_SOURCE:?}" || exit 1
. tests/lib/tap.sh

# The headers of the libraries come last, so that those of libc are musl's.
compiles_with_musl() {
	musl-gcc -std=gnu17 -Wall -Wextra -Werror -fsyntax-only \
		-idirafter /usr/include -idirafter "/usr/include/$(cc -dumpmachine)" \
		-I. "-I${PAWL_BUILD:?}/include" -include config.h \
		-D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -DPAWL_VERSION='"0"' "$@"
}

if command -v musl-gcc >/dev/null; then
	for folder in agent/* agent partitions/slot partitions/boot hooks publisher; do
		set -- "$folder"/*.c
		[ -e "$1" ] || continue
		tap_check "$folder compiles with musl" compiles_with_musl "$@"
	done
else
	tap_skip "compiles with musl" "musl-gcc is not installed (Debian: musl-tools)"
fi
tap_end
