# SPDX-License-Identifier: Apache-2.0
# Real boots: U-Boot built from Debian's source with the layouts' fragments, on QEMU and in
# U-Boot's own sandbox. What comes from Debian's registry is kept in ~/.cache/pawl-boot
# (PAWL_BOOT_CACHE), which is thrown away by hand.
#: make check-boot         updates, bad releases and power cuts on QEMU arm64 with a real U-Boot
#: make check-boot-long    the same, all scenarios, and 50 update cycles
#: make check-boot-sandbox every boot state: the shipped boot script against the simulated loader

BOOT_OUT = $(abspath $(O))/boot
BOOT_ENV = PAWL_ARM64=$(abspath $(O)-arm64)/pawl PAWL_BOOT_OUT=$(BOOT_OUT)
BOOT_SCRIPTS := $(sort $(wildcard $(S)/tests/boot/qemu_arm64_*.sh))

# As for check: packages first, then a make that sees them.
check-boot check-boot-long: deps-boot
	+$(Q)$(ARM64_MAKE) $(O)-arm64/pawl
	+$(Q)$(SUBMAKE) $@-here

prepare-boot: programs
	$(Q)cd $(S) && $(TEST_ENV) $(BOOT_ENV) bash tests/boot/prepare.sh qemu-arm64 $(BOOT_OUT)/qemu-arm64

check-boot-here: prepare-boot
	$(call run_tap,$(BOOT_SCRIPTS),$(BOOT_ENV))

check-boot-long-here: prepare-boot
	$(call run_tap,$(BOOT_SCRIPTS),$(BOOT_ENV) PAWL_LONG=1 TAP_TIMEOUT=7200)

check-boot-sandbox: deps-boot
	+$(Q)$(SUBMAKE) check-boot-sandbox-here

check-boot-sandbox-here: $(O)/pawl
	$(call run_tap,$(S)/tests/boot/sandbox_states.py,$(BOOT_ENV))

deps-boot:
	$(Q)sh $(S)/scripts/deps.sh build check cross boot

.PHONY: check-boot check-boot-long prepare-boot check-boot-here check-boot-long-here \
	check-boot-sandbox check-boot-sandbox-here deps-boot
