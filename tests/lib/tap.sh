# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# For test scripts: results as TAP. Source it, call tap_* for each thing that must hold, and end
# with tap_end. A command that must succeed: tap_check "name" COMMAND...

tap_count=0
tap_bad=0

# tap_result STATUS NAME: 0 = it holds
tap_result() {
	tap_count=$((tap_count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tap_count - $2"
	else
		tap_bad=$((tap_bad + 1))
		echo "not ok $tap_count - $2"
	fi
}

# tap_check NAME COMMAND...: the command succeeds; what it says is shown when it does not
tap_check() {
	tap_name=$1
	shift
	tap_status=0
	tap_out=$("$@" 2>&1) || tap_status=$?
	tap_result "$tap_status" "$tap_name"
	[ "$tap_status" -eq 0 ] || printf '%s\n' "$tap_out" | sed "s/^/# [$tap_status] /"
}

# tap_refuse NAME STATUS WORD COMMAND...: the command ends with STATUS and says WORD
tap_refuse() {
	tap_name=$1
	tap_want=$2
	tap_word=$3
	shift 3
	tap_status=0
	tap_out=$("$@" 2>&1) || tap_status=$?
	if [ "$tap_status" -eq "$tap_want" ] &&
		printf '%s\n' "$tap_out" | grep -qF -e "$tap_word"; then
		tap_result 0 "$tap_name"
	else
		tap_result 1 "$tap_name"
		printf '%s\n' "$tap_out" | sed "s/^/# [$tap_status] /"
	fi
}

# tap_skip NAME WHY: cannot be tested here (a failure where CI is set)
tap_skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

tap_end() {
	echo "1..$tap_count"
	[ "$tap_bad" -eq 0 ]
}
