#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A server that answers errors for days (rauc-hawkbit-updater 158): few requests, waits that grow
# and are bounded, Retry-After honoured, a journal that does not fill up.
# shellcheck disable=SC2015,SC2016,SC2034 # eval expands what stands in single quotes
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
# shellcheck source=tests/lib/odd.sh
. "$PAWL_SOURCE/tests/lib/odd.sh"
# shellcheck disable=SC2119 # no options
odd_world

STATE=$D/var/lib/pawl/state.json
DAY=86400

# wait_is LEAST MOST: seconds that the next poll by timer waits
wait_is() {
	local wait
	wait=$(($(jq .backoff.not_before "$STATE") - $(date +%s)))
	[ "$wait" -ge "$1" ] && [ "$wait" -le "$2" ] || {
		echo "the wait is $wait s, not $1 to $2"
		return 1
	}
}

failures_are() {
	jq -e --argjson n "$1" '.backoff.failures == $n' "$STATE" >/dev/null || {
		jq .backoff "$STATE"
		return 1
	}
}

requests_are() {
	local n
	n=$(odd_log | jq length)
	test "$n" "$1" "$2" || {
		echo "$n requests, not $1 $2"
		return 1
	}
}

milestones() {
	p journal show --json | wc -l
}

# polls NUMBER: by hand, each ends with an error
polls() {
	local i
	for ((i = 0; i < $1; i++)); do
		! p poll --now || return
	done
}

# waits_quietly: a poll by timer during the wait asks nothing and is no failure.
waits_quietly() {
	odd_forget
	p poll && requests_are -eq 0
}

# storm NAME CODE WORD MILESTONES: what a day of it does
storm() {
	local name=$1 code=$2 word=$3 more=$4 before
	hostile_case
	# Waits of days, so that none ends within this test.
	device_add "$D" repository "backoff-base = $DAY"
	device_add "$D" repository "backoff-cap = $((DAY * 10))"
	odd_url "$word"
	odd_forget
	before=$(milestones)
	hostile_poll "$name" "$code"
	tap_check "$name: at most two requests for one poll" requests_are -le 2
	tap_check "$name: the next poll by timer waits" waits_quietly
	odd_forget
	tap_check "$name: five more by hand" polls 5
	tap_check "$name: at most two requests for each" requests_are -le 10
	tap_check "$name: failures are counted" failures_are 6
	tap_check "$name: the wait is bounded" wait_is 0 $((DAY * 10))
	tap_check "$name: $more milestones in the journal" \
		eval "[ \$(milestones) -eq $((before + more)) ]"
	tap_check "$name: the journal verifies" p journal verify
	odd_url
	hostile_take "$name: when it is over, the update comes" 2 p poll --now
	tap_check "$name: nothing waits any more" failures_are 0
}

storm "404 for everything" E_NOTFOUND status,404 0
storm "410" E_NET status,410 0
storm "401" E_NET status,401 0
storm "503" E_NET status,503 0
storm "a web page instead of metadata" E_JSON html 1

# --- Growth -----------------------------------------------------------------------------------
# Each wait is random between 0 and a bound that doubles: of ten at the third bound, one at least
# lies above the first one (all below it: one in a million).
grows() {
	local i most=0 wait
	for ((i = 0; i < 10; i++)); do
		jq 'del(.sum) | .backoff.failures = 3' "$STATE" >"$T/state" && cat "$T/state" >"$STATE"
		! p poll --now 2>/dev/null || return
		wait=$(($(jq .backoff.not_before "$STATE") - $(date +%s)))
		[ "$wait" -le 8000 ] || return
		[ "$wait" -le "$most" ] || most=$wait
	done
	[ "$most" -gt 2000 ]
}
hostile_case
device_add "$D" repository "backoff-base = 1000"
odd_url status,503
tap_check "the bound doubles with each failure" grows
jq 'del(.sum) | .backoff.failures = 4294967295' "$STATE" >"$T/state" && cat "$T/state" >"$STATE"
tap_check "at last it stands at the cap" eval '! p poll --now && wait_is 0 $DAY'
tap_check "the count does not start again" failures_are 4294967295

# --- Retry-After -------------------------------------------------------------------------------
asked_to_wait() {
	local name=$1 word=$2 least=$3 most=$4 base=${5:-60}
	hostile_case
	device_add "$D" repository "backoff-base = $base"
	odd_url "$word"
	hostile_poll "$name" E_NET
	tap_check "$name: is honoured" wait_is "$least" "$most"
	tap_check "$name: the next poll by timer waits" waits_quietly
}
asked_to_wait "429 with Retry-After" status,429,1000 980 1260
asked_to_wait "503 with Retry-After" status,503,1000 980 1260
asked_to_wait "Retry-After of years: a day and a bit" status,429,999999999 $((DAY - 20)) $((DAY * 5 / 4 + 10))
# Counts as none: the wait is random, and of a base this long it is still on at the next poll.
asked_to_wait "Retry-After beyond every number" status,503,99999999999999999999999 0 $DAY $DAY

# Good metadata out of a cache, and a store of objects that is down: a storm all the same.
hostile_case
odd_url "only,objects" status,503,1000
hostile_poll "Retry-After for an object" E_NET --wrote --stored "$REFRESHED"
tap_check "it is honoured, too" wait_is 980 1260
tap_check "the next poll by timer waits" waits_quietly
tap_check "more polls by hand" polls 4
tap_check "the failures add up" failures_are 5
odd_url
hostile_take "when the objects are back, the update comes" 2 p poll --now
tap_check "then nothing waits any more" failures_are 0

# A clock that stepped back by years must not stretch the wait.
hostile_case
odd_url status,503,1000
tap_check "a wait begins" polls 1
jq 'del(.sum) | .backoff.not_before += 20 * 365 * 86400' "$STATE" >"$T/state" && cat "$T/state" >"$STATE"
odd_url
hostile_take "a wait of twenty years is a clock that was wrong" 2 p poll

tap_end
