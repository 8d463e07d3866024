#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Reports what is larger than style asks for: files of 400 lines, functions of 60 lines, 6
# parameters, nesting 3, 15 branches. A report, not a verdict. usage: size-report.sh [FILE...]
set -eu
# shellcheck disable=SC2046 # names without spaces
[ $# -gt 0 ] || set -- $(git ls-files '*.c' '*.h' | grep -v '^tests/')
awk '
function end_function(    n) {
	n = FNR - start
	count++
	if (n < 20)
		small++
	if (n > 60)
		printf "%s:%d: %s has %d lines\n", FILENAME, start, name, n
	if (parameters > 6)
		printf "%s:%d: %s has %d parameters\n", FILENAME, start, name, parameters
	if (deepest > 3)
		printf "%s:%d: %s nests %d deep\n", FILENAME, start, name, deepest
	if (branches > 15)
		printf "%s:%d: %s has %d branches\n", FILENAME, start, name, branches
	inside = 0
}
function check_file() {
	if (lines > 400)
		printf "%s: %d lines\n", file, lines
}
FNR == 1 { check_file(); file = FILENAME; header = ""; inside = 0 }
{ lines = FNR }
!inside && /^[a-z].*\(/ && !/;$/ { header = ""; candidate = FNR }
!inside && candidate { header = header $0 }
!inside && /;$/ { candidate = 0 }
/^\{$/ && candidate {
	inside = 1
	start = candidate
	candidate = 0
	name = header
	sub(/\(.*/, "", name)
	sub(/.*[ *]/, "", name)
	parameters = gsub(/,/, ",", header) + 1
	depth = deepest = 0
	branches = 1
	next
}
inside && /^\}/ { end_function(); next }
inside {
	text = $0
	gsub(/"([^"\\]|\\.)*"/, "", text)
	branches += gsub(/(^|[^a-z_])(if|for|while|case) |&&|\|\||\?/, "", text)
	opened = gsub(/\{/, "", text)
	closed = gsub(/\}/, "", text)
	if (opened > closed)
		depth += opened - closed
	if (depth > deepest)
		deepest = depth
	if (closed > opened)
		depth -= closed - opened
}
END {
	check_file()
	printf "%d functions, %d of them under 20 lines\n", count, small
}' "$@"
