# SPDX-License-Identifier: Apache-2.0
# Real boots: U-Boot built from Debian's source with the layouts' fragments, on QEMU and in
# U-Boot's own sandbox. What comes from Debian's registry is kept in ~/.cache/pawl-boot
# (PAWL_BOOT_CACHE), which is thrown away by hand.
#: make check-boot         updates, bad releases and power cuts on QEMU arm64 with a real U-Boot
#: make check-boot-long    the same, all scenarios, and the cycles
#: make check-boot-cycles  50 updates one after the other (PAWL_CYCLES=50)
#: make check-boot-rpi     an update and a release that panics on QEMU's Raspberry Pi 3
#: make check-boot-tryboot the same with the firmware's own A/B, which a script plays
#: make check-boot-systemd and that with systemd and the shipped units in the guest
#: make check-boot-sandbox every boot state: the shipped boot script against the simulated loader

BOOT_OUT = $(abspath $(O))/boot
BOOT_ENV = PAWL_ARM64=$(abspath $(O)-arm64)/pawl PAWL_BOOT_OUT=$(BOOT_OUT)
boot_scripts = $(sort $(wildcard $(S)/tests/boot/$(1)_*.sh))
BOOT_CYCLES := $(S)/tests/boot/cycles.sh
BOOT_GOALS := check-boot check-boot-long check-boot-cycles check-boot-rpi \
	check-boot-tryboot check-boot-systemd

# As for check: packages first, then a make that sees them.
$(BOOT_GOALS): deps-boot
	+$(Q)$(ARM64_MAKE) $(O)-arm64/pawl
	+$(Q)$(SUBMAKE) $@-here

boot-prepared-%: programs
	$(Q)cd $(S) && $(TEST_ENV) $(BOOT_ENV) bash tests/boot/prepare.sh $* $(BOOT_OUT)/$*

check-boot-here: boot-prepared-qemu-arm64
	$(call run_tap,$(call boot_scripts,qemu_arm64),$(BOOT_ENV) TAP_TIMEOUT=3600)

check-boot-long-here: boot-prepared-qemu-arm64
	$(call run_tap,$(BOOT_CYCLES) $(call boot_scripts,qemu_arm64),$(BOOT_ENV) PAWL_LONG=1 \
		TAP_TIMEOUT=14400)

check-boot-cycles-here: boot-prepared-qemu-arm64
	$(call run_tap,$(BOOT_CYCLES),$(BOOT_ENV) TAP_TIMEOUT=14400)

# PAWL_LONG=1 for all scenarios.
check-boot-rpi-here: boot-prepared-raspberrypi-uboot
	$(call run_tap,$(call boot_scripts,raspberrypi),$(BOOT_ENV) TAP_TIMEOUT=3600)

check-boot-tryboot-here: boot-prepared-raspberrypi-tryboot
	$(call run_tap,$(call boot_scripts,tryboot),$(BOOT_ENV) TAP_TIMEOUT=3600)

# The firmware's own A/B again, with systemd and the shipped units in the guest.
check-boot-systemd-here: boot-prepared-raspberrypi-tryboot+systemd
	$(call run_tap,$(call boot_scripts,systemd),$(BOOT_ENV) TAP_TIMEOUT=7200)

check-boot-sandbox: deps-boot
	+$(Q)$(SUBMAKE) check-boot-sandbox-here

check-boot-sandbox-here: $(O)/pawl
	$(Q)cd $(S) && bash tests/boot/uboot.sh sandbox $(BOOT_OUT)/sandbox
	$(call run_tap,$(S)/tests/boot/sandbox_states.py,$(BOOT_ENV) TAP_TIMEOUT=7200)

deps-boot:
	$(Q)sh $(S)/scripts/deps.sh build check cross boot

.PHONY: $(BOOT_GOALS) $(BOOT_GOALS:=-here) check-boot-sandbox check-boot-sandbox-here deps-boot
