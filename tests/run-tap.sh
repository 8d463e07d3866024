#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs programs and scripts that print TAP, some at a time; shows failures, counts, and ends with
# "N passed, N failed". A skipped test is shown, counted, and a failure where CI is set.
# usage: run-tap.sh PROGRAM...
#   PAWL_RUNNER  put before each program (valgrind ...)
#   TAP_TIMEOUT  seconds for each program, default 900
#   TAP_JOBS     how many at a time, default two per processor: half of the time tests wait
set -u

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
	CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 10 "${TAP_TIMEOUT:-900}" "$@"
}

# Runs one program: its line (and what it said, where it failed) on standard output, its numbers
# into a file of the folder.
run_one() { # FOLDER PROGRAM
	out=$(mktemp "$1/out.XXXXXX")
	begin=$(date +%s)
	status=0
	run "$2" >"$out" 2>&1 </dev/null || status=$?
	seconds=$(($(date +%s) - begin))
	# cmocka 1.1 says of a test that was skipped that it is not ok.
	sed -i 's/^not ok \([0-9]* # SKIP\)/ok \1/' "$out"
	skip=$(grep -ciE '^ok .*# skip' "$out")
	ok=$(grep -cE '^ok ' "$out")
	bad=$(grep -cE '^not ok ' "$out")
	# A program that crashes or runs no test must not look like success.
	if [ "$bad" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$ok" -eq 0 ]; }; then
		bad=1
		echo "not ok - $2 ended with status $status" >>"$out"
	fi
	echo "$((ok - skip)) $bad $skip" >"$out.count"
	{
		if [ "$bad" -gt 0 ]; then
			echo "FAIL $2 ($seconds s)"
			cat "$out"
		else
			echo "ok   $2 ($ok, $seconds s)"
			grep -iE '^ok .*# skip' "$out"
			# What is to be seen even where all is well: a count, a measured number.
			sed -n 's/^#: /     /p' "$out"
		fi
	} >"$out.said"
	# One at a time, so that what two programs said is not mixed.
	flock "$1" cat "$out.said"
}

if [ "${1:-}" = --one ]; then
	run_one "$2" "$3"
	exit 0
fi

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
printf '%s\n' "$@" | xargs -P "${TAP_JOBS:-$((2 * $(nproc)))}" -I '{}' sh "$0" --one "$dir" '{}'
cat "$dir"/out.*.count >"$dir/counts"
passed=$(awk '{ n += $1 } END { print n + 0 }' "$dir/counts")
failed=$(awk '{ n += $2 } END { print n + 0 }' "$dir/counts")
skipped=$(awk '{ n += $3 } END { print n + 0 }' "$dir/counts")
# One that left no numbers did not run.
lost=$(($# - $(wc -l <"$dir/counts")))
failed=$((failed + lost))
[ "$skipped" -eq 0 ] || echo "$skipped skipped"
[ -z "${CI:-}" ] || failed=$((failed + skipped))
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
