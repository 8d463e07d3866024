#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Archives that play tricks (MEN-9057, CVE-2023-7216, CVE-2016-5418, CVE-2026-4424,
# CVE-2026-6968), and things that are no bundle (rauc 1452): one clear error before any write.
# shellcheck disable=SC2016 # eval expands what stands in single quotes
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
hostile_world || {
	echo "not ok - the world cannot be made"
	exit 1
}

mkdir "$T/tricks"
python3 "$PAWL_SOURCE/tests/lib/tar_tricks.py" "$T/now/2.pawl" "$T/tricks" >"$T/tricks.list"
hostile_take "the same members written again" 2 p install "$T/tricks/honest"

hostile_case
while IFS=$(printf '\t') read -r status name; do
	case $status in
	'#'*) echo "$status $name" ;;
	*) tap_result "$status" "$name" ;;
	esac
done < <(python3 "$PAWL_SOURCE/tests/lib/refuse_tricks.py" --device "$D" "$T/tricks" \
	<"$T/tricks.list" 2>&1 || printf '1\tthe tricks\n')

# --- No bundle at all --------------------------------------------------------------------
# other NAME CODE COMMAND...: the command makes $T/now/2.pawl
other() {
	local name=$1 code=$2
	shift 2
	rm -rf "$T/now/2.pawl"
	"$@"
	hostile_bundle "$name" "$code" --seconds 10 --word 2.pawl
}

# A typo of the person at the keyboard is answered, not recorded.
rm "$T/now/2.pawl"
hostile_bundle "no file" E_NOTFOUND --word 2.pawl
other "an empty file" E_BUNDLE touch "$T/now/2.pawl"
named=$("$PAWL" --root "$D" install "$T/now/2.pawl" 2>&1 | grep -o '2\.pawl' | wc -l)
tap_result "$((named != 1))" "the message names the file once"
other "one byte" E_BUNDLE sh -c "echo >'$T/now/2.pawl'"
other "a folder" E_BUNDLE mkdir "$T/now/2.pawl"
other "a FIFO" E_BUNDLE mkfifo "$T/now/2.pawl"
other "a symbolic link" E_BUNDLE ln -s "$T/kept/2.pawl" "$T/now/2.pawl"
other "a link that leads nowhere" E_BUNDLE ln -s nowhere "$T/now/2.pawl"
other "a link to itself" E_BUNDLE ln -s 2.pawl "$T/now/2.pawl"
for device in /dev/zero /dev/null /dev/full; do
	hostile_refuse "$device" E_BUNDLE --seconds 10 -- "$PAWL" --root "$D" install "$device"
done
rm -rf "$T/now/2.pawl"
cp "$T/kept/2.pawl" "$T/now/2.pawl"
if [ "$(id -u)" -ne 0 ]; then
	chmod 0 "$T/now/2.pawl"
	hostile_bundle "a file that cannot be read" E_IO --rc none
	chmod 644 "$T/now/2.pawl"
fi
hostile_take "after all of that the good bundle is taken" 2 p install "$T/now/2.pawl"

tap_end
