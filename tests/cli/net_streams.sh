#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sixteen streams of one object that wait most of the time: right bytes, one request each, and
# bounded memory, over HTTP/1.1 and HTTP/2 (with streams that share a connection libcurl would
# receive 70 MiB into memory); and servers that close what nobody reads.
set -u
: "${PAWL_SOURCE:?}" "${PAWL_BUILD:?}"
PATH=$PATH:/usr/sbin:/sbin
# shellcheck source=tests/lib/tap.sh
. "$PAWL_SOURCE/tests/lib/tap.sh"
# shellcheck source=tests/lib/server.sh
. "$PAWL_SOURCE/tests/lib/server.sh"

T=$(realpath "$(mktemp -d)")
clean() {
	server_stop
	rm -rf "$T"
}
trap clean EXIT

if [ ! -x "$PAWL_BUILD/tests/net/streams" ]; then
	tap_skip "streams" "this build has no HTTP"
	tap_end
	exit
fi

SIZE=$((32 * 1024 * 1024))
[ -z "${PAWL_LONG:-}" ] || SIZE=$((256 * 1024 * 1024))
COUNT=16
mkdir "$T/www"
head -c $SIZE /dev/urandom >"$T/www/object"
split -b $((SIZE / COUNT)) --filter='sha256sum' "$T/www/object" | cut -d' ' -f1 >"$T/want"

# A device has all of Debian's authorities and this one.
authorities() {
	cat /etc/ssl/certs/ca-certificates.crt "$T/server/ca.pem" 2>/dev/null >"$T/ca.pem"
}

run() {
	"$PAWL_BUILD/tests/net/streams" "${SERVER_URL}object" "$1" $SIZE $COUNT >"$T/got"
}

same() {
	tail -n +2 "$T/got" | diff - "$T/want"
}

# within RSS ANONYMOUS: KiB
within() {
	local begin rss anonymous
	read -r begin rss anonymous <"$T/got"
	[ "$rss" -le "$1" ] && [ "$anonymous" -le "$2" ] && return
	echo "RSS $begin, then $rss KiB, $anonymous of them anonymous"
	return 1
}

# requests PROTOCOL: one for each stream, over a connection of its own
requests() {
	[ "$(grep -c "^$1 .*/object" "$T/server/range.log")" -eq $COUNT ] &&
		[ "$(awk '$NF == "/object" { print $2 }' "$T/server/range.log" | sort -u | wc -l)" -eq $COUNT ]
}

round() {
	local name=$1 protocol=$2 ca=$3
	tap_check "$name: all streams are read to their ends" run "$ca"
	tap_check "$name: the bytes are right" same
	tap_check "$name: RSS and anonymous memory" within 20480 8192
	server_stop
	tap_check "$name: one request for each" requests "$protocol"
	rm -f "$T/server/range.log"
}

server_start "$T/server" "$T/www"
authorities
round "HTTP/1.1" HTTP/1.1 "$T/ca.pem"
server_start "$T/server" "$T/www" http2
round "HTTP/2" HTTP/2.0 "$T/ca.pem"
server_lighttpd "$T/server" "$T/www"
round "HTTP/2, lighttpd" HTTP/2.0 "$T/ca.pem"

tap_end
