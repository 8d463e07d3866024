#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# pawl-repo refresh: what is signed again when, and the exit status that cron's mail is made of.
set -u
. tests/lib/tap.sh
. tests/lib/publisher.sh

day=86400
start=1800000000
at() {
	SOURCE_DATE_EPOCH=$((start + $1 * day))
	export SOURCE_DATE_EPOCH
}
versions() {
	for r in root targets releases snapshot timestamp; do
		now_of $r 'j["version"]'
	done | tr '\n' ' '
}
only_online_key() {
	mkdir -p "$T/away"
	mv "$W"/keys/root-?.pem "$W"/keys/release.pem "$T/away/"
}

at 0
repo --quiet init --product demo
only_online_key
at 1
tap_check "the online key is enough" repo refresh
tap_check "only timestamp is signed again" is "$(versions)" "1 1 1 1 2 "
tap_check "for 30 days" is "$(now_of timestamp 'j["expires"]')" \
	"$(date -u -d "@$((start + 31 * day))" +%Y-%m-%dT%H:%M:%SZ)"
tap_check "x-issued is now" is "$(now_of timestamp 'j["x-issued"]')" \
	"$(date -u -d "@$((start + day))" +%Y-%m-%dT%H:%M:%SZ)"
at 181
tap_check "before half of its life" repo refresh
tap_check "the snapshot stays" is "$(versions)" "1 1 1 1 3 "
at 183
tap_check "after half of its life" repo refresh
tap_check "the snapshot is signed again" is "$(versions)" "1 1 1 2 4 "
at 275
tap_check "90 days before the end of targets all is quiet" repo refresh
at 276
tap_refuse "then the status is 16 and says what to do" 16 "refresh --targets" repo refresh
tap_check "but timestamp was signed" is "$(now_of timestamp 'j["version"]')" 6
tap_check "the tree is right" good
tap_refuse "signing targets needs the release key" 10 "no private key" repo refresh --targets
tap_check "and nothing is written without it" is "$(versions)" "1 1 1 2 6 "
mv "$T/away/release.pem" "$W/keys/"
tap_check "with it" repo refresh --targets
tap_check "targets and releases are signed again" is "$(versions)" "1 2 2 3 7 "
tap_check "for a year" is "$(now_of targets 'j["expires"]')" \
	"$(date -u -d "@$((start + (276 + 365) * day))" +%Y-%m-%dT%H:%M:%SZ)"
tap_check "quiet again" repo refresh

at 1740
mv "$W/keys/release.pem" "$T/away/"
tap_refuse "90 days before the end of the root" 16 "root expires" repo refresh
tap_refuse "a new root needs root keys" 13 "needs 2 signatures" repo refresh --root
mv "$T/away/root-1.pem" "$W/keys/"
tap_refuse "one is not enough" 13 "(1 made)" repo refresh --root
tap_check "and leaves no root behind" is "$(now_of root 'j["version"]')" 1
mv "$T/away/root-3.pem" "$T/away/release.pem" "$W/keys/"
tap_check "two are" repo --quiet refresh --root --targets
tap_check "the new root follows the old one" good
tap_check "it is the one for new images" cmp "$W/root.json" "$W/public/metadata/2.root.json"

# A clock that is behind what was signed already.
at 1000
warned() { repo refresh --targets 2>&1 >/dev/null | grep -q "check the clock"; }
tap_check "a clock that runs behind is warned of" warned
tap_end
