#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `make deps` names what is missing, to people who are not root, and touches nothing.
set -u
cd "$PAWL_SOURCE" || exit 1
. tests/lib/tap.sh
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/bin" "$dir/scripts"
cp scripts/deps.sh "$dir/scripts/"
{
	echo "build libc6"
	echo "check pawl-no-such-package"
} >"$dir/scripts/debian-packages.txt"

if ! command -v dpkg-query >/dev/null; then
	tap_skip "deps" "not a Debian system"
	tap_end
	exit
fi
printf '#!/bin/sh\necho 1000\n' >"$dir/bin/id"
printf '#!/bin/sh\necho "apt-get was run"\n' >"$dir/bin/apt-get"
chmod +x "$dir/bin/id" "$dir/bin/apt-get"
as_user() {
	PATH="$dir/bin:$PATH" sh "$dir/scripts/deps.sh" "$@"
}

tap_check "all there: silent success" sh -c "test -z \"\$(sh '$dir/scripts/deps.sh' build)\""
tap_refuse "missing: the line to run" 1 \
	"apt-get install --no-install-recommends pawl-no-such-package" as_user build check
tap_check "nothing was installed" \
	sh -c "! PATH='$dir/bin:$PATH' sh '$dir/scripts/deps.sh' check 2>&1 | grep -q 'was run'"
tap_check "every package has a known group" \
	sh -c "! grep -vE '^(#|(build|check|lint|cross|bench|boot) [a-z0-9.+:-]+$)' scripts/debian-packages.txt"
tap_end
