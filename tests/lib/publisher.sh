# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# For test scripts of pawl-repo: a workspace in a temporary folder. Sourced after tap.sh; needs
# PAWL_REPO. Sets T (removed at the end) and W (the workspace, T/w).

T=$(mktemp -d)
W=$T/w
trap 'rm -rf "$T"' EXIT
: "${PAWL_REPO:?path of pawl-repo}"

# repo WORDS...: pawl-repo on the workspace
repo() {
	"$PAWL_REPO" --repo "$W" "$@"
}

# stage VERSION [OPTIONS...]: a small release in staging/
stage() {
	stage_version=$1
	shift
	head -c 300000 /dev/urandom >"$T/image"
	repo --quiet release --version "$stage_version" --compatible demo-board \
		--class functional --support-end 2036-12-31 --image "rootfs=$T/image:raw" \
		"$@" 2>>"$T/stage.log"
}

# field FILE EXPRESSION: a value of a JSON file; EXPRESSION is Python, the file is j
field() {
	python3 -c 'import json,sys; j=json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' \
		"$1" "$2"
}

# now_of ROLE EXPRESSION: a value of the `signed` part of the published file that counts
now_of() {
	now_m=$W/public/metadata
	case $1 in
	root)
		now_v=1
		while [ -e "$now_m/$((now_v + 1)).root.json" ]; do now_v=$((now_v + 1)); done
		now_f=$now_m/$now_v.root.json
		;;
	timestamp) now_f=$now_m/timestamp.json ;;
	snapshot)
		now_v=$(field "$now_m/timestamp.json" 'j["signed"]["meta"]["snapshot.json"]["version"]')
		now_f=$now_m/$now_v.snapshot.json
		;;
	*)
		now_v=$(now_of snapshot "j['meta']['$1.json']['version']")
		now_f=$now_m/$now_v.$1.json
		;;
	esac
	python3 -c 'import json,sys; j=json.load(open(sys.argv[1]))["signed"]; print(eval(sys.argv[2]))' \
		"$now_f" "$2"
}

# is A B: equal texts
is() {
	[ "$1" = "$2" ] || {
		echo "got \"$1\", wanted \"$2\""
		return 1
	}
}

# good: the tree is right by our own check and by one that shares no code with us
good() {
	repo --quiet verify && is "$(python3 tests/lib/tuf_check.py "$W/public")" ok
}
