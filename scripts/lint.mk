# SPDX-License-Identifier: Apache-2.0
#: make lint           form, clang-tidy, cppcheck, shellcheck, layers, headers, two compilers, sizes
#: make format         puts every C file into the form that .clang-format decides
#: make format-check   has every C file that form?

# In the source folder: tools run there, so that findings name files as git does.
LINT_FLAGS = -I. -I$(abspath $(O))/include -include config.h -D_GNU_SOURCE \
	-D_FILE_OFFSET_BITS=64 -DPAWL_VERSION=\"$(VERSION)\" -std=gnu17
STRIP ?= strip
# KiB, stripped; the minimal one as small systems build it.
SIZE_LIMIT := 400
SIZE_LIMIT_MINIMAL := 250

lint: deps
	+$(Q)$(SUBMAKE) lint-here

lint-here: format-check lint-shell lint-layers lint-tidy lint-cppcheck lint-headers lint-compilers \
	lint-man lint-size
	@echo "lint: nothing found"

format-check:
	$(Q)cd $(S) && git ls-files '*.c' '*.h' | xargs -r clang-format --dry-run -Werror

format:
	$(Q)cd $(S) && git ls-files '*.c' '*.h' | xargs -r clang-format -i

lint-shell:
	$(Q)cd $(S) && git ls-files '*.sh' | grep -v '^partitions/layouts/.*\.cmd' | xargs -r shellcheck -x
	$(Q)cd $(S) && ! test -e .ci/run || shellcheck -x .ci/run
	$(Q)cd $(S) && git grep -lE '^#!/bin/(ba)?sh' -- hooks packaging partitions ':!*.sh' ':!*.md' | xargs -r shellcheck -x

lint-layers:
	$(Q)cd $(S) && sh scripts/check-layers.sh

lint-tidy: $(O)/config.mk
	$(Q)cd $(S) && sh scripts/tidy.sh '$(LINT_FLAGS)'

# memleak: cppcheck does not know the cleanup attribute; sanitizers and valgrind look for leaks.
lint-cppcheck: $(O)/config.mk
	$(Q)cd $(S) && git ls-files '*.c' | grep -v '^tests/' | cppcheck --quiet --file-list=- -j 2 \
		--std=c11 --enable=warning,performance,portability --suppress=memleak \
		--inline-suppr --error-exitcode=1 -I . --include=$(abspath $(O))/include/config.h \
		--include=scripts/cppcheck.h

# Every header compiles alone.
lint-headers: $(O)/config.mk
	$(Q)cd $(S) && git ls-files '*.h' | grep -v '^tests/' | while read -r h; do \
		$(CC) $(LINT_FLAGS) -Wall -Wextra -Werror -fsyntax-only -x c -include $$h /dev/null || exit; \
	done

# Both compilers, no warning, the whole tree. LINT_GCC names a build that gcc has made with
# WERROR=1 already, as `make check` does.
LINT_GCC ?= $(O)-gcc
lint-compilers:
	+$(Q)$(SUBMAKE) O=$(LINT_GCC) CC=gcc WERROR=1 programs
	+$(Q)$(SUBMAKE) O=$(O)-clang CC=clang WERROR=1 programs $(patsubst %,$(O)-clang/tests/unit/%,$(UNIT))

lint-size: $(O)/pawl
	$(Q)cd $(S) && sh scripts/size-report.sh
	$(Q)sh $(S)/scripts/check-size.sh $(STRIP) $(O)/pawl $(SIZE_LIMIT)
	+$(Q)$(SUBMAKE) O=$(O)-minimal minimal_defconfig
	+$(Q)$(SUBMAKE) O=$(O)-minimal WERROR=1 LTO=1 CC=gcc $(O)-minimal/pawl
	$(Q)sh $(S)/scripts/check-size.sh $(STRIP) $(O)-minimal/pawl $(SIZE_LIMIT_MINIMAL)
	$(Q)! readelf -d $(O)-minimal/pawl | grep -E 'NEEDED.*(libcurl|libzstd)'

.PHONY: lint lint-here format format-check lint-shell lint-layers lint-tidy lint-cppcheck \
	lint-headers lint-compilers lint-man lint-size
