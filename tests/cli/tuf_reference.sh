#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What pawl-repo publishes is TUF: the reference client (python-tuf) accepts it, over HTTP, at first
# and after every kind of change. Long version only (it installs python-tuf with pip); the short
# version checks the same trees with Python's json and openssl.
set -u
. tests/lib/tap.sh
. tests/lib/publisher.sh

server_pid=
stop() {
	[ -z "$server_pid" ] || kill "$server_pid"
	rm -rf "$T"
}
trap stop EXIT

# Sets url; port 0 lets the kernel choose.
serve() {
	: >"$T/server.log"
	python3 -u -m http.server --bind 127.0.0.1 --directory "$W/public" 0 \
		>"$T/server.log" 2>&1 &
	server_pid=$!
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		url=$(sed -n 's/^Serving HTTP on .*(\(http.*\)).*/\1/p' "$T/server.log")
		[ -z "$url" ] || return 0
		sleep 0.3
	done
	return 1
}

install_client() {
	[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
	"$venv/bin/python" -c 'import tuf' 2>/dev/null ||
		"$venv/bin/pip" install --quiet --disable-pip-version-check 'tuf>=6' 'securesystemslib[crypto]'
}

# accepted NAME [TARGET...]: by a device that follows since the first root, and by a new one
accepted() {
	accepted_name=$1
	shift
	tap_check "$accepted_name: right by json and openssl alone" good
	[ "${PAWL_LONG:-0}" = 1 ] || return 0
	cp "$W/root.json" "$T/newest-root.json"
	rm -rf "$T/new"
	tap_check "$accepted_name: python-tuf follows from root 1" \
		"$venv/bin/python" tests/lib/tuf_reference.py "$T/old" "$url" "$T/first-root.json" "$@"
	tap_check "$accepted_name: python-tuf starts at the newest root" \
		"$venv/bin/python" tests/lib/tuf_reference.py "$T/new" "$url" "$T/newest-root.json" "$@"
}

tap_check "init" repo init --product demo
cp "$W/root.json" "$T/first-root.json"
serve
tap_result $? "a server runs"
venv=${PAWL_BUILD:-$T}/tuf-venv
[ "${PAWL_LONG:-0}" != 1 ] || tap_check "python-tuf is there" install_client
accepted "empty repository"
stage 1.0
tap_check "publish" repo publish
accepted "first release" demo/stable.json demo/releases/1.json
stage 1.1 --channel stable --channel beta
tap_check "publish again" repo publish
accepted "second release" demo/stable.json demo/beta.json demo/releases/1.json demo/releases/2.json
tap_check "hold" repo hold 2
tap_check "cap" repo cap stable 10
accepted "hold and cap" demo/stable.json
tap_check "withdraw" repo withdraw 1
accepted "withdrawal" demo/releases/1.json
for key in "root 1" "root 2" "root 3" release online; do
	# shellcheck disable=SC2086 # two words
	tap_check "rotate $key" repo rotate $key
	accepted "after rotating $key" demo/stable.json demo/releases/2.json
done
stage 1.2
tap_check "publish with the new keys" repo publish
accepted "third release" demo/stable.json demo/releases/3.json

if [ "${PAWL_LONG:-0}" = 1 ]; then
	# The client does refuse: else what it accepts would say nothing.
	sed -i 's/"release":3/"release":4/' "$W"/public/metadata/*.targets.json
	rm -rf "$T/new"
	tap_refuse "python-tuf refuses a changed targets file" 1 "" "$venv/bin/python" \
		tests/lib/tuf_reference.py "$T/new" "$url" "$T/first-root.json" demo/stable.json
fi
tap_end
