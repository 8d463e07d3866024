# SPDX-License-Identifier: Apache-2.0
# Kconfig front ends: Kconfiglib (reference) or kconfig-frontends, whichever is there.
#: make menuconfig     choose features (also defconfig, olddefconfig, savedefconfig, NAME_defconfig)

KCONFIG_ENV = KCONFIG_CONFIG=$(abspath $(CONFIG_FILE)) CONFIG_=CONFIG_ srctree=$(abspath $(S))
# A python of one's own may come first in PATH, without Debian's python3-kconfiglib.
kconfig_pythons = $(PYTHON3) $(if $(filter file,$(origin PYTHON3)),/usr/bin/python3)
kconfiglib = $(firstword $(foreach p,$(kconfig_pythons),$(shell $(p) -c 'import kconfiglib' 2>/dev/null && echo $(p))))
kconfig_tool = $(if $(kconfiglib),$(kconfiglib) -m $(1),$(2))
kconfig_run = $(Q)mkdir -p $(O) && cd $(S) && $(KCONFIG_ENV) $(1)

menuconfig:
	$(call kconfig_run,$(call kconfig_tool,menuconfig,kconfig-mconf Kconfig))

olddefconfig:
	$(call kconfig_run,$(call kconfig_tool,olddefconfig,kconfig-conf --olddefconfig Kconfig))

savedefconfig:
	$(call kconfig_run,$(call kconfig_tool,savedefconfig --out $(abspath $(O))/defconfig,kconfig-conf --savedefconfig=$(abspath $(O))/defconfig Kconfig))

defconfig: pawl_defconfig

# Spelled out one by one: build systems find such targets with `make -pn`.
DEFCONFIGS := $(notdir $(wildcard $(S)/configs/*_defconfig))
define defconfig_rule
$(1):
	@mkdir -p $(O)
	$(Q)cp $(S)/configs/$(1) $(CONFIG_FILE)
	$(Q)if [ -n "$(kconfiglib)" ] || command -v kconfig-conf >/dev/null; then $(MAKE) -s -f $(firstword $(MAKEFILE_LIST)) O=$(O) olddefconfig; fi
endef
$(foreach d,$(DEFCONFIGS),$(eval $(call defconfig_rule,$(d))))

.PHONY: menuconfig olddefconfig savedefconfig defconfig $(DEFCONFIGS)
