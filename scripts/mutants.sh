#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Switches off each MUST() check of the source, one at a time, and expects a test to notice.
# usage: mutants.sh names              lists "NAME FILE"; fails where a name is not unique
#        mutants.sh run [NAME...]      default: all; ends with "N mutants, N killed, N survived"
# Run by `make mutants` in the source folder, which sets MAKE_COMMAND (a make with O=), PAWL_BUILD.
set -eu

sources() {
	git ls-files '*.c' '*.h' | grep -v -e '^tests/' -e '^agent/base/must.h$'
}

list_names() {
	sources | xargs grep -oE 'MUST\("[^"]*"' /dev/null |
		sed 's/^\([^:]*\):MUST("\([^"]*\)"$/\2 \1/' | sort
}

check_names() {
	names=$(list_names)
	printf '%s\n' "$names"
	twice=$(printf '%s\n' "$names" | cut -d' ' -f1 | uniq -d)
	odd=$(printf '%s\n' "$names" | cut -d' ' -f1 | grep -vE '^[a-z0-9-]+(\.[a-z0-9-]+)+$' || true)
	# A name on a line of its own would not be seen.
	hidden=$(sources | xargs grep -nE 'MUST\(([^"]|$)' /dev/null || true)
	[ -z "$twice" ] || echo "not unique: $twice" >&2
	[ -z "$hidden" ] || echo "name and MUST( on different lines: $hidden" >&2
	[ -z "$odd" ] || echo "not area.what: $odd" >&2
	[ -z "$twice$odd$hidden" ]
}

# The module of a source file, as the Makefile and the names of the unit tests have it.
module_of() {
	case $1 in
	agent/*/*) dirname "$1" | sed 's,.*/,,' ;;
	partitions/*/*) dirname "$1" | sed 's,.*/,,' ;;
	hooks/*) echo hooks ;;
	publisher/*) echo publisher ;;
	*) echo agent ;;
	esac
}

# Unit tests, nearest first: those of the module that share a word with the file's name
# (http_reader.c: poll_http_test, poll_reader_test), those that include its header, those that
# share a word with a file that does, the module's others, those of who uses it.
tests_near() { # MODULE FILE
	header="\"${2%.c}.h\""
	{
		tests_of_file "$1" "$2"
		find_tests "$1" | while read -r t; do
			! grep -qF "$header" "tests/unit/$t.c" || echo "$t"
		done
		grep -lF "$header" "$(dirname "$2")"/*.c | while read -r f; do
			tests_of_file "$1" "$f"
		done
		find_tests "$1"
		[ "$1" = publisher ] || find_tests agent
		case $1 in # as USES_publisher in the Makefile
		trust | plan | slot | base) find_tests publisher ;;
		esac
	} | awk '!seen[$0]++'
}

tests_of_file() { # MODULE FILE
	words=$(basename "$2" .c | tr '_' '|')
	find_tests "$1" | grep -E "_($words)s?_" || true
}

find_tests() { # MODULE
	for t in tests/unit/"$1"_*_test.c; do
		[ ! -e "$t" ] || basename "$t" .c
	done
}

# Scripts: for the agent the one that is about its checks, then those that have a word of the
# check's name in theirs, then those that say it most often ("not" and such do not count).
scripts_near() { # MODULE NAME
	words=$(echo "${2#*.}" | tr -s '.-' '\n' | grep '....' | paste -s -d'|')
	{
		[ "$1" != agent ] || echo tests/cli/agent_checks.sh
		find_scripts | grep -E "_($words)" || true
		find_scripts | xargs grep -ciE "$words" | sort -s -t: -k2,2nr | cut -d: -f1
	} | awk '!seen[$0]++'
}

find_scripts() {
	printf '%s\n' tests/hostile/*.sh tests/cli/*.sh tests/crash/*.sh |
		grep -v -e '/mutants.sh' -e '/kconfig.sh' -e '/install.sh' -e '/portable.sh' \
			-e '/deps.sh'
}

# How long a test may take. What then still runs is red, but is shown, as it may just be slow.
run_unit() { # FOLDER OF THE TEST, TEST
	timeout 120 "$1/$2" >"$dir/log" 2>&1
}

run_script() { # FOLDER OF THE PROGRAMS, SCRIPT
	PAWL=$1/pawl PAWL_REPO=$1/pawl-repo PAWL_SOURCE=$PWD PAWL_BUILD=$PAWL_BUILD \
		timeout 600 bash "$2" >"$dir/log" 2>&1
}

# Red with the mutant, green without, red again: a test that fails now and then is no witness.
# Says it in $how when both were the time limit's doing.
kills() { # run_unit|run_script, FOLDER WITHOUT THE MUTANT, TEST
	how=
	if "$1" "$dir" "$3"; then return 1; fi
	is_green "$@" || {
		echo "red without a mutant: $3"
		return 1
	}
	if "$1" "$dir" "$3"; then
		echo "red only once for $name: $3"
		return 1
	elif [ $? -eq 124 ]; then
		how=" (time limit)"
	fi
}

# Asked again after ten minutes, as the disk may have become full since.
is_green() { # as kills
	mark=$PAWL_BUILD/mutants/green-$(basename "$3")
	[ -z "$(find "$mark" -mmin -10 2>/dev/null)" ] || return 0
	"$1" "$2" "$3" && touch "$mark"
}

# A test that does not even link for this file is no witness.
link_unit() { # TEST
	$MAKE_COMMAND -s MUTANT_DIR="$dir" "$dir/$1" >"$dir/log" 2>&1 || {
		cat "$dir/log"
		exit 2
	}
}

# Prints "killed NAME by TEST" or "SURVIVED NAME".
run_one() { # NAME FILE
	name=$1
	grep -qF "MUST(\"$1\"" "$2" || {
		echo "mutants: $1 is not in $2" >&2
		exit 2
	}
	dir=$PAWL_BUILD/mutants/$1
	rm -rf "$dir"
	mkdir -p "$dir"
	$MAKE_COMMAND -s MUTANT_DIR="$dir" MUTANT_NAME="$1" MUTANT_FILE="$2" "$dir/mutant.o"
	for t in $(tests_near "$(module_of "$2")" "$2"); do
		link_unit "$t"
		if kills run_unit "$PAWL_BUILD/tests/unit" "$t"; then
			echo "killed $1 by $t$how"
			rm -rf "$dir"
			return
		fi
	done
	$MAKE_COMMAND -s MUTANT_DIR="$dir" MUTANT_FILE="$2" "$dir/pawl" "$dir/pawl-repo" >/dev/null
	for t in $(scripts_near "$(module_of "$2")" "$1"); do
		if kills run_script "$PAWL_BUILD" "$t"; then
			echo "killed $1 by $t$how"
			rm -rf "$dir"
			return
		fi
	done
	echo "SURVIVED $1 in $2"
	rm -rf "$dir"
}

# Tests flush what they write, which is most of the time that they take: let it be cheap.
scratch_in_memory() {
	[ -z "${TMPDIR:-}" ] && TMPDIR=$(mktemp -d /dev/shm/pawl-mutants.XXXXXX 2>/dev/null) || return 0
	export TMPDIR
	trap 'rm -rf "$TMPDIR"' EXIT
}

run_all() { # [NAME...]
	names=$(check_names)
	if [ $# -gt 0 ]; then
		wanted=$(printf '%s\n' "$@")
		names=$(printf '%s\n' "$names" | awk -v want="$wanted" '
			BEGIN { n = split(want, w, "\n"); for (i = 1; i <= n; i++) need[w[i]] = 1 }
			$1 in need')
		[ "$(printf '%s\n' "$names" | grep -c .)" -eq $# ] || {
			echo "mutants: a name is not in the source" >&2
			exit 1
		}
	fi
	results=$PAWL_BUILD/mutants.txt
	scratch_in_memory
	rm -f "$PAWL_BUILD"/mutants/green-*
	# xargs ends with 123 when a mutant could not be built or linked.
	printf '%s\n' "$names" | xargs -P "$(nproc)" -L 1 sh "$0" one | tee "$results"
	total=$(printf '%s\n' "$names" | wc -l)
	killed=$(grep -c '^killed' "$results" || true)
	survived=$(grep -c '^SURVIVED' "$results" || true)
	echo "$total mutants, $killed killed, $survived survived"
	[ "$killed" -eq "$total" ]
}

case ${1:-} in
names)
	check_names
	;;
one)
	run_one "$2" "$3"
	;;
run)
	shift
	run_all "$@"
	;;
*)
	sed -n 's/^# usage: /usage: /p' "$0" >&2
	exit 2
	;;
esac
