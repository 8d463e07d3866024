#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a checkout of the public TUF conformance suite against tuf-client.
# Usage: conformance.sh SUITE_DIR [PYTEST_OPTION...]
#   TUF_CLIENT  the client (default: $O/tests/tuf-client/tuf-client, O=build)
#   VENV        folder of the Python environment (default: $O/conformance-venv)
# Needs python3 with venv, and faketime. Nothing but the suite's own Python
# dependencies is installed; the suite itself is not downloaded.
set -eu

if [ $# -lt 1 ] || [ ! -f "$1/pyproject.toml" ]; then
	echo "usage: $0 SUITE_DIR: a checkout of theupdateframework/tuf-conformance" >&2
	exit 2
fi
suite=$1
shift
O=${O:-build}
client=${TUF_CLIENT:-$O/tests/tuf-client/tuf-client}
venv=${VENV:-$O/conformance-venv}

if [ ! -x "$client" ]; then
	echo "$client is not there: run \`make O=$O tuf-client\` first" >&2
	exit 2
fi
if ! command -v faketime >/dev/null; then
	echo "faketime is not there: the suite moves the client's clock with it" >&2
	exit 2
fi
if [ -e "$client.xfails" ]; then
	echo "$client.xfails exists: no failure is expected here" >&2
	exit 2
fi
if [ ! -x "$venv/bin/pytest" ]; then
	python3 -m venv "$venv"
	"$venv/bin/pip" install --quiet --disable-pip-version-check -e "$suite"
fi
exec "$venv/bin/pytest" -q -p no:cacheprovider "$suite/tuf_conformance" --entrypoint "$client" "$@"
