#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# pawl-repo is killed at each change of a folder (rename, link, unlink, mkdir), one after the other:
# what devices see stays right all the time, and the same command again completes the work.
set -u
. tests/lib/tap.sh
. tests/lib/publisher.sh

if ! strace -o "$T/trace" true 2>/dev/null; then
	tap_skip "pawl-repo survives a kill at every step" "strace cannot trace here"
	tap_end
	exit
fi
# strace counts each kind of call by itself. The renames are what makes things visible; the others
# are for the long version.
if [ "${PAWL_LONG:-0}" = 1 ]; then
	CALLS="renameat,renameat2 linkat unlinkat mkdirat fsync"
else
	CALLS="renameat,renameat2"
fi

# killed CALL N WORDS...: runs the words, killed at the call number N of a kind; 0 when it was
killed() {
	killed_call=$1
	killed_at=$2
	shift 2
	strace -f -qq -o "$T/trace" -e "trace=$killed_call" \
		-e "inject=$killed_call:signal=KILL:when=$killed_at" \
		"$PAWL_REPO" --quiet --repo "$W" "$@" >"$T/out" 2>&1
	[ $? -eq 137 ]
}

# A mirror at this moment is right (json and openssl), or is in the one known gap: a new root whose
# timestamp is still signed by the old key.
seen_right() {
	seen=$(python3 tests/lib/tuf_check.py "$W/public" 2>&1)
	[ "$seen" = ok ] || {
		echo "$seen" >>"$T/gaps"
		case $1/$seen in
		rotate/timestamp*|rotate/*"good signatures") return 0 ;;
		esac
		echo "step: $seen"
		return 1
	}
}

# recovers KIND WORDS...: after the kill, the same words again complete it
recovers() {
	recovers_kind=$1
	shift
	# Killed after the last change: another run would be another rotation, or a second init.
	if [ "$recovers_kind" != publish ] && "${recovers_kind}_done" >"$T/again" 2>&1; then
		good >>"$T/again" 2>&1
		return
	fi
	repo --quiet "$@" >"$T/again" 2>&1 && good >>"$T/again" 2>&1 &&
		"${recovers_kind}_done" >>"$T/again" 2>&1
}

# crash_at_each KIND WORDS...: from the workspace $T/start; every call of every kind in turn
crash_at_each() {
	kind=$1
	shift
	steps=0
	bad=0
	: >"$T/gaps"
	for call in $CALLS; do
		step=1
		while :; do
			rm -rf "$W"
			cp -r "$T/start" "$W"
			killed "$call" "$step" "$@" || break
			seen_right "$kind" || bad=$((bad + 1))
			recovers "$kind" "$@" || {
				echo "# $call $step: $(cat "$T/again")"
				bad=$((bad + 1))
			}
			step=$((step + 1))
		done
		steps=$((steps + step - 1))
	done
	tap_result "$bad" "killed at each of $steps calls in '$*', the next run completes it"
	[ "$steps" -ge "$least" ]
	tap_result $? "there were at least $least calls"
	gap_count=$(wc -l <"$T/gaps")
	[ "$gap_count" -le "$gaps" ]
	tap_result $? "at $gap_count of them devices wait for the next run, at most $gaps"
}

publish_done() {
	[ "$(now_of targets 'j["targets"]["demo/stable.json"]["custom"]["release"]')" = 2 ] &&
		[ -z "$(ls "$W/staging")" ]
}
# One rotation, not two: the retired key is the first one.
rotate_done() {
	[ "$(now_of root 'j["version"]')" = 2 ] && [ "$(find "$W/keys" -name '*.next*' | wc -l)" = 0 ] &&
		[ "$(find "$W/keys/retired" -name '*.pub.pem' | wc -l)" = 1 ]
}
init_done() {
	[ -e "$W/pawl-repo.json" ] && [ "$(now_of root 'j["version"]')" = 1 ] && cmp -s "$W/root.json" "$W/public/metadata/1.root.json"
}

repo --quiet init --product demo
stage 1.0
repo --quiet publish
stage 1.1
cp -r "$W" "$T/start"
least=7
gaps=0
crash_at_each publish publish

rm -rf "$W" "$T/start"
repo --quiet init --product demo
stage 1.0
repo --quiet publish
cp -r "$W" "$T/start"
online=$(now_of root 'j["roles"]["timestamp"]["keyids"][0]')
least=5
gaps=4
crash_at_each rotate rotate online
# A key that is taken out by its keyid is gone from the root when the run is cut: the same words must
# go on all the same.
crash_at_each rotate revoke-key --replace "$online"
if [ "${PAWL_LONG:-0}" = 1 ]; then
	crash_at_each rotate rotate release
	gaps=0
	crash_at_each rotate rotate root 2
fi

# init: there is nothing yet that a mirror could show.
seen_right() { :; }
rm -rf "$T/start"
mkdir "$T/start"
least=15
gaps=0
crash_at_each init init --product demo
tap_end
