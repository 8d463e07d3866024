#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The sources are right for musl, too (strerror_r, say, gives a text in glibc and a number in musl),
# and for 32 bits. Compiled only, since the libraries that are here are glibc's for this machine.
set -u
cd "${PAWL_SOURCE:?}" || exit 1
. tests/lib/tap.sh

# compiles_with COMPILER OPTION FILE...: the headers of the libraries come last, so that those of
# libc are the compiler's.
compiles_with() {
	compiler=$1 # with its option, where it needs one
	option=$2
	shift 2
	# shellcheck disable=SC2086 # two words
	$compiler "$option" -std=gnu17 -Wall -Wextra -Werror -fsyntax-only \
		-idirafter /usr/include -idirafter "/usr/include/$(cc -dumpmachine)" \
		-I. "-I${PAWL_BUILD:?}/include" -include config.h \
		-D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -DPAWL_VERSION='"0"' "$@"
}

each_folder() { # NAME COMPILER OPTION
	for folder in agent/* agent partitions/slot partitions/boot hooks publisher; do
		! [ -d "$folder" ] || ! ls "$folder"/*.c >/dev/null 2>&1 ||
			tap_check "$folder compiles $1" compiles_with "$2" "$3" "$folder"/*.c
	done
}

# Time of 64 bits on a board of 32 (agent/base/clock.c asserts it), and no size that is cut.
if echo '#include <stdio.h>' | cc -m32 -x c -fsyntax-only - 2>/dev/null; then
	each_folder "for 32 bits" "cc -m32" -Wconversion
fi
if command -v musl-gcc >/dev/null; then
	each_folder "with musl" musl-gcc -Wformat=2
else
	tap_skip "compiles with musl" "musl-gcc is not installed (Debian: musl-tools)"
fi
tap_end
