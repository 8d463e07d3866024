#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# pawl doctor: it changes nothing; --repair puts right what it can, once, with a record, and leaves
# alone what must be guessed. Also the watchdog of a trial, on a file.
# shellcheck disable=SC2016 # eval expands what stands in single quotes
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
hostile_begin

holds() {
	p status --json | jq -e "$1" >/dev/null || {
		p status
		return 1
	}
}

# What doctor may repair; the state and the journal are the agent's own.
media() {
	cat "$D"/dev/env-* "$D"/dev/mmcblk0p1 "$D/var/lib/pawl/tryboot-trial" 2>/dev/null | sha256sum
}

# records WHAT OUTCOME: how many the journal has
records() {
	p journal show --json | jq -s --arg w "$1" --arg o "$2" \
		'map(select(.evt == "boot.repaired" and .out == $o and .data.what == $w)) | length'
}

# looks NAME STATUS WORD: doctor says so, and changes nothing
looks() {
	local before
	before=$(media)
	if [ "$2" = 0 ]; then
		tap_check "$1: doctor" eval "p doctor | grep -qF -e '$3'"
	else
		tap_refuse "$1: doctor" "$2" "$3" p doctor
	fi
	tap_check "$1: doctor alone changes nothing" test "$before" = "$(media)"
}

# repairs NAME WHAT WORD: --repair says WORD and records it; once more, it has nothing to do
repairs() {
	local after
	p doctor --repair >"$T/said" 2>&1
	tap_check "$1: --repair says what it did" grep -q "^repaired .*$3" "$T/said"
	tap_check "$1: it is recorded" eval "[ \$(records $2 intent) = 1 ] && [ \$(records $2 ok) = 1 ]"
	after=$(media)
	p doctor --repair >"$T/said" 2>&1
	tap_check "$1: the second time nothing is left" test "$after" = "$(media)"
	tap_check "$1: nor said" eval '! grep -q "^repaired" "$T/said"'
	tap_check "$1: the journal verifies" p journal verify
}

# refuses NAME WHAT WORD: --repair leaves everything as it is, and says why
refuses() {
	local before
	before=$(media)
	tap_refuse "$1: --repair leaves it alone" 44 "$3" p doctor --repair
	tap_check "$1: nothing was changed" test "$before" = "$(media)"
	tap_check "$1: that is recorded" eval "[ \$(records $2 fail) -ge 1 ]"
}

defaults() {
	printf 'bootcmd=run pawl\nbootdelay=0\npawl_slot=A\n' >"$D/etc/u-boot-initial-env"
}

# environment LINE...: both copies hold these
environment() {
	printf '%s\n' "$@" | mkenvimage -r -s 0x4000 -o "$D/dev/env-0" -
	cp "$D/dev/env-0" "$D/dev/env-1"
}

spoil() {
	printf X | dd of="$D/dev/env-$1" bs=1 seek=30 conv=notrunc status=none
}

# What a restart does where doctor must say the rest: the loader reads what is there now.
restart() {
	p sim boot >/dev/null 2>&1
	grep -q 'pawl.slot=A' "$D/proc/cmdline"
}

identity() {
	sed 's/.*pawl.id=\([0-9a-f]*\).*/\1/' "$D/proc/cmdline"
}

# --- Nothing to do -----------------------------------------------------------------------
hostile_case
looks "a good device" 0 "good     identity"
before=$(media)
tap_check "a good device: --repair" eval 'p doctor --repair >"$T/said"'
tap_check "it does nothing" eval '! grep -q repaired "$T/said" && [ "$before" = "$(media)" ]'
tap_check "what is unknown says why it matters and what to do" eval \
	'grep -A2 "^unknown  watchdog" "$T/said" | grep -c "why:\|do:" | grep -qx 2'

# --- One bad copy -----------------------------------------------------------------------------
for copy in 0 1; do
	hostile_case
	spoil $copy
	looks "copy $copy is bad" 0 "1 of 2 copies"
	repairs "copy $copy is bad" copy "from the good one"
	tap_check "copy $copy is good again" eval '! p doctor | grep -q "of 2 copies"'
	tap_check "and the device goes on" eval 'device_boot "$D" && p boot && p health'
done

# --- No valid copy ----------------------------------------------------------------------------
hostile_case
defaults
spoil 0 && spoil 1
looks "both copies are bad" 44 "no copy of the boot environment"
refuses "lost since the boot, or wrong offsets" environment "Reboot; if it stays"
tap_check "the loader falls back to its own defaults" restart
rm "$D/etc/u-boot-initial-env"
refuses "no defaults" environment "u-boot-initial-env"
hostile_case
defaults
spoil 0 && spoil 1 && restart
repairs "both copies are bad" environment "slot A is committed"
tap_refuse "until the reboot the identity is not there" 44 "no pawl.id" p doctor
tap_check "after it all is good" eval 'device_boot "$D" && p boot && p health && p doctor'
tap_check "the defaults are there, too" grep -aq 'bootcmd=run pawl' "$D/dev/env-0"
hostile_case
defaults
spoil 0 && spoil 1 && restart
head -c 16384 /dev/urandom >"$D/dev/env-1"
refuses "something else lies at the offsets" environment "is no environment"
hostile_case
defaults
spoil 0 && spoil 1 && restart
sed -i 's,root=[^ ]*,root=/dev/sdz9,' "$D/proc/cmdline"
tap_refuse "what runs is not clear" 45 "/dev/sdz9" p doctor --repair
tap_check "then nothing is written" eval '[ "$(records environment fail)" = 1 ]'

# Killed at each of its writes: what comes next ends well.
hostile_case
defaults
spoil 0 && spoil 1 && restart
cp -a "$D" "$T/lost"
"$PAWL_BUILD/tests/crash/kill_at" "$T/killed" 0 "$PAWL" --root "$D" --quiet doctor --repair \
	>/dev/null 2>&1
seen=$(sed -n 's/^seen \([0-9]*\) .*/\1/p' "$T/killed")
step=3
[ -z "${PAWL_LONG:-}" ] || step=1
bad=0
for n in $(seq 1 $step "$seen"); do
	rm -rf "$D" && cp -a "$T/lost" "$D"
	"$PAWL_BUILD/tests/crash/kill_at" "$T/killed" "$n" "$PAWL" --root "$D" --quiet doctor --repair \
		>/dev/null 2>&1
	[ $? -eq 137 ] || bad=$((bad + 1))
	p doctor --repair >/dev/null 2>&1
	device_boot "$D" >/dev/null && p boot >/dev/null && p doctor >/dev/null &&
		p journal verify >/dev/null || bad=$((bad + 1))
done
tap_check "killed at its writes (1 of $step of $seen), the next --repair ends it" eval \
	'[ $bad = 0 ] && [ "$seen" -gt 30 ]'

# --- Identity -------------------------------------------------------------------------------------
hostile_case
environment 'bootcmd=run pawl' && restart
looks "nothing of Pawl in the environment" 44 "holds nothing of Pawl"
repairs "nothing of Pawl in the environment" identity "reboot now"
tap_check "after the reboot all is good" eval 'device_boot "$D" && p boot && p health && p doctor'
hostile_case
environment 'pawl_slot=A' 'pawl_fallback=B' && restart
repairs "no identity" identity "slot A"
tap_check "what was there stays" eval 'grep -aq pawl_fallback=B "$D/dev/env-0"'
hostile_case
environment 'pawl_slot=A' "pawl_id=0123456789abcdef0123456789abcdef"
looks "another environment than the loader's" 44 "different environments"
refuses "another environment than the loader's" identity "CONFIG_ENV_OFFSET"
hostile_case
environment 'bootcmd=other'
refuses "a blank one, and the loader has an identity" identity "compare device"

# --- Trials -----------------------------------------------------------------------------------------
hostile_case
environment 'pawl_slot=A' 'pawl_trial=B' 'pawl_tries=3' "pawl_id=$(identity)"
looks "a trial that nobody knows" 54 "slot B is to be tried 3"
repairs "a trial that nobody knows" trial "slot A stays"
tap_check "A boots" eval '[ "$(device_boot "$D")" = A ] && p boot && p doctor'
hostile_case
device_add "$D" policy "reboot = never"
tap_check "a release waits for its reboot" eval 'p poll --now && holds .trial_waits'
before=$(media)
tap_check "its trial is not touched" eval 'p doctor --repair && [ "$before" = "$(media)" ]'
# The copy that does not hold the trial: without it nothing is lost.
if grep -aq pawl_trial=B "$D/dev/env-0"; then spoil 1; else spoil 0; fi
p doctor --repair >"$T/said"
tap_check "nor by the repair of a copy" eval \
	'grep -q "^repaired" "$T/said" && [ "$(device_boot "$D")" = B ] && p boot && p health'

# --- State --------------------------------------------------------------------------------------------
hostile_case
echo '{' >"$D/var/lib/pawl/state.json"
tap_refuse "a broken state" 54 "state.json" p doctor
tap_check "--repair makes it anew" eval 'p doctor --repair | grep -q "^repaired state"'
tap_check "and it is good" p doctor

# --- Journal ------------------------------------------------------------------------------------------
# bad_record: the first record that names the boot was changed
bad_record() {
	local file
	file=$(grep -l '"boot.booted"' "$D"/var/lib/pawl/journal/* | head -n 1)
	sed -i '0,/"boot.booted"/s//"boot.bootee"/' "$file"
}

hostile_case
tap_check "a record is changed" bad_record
tap_refuse "a broken journal" 55 "journal folder" p doctor
tap_refuse "--repair does not make it good" 55 "E_JOURNAL" p doctor --repair
tap_check "updates go on" eval 'p poll --now && [ "$(device_boot "$D")" = B ] && p boot && p health'

# --- autoboot.txt -----------------------------------------------------------------------------------
firmware() {
	python3 "$PAWL_SOURCE/tests/lib/pi_firmware.py" "$@"
}

pi_case() {
	hostile_case
	firmware make "$D" &&
		device_set "$D" loader tryboot &&
		device_add "$D" boot "autoboot = /dev/mmcblk0p1" &&
		device_add "$D" boot "partition-a = 2" &&
		device_add "$D" boot "partition-b = 3" &&
		device_add "$D" boot "reboot-command = /reboot" &&
		firmware boot "$D" >/dev/null && p boot >/dev/null && p health >/dev/null
	FACTORY=$(media)
}

pi_case
sed -i 's/boot_partition=3/boot_partition=2/' "$D/dev/mmcblk0p1"
looks "autoboot.txt in two minds" 44 "two minds"
repairs "autoboot.txt in two minds" autoboot "tries the other"
tap_check "it is as the factory made it" test "$FACTORY" = "$(media)"
pi_case
device_add "$D" policy "reboot = never"
p poll --now && sed -i 's/boot_partition=3/boot_partition=2/' "$D/dev/mmcblk0p1"
repairs "two minds while a trial waits" autoboot "tries the other"
tap_check "the trial waits on" eval 'holds .trial_waits && p reboot && [ "$(firmware boot "$D")" = B ]'
pi_case
echo 'trial=C' >"$D/var/lib/pawl/tryboot-trial"
looks "a trial of another form" 44 "tryboot-trial"
repairs "a trial of another form" trial-file "unreadable"
tap_check "all is good" p doctor

# --- The watchdog of a trial ---------------------------------------------------------------------
# fed BYTE: the last byte that the device got
fed() {
	[ "$(head -c 1 "$D/dev/watchdog0")" = "$1" ]
}

hostile_case
printf '[watchdog]\ndevice = /dev/watchdog0\ntimeout = 70\n' >>"$D/etc/pawl/pawl.conf"
tap_refuse "a watchdog that is not there" 10 "watchdog0" p doctor
: >"$D/dev/watchdog0"
tap_check "doctor knows it" eval 'p doctor | grep -q "^good *watchdog"'
tap_check "it is not touched at rest" eval 'p boot && p health && p poll --now && [ ! -s "$D/dev/watchdog0" ]'
tap_check "a trial begins" eval '[ "$(device_boot "$D")" = B ] && p boot'
tap_check "boot has started it" fed .
: >"$D/dev/watchdog0"
tap_check "the commit stops it" eval 'p health && fed V'
hostile_case
printf '[watchdog]\ndevice = /dev/watchdog0\ntimeout = 70\nafter-commit = leave\n' >>"$D/etc/pawl/pawl.conf"
: >"$D/dev/watchdog0"
p poll --now && device_boot "$D" >/dev/null && p boot >/dev/null 2>&1
: >"$D/dev/watchdog0"
tap_check "or leaves it running" eval 'p health && fed .'
tap_end
