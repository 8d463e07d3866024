# SPDX-License-Identifier: Apache-2.0
# Tests. tests/unit/MODULE_*_test.c links MODULE and what it uses, nothing else. Scripts under
# tests/cli, tests/hostile, tests/crash and tests/faults print TAP; they find the programs in
# $PAWL and $PAWL_REPO, the sources in $PAWL_SOURCE (also the working directory), $(O) in
# $PAWL_BUILD.
#: make check          all tests, short versions; ends with "N passed, N failed"
#: make check-unit     unit tests only; UNIT=trust_keys_test for one
#: make check-cli      scripts of tests/cli only; also check-hostile, check-crash, check-faults
#: make check-long     all tests, long versions, and every mutant
#: make asan           unit and hostile tests with address and undefined behaviour sanitizers
#: make valgrind       unit tests under valgrind
#: make bench          measurements (tests/bench)
#: make bench-delta    bytes of updates beside RAUC, zchunk, casync, xdelta3 (needs deps-bench)
#: make bench-install  time of installations beside rauc, swupdate, dd (root; needs deps-bench)
#: make demo           a device and its publisher on this machine (tests/demo)
#: make mutants        switches each security check off; a test must notice

UNIT_SOURCES := $(patsubst $(S)/%,%,$(sort $(wildcard $(S)/tests/unit/*_test.c)))
UNIT ?= $(notdir $(basename $(UNIT_SOURCES)))
UNIT_PROGRAMS = $(patsubst %,$(O)/tests/unit/%,$(UNIT))
unit_module = $(firstword $(subst _, ,$(1)))

# Extra flags of single tests (LDFLAGS_name), such as -Wl,--wrap=...
-include $(S)/tests/unit/flags.mk

define unit_rule
$(O)/tests/unit/$(1): $(O)/tests/unit/$(1).o $$(call archives,$$(call libs_of,$(call unit_module,$(1))))
	$$(call link,$$@,$$<,$$(call libs_of,$(call unit_module,$(1))),$$(LDFLAGS_$(1)) $$(shell $$(PKG_CONFIG) --libs cmocka))
endef
$(foreach t,$(notdir $(basename $(UNIT_SOURCES))),$(eval $(call unit_rule,$(t))))

# Programs that scripts need beside pawl and pawl-repo; add to it where they are described.
TEST_TOOLS :=

CLI_SCRIPTS := $(sort $(wildcard $(S)/tests/cli/*.sh))
HOSTILE_SCRIPTS := $(sort $(wildcard $(S)/tests/hostile/*.sh))
CRASH_SCRIPTS := $(sort $(wildcard $(S)/tests/crash/*.sh))
FAULT_SCRIPTS := $(sort $(wildcard $(S)/tests/faults/*.sh))
BENCH_SCRIPTS := $(sort $(wildcard $(S)/tests/bench/*.sh))
# The longest first, so that nothing runs alone in the end.
SCRIPTS = $(CRASH_SCRIPTS) $(FAULT_SCRIPTS) $(CLI_SCRIPTS) $(HOSTILE_SCRIPTS)

# Paths are made absolute, because everything runs in the source folder.
TEST_ENV = PAWL=$(abspath $(O))/pawl PAWL_REPO=$(abspath $(O))/pawl-repo \
	PAWL_SOURCE=$(abspath $(S)) PAWL_BUILD=$(abspath $(O))
run_tap = $(Q)cd $(S) && $(TEST_ENV) $(2) sh tests/run-tap.sh $(abspath $(1))
SUBMAKE = $(MAKE) -f $(firstword $(MAKEFILE_LIST))

# Packages first, then a make that sees them: flags are asked of pkg-config when it starts.
check check-long: deps
	+$(Q)$(SUBMAKE) WERROR=1 $@-here

check-here: programs $(UNIT_PROGRAMS) test-tools
	$(call run_tap,$(UNIT_PROGRAMS) $(SCRIPTS))

check-long-here: programs $(UNIT_PROGRAMS) test-tools
	$(call run_tap,$(UNIT_PROGRAMS) $(SCRIPTS),PAWL_LONG=1 TAP_TIMEOUT=7200)
	+$(Q)$(SUBMAKE) mutants

check-unit: $(UNIT_PROGRAMS)
	$(call run_tap,$(UNIT_PROGRAMS))

check-cli: programs test-tools
	$(call run_tap,$(CLI_SCRIPTS))

check-hostile: programs test-tools
	$(call run_tap,$(HOSTILE_SCRIPTS))

check-crash: programs test-tools
	$(call run_tap,$(CRASH_SCRIPTS))

check-faults: programs test-tools
	$(call run_tap,$(FAULT_SCRIPTS))

# Where a program runs many times slower, tests that visit every call visit each seventh: they
# visit all in `make check`.
SLOWLY := PAWL_STRIDE=7
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
asan:
	+$(Q)$(SUBMAKE) O=$(O)-asan CFLAGS="-O1 -g $(SANITIZE)" LDFLAGS="$(SANITIZE)" HARDEN= asan-here
asan-here: programs $(UNIT_PROGRAMS) test-tools
	$(call run_tap,$(UNIT_PROGRAMS) $(HOSTILE_SCRIPTS),$(SLOWLY))

valgrind: $(UNIT_PROGRAMS)
	$(call run_tap,$(UNIT_PROGRAMS),$(SLOWLY) PAWL_VALGRIND=1 PAWL_RUNNER="valgrind -q \
		--error-exitcode=99 --leak-check=full --suppressions=$(abspath $(S))/tests/valgrind.supp")

bench: programs test-tools
	$(Q)cd $(S) && for b in $(abspath $(BENCH_SCRIPTS)); do $(TEST_ENV) bash $$b || exit; done

# Both write their tables into docs/benchmarks.md; what can be set: tests/bench/delta/settings.py,
# and the head of tests/bench/install/main.py.
bench-delta bench-install: deps-bench
	+$(Q)$(SUBMAKE) $@-here
bench-delta-here: programs $(O)/tests/bench/delta/fixed_times.so
	$(Q)cd $(S) && $(TEST_ENV) $(PYTHON3) tests/bench/delta/main.py

bench-install-here: programs
	$(Q)cd $(S) && $(TEST_ENV) $(PYTHON3) tests/bench/install/main.py

$(O)/tests/bench/delta/fixed_times.so: $(S)/tests/bench/delta/fixed_times.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -O2 $(WARN) -shared -fPIC $< -o $@

demo: deps
	+$(Q)$(SUBMAKE) demo-here
demo-here: programs test-tools
	$(Q)cd $(S) && rm -rf $(abspath $(O))/demo && $(TEST_ENV) bash tests/demo/demo.sh $(abspath $(O))/demo

# --- arm64: built by a cross compiler, unit tests run by qemu's user mode ----------------------
#: make cross-arm64    builds all for arm64, runs the agent's unit tests there (needs deps-cross)
ARM64 := aarch64-linux-gnu
ARM64_MAKE = $(SUBMAKE) O=$(O)-arm64 CC=$(ARM64)-gcc AR=$(ARM64)-ar WERROR=1 \
	PKG_CONFIG="env PKG_CONFIG_LIBDIR=/usr/lib/$(ARM64)/pkgconfig:/usr/share/pkgconfig pkg-config"
cross-arm64:
	+$(Q)$(ARM64_MAKE) cross-here
# The publisher, which no device runs, is built alone: its tests take a minute of emulation.
DEVICE_TESTS = $(filter-out $(O)/tests/unit/publisher_%,$(UNIT_PROGRAMS))
cross-here: programs $(DEVICE_TESTS)
	$(call run_tap,$(DEVICE_TESTS),$(SLOWLY) PAWL_RUNNER="qemu-aarch64-static")

# --- Mutants: scripts/mutants.sh calls make with MUTANT_DIR for one check at a time -----------
# mutant.o stands before the archives, so the linker takes its functions instead of theirs.
MUTANT_DIR ?= $(O)/mutants/none
MUTANT_FILE ?=
with_mutant = $(if $(filter $(is_program),$(MUTANT_FILE)),$(filter-out $(O)/$(MUTANT_FILE:.c=.o),$(1)),$(1)) $(MUTANT_DIR)/mutant.o
define mutant_unit_rule
$(MUTANT_DIR)/$(1): $(O)/tests/unit/$(1).o $$(call archives,$$(call libs_of,$(call unit_module,$(1))))
	$$(call link,$$@,$$< $(MUTANT_DIR)/mutant.o,$$(call libs_of,$(call unit_module,$(1))),$$(LDFLAGS_$(1)) $$(shell $$(PKG_CONFIG) --libs cmocka))
endef
ifneq ($(MUTANT_DIR),$(O)/mutants/none)
$(foreach t,$(notdir $(basename $(UNIT_SOURCES))),$(eval $(call mutant_unit_rule,$(t))))

$(MUTANT_DIR)/mutant.o: $(S)/$(MUTANT_FILE)
	$(Q)$(CC) $(BASE_CPPFLAGS) $(PKG_CFLAGS) $(CPPFLAGS) $(BASE_CFLAGS) $(CFLAGS) -DMUTANT='"$(MUTANT_NAME)"' -c $< -o $@

$(MUTANT_DIR)/pawl: $(call archives,$(call libs_of,agent))
	$(call link,$@,$(call with_mutant,$(call program_objects,agent)),$(call libs_of,agent))

$(MUTANT_DIR)/pawl-repo: $(call archives,$(call libs_of,publisher))
	$(call link,$@,$(call with_mutant,$(call program_objects,publisher)),$(call libs_of,publisher))
endif

# MUTANTS="root.threshold ..." for some only. Everything must be green before.
mutants: programs $(UNIT_PROGRAMS) test-tools
	$(Q)cd $(S) && $(TEST_ENV) MAKE_COMMAND="$(MAKE) -f $(abspath $(firstword $(MAKEFILE_LIST))) O=$(abspath $(O))" \
		sh scripts/mutants.sh run $(MUTANTS)

# The client for the public TUF conformance suite (docs/trust.md).
#: make tuf-client     build $(O)/tests/tuf-client; tests/tuf-client/conformance.sh runs the suite
TUF_CLIENT_LIBS := trust poll base
$(O)/tests/tuf-client/tuf-client: $(O)/tests/tuf-client/main.o $(call archives,$(TUF_CLIENT_LIBS))
	$(call link,$@,$<,$(TUF_CLIENT_LIBS))
tuf-client: $(O)/tests/tuf-client/tuf-client

# The driver of tests/bench/install_bench.sh.
TEST_TOOLS += $(O)/tests/bench/slot_install
$(O)/tests/bench/slot_install: $(O)/tests/bench/slot_install.o $(call archives,slot base)
	$(call link,$@,$<,slot base)

# The driver of tests/bench/plan_bench.sh.
TEST_TOOLS += $(O)/tests/bench/slot_plan
$(O)/tests/bench/slot_plan: $(O)/tests/bench/slot_plan.o $(call archives,slot base)
	$(call link,$@,$<,slot base)

# Several streams of one object, for tests/cli/net_streams.sh.
ifeq ($(CONFIG_HTTP),y)
TEST_TOOLS += $(O)/tests/net/streams
$(O)/tests/net/streams: $(O)/tests/net/streams.o $(call archives,poll base)
	$(call link,$@,$<,poll base)
endif

# For tuning patches, built when it is asked for: make $(O)/tests/bench/patch_size.
$(O)/tests/bench/patch_size: $(O)/tests/bench/patch_size.o $(call archives,$(call libs_of,publisher))
	$(call link,$@,$<,$(call libs_of,publisher))

# Kills a program at its Nth writing system call, for tests/crash.
TEST_TOOLS += $(O)/tests/crash/kill_at
$(O)/tests/crash/kill_at: $(O)/tests/crash/kill_at.o
	$(call link,$@,$<)

# Lets its Nth call on certain files go wrong, for tests/faults.
TEST_TOOLS += $(O)/tests/faults/fail_at
$(O)/tests/faults/fail_at: $(O)/tests/faults/fail_at.o $(O)/tests/faults/fail_calls.o
	$(call link,$@,$^)

include $(S)/tests/boot/boot.mk

include $(S)/tests/power/power.mk

include $(S)/tests/fuzz/fuzz.mk

# Last, so that everything above could add to it.
test-tools: $(TEST_TOOLS)

.PHONY: check check-long check-here check-long-here check-unit check-cli check-hostile check-crash \
	check-faults asan asan-here valgrind bench bench-delta bench-delta-here bench-install \
	bench-install-here demo demo-here cross-arm64 cross-here mutants test-tools tuf-client
