#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Control characters and escapes in whatever comes from outside: versions, notes, advisories,
# servers' answers, hooks' output, names in bundles. A terminal is not steered by any of it.
# shellcheck disable=SC2016 # eval expands what stands in single quotes
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
# shellcheck source=tests/lib/odd.sh
. "$PAWL_SOURCE/tests/lib/odd.sh"
# shellcheck disable=SC2119 # no options
odd_world

# Set the title, clear the screen, go up, ring; CSI as one byte in Latin-1 and in UTF-8; DEL.
NASTY=$'\e]0;owned\a\e[2J\e[1A\r\b\x7f\xc2\x9b31m'

# clean WORD COMMAND...: runs it; nothing raw in what it says, and it does say WORD.
clean() {
	local word=$1
	shift
	"$@" >"$T/said" 2>&1
	python3 - "$T/said" "$word" <<-'PY'
		import sys, unicodedata
		raw = open(sys.argv[1], "rb").read()
		bad = sorted({b for b in raw if b < 0x20 and b != 10 or b == 0x7f})
		text = raw.decode("utf-8", "replace")
		bad += sorted({hex(ord(c)) for c in text if unicodedata.category(c) == "Cc" and ord(c) > 0x7f})
		if bad:
		    sys.exit(f"raw control characters {bad} in {raw!r}")
		if "\ufffd" in text:
		    sys.exit(f"bytes that are no text in {raw!r}")
		if sys.argv[2] not in text:
		    sys.exit(f"{sys.argv[2]!r} is not in {raw!r}")
	PY
}

# as_json TEXT
as_json() {
	jq -cn --arg t "$1" '$t'
}

# --- What a release key signed; it must not be believed blindly all the same ------------------
signed_nasty=$(as_json $'\e]0;owned\a\e[2J\r\x7f\xc2\x9b31m end')
for field in version notes advisories compatible channels product; do
	hostile_case
	case $field in
	version | notes | product) value=$signed_nasty ;;
	*) value="[$signed_nasty]" ;;
	esac
	forge <<<"r.edit_manifest(2, $field=json.loads('''${value//\\/\\\\}'''))"
	tap_check "$field with escapes: check" clean "" p check
	tap_check "$field with escapes: poll" clean "" "$PAWL" --root "$D" poll --now
	tap_check "$field with escapes: status" clean slot "$PAWL" --root "$D" status
	tap_check "$field with escapes: status --json" clean slot "$PAWL" --root "$D" status --json
	tap_check "$field with escapes: journal show" clean "" \
		"$PAWL" --root "$D" journal show --details
done
hostile_case
forge <<-'PY'
	m = r.manifest(2)
	m["images"][0]["name"] = "\x1b[2J"
	r.put_manifest(2, m)
PY
tap_check "the name of an image" clean E_ "$PAWL" --root "$D" poll --now

# --- What nobody signed ---------------------------------------------------------------------------
quote() {
	jq -rn --arg t "$1" '$t | @uri'
}
hostile_case
printf '{"signed": {"_type": "%s"}, "signatures": []}' "$NASTY" >"$P/metadata/2.root.json"
tap_check "a root" clean E_ "$PAWL" --root "$D" poll --now
hostile_case
printf '{"%s\\u001b[2J": 1}' owned >"$P/metadata/2.root.json"
tap_check "a root with an escaped escape" clean E_ "$PAWL" --root "$D" poll --now
hostile_case
odd_url "header,Location,$(quote "$NASTY")" status,302
tap_check "a Location" clean E_ "$PAWL" --root "$D" poll --now
hostile_case
odd_url "header,Content-Range,$(quote $'bytes \e[2J')" status,503
tap_check "headers" clean E_NET "$PAWL" --root "$D" poll --now
hostile_case
odd_url "header,X-$(quote $'\e[2J'),$(quote "$NASTY")" status,500
tap_check "the name of a header" clean E_NET "$PAWL" --root "$D" poll --now

# --- Hooks ------------------------------------------------------------------------------------------
# hook STAGE NAME COMMANDS
hook() {
	mkdir -p "$D/etc/pawl/hooks/$1"
	printf '#!/bin/sh\n%s\n' "$3" >"$D/etc/pawl/hooks/$1/$2"
	chmod 755 "$D/etc/pawl/hooks/$1/$2"
}
shout="printf '\\033]0;owned\\a\\033[2J\\r\\177\\302\\23331m\\377\\376\\n'"
hostile_case
hook check.d 10-shout "$shout; $shout >&2"
tap_check "output of a hook" clean hook.output "$PAWL" --root "$D" poll --now
hostile_case
hook check.d 10-shout "$shout; exit 1"
tap_check "output of a hook that refuses" clean E_HOOK "$PAWL" --root "$D" poll --now
hostile_case
hook check.d 10-$'\e[2J' "exit 1"
tap_check "the name of a hook" clean "" "$PAWL" --root "$D" poll --now

# --- Bundles and the command line -------------------------------------------------------------------
hostile_case
python3 - "$T/now/2.pawl" <<-'PY'
	import sys, tarfile
	with tarfile.open(sys.argv[1], "w", format=tarfile.USTAR_FORMAT) as tar:
	    tar.addfile(tarfile.TarInfo("metadata/\x1b]0;owned\x07\x1b[2J\r\x7f\x9b.json"))
PY
tap_check "a name in a bundle" clean E_BUNDLE "$PAWL" --root "$D" install "$T/now/2.pawl"
cp "$T/now/2.pawl" "$T/now/$NASTY.pawl"
tap_check "the name of a bundle" clean E_BUNDLE "$PAWL" --root "$D" install "$T/now/$NASTY.pawl"
tap_check "a verb" clean E_USAGE "$PAWL" --root "$D" "$NASTY"
tap_check "an option" clean E_USAGE "$PAWL" --root "$D" poll "--$NASTY"
printf 'a = %s\n' "$NASTY" >>"$D/etc/pawl/pawl.conf"
tap_check "the configuration" clean E_CONFIG "$PAWL" --root "$D" status
hostile_case
sed -i "1s/^/$(printf '[%s]' $'\e[2J')\n/" "$D/etc/pawl/pawl.conf"
tap_check "a section of it" clean E_CONFIG "$PAWL" --root "$D" status
hostile_case
printf '{"version": "%s", "%s": 1}' "$NASTY" "$NASTY" >"$D/var/lib/pawl/state.json"
tap_check "the state" clean "" "$PAWL" --root "$D" poll --now
hostile_case
sed -i "s/pawl.slot=A/pawl.slot=$(printf '\e[2J')/" "$D/proc/cmdline"
tap_check "the kernel's command line" clean E_BOOT "$PAWL" --root "$D" poll --now

# --- The publisher's side: what is in a repository may be somebody else's ----------------------------
hostile_case
forge <<-'PY'
	m = r.manifest(2)
	m["version"] = "\x1b]0;owned\x07\x1b[2J"
	m["notes"] = "\x1b[2J\r\x7f"
	r.put_manifest(2, m)
PY
for verb in verify "bundle 2 --out $T/now/x.pawl"; do
	# shellcheck disable=SC2086 # words
	tap_check "pawl-repo $verb" clean "" "$PAWL_REPO" --repo "$W" $verb
done
tap_check "an argument of pawl-repo" clean "" "$PAWL_REPO" --repo "$W" "$NASTY"
tap_check "a folder's name" clean "" "$PAWL_REPO" --repo "$T/$NASTY" verify
printf '{"%s' "$NASTY" >"$P/metadata/timestamp.json"
tap_check "pawl-repo verify of garbage" clean "" "$PAWL_REPO" --repo "$W" verify

tap_end
