#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs programs and scripts that print TAP; shows failures, counts, and ends with
# "N passed, N failed". A skipped test is shown, counted, and a failure where CI is set.
# usage: run-tap.sh PROGRAM...
#   PAWL_RUNNER  put before each program (valgrind ...)
#   TAP_TIMEOUT  seconds for each program, default 600
set -u
passed=0
failed=0
skipped=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# Scripts run by their own shell, whether the file is executable or not.
run() {
	case $1 in
	*.sh)
		if head -n 1 "$1" | grep -q bash; then set -- bash "$1"; else set -- sh "$1"; fi
		;;
	*.py)
		set -- python3 "$1"
		;;
	*)
		# shellcheck disable=SC2086 # a command and its options
		set -- ${PAWL_RUNNER:-} "$1"
		;;
	esac
	CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 10 "${TAP_TIMEOUT:-600}" "$@"
}

count() {
	grep -ciE "$1" "$out"
}

for program in "$@"; do
	status=0
	run "$program" >"$out" 2>&1 </dev/null || status=$?
	skip=$(count '^ok .*# skip')
	ok=$(count '^ok ')
	bad=$(count '^not ok ')
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
[ "$skipped" -eq 0 ] || echo "$skipped skipped"
[ -z "${CI:-}" ] || failed=$((failed + skipped))
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
