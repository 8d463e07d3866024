# SPDX-License-Identifier: Apache-2.0
# Fuzz targets: tests/fuzz/NAME_fuzz.c. `make check` runs each for moments through driver.c
# (tests/hostile/fuzz_short.sh); `make fuzz` for longer with clang's libFuzzer.
#: make fuzz           each fuzz target for FUZZ_SECONDS (60); FUZZ="index delta" for some
FUZZ ?= $(patsubst $(S)/tests/fuzz/%_fuzz.c,%,$(sort $(wildcard $(S)/tests/fuzz/*_fuzz.c)))
FUZZ_SECONDS ?= 60
FUZZ_CORPUS := $(O)/tests/fuzz/corpus
LIBS_fuzz_manifest := plan base
LIBS_fuzz_metadata := trust base
fuzz_libs = $(or $(LIBS_fuzz_$(1)),slot base)

# With libFuzzer's main, or with ours.
FUZZ_ENGINE ?= $(O)/tests/fuzz/driver.o

define fuzz_rule
$(O)/tests/fuzz/$(1)_fuzz: $(O)/tests/fuzz/$(1)_fuzz.o $(filter %.o,$(FUZZ_ENGINE)) $$(call archives,$$(call fuzz_libs,$(1)))
	$$(call link,$$@,$$< $(FUZZ_ENGINE),$$(call fuzz_libs,$(1)))
endef
$(foreach t,$(FUZZ),$(eval $(call fuzz_rule,$(t))))
FUZZ_PROGRAMS = $(patsubst %,$(O)/tests/fuzz/%_fuzz,$(FUZZ))

$(O)/tests/fuzz/make_corpus: $(O)/tests/fuzz/make_corpus.o $(call archives,slot base)
	$(call link,$@,$<,slot base)

$(FUZZ_CORPUS)/made: $(O)/tests/fuzz/make_corpus
	$(Q)$< $(FUZZ_CORPUS)
	$(Q)touch $@

TEST_TOOLS += $(FUZZ_PROGRAMS) $(FUZZ_CORPUS)/made

FUZZ_SANITIZE := address,undefined
fuzz: deps
	+$(Q)$(SUBMAKE) O=$(O)-fuzz CC=clang HARDEN= FUZZ_ENGINE=-fsanitize=fuzzer \
		CFLAGS="-O1 -g -fsanitize=fuzzer-no-link,$(FUZZ_SANITIZE) -fno-sanitize-recover=all" \
		LDFLAGS="-fsanitize=$(FUZZ_SANITIZE)" fuzz-here

# New inputs are kept in found/, what ends a target in crashes/.
fuzz-here: $(FUZZ_PROGRAMS) $(FUZZ_CORPUS)/made
	$(Q)for t in $(FUZZ); do \
		mkdir -p $(FUZZ_CORPUS)/../found/$$t $(FUZZ_CORPUS)/../crashes; \
		echo "fuzz $$t for $(FUZZ_SECONDS) s"; \
		$(O)/tests/fuzz/$${t}_fuzz -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=1024 \
			-timeout=20 -max_len=65536 -print_final_stats=1 -verbosity=0 \
			-artifact_prefix=$(FUZZ_CORPUS)/../crashes/$$t- \
			$(FUZZ_CORPUS)/../found/$$t $(FUZZ_CORPUS)/$$t || exit; \
	done

.PHONY: fuzz fuzz-here
