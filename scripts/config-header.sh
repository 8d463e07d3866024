#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Turns a complete .config into include/config.h (for C) and config.mk (for make).
# usage: config-header.sh CONFIG OUTDIR
set -eu
config=$1
out=$2
mkdir -p "$out/include"
{
	echo "/* Made from .config by scripts/config-header.sh. */"
	echo "#pragma once"
	sed -n -e 's/^\(CONFIG_[A-Z0-9_]*\)=y$/#define \1 1/p' \
		-e 's/^\(CONFIG_[A-Z0-9_]*\)=\("[^"]*"\|[0-9][0-9a-fx]*\)$/#define \1 \2/p' "$config"
} >"$out/include/config.h.new"
# An unchanged header keeps its time, so that nothing is compiled again for it.
if cmp -s "$out/include/config.h.new" "$out/include/config.h" 2>/dev/null; then
	rm "$out/include/config.h.new"
else
	mv "$out/include/config.h.new" "$out/include/config.h"
fi
sed -n 's/^\(CONFIG_[A-Z0-9_]*\)=y$/\1 := y/p' "$config" >"$out/config.mk"
