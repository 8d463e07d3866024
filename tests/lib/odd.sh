# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For tests/hostile: servers that misbehave, around the world of hostile.sh. Sourced after it.
#
#   odd_world [OPTIONS of odd_server.py]  hostile_world behind an odd server that serves all of T,
#                                     or the end of the script
#   odd_start NAME [OPTIONS]          one further server of T; sets NAME to its port
#   odd_url [WORD...]                 the device asks the server with these words (odd_server.py)
#   odd_sent TEXT                     bytes of bodies sent for paths with TEXT
#   odd_count TEXT                    requests for paths with TEXT
#   odd_forget                        empties the server's log
#
# Set for you: BASE (of the server), URL (of the repository), REFRESHED (files of tuf/ that a
# refresh stores).

# What these servers do wrong with one object, they do with `full`, which every way falls back to.
# shellcheck disable=SC2034 # read by hostile.sh
HOSTILE_FULL=1
ODD_FDS=()
# shellcheck disable=SC2034 # used by the scripts
REFRESHED=timestamp.json,cache/timestamp.tag,snapshot.json,targets.json

odd_start() {
	local name=$1 line port fd
	shift
	mkfifo "$T/$name.in" "$T/$name.out"
	python3 "$PAWL_SOURCE/tests/lib/odd_server.py" --root "$T" "$@" \
		<"$T/$name.in" >"$T/$name.out" &
	exec {fd}>"$T/$name.in"
	ODD_FDS+=("$fd")
	read -r line port <"$T/$name.out"
	printf -v "$name" %s "$port"
	[ "$line" = PORT ]
}

odd_world() {
	odd_world_make "$@" && return
	echo "not ok - the world cannot be made"
	exit 1
}

odd_world_make() {
	odd_start ODD_PORT "$@" || return
	BASE=http://127.0.0.1:$ODD_PORT/
	# shellcheck disable=SC2034 # read by hostile.sh
	URL=${BASE}now/w/public/
	hostile_world || return
	# Tests wait for what a device would wait for longer.
	device_add "$T/kept/dev" repository "low-speed-seconds = 3"
	hostile_case
}

# odd_url WORD...: "cut,100" becomes /~cut,100/ in front of the repository's path.
odd_url() {
	local words=
	[ $# -eq 0 ] || words=$(printf '~%s/' "$@")
	device_set "$D" url "${BASE}${words}now/w/public/"
}

odd_log() {
	curl -s "${BASE}log"
}

odd_sent() {
	odd_log | jq --arg t "$1" '[.[] | select(.path | contains($t)) | .sent] | add // 0'
}

odd_count() {
	odd_log | jq --arg t "$1" '[.[] | select(.path | contains($t))] | length'
}

odd_forget() {
	curl -s -X DELETE "${BASE}log"
}

# odd_certs: certificates in T/certs (see --make-certs), once.
odd_certs() {
	[ -d "$T/certs" ] || python3 "$PAWL_SOURCE/tests/lib/odd_server.py" --make-certs "$T/certs"
}
