#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# pawl-repo hold, unhold, cap (online key) and withdraw (release key).
set -u
. tests/lib/tap.sh
. tests/lib/publisher.sh

repo --quiet init --product demo
stage 1.0 --channel stable,beta
repo --quiet publish
stage 1.1 --channel stable
repo --quiet publish
mkdir "$T/away"
mv "$W"/keys/root-?.pem "$W"/keys/release.pem "$T/away/"

tap_check "hold" repo hold 2
tap_check "is in timestamp" is "$(now_of timestamp 'j["x-hold"]')" "{'demo': [2]}"
# Servers tell versions apart by the second of the change: these follow within one.
seconds=
for _ in 1 2 3; do
	repo --quiet unhold 2
	repo --quiet hold 2
	seconds="$seconds $(stat -c %Y "$W/public/metadata/timestamp.json")"
done
tap_check "each version has a second of its own" is \
	"$(echo "$seconds" | tr " " "\n" | grep . | sort -nu | wc -l)" 3
tap_check "hold another, product named" repo hold demo 1
tap_check "sorted" is "$(now_of timestamp 'j["x-hold"]')" "{'demo': [1, 2]}"
v=$(now_of timestamp 'j["version"]')
tap_refuse "twice is no error" 0 "already on hold" repo hold 2
tap_check "and signs nothing" is "$(now_of timestamp 'j["version"]')" "$v"
tap_check "holds survive a refresh" repo refresh
tap_check "all of them" is "$(now_of timestamp 'j["x-hold"]')" "{'demo': [1, 2]}"
tap_check "unhold" repo unhold 1
tap_check "leaves the other" is "$(now_of timestamp 'j["x-hold"]')" "{'demo': [2]}"
tap_check "unhold the last" repo unhold 2
tap_check "leaves no empty field" is "$(now_of timestamp '"x-hold" in j')" False
tap_refuse "a release that is not published" 33 "is not published" repo hold 3
tap_refuse "a release is a number" 2 "not a release number" repo hold 1.0
tap_refuse "0 is none" 2 "not a release number" repo hold 0
tap_refuse "a product is a name" 2 "not a product" repo hold ../x 1

tap_check "cap" repo cap stable 25
tap_check "is in timestamp" is "$(now_of timestamp 'j["x-cap"]')" "{'demo/stable': 25}"
tap_check "cap another, product named" repo cap demo/beta 0
tap_check "both" is "$(now_of timestamp 'sorted(j["x-cap"].items())')" \
	"[('demo/beta', 0), ('demo/stable', 25)]"
tap_check "100 takes it away" repo cap beta 100
tap_check "only that one" is "$(now_of timestamp 'j["x-cap"]')" "{'demo/stable': 25}"
tap_refuse "101 %" 2 "more than all" repo cap stable 101
tap_refuse "-1 %" 2 "not a percentage" repo cap stable -1
tap_refuse "an unknown channel" 33 "nothing is published" repo cap nightly 10
tap_check "the tree is right" good

tap_refuse "withdraw needs the release key" 10 "no private key" repo withdraw 1
mv "$T/away/release.pem" "$W/keys/"
hash1=$(now_of releases 'j["targets"]["demo/releases/1.json"]["hashes"]["sha256"]')
hash2=$(now_of releases 'j["targets"]["demo/releases/2.json"]["hashes"]["sha256"]')
tap_refuse "withdraw a channel's newest: a higher one is needed" 0 "demo/beta" repo withdraw 1
for c in stable beta; do
	tap_check "$c lists it as revoked" is \
		"$(now_of targets "j['targets']['demo/$c.json']['custom']['revoked']")" "['$hash1']"
done
tap_check "beta still names it" is \
	"$(now_of targets 'j["targets"]["demo/beta.json"]["hashes"]["sha256"]')" "$hash1"
shown() { repo show | grep -q "demo/beta .*WITHDRAWN"; }
tap_check "show says so" shown
stage 1.2 --channel beta,nightly
tap_refuse "a cap outlives the release; publish reminds" 0 "published demo release 3" repo publish
for c in stable beta nightly; do
	tap_check "$c keeps or inherits what is revoked" is \
		"$(now_of targets "j['targets']['demo/$c.json']['custom']['revoked']")" "['$hash1']"
done
tap_check "withdraw a second" repo withdraw 2
tap_check "both are revoked, sorted, everywhere" is \
	"$(now_of targets '[t["custom"]["revoked"] == sorted(["'"$hash1"'", "'"$hash2"'"]) for t in j["targets"].values()]')" \
	"[True, True, True]"
stage 1.3 --channel stable
tap_refuse "publish reminds of a cap" 0 "capped at 25 %" repo publish
tap_check "the tree is right at the end" good
json_shows() {
	repo show --json >"$T/show.json" && is "$(field "$T/show.json" \
		'j["caps"], sorted((r["release"], r["withdrawn"]) for r in j["releases"])')" \
		"({'demo/stable': 25}, [(1, True), (2, True), (3, False), (4, False)])"
}
tap_check "show --json has it all" json_shows
tap_end
