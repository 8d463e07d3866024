#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs programs that print TAP; shows failures, counts, and ends with "N passed, N failed".
# usage: run-tap.sh PROGRAM...   (PAWL_RUNNER=valgrind etc. is put before each)
set -u
passed=0
failed=0
skipped=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT
for program in "$@"; do
	status=0
	CMOCKA_MESSAGE_OUTPUT=TAP ${PAWL_RUNNER:-} "$program" >"$out" 2>&1 || status=$?
	skip=$(grep -ciE '^ok .*# skip' "$out")
	ok=$(grep -cE '^ok ' "$out")
	bad=$(grep -cE '^not ok ' "$out")
	# A program that crashes or runs no test must not look like success.
	if [ "$bad" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$ok" -eq 0 ]; }; then
		bad=1
		echo "not ok - $program ended with status $status" >>"$out"
	fi
	passed=$((passed + ok - skip))
	failed=$((failed + bad))
	skipped=$((skipped + skip))
	if [ "$bad" -gt 0 ]; then
		echo "FAIL $program"
		cat "$out"
	else
		echo "ok   $program ($ok)"
		grep -iE '^ok .*# skip' "$out"
	fi
done
if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ] && { [ -z "${CI:-}" ] || [ "$skipped" -eq 0 ]; }
