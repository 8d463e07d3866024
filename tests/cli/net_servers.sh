#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The same updates from different web servers: what is fetched, and with how many requests, by each
# server's own log. nginx over HTTP/1.1 is the measure for the others.
# shellcheck disable=SC2016 # eval expands what stands in single quotes
set -u
PATH=$PATH:/usr/sbin:/sbin
# shellcheck source=tests/lib/chain.sh
. "${PAWL_SOURCE:?}/tests/lib/chain.sh"
# shellcheck source=tests/lib/server.sh
. "$PAWL_SOURCE/tests/lib/server.sh"
clean() {
	server_stop
	[ -z "${ODD:-}" ] || exec {ODD}>&-
	chain_clean
}
trap clean EXIT

chain_make 4
LOG=$T/server/range.log

# --- Servers: start NAME sets URL and CA; their log becomes $T/log: PROTOCOL STATUS BYTES RANGE PATH
start() {
	CA=$T/server/ca.pem
	case $1 in
	nginx-1.1) server_start "$T/server" "$P" ;;
	nginx-2) server_start "$T/server" "$P" http2 ;;
	lighttpd-1.1) server_lighttpd "$T/server" "$P" plain && CA= ;;
	lighttpd-2) server_lighttpd "$T/server" "$P" ;;
	odd) odd_server ;;
	esac || return
	[ "$1" = odd ] || URL=$SERVER_URL
}

odd_server() {
	local line port
	CA=
	rm -f "$T"/odd.in "$T"/odd.out
	mkfifo "$T/odd.in" "$T/odd.out" || return
	python3 "$PAWL_SOURCE/tests/lib/odd_server.py" --root "$P" <"$T/odd.in" >"$T/odd.out" &
	exec {ODD}>"$T/odd.in"
	read -r line port <"$T/odd.out"
	BASE=http://127.0.0.1:$port/
	[ "$line" = PORT ]
}

# log_take: what was asked since the last time; ends the server, so that its log is whole
log_take() {
	if [ -n "${ODD:-}" ]; then
		curl -s "${BASE}log" | jq -r '.[] |
			"HTTP/1.1 \(.status) \(.sent) \"\(.range // "-")\" \(.path | sub("^(/~[^/]*)*"; ""))"' \
			>"$T/log"
		curl -s -X DELETE "${BASE}log"
	else
		server_stop
		awk '$NF ~ "^/" { sub(" [^ ]+", ""); print }' "$LOG" >"$T/log"
		rm -f "$LOG"
	fi
}

# asked FIELD: lines of the log for this object of release 4
asked() {
	grep -F "/$(basename "$(of "$1")")" "$T/log"
}

sum() {
	awk '{ sum += $3 } END { print sum + 0 }'
}

# every range is one of its own: S3 and Azure refuse more
single_ranges() {
	grep -q '"bytes=' "$T/log" && ! grep -q '"bytes=[^"]*,' "$T/log"
}

# --- One round -------------------------------------------------------------------------------------------
# install FROM [bare]: a device on that release polls
install() {
	device_at "$@" >/dev/null || return
	p poll --now
}

# round NAME SERVER PROTOCOL: a device two releases back, or DEVICE
round() {
	local name=$1 server=$2 protocol=$3
	if ! start "$server"; then
		tap_result 1 "$name: the server starts"
		return
	fi
	[ "$server" != odd ] || URL=$BASE$WORDS
	# shellcheck disable=SC2086 # a release and a word
	tap_check "$name: a device on release ${DEVICE:-2} updates" install ${DEVICE:-2}
	tap_check "$name: it is there, byte for byte" arrived 4
	log_take
	cp "$T/log" "$T/$server.log"
	tap_check "$name: over $protocol alone" eval '! grep -v "^'"$protocol"'" "$T/log"'
	[ "$server" = odd ] || tap_check "$name: single ranges" single_ranges
	measure >"$T/now"
	if [ -e "$T/measure" ] && [ -z "${EXCUSED:-}" ]; then
		tap_check "$name: the same bytes and requests as from nginx" diff "$T/measure" "$T/now"
	fi
	[ -e "$T/measure" ] || cp "$T/now" "$T/measure"
}

# measure: requests and bytes of each kind of object
measure() {
	local field
	for field in rootfs.leaves rootfs.index rootfs.data.frames rootfs.data rootfs.full \
		apps.leaves apps.index apps.data.frames apps.data apps.full logo.leaves logo.data logo.full; do
		printf '%s %s %s\n' "$field" "$(asked $field | wc -l)" "$(asked $field | sum)"
	done
}

# few_requests: an update over two releases takes at most three requests for data, and none for full
few_requests() {
	[ "$(asked rootfs.data | wc -l)" -le 3 ] && [ "$(asked rootfs.data | wc -l)" -ge 1 ] &&
		[ "$(asked apps.data | wc -l)" -le 3 ] && [ "$(asked rootfs.full | wc -l)" -eq 0 ] &&
		[ "$(asked logo.data | wc -l)" -eq 0 ]
}

# half NUMBER NUMBER: the first is at most half of the second
half() {
	[ $((2 * $1)) -le "$2" ]
}

round "nginx, HTTP/1.1" nginx-1.1 HTTP/1.1
tap_check "nginx, HTTP/1.1: few requests, only for what is missing" few_requests
tap_check "nginx, HTTP/1.1: less than half of data was sent" half "$(asked rootfs.data | sum)" \
	"$(stat -c %s "$P/$(of rootfs.data)")"
round "nginx, HTTP/2" nginx-2 HTTP/2.0
round "lighttpd, HTTP/1.1" lighttpd-1.1 HTTP/1.1
round "lighttpd, HTTP/2" lighttpd-2 HTTP/2.0

# Further back, nearer, and a device that does not know what it runs.
if [ -n "${PAWL_LONG:-}" ]; then
	for DEVICE in 1 3 "2 bare"; do
		rm "$T/measure"
		for server in nginx-1.1 nginx-2 lighttpd-1.1 lighttpd-2; do
			protocol=HTTP/${server#*-}
			[ "$protocol" = HTTP/1.1 ] || protocol=HTTP/2.0
			round "$server" "$server" "$protocol"
		done
	done
	DEVICE=2
	rm "$T/measure"
	round "nginx, HTTP/1.1, once more" nginx-1.1 HTTP/1.1
fi

# --- Servers that can less --------------------------------------------------------------------------------
# Each answer comes 200 ms late: requests are what costs.
WORDS="~late,200/"
begin=$(date +%s%N)
round "200 ms of latency" odd HTTP/1.1
took=$((($(date +%s%N) - begin) / 1000000))
asked_all=$(wc -l <"$T/log")
tap_check "200 ms of latency: at most 24 requests in all" [ "$asked_all" -le 24 ]
tap_check "200 ms of latency: they were waited for" [ "$took" -ge $((asked_all * 200)) ]

# No ranges: data comes as one stream, what is not needed of it is thrown away.
exec {ODD}>&-
WORDS="~no-range/"
EXCUSED=1 round "no ranges" odd HTTP/1.1
tap_check "no ranges: no object is fetched twice" eval \
	'[ -z "$(grep -F /objects/ "$T/log" | awk "{ print \$NF }" | sort | uniq -d)" ]'
tap_check "no ranges: nothing was answered in part" eval '! grep -q "^[^ ]* 206" "$T/log"'

tap_end
