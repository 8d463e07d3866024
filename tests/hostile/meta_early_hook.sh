#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A release that is signed but refused runs nothing: no hook of any stage, no process at all (a
# peer ran hooks before it had decided).
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"

world_add() {
	local stage hook
	for stage in health/required health/wanted; do
		hook=$D/etc/pawl/hooks/$stage.d/50-mark
		mkdir -p "$(dirname "$hook")"
		# shellcheck disable=SC2016 # PAWL_ROOT is the hook's
		printf '#!/bin/sh\necho %s >>"$PAWL_ROOT/hook-ran"\n' "$stage" >"$hook"
		chmod 755 "$hook"
	done
}

hostile_begin

# watched WORDS...: pawl, with every program that it starts in $T/started.
watched() {
	if command -v strace >/dev/null; then
		# The leak sanitizer does not work under strace.
		ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" strace -f -qq -e trace=execve,execveat -e signal=none -o "$T/started" \
			"$PAWL" --root "$D" "$@"
	else
		"$PAWL" --root "$D" "$@"
	fi
}

# Only pawl itself was started.
nothing_started() {
	! test -e "$D/hook-ran" || return
	command -v strace >/dev/null || return 0
	[ "$(grep -c exec "$T/started")" -eq 1 ] || {
		cat "$T/started"
		return 1
	}
}

# early NAME CODE VERB...: refused, with a look at every process.
early() {
	local name=$1 code=$2
	shift 2
	tap_refuse "$name: $code" "$(sed -n "s/.*X($code, \([0-9]*\),.*/\1/p" agent/base/err.h)" \
		"$code" watched "$@"
	tap_check "$name: nothing was started" nothing_started
}

# forge_manifest STATEMENTS: the manifest m changed.
forge_manifest() {
	forge <<-PY
		m = r.manifest(2)
		$1
		r.put_manifest(2, m)
		r.pack("$T/now/2.pawl", 2)
	PY
}

hostile_case
forge_manifest 'm["compatible"] = ["other"]'
early "other hardware" E_COMPAT poll --now
early "other hardware, bundle" E_COMPAT install "$T/now/2.pawl"
hostile_case
forge_manifest 'm["product"] = "other"'
early "another product" E_POLICY poll --now
hostile_case
forge_manifest 'm["images"][0]["name"] = "../x"'
early "an odd manifest" E_META poll --now
hostile_case
forge <<PY
f = r.load("timestamp")
f.signed["x-hold"] = {"demo": [2]}
r.save(f)
r.pack("$T/now/2.pawl", 2)
PY
early "on hold" E_HELD check
early "on hold, bundle" E_HELD install "$T/now/2.pawl"
hostile_case
repo withdraw 2
forge <<<"r.pack('$T/now/2.pawl', 2)"
early "withdrawn" E_HELD check
early "withdrawn, bundle" E_HELD install "$T/now/2.pawl"
hostile_case
forge <<PY
r.save(r.load("targets"), by=[])
r.pack("$T/now/2.pawl", 2)
PY
early "unsigned" E_SIG poll --now
early "unsigned, bundle" E_SIG install "$T/now/2.pawl"

# What waits: the poll succeeds, and runs nothing either.
hostile_case
forge_manifest 'm["rollout"] = {"start": "2098-01-01T00:00:00Z", "salt": "s", "waves": [[100, 0]]}'
tap_check "not this device's turn yet" watched poll --now
tap_check "not its turn: nothing was started" nothing_started
hostile_case
device_set "$D" auto notify
tap_check "installed by hand only" watched poll --now
tap_check "by hand only: nothing was started" nothing_started

# The control: what is let through runs them, in their order.
hostile_case
hostile_take "a good release" 2 p poll --now
# shellcheck disable=SC2016 # eval expands it
tap_check "runs the hooks of each stage" eval \
	'[ "$(sort -u "$D/hook-ran" | tr "\n" " ")" = "check health/required health/wanted pre-activate pre-reboot pre-write " ]'
tap_end
