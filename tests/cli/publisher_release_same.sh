#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The same input gives the same bytes: staged releases whatever the number of threads, bundles
# whatever the time, place and owner of the files.
set -u
. tests/lib/tap.sh
. tests/lib/publisher.sh
export SOURCE_DATE_EPOCH=1767225600

repo --quiet --product demo init >/dev/null
# Three pieces: text that compresses, noise that does not, and an odd end.
{
	seq 1 900000
	head -c 3000001 /dev/urandom
} >"$T/rootfs"

# tree DIR: names, modes and hashes of everything in it
tree() {
	(cd "$1" && find . -type f -printf '%p %m ' -exec sha256sum {} \; | sort)
}

# staged_tree WORDS...: what a release of a fresh copy of the workspace leaves in staging/
staged_tree() {
	rm -rf "$T/copy"
	cp -r "$W" "$T/copy"
	"$PAWL_REPO" --repo "$T/copy" --quiet release --version 1 --compatible board \
		--class functional --image "rootfs=$T/rootfs" "$@" 2>/dev/null
	tree "$T/copy/staging"
}

for words in "--level 3" "--encoding zlib" "--encoding none --leaf-hash sha512-256"; do
	# shellcheck disable=SC2086
	one=$(staged_tree --threads 1 $words)
	# Uncompressed and all new, `data` is the same object as `full`.
	case $words in *none*) objects=5 ;; *) objects=6 ;; esac
	tap_check "$words: something was staged" is "$(echo "$one" | grep -c objects/)" "$objects"
	for threads in 2 5; do
		# shellcheck disable=SC2086
		tap_check "$words: $threads threads give the same tree as one" \
			is "$(staged_tree --threads "$threads" $words)" "$one"
	done
done
tap_check "another time gives another manifest" \
	test "$(SOURCE_DATE_EPOCH=1767225601 staged_tree --encoding none)" != \
	"$(staged_tree --encoding none)"

repo --quiet release --version 1 --compatible board --class functional --level 1 \
	--image "rootfs=$T/rootfs" 2>/dev/null
repo --quiet publish >/dev/null
repo --quiet bundle 1 --out "$T/first.pawl"
sleep 1
cp -r "$W" "$T/elsewhere"
(umask 077 && SOURCE_DATE_EPOCH=1800000000 "$PAWL_REPO" --repo "$T/elsewhere" --quiet bundle 1 \
	--out "$T/second.pawl")
tap_check "bundles of a copied repository are the same bytes" cmp "$T/first.pawl" "$T/second.pawl"
tap_end
