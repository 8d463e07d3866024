#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The shipped health checks, with commands of our own in place of the system's.
# shellcheck disable=SC2016 # scripts of fake commands are not for this shell to expand
set -u
# shellcheck source=tests/lib/tap.sh
. "${PAWL_SOURCE:?}/tests/lib/tap.sh"

checks=$PAWL_SOURCE/hooks/health.d
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bin=$work/bin
mkdir -p "$bin" "$work/etc/pawl" "$work/data" "$work/run/systemd/timesync"
conf=$work/etc/pawl/health.conf

# Only these of the system, and what fake makes. No links: writing to one would change the system.
for tool in cat rm grep; do
	printf '#!/bin/sh\nexec %s "$@"\n' "$(command -v $tool)" >"$bin/$tool"
	chmod 755 "$bin/$tool"
done

# fake NAME SCRIPT: a command of that name
fake() {
	printf '#!/bin/sh\n%s\n' "$2" >"$bin/$1"
	chmod 755 "$bin/$1"
}

# without NAME...: no such commands
without() {
	for name in "$@"; do
		rm -f "$bin/$name"
	done
}

# run CHECK [NAME=VALUE...]: in the environment that the agent makes
run() {
	check=$1
	shift
	env -i PATH="$bin" PAWL_ROOT="$work" PAWL_DATA="$work/data" "$@" "$checks/$check"
}

# --- disk ------------------------------------------------------------------------
fake df 'echo "Filesystem 1024-blocks Used Available Capacity Mounted"
echo "/dev/x 10000 1 9000 1% /data"'
: >"$conf"
tap_check "disk: written and read again, room left" run disk
tap_check "disk: leaves no probe behind" test ! -e "$work/data/.pawl-health"
echo "DISK_FREE_KIB=9001" >"$conf"
tap_refuse "disk: too little room is bad" 1 "has 9000 KiB left" run disk
echo "DISK_PATHS='$work/data $work/nowhere'" >"$conf"
tap_refuse "disk: a folder that is not there is bad" 1 "nowhere cannot be written" run disk
: >"$conf"
mkdir "$work/data/.pawl-health"
tap_refuse "disk: a probe that cannot be made is bad" 1 "cannot be written" run disk
rmdir "$work/data/.pawl-health"
fake df 'exit 1'
tap_refuse "disk: no answer from df is bad" 1 "0 KiB left" run disk
: >"$conf"

# --- units -----------------------------------------------------------------------
tap_refuse "units: without systemd there is nothing to check" 0 "no systemd" run units
fake systemctl 'case $1 in list-units) ;; show) echo ActiveState=active ;; esac'
tap_check "units: nothing failed" run units
fake systemctl 'case $1 in list-units) echo "a.service loaded failed failed A"
echo "b.service loaded failed failed B" ;; esac'
tap_refuse "units: failed ones are named" 1 "failed: a.service b.service" run units
fake systemctl 'case $1 in list-units) echo "pawl-poll.service loaded failed failed A" ;; esac'
tap_check "units: the agent's own are not judged here" run units
fake systemctl 'case $1 in list-units) echo "a.service loaded failed failed A"
echo "b.service loaded failed failed B" ;; esac'
echo "UNITS_IGNORE='b.service'" >"$conf"
tap_refuse "units: but for those to ignore" 1 "failed: a.service" run units
echo "UNITS_IGNORE='b.service a.service'" >"$conf"
tap_check "units: all failed ones are to be ignored" run units
echo "UNITS='x.service y.service'" >"$conf"
fake systemctl 'case $1 in list-units) ;; show) echo ActiveState=active ;; esac'
tap_check "units: named ones are active" run units
fake systemctl 'case $1 in list-units) ;; show) [ "$3" = x.service ] &&
echo ActiveState=activating || echo ActiveState=active ;; esac'
tap_refuse "units: one that starts is not yet" 75 "x.service is starting" run units
fake systemctl 'case $1 in list-units) ;; show) [ "$3" = x.service ] &&
echo ActiveState=activating || echo ActiveState=inactive ;; esac'
tap_refuse "units: one that is inactive is bad" 1 "y.service is inactive" run units
fake systemctl 'echo "Failed to connect to bus"; exit 1'
tap_refuse "units: no answer from systemd is not yet" 75 "Failed to connect" run units
: >"$conf"

# --- gateway ---------------------------------------------------------------------
tap_refuse "gateway: without ip it cannot be told" 1 "no command ip" run gateway
fake ip 'exit 0'
fake ping 'exit 1'
tap_refuse "gateway: no route is not yet" 75 "no default route" run gateway
fake ip 'case "$*" in "-4 route"*) echo "default via 192.0.2.1 dev eth0" ;; esac'
tap_refuse "gateway: one that is silent is not yet" 75 "gateway 192.0.2.1" run gateway
fake ping '[ "$5" = 192.0.2.1 ]'
tap_check "gateway: one that answers is good" run gateway
fake ping 'exit 1'
fake ip 'case "$*" in "-4 route"*) echo "default via 192.0.2.1 dev eth0" ;;
"neigh show 192.0.2.1") echo "192.0.2.1 dev eth0 lladdr 02:00:00:00:00:01 REACHABLE" ;; esac'
tap_check "gateway: a known neighbour is good" run gateway
fake ip 'case "$*" in "-4 route"*) echo "default via 192.0.2.1 dev eth0" ;;
"neigh show 192.0.2.1") echo "192.0.2.1 dev eth0 FAILED" ;; esac'
tap_refuse "gateway: a failed neighbour is not" 75 "no answer" run gateway
fake ip 'case "$*" in "-6 route"*) echo "default via fe80::1 dev eth0 metric 1" ;; esac'
fake ping '[ "$5" = fe80::1 ]'
tap_check "gateway: IPv6 alone is enough" run gateway
fake ip 'case "$*" in "-4 route"*) echo "default dev ppp0 scope link" ;; esac'
fake ping 'exit 1'
tap_check "gateway: a modem has none" run gateway

# --- clock -----------------------------------------------------------------------
tap_refuse "clock: nothing knows of it, so not yet" 75 "not synchronised" run clock
: >"$work/run/systemd/timesync/synchronized"
tap_check "clock: systemd-timesyncd says so" run clock
rm "$work/run/systemd/timesync/synchronized"
fake timedatectl 'echo NTPSynchronized=no'
tap_refuse "clock: timedatectl says no" 75 "not synchronised" run clock
fake timedatectl 'echo NTPSynchronized=yes'
tap_check "clock: timedatectl says yes" run clock
without timedatectl
fake chronyc 'echo "Leap status     : Not synchronised"'
tap_refuse "clock: chrony says no" 75 "not synchronised" run clock
fake chronyc 'echo "Leap status     : Normal"'
tap_check "clock: chrony says yes" run clock

# --- server ----------------------------------------------------------------------
tap_refuse "server: none is configured" 0 "no server" run server
server=PAWL_SERVER=https://updates.example/repo/
tap_refuse "server: neither curl nor wget" 1 "neither curl nor wget" run server $server
fake curl 'for last; do :; done; [ "$last" = https://updates.example/repo/metadata/timestamp.json ]'
tap_check "server: curl asks for the timestamp" run server $server
fake curl 'echo "curl: (7) refused" >&2; exit 7'
tap_refuse "server: no answer is not yet" 75 "does not answer" run server $server
without curl
fake wget 'for last; do :; done; [ "$last" = https://updates.example/repo/metadata/timestamp.json ]'
tap_check "server: wget does as well" run server $server
tap_refuse "server: something else than http is bad" 1 "not an http" run server PAWL_SERVER=-K/etc/x
echo "SERVER_URL=http://other.example/x" >"$conf"
fake wget 'for last; do :; done; [ "$last" = http://other.example/x ]'
tap_check "server: another address by configuration" run server $server
echo "SERVER_CA=/ca.pem" >"$conf"
fake curl 'case "$*" in *"--cacert /ca.pem https://"*) ;; *) exit 1 ;; esac'
tap_check "server: CA file by configuration" run server $server
: >"$conf"

# --- command ---------------------------------------------------------------------
tap_refuse "command: none is configured" 0 "nothing to check" run command
fake app '[ "$1 $2 $#" = "--test * 2" ] || exit 9; exit "${PAWL_WANT:-0}"'
echo "COMMAND='app --test *'" >"$conf"
tap_check "command: gets its arguments, patterns as they are" run command
tap_refuse "command: its status is the verdict" 75 "" run command PAWL_WANT=75
echo "COMMAND='no-such-program'" >"$conf"
tap_refuse "command: one that is not there is bad" 127 "no-such-program" run command

# --- all -------------------------------------------------------------------------
for check in "$checks"/*; do
	name=${check##*/}
	tap_check "$name: is executable" test -x "$check"
	tap_check "$name: is described in hooks/README.md" \
		grep -q "^| \`$name\` |" "$PAWL_SOURCE/hooks/README.md"
done
for link in "$PAWL_SOURCE"/hooks/health/*.d/*; do
	tap_check "${link##*/hooks/}: leads to a check" test -f "$link"
done
# What git ignores is in no clone: the checks were lost like that once.
if git -C "$PAWL_SOURCE" rev-parse --git-dir >/dev/null 2>&1; then
	tap_check "git ignores none of them" sh -c \
		"! git -C '$PAWL_SOURCE' check-ignore hooks/health.d/* hooks/health/*.d/*"
fi
tap_end
