#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Are the Debian packages of these groups there? Root gets them installed, others are told how.
# usage: deps.sh GROUP...   (groups of debian-packages.txt)
set -eu
list=$(dirname "$0")/debian-packages.txt

if ! command -v dpkg-query >/dev/null; then
	echo "deps: not a Debian system; what is needed is in scripts/debian-packages.txt" >&2
	exit 0
fi

wanted=
for group in "$@"; do
	wanted="$wanted $(sed -n "s/^$group //p" "$list" | tr '\n' ' ')"
done

# What dpkg does not list as installed ("ii") is missing.
find_missing() {
	# shellcheck disable=SC2086 # a list of words
	dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Package}:${Architecture}\n' $wanted \
		2>/dev/null | sed -n 's/^ii *//p' | tr ' ' '\n' | sort -u >"$have"
	for package in $wanted; do
		grep -qxF "$package" "$have" || echo "$package"
	done
}

have=$(mktemp)
trap 'rm -f "$have"' EXIT
missing=$(find_missing | tr '\n' ' ')
[ -n "$missing" ] || exit 0

# Packages of another architecture need that architecture to be known first.
foreign=$(printf '%s\n' "$missing" | tr ' ' '\n' | sed -n 's/.*://p' | sort -u)
if [ "$(id -u)" -ne 0 ]; then
	echo "deps: these packages are missing; as root:" >&2
	for arch in $foreign; do
		echo "  dpkg --add-architecture $arch && apt-get update" >&2
	done
	echo "  apt-get install --no-install-recommends $missing" >&2
	exit 1
fi

export DEBIAN_FRONTEND=noninteractive
for arch in $foreign; do
	dpkg --print-foreign-architectures | grep -qx "$arch" || dpkg --add-architecture "$arch"
done
apt-get update -q
# shellcheck disable=SC2086 # a list of words
apt-get install -q -y --no-install-recommends $missing
