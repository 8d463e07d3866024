#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every fuzz target (tests/fuzz) on its good inputs and on some that were changed at random, the
# same ones in every run: none of them may end the process. hostile.md: index-lies, bomb, odd-json.
# PAWL_LONG=1: a hundred times as many. `make fuzz` looks for new ones.
# shellcheck source=tests/lib/tap.sh
. "${PAWL_SOURCE:?}/tests/lib/tap.sh"

count=5000
[ -z "${PAWL_LONG:-}" ] || count=500000
folder=${PAWL_BUILD:?}/tests/fuzz

# As many as it was asked for, not fewer by some mistake.
survives() { # TARGET
	local said
	said=$("$folder/$1_fuzz" "$folder/corpus/$1" "$count" 2>&1) ||
		{ echo "$said" && return 1; }
	[[ $said == *" inputs, $count changed ones" ]]
}

targets=$(cd "$PAWL_SOURCE/tests/fuzz" && for f in *_fuzz.c; do echo "${f%_fuzz.c}"; done)
for t in $targets; do
	tap_check "fuzz target $t survives $count changed inputs" survives "$t"
done
tap_end
