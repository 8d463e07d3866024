#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs clang-tidy over the C files that git knows (tests left out), some at a time.
# usage: tidy.sh "COMPILER FLAGS, quoted for a shell" [FILE...]
set -eu
flags=$1
shift
# shellcheck disable=SC2046 # names without spaces
[ $# -gt 0 ] || set -- $(git ls-files '*.c' | grep -v '^tests/')
# One file each: clang 14 carries state from one file of a run to the next.
printf '%s\n' "$@" | xargs -P "$(nproc)" -I '{}' sh -c "
	out=\$(clang-tidy --quiet \"\$1\" -- $flags 2>&1) && exit 0
	printf '%s\n' \"\$out\" | grep -v 'warnings generated'
	exit 1" tidy '{}'
