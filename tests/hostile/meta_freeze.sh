#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Old metadata served for ever, and clocks that are wrong by decades (rauc 353 and 581,
# uptane-standard 31): what has expired is refused, a clock that is not set is no reason to stay
# without updates, and no clock locks the device out for good.
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
hostile_begin
command -v faketime >/dev/null || {
	tap_skip "freeze" "no faketime"
	tap_end
	exit
}

# at TIME COMMAND...: under a clock that shows TIME.
at() {
	local when=$1
	shift
	FAKETIME_DONT_FAKE_MONOTONIC=1 ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" \
		faketime "$when" "$@"
}

# poll_at TIME NAME CODE [OPTIONS]: as hostile_poll, under that clock.
poll_at() {
	local when=$1
	shift
	hostile_refuse "$@" -- env FAKETIME_DONT_FAKE_MONOTONIC=1 \
		ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" \
		faketime "$when" "$PAWL" --root "$D" poll --now
}

# recorded FRESHNESS: the journal says how fresh the metadata was.
recorded() {
	p journal show --json --details |
		jq -e -s --arg f "$1" 'any(.evt == "trust.freshness" and .data.freshness == $f)' >/dev/null
}

time_floor() {
	jq .time_floor "$D/var/lib/pawl/state.json"
}

stored_before() {
	case $1 in
	root) echo root.json,roots/2.root.json ;;
	timestamp) ;;
	snapshot) echo timestamp.json,cache/timestamp.tag ;;
	targets) echo timestamp.json,cache/timestamp.tag,snapshot.json ;;
	esac
}

# forge_expired ROLE: the role's file has expired in 2020.
forge_expired() {
	local load="f = r.load('$1')"
	[ "$1" != root ] || load="f = r.next_root()"
	forge <<-PY
		$load
		f.signed["expires"] = "2020-01-01T00:00:00Z"
		if "x-issued" in f.signed:
		    f.signed["x-issued"] = "2019-01-01T00:00:00Z"
		r.save(f)
		r.pack("$T/now/2.pawl", 2)
	PY
}

for role in root timestamp snapshot targets; do
	hostile_case
	forge_expired $role
	hostile_poll "expired $role, good clock" E_EXPIRED --word "$role" --word 2020-01-01 \
		--stored "$(stored_before $role)"
	hostile_case
	forge_expired $role
	hostile_clock unset
	poll_at "1970-01-02 00:00:00" "expired $role, clock of 1970: the floor of time holds" \
		E_EXPIRED --word "$role" --stored "$(stored_before $role)"
done

# --- Frozen: what was fresh once is served for ever -------------------------------------
hostile_case
poll_at "+60 days" "a timestamp of 60 days ago" E_EXPIRED --word timestamp.json
repo refresh >/dev/null
hostile_take "a refreshed one is taken" 2 p poll --now

hostile_case
tap_check "check takes what is published" p check
poll_at "+60 days" "stored metadata, called unchanged for 60 days" E_EXPIRED --word timestamp.json

# --- Clocks -----------------------------------------------------------------------------
hostile_case
hostile_clock unset
hostile_take "clock of 1970: taken" 2 \
	at "1970-01-02 00:00:00" "$PAWL" --quiet --root "$D" poll --now
tap_check "and recorded as freshness unknown" recorded unknown

hostile_case
tap_check "good clock: check" p check
tap_check "and nothing about freshness is recorded" eval '! recorded unknown'

for clock in good unset; do
	hostile_case
	hostile_clock $clock
	floor=$(time_floor)
	poll_at "2099-06-01 00:00:00" "clock of 2099, $clock" E_EXPIRED --word "it is 2099"
	tap_check "the floor of time did not move" test "$floor" = "$(time_floor)"
	hostile_take "the device recovers when the clock does" 2 p poll --now
done

hostile_case
at "2099-06-01 00:00:00" "$PAWL" --quiet --root "$D" poll --now 2>/dev/null
hostile_take "a back-off that began in 2099 ends in time" 2 \
	at "+2 days" "$PAWL" --quiet --root "$D" poll

# --- Times that the online key claims ------------------------------------------------------
hostile_case
forge <<'PY'
f = r.load("timestamp")
f.signed["x-issued"] = "2099-01-01T00:00:00Z"
f.signed["expires"] = "2100-01-01T00:00:00Z"
r.save(f)
PY
hostile_take "x-issued of 2099 by the online key does not count" 2 p poll --now
tap_check "nor does it move the floor of time" test "$(time_floor)" -lt 4000000000

hostile_case
forge <<'PY'
f = r.load("targets")
f.signed["x-issued"] = "2099-01-01T00:00:00Z"
r.save(f)
PY
hostile_poll "x-issued of targets after its own expiry" E_META --word x-issued \
	--stored timestamp.json,cache/timestamp.tag,snapshot.json

hostile_case
hostile_clock unset
forge <<'PY'
import datetime
f = r.load("timestamp")
late = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=40)
f.signed["x-issued"] = late.strftime("%Y-%m-%dT%H:%M:%SZ")
f.signed["expires"] = late.strftime("%Y-%m-%dT%H:%M:%SZ")
r.save(f)
PY
hostile_take "x-issued at its own expiry does not count" 2 \
	at "1970-01-02 00:00:00" "$PAWL" --quiet --root "$D" poll --now

# --- Bundles: somebody is at the device ------------------------------------------------------
hostile_case
forge_expired timestamp
hostile_take "a bundle file with an expired timestamp" 2 p install "$T/now/2.pawl"
hostile_case
forge_expired targets
hostile_take "a bundle file with expired targets (offline-expiry = warn)" 2 \
	p install "$T/now/2.pawl"
tap_check "is recorded as expired" recorded expired
hostile_case
forge_expired targets
device_add "$D" repository "offline-expiry = refuse"
hostile_bundle "the same with offline-expiry = refuse" E_EXPIRED --word targets
hostile_case
forge_expired timestamp
cp "$T/now/2.pawl" "$P/2.pawl"
hostile_refuse "the same bundle from a URL obeys every expiry" E_EXPIRED --word timestamp.json -- \
	"$PAWL" --root "$D" install "${URL}2.pawl"
tap_end
