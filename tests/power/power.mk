# SPDX-License-Identifier: Apache-2.0
# Power cuts; root is needed, for loop devices, FUSE and mounts.
#: make check-power       power cuts: a sample, some seconds (root; needs deps-boot)
#: make check-power-long  power cuts: thousands of states, half an hour at most
#:                        (what can be set: the head of tests/power/matrix.py)

check-power check-power-long: deps-boot
	+$(Q)$(SUBMAKE) $@-here

check-power-here check-power-long-here: $(O)/pawl $(O)/pawl-repo
	$(Q)cd $(S) && bash tests/boot/uboot.sh sandbox $(BOOT_OUT)/sandbox
	$(call run_tap,$(S)/tests/power/power.sh,$(BOOT_ENV) \
		$(if $(findstring long,$@),PAWL_LONG=1 TAP_TIMEOUT=7200))

.PHONY: check-power check-power-here check-power-long check-power-long-here
