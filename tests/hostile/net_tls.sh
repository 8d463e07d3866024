#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Certificates that must not be accepted (CVE-2021-22909), and the one exception: a board whose
# clock was never set asks for the signed time first, and never with a token (rauc 353).
# shellcheck disable=SC2015,SC2016,SC2034 # eval expands what stands in single quotes
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
# shellcheck source=tests/lib/odd.sh
. "$PAWL_SOURCE/tests/lib/odd.sh"
# shellcheck disable=SC2119 # no options
odd_world
odd_certs || exit
for name in server selfsigned elsewhere expired future; do
	odd_start "TLS_$name" --tls "$T/certs/$name.pem" "$T/certs/$name.key" \
		--client-ca "$T/certs/ca.pem" || exit
done

# tls_case NAME: the server with that certificate.
tls_case() {
	local port=TLS_$1
	port=${!port}
	hostile_case
	sed -i '/^allow-http/d' "$D/etc/pawl/pawl.conf"
	cp "$T/certs/ca.pem" "$T/certs/client.pem" "$T/certs/client.key" "$D/etc/pawl/"
	device_add "$D" repository "ca-file = /etc/pawl/ca.pem"
	device_set "$D" url "https://127.0.0.1:$port/now/w/public/"
	TLS_LOG=https://127.0.0.1:$port/log
	curl -sk -X DELETE "$TLS_LOG"
}

give_token() {
	echo a-token >"$D/etc/pawl/token"
	device_add "$D" repository "token-file = /etc/pawl/token"
}

give_certificate() {
	device_add "$D" repository "client-cert = /etc/pawl/client.pem"
	device_add "$D" repository "client-key = /etc/pawl/client.key"
}

# Nothing was asked of that server: the handshake already failed.
unasked() {
	local n
	n=$(curl -sk "$TLS_LOG" | jq length)
	[ "$n" -eq 0 ] || {
		echo "$n requests were made"
		return 1
	}
}

# shown FIELD: the server saw it with each request.
shown() {
	curl -sk "$TLS_LOG" | jq -e "length > 0 and all(.[]; $1)" >/dev/null
}

# What is signed now was issued after the start of certificate "future", which is in a year.
sign_in_the_future() {
	forge <<-'PY'
		import datetime
		now = datetime.datetime.now(datetime.timezone.utc)
		issued = (now + datetime.timedelta(days=400)).strftime("%Y-%m-%dT%H:%M:%SZ")
		until = (now + datetime.timedelta(days=425)).strftime("%Y-%m-%dT%H:%M:%SZ")
		for role in ("releases", "targets", "snapshot", "timestamp"):
		    f = r.load(role)
		    f.signed["expires"] = until
		    if "x-issued" in f.signed:
		        f.signed["x-issued"] = issued
		    r.save(f)
	PY
}

tls_case server
hostile_take "a good certificate" 2 p poll --now
for clock in good unset; do
	for name in selfsigned elsewhere expired; do
		tls_case $name
		hostile_clock $clock
		hostile_poll "$name, clock $clock" E_TLS
		tap_check "$name, clock $clock: nothing was asked" unasked
	done
done

tls_case server
: >"$D/etc/pawl/ca.pem"
hostile_poll "an empty file of authorities" E_TLS
tls_case server
sed -i '/^ca-file/d' "$D/etc/pawl/pawl.conf"
hostile_poll "an authority that only the system might know" E_TLS
tap_check "nothing was asked there" unasked

# A request that begins over TLS to a server without it.
tls_case server
device_set "$D" url "https://127.0.0.1:$ODD_PORT/now/w/public/"
hostile_poll "https to a server that has none" E_TLS

# --- Not yet valid ----------------------------------------------------------------------
tls_case future
hostile_poll "not yet valid, and the clock is good" E_TLS
tap_check "nothing was asked" unasked

tls_case future
sign_in_the_future
hostile_clock unset
hostile_take "the clock was never set: signed time first, then the update" 2 p poll --now
tap_check "time was signed by the release key: the floor rose" \
	eval '[ "$(jq .time_floor "$D/var/lib/pawl/state.json")" -gt $(($(date +%s) + 390 * 86400)) ]'

# Without news of the time the second connection is judged by the first rule.
tls_case future
hostile_clock unset
hostile_poll "what is signed is older than the certificate, too" E_TLS \
	--stored "$REFRESHED,targets.json"
tap_check "it was asked for metadata at most" \
	eval '! curl -sk "$TLS_LOG" | jq -e "any(.[]; .path | contains(\"objects\"))" >/dev/null'

for secret in token certificate; do
	tls_case future
	sign_in_the_future
	hostile_clock unset
	give_$secret
	hostile_poll "not yet valid, clock unset, with a $secret" E_TLS
	tap_check "the $secret was not shown" unasked
done
tls_case server
give_token
hostile_take "with a good certificate the token is shown" 2 p poll --now
tap_check "in each request" shown .authorization
tls_case server
give_certificate
hostile_take "so is a client certificate" 2 p poll --now
tap_check "in each connection" shown .cert

tap_end
