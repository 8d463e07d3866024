#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `pawl install URL` shows the repository's token to the repository alone.
set -u
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
# shellcheck source=tests/lib/odd.sh
. "$PAWL_SOURCE/tests/lib/odd.sh"
# shellcheck disable=SC2119 # no options
odd_world
odd_certs || exit
odd_start HOME_PORT --tls "$T/certs/server.pem" "$T/certs/server.key" &&
	odd_start AWAY_PORT --tls "$T/certs/server.pem" "$T/certs/server.key" || exit

hostile_case
printf 'token-of-this-device\n' >"$D/etc/pawl/token"
sed -i '/^allow-http/d' "$D/etc/pawl/pawl.conf"
cp "$T/certs/ca.pem" "$D/etc/pawl/ca.pem"
device_add "$D" repository "ca-file = /etc/pawl/ca.pem"
device_add "$D" repository "token-file = /etc/pawl/token"
device_set "$D" url "https://127.0.0.1:$HOME_PORT/now/w/public/"

# tokens PORT TEST NUMBER: requests that came there with a token
tokens() {
	local n
	n=$(curl -s --cacert "$T/certs/ca.pem" "https://127.0.0.1:$1/log" |
		jq '[.[] | select(.authorization)] | length')
	test "$n" "$2" "$3" || {
		echo "$n requests with a token"
		return 1
	}
}

tap_check "a bundle elsewhere is installed" p install "https://127.0.0.1:$AWAY_PORT/now/2.pawl"
tap_check "without the token" tokens "$AWAY_PORT" -eq 0
tap_check "a bundle at the repository's host is installed" \
	p install "https://127.0.0.1:$HOME_PORT/now/2.pawl"
tap_check "with it" tokens "$HOME_PORT" -gt 0
says_no_query() {
	local out
	out=$(p install "https://127.0.0.1:$AWAY_PORT/now/none.pawl?signature=s3cr3t" 2>&1)
	case $out in
	*s3cr3t*) echo "$out" && return 1 ;;
	*none.pawl*) return 0 ;;
	*) echo "$out" && return 1 ;;
	esac
}
tap_check "a message names the URL without its query" says_no_query
tap_end
