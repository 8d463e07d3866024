# SPDX-License-Identifier: Apache-2.0
# Tests. tests/unit/MODULE_*_test.c links MODULE and what it uses, nothing else.
#: make check-unit     unit tests only; UNIT=trust_keys_test for one

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

check-unit: $(UNIT_PROGRAMS)
	$(Q)sh $(S)/tests/run-tap.sh $(UNIT_PROGRAMS)

# The client for the public TUF conformance suite (docs/trust.md).
#: make tuf-client     build $(O)/tests/tuf-client; tests/tuf-client/conformance.sh runs the suite
TUF_CLIENT_LIBS := trust poll base
$(O)/tests/tuf-client/tuf-client: $(O)/tests/tuf-client/main.o $(call archives,$(TUF_CLIENT_LIBS))
	$(call link,$@,$<,$(TUF_CLIENT_LIBS))
tuf-client: $(O)/tests/tuf-client/tuf-client

.PHONY: check-unit tuf-client
