#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Redirects to where nobody may be led (CVE-2019-3462): refused, and no token goes along.
# shellcheck disable=SC2015,SC2016,SC2034 # eval expands what stands in single quotes
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
# shellcheck source=tests/lib/odd.sh
. "$PAWL_SOURCE/tests/lib/odd.sh"
# shellcheck disable=SC2119 # no options
odd_world
odd_certs || exit
odd_start TLS --tls "$T/certs/server.pem" "$T/certs/server.key" &&
	odd_start FAR --tls "$T/certs/server.pem" "$T/certs/server.key" || exit

NEAR=https://127.0.0.1:$TLS
TOKEN=s3cr3t-token-of-this-device

# A device that uses https, and shows a token.
token_case() {
	hostile_case
	printf '%s\n' "$TOKEN" >"$D/etc/pawl/token"
	sed -i '/^allow-http/d' "$D/etc/pawl/pawl.conf"
	cp "$T/certs/ca.pem" "$D/etc/pawl/ca.pem"
	device_add "$D" repository "ca-file = /etc/pawl/ca.pem"
	device_add "$D" repository "token-file = /etc/pawl/token"
	curl -s -X DELETE --cacert "$T/certs/ca.pem" "$NEAR/log"
	curl -s -X DELETE --cacert "$T/certs/ca.pem" "https://127.0.0.1:$FAR/log"
	odd_forget
}

# log_of PORT
log_of() {
	curl -s --cacert "$T/certs/ca.pem" "https://127.0.0.1:$1/log"
}

# shown_a_token PORT NUMBER: so many requests came there with a token.
shown_a_token() {
	local n
	n=$(log_of "$1" | jq '[.[] | select(.authorization)] | length')
	test "$n" "$2" "$3" || {
		echo "$n requests with a token"
		log_of "$1" | jq -c '.[]'
		return 1
	}
}

asked_there() {
	local n
	n=$(log_of "$1" | jq length)
	test "$n" "$2" "$3" || {
		echo "$n requests"
		return 1
	}
}

# led NAME WORD: every file redirects; the poll must end with E_NET.
led() {
	local name=$1 word=$2
	token_case
	device_set "$D" url "$NEAR/~$word/now/w/public/"
	hostile_poll "$name" E_NET --word "${3:-redirect}"
	tap_check "$name: nothing was asked over http" eval '[ "$(odd_log | jq length)" -eq 0 ]'
	tap_check "$name: a bounded number of requests" asked_there "$TLS" -le 4
}

quote() {
	jq -rn --arg t "$1" '$t | @uri'
}

token_case
device_set "$D" url "$NEAR/now/w/public/"
hostile_take "without a redirect the poll succeeds" 2 p poll --now
tap_check "and shows its token" shown_a_token "$TLS" -gt 0

led "to http" "redirect,$(quote "http://127.0.0.1:$ODD_PORT")"
led "to a file" "redirect,$(quote "file://$T")"
led "to ftp" "redirect,$(quote "ftp://127.0.0.1")"
led "to a user at a host" "redirect,$(quote "https://user:word@127.0.0.1:$FAR")"
led "to itself, without end" loop "more than 3 redirects"
led "to nowhere" "location,$(quote "")"
led "to bytes that are no URL" "location,$(quote $'\x01\x02')"
led "with a tab" "location,$(quote $'https://127.0.0.1:1/\tx')"
led "to https on a port that is no number" "location,$(quote "https://127.0.0.1:port/")"

# CR and LF: what follows is a header of the answer, never one of the next request.
token_case
split="https://127.0.0.1:$FAR/now/w/public/"$'\r\n'"Set-Cookie: a=b"
device_set "$D" url "$NEAR/~location,$(quote "$split")/now/w/public/"
hostile_refuse "CR and LF in a Location" E_NOTFOUND -- "$PAWL" --root "$D" poll --now
tap_check "no cookie is kept or sent" eval '! log_of "$FAR" | grep -q cookie'
tap_check "no token went along" shown_a_token "$FAR" -eq 0

# To another origin over https: followed, without the token.
token_case
device_set "$D" url "$NEAR/~redirect,$(quote "https://127.0.0.1:$FAR")/now/w/public/"
hostile_take "to another origin over https" 2 p poll --now
tap_check "the other origin was asked" asked_there "$FAR" -gt 0
tap_check "it saw no token" shown_a_token "$FAR" -eq 0
tap_check "the first one did" shown_a_token "$TLS" -gt 0

# A token and http contradict each other before anything is sent.
token_case
device_set "$D" url "${BASE}now/w/public/"
device_add "$D" repository "allow-http = yes"
tap_refuse "a token over http" 10 "must not go over http" p poll --now
tap_check "nothing was asked" eval '[ "$(odd_log | jq length)" -eq 0 ]'

tap_end
