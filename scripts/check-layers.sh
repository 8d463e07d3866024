#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Includes go downwards only: compares the #include lines of each folder with the table below.
# usage: check-layers.sh   (in the source folder)
set -eu

# FOLDER  what its files may include: folders, or single headers, or <system headers> that only
# the folders that name them may use. "Every folder" is meant without its subfolders.
table() {
	cat <<'TABLE'
agent/base       agent/base/ <jansson.h> <openssl/>
agent/trust      agent/base/ agent/trust/ agent/journal/journal.h agent/plan/plan.h <jansson.h> <openssl/>
agent/plan       agent/base/ agent/plan/ agent/journal/journal.h <jansson.h>
agent/poll       agent/base/ agent/poll/ agent/journal/journal.h agent/plan/plan.h <jansson.h> <curl/> <openssl/> <archive.h> <archive_entry.h>
agent/journal    agent/base/ agent/journal/ agent/plan/plan.h <jansson.h>
partitions/slot  agent/base/ partitions/slot/ agent/journal/journal.h agent/plan/plan.h <zlib.h> <zstd.h> <xxhash.h>
partitions/boot  agent/base/ partitions/boot/ agent/journal/journal.h agent/plan/plan.h <libuboot.h>
hooks            agent/base/ hooks/ agent/journal/journal.h agent/plan/plan.h <jansson.h>
agent            agent/ partitions/ hooks/ <jansson.h> <ini.h>
publisher        publisher/ agent/base/ agent/trust/key.h agent/trust/canonical.h agent/plan/plan.h agent/plan/manifest.h partitions/slot/chunk_stream.h partitions/slot/difference.h partitions/slot/format.h partitions/slot/index.h partitions/slot/patch.h partitions/slot/survey.h partitions/slot/scratch.h <divsufsort.h> <jansson.h> <openssl/> <archive.h> <archive_entry.h> <zlib.h> <zstd.h> <ini.h>
packaging/man    agent/base/ agent/config.h agent/verbs.h publisher/verbs.h
TABLE
}

# System headers that belong to those who name them; all others are free.
guarded='^(jansson\.h|openssl/|curl/|archive\.h|archive_entry\.h|libuboot\.h|zlib\.h|zstd\.h|xxhash\.h|divsufsort\.h|ini\.h)'

bad=0
check_file() { # FILE ALLOWED...
	file=$1
	shift
	sed -n 's/^#[ ]*include[ ]*\(["<][^">]*[">]\).*/\1/p' "$file" | while read -r include; do
		name=$(printf '%s' "$include" | tr -d '"<>')
		case $include in
		'<'*)
			printf '%s' "$name" | grep -qE "$guarded" || continue
			want="<$name>"
			;;
		*)
			want=$name
			;;
		esac
		good=no
		for allowed in "$@"; do
			case $allowed in
			'<'*'/>') case $want in "${allowed%>}"*) good=yes ;; esac ;;
			*/) case $want in "$allowed"*) good=yes ;; esac ;;
			*) [ "$want" = "$allowed" ] && good=yes ;;
			esac
		done
		[ "$good" = yes ] || echo "$file: must not include $include"
	done
}

found=$(
	table | while read -r folder allowed; do
		for file in "$folder"/*.c "$folder"/*.h; do
			# shellcheck disable=SC2086 # a list of words
			[ ! -e "$file" ] || check_file "$file" $allowed
		done
	done
	# A folder that the table does not know would not be checked at all.
	git ls-files '*.c' '*.h' | sed -n 's,/[^/]*$,,p' | sort -u | grep -v -e '^tests/' -e '^scripts$' |
		while read -r folder; do
			table | grep -q "^$folder " || echo "$folder: not in the table of check-layers.sh"
		done
)
if [ -n "$found" ]; then
	printf '%s\n' "$found"
	bad=1
fi
exit $bad
