# SPDX-License-Identifier: Apache-2.0
# Pawl's build. `make help` lists the targets.

MAKEFLAGS += --no-builtin-rules --no-print-directory
S := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
O ?= build
PREFIX ?= /usr
SYSCONFDIR ?= /etc
LIBDIR ?= $(PREFIX)/lib
CC ?= cc
ifeq ($(origin CC),default)
CC := cc
endif
AR ?= ar
ifeq ($(origin AR),default)
AR := ar
endif
PKG_CONFIG ?= pkg-config
PYTHON3 ?= python3
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
VERSION := $(shell cat $(S)/VERSION)

all: programs

# --- Configuration: .config -> include/config.h and config.mk ----------------
CONFIG_FILE := $(O)/.config
-include $(O)/config.mk

$(CONFIG_FILE):
	@mkdir -p $(O)
	$(Q)cp $(S)/configs/pawl_defconfig $@

$(O)/config.mk: $(CONFIG_FILE) $(S)/scripts/config-header.sh
	$(Q)sh $(S)/scripts/config-header.sh $(CONFIG_FILE) $(O)

KCONFIG_GOALS := menuconfig defconfig olddefconfig savedefconfig
include $(S)/scripts/kconfig.mk

# --- Flags ---------------------------------------------------------------------
WARN := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wformat=2 -Wstrict-prototypes \
	-Wmissing-prototypes -Wundef -Wimplicit-fallthrough $(if $(WERROR),-Werror)
HARDEN ?= -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fno-plt
HARDEN_LD ?= -pie -Wl,-z,relro,-z,now,-z,noexecstack
# What is slow on a device is in libraries, but for the cuts by content (half as fast again with
# -O2); what the publisher does takes minutes and is ours.
CFLAGS ?= $(if $(filter publisher/% partitions/slot/chunk,$*),-O2,-Os) -g
BASE_CPPFLAGS = -I$(S) -I$(O)/include -include config.h -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
	-D_TIME_BITS=64 -DPAWL_VERSION='"$(VERSION)"'
# No tables for C++ exceptions on the device, a sixth of the program; debuggers use -g's own.
BASE_CFLAGS = -std=gnu17 $(WARN) $(HARDEN) -ffunction-sections -fdata-sections \
	-fno-asynchronous-unwind-tables
# Tables of pointers need a relocation each in a PIE; packed they are a tenth of the size. Only
# where linker and C library (glibc 2.36) know it, which a trial shows.
RELR_TRIAL := \#include <features.h>\n\#if !__GLIBC_PREREQ(2, 36)\n\#error\n\#endif\nint main(void) { return 0; }\n
RELR := $(shell printf '$(RELR_TRIAL)' | $(CC) -x c - -Wl,--fatal-warnings \
	-Wl,-z,pack-relative-relocs -o /dev/null 2>/dev/null && echo -Wl,-z,pack-relative-relocs)
BASE_LDFLAGS = $(HARDEN_LD) $(RELR) -Wl,--gc-sections -Wl,--as-needed
# LTO=1 (gcc): the program as one unit, a twentieth smaller. Not for tests, whose --wrap it defeats.
# The second half of the compiler runs when linking and must hear the same wishes; it does not see
# that a function which failed was asked for nothing.
ifneq ($(LTO),)
BASE_CFLAGS += -flto=auto -ffat-lto-objects -Wno-maybe-uninitialized
BASE_LDFLAGS += $(filter-out -I% -include%,$(BASE_CFLAGS))
endif

# --- Modules: folder, its objects, what it may use ------------------------------
MODULES := base trust plan poll journal slot boot hooks agent
DIR_base := agent/base
DIR_trust := agent/trust
DIR_plan := agent/plan
DIR_poll := agent/poll
DIR_journal := agent/journal
DIR_slot := partitions/slot
DIR_boot := partitions/boot
DIR_hooks := hooks
DIR_agent := agent
DIR_publisher := publisher

# Sources that a configuration leaves out.
OFF-$(if $(CONFIG_BOOT_UBOOT),n,y) += partitions/boot/uboot.c $(patsubst $(S)/%,%,$(wildcard $(S)/partitions/boot/env*.c))
OFF-$(if $(CONFIG_BOOT_UBOOT_MIGRATION),n,y) += partitions/boot/uboot_rauc.c partitions/boot/uboot_mender.c
OFF-$(if $(CONFIG_BOOT_TRYBOOT),n,y) += $(patsubst $(S)/%,%,$(wildcard $(S)/partitions/boot/tryboot*.c $(S)/partitions/boot/autoboot*.c))
OFF-$(if $(CONFIG_BOOT_SCRIPT),n,y) += partitions/boot/script.c
OFF-$(if $(CONFIG_BOOT_SIM),n,y) += partitions/boot/sim.c
OFF-$(if $(CONFIG_HTTP),n,y) += $(patsubst $(S)/%,%,$(wildcard $(S)/agent/poll/http*.c)) agent/poll/repository.c
OFF-$(if $(CONFIG_WATCHDOG),n,y) += agent/watchdog.c
OFF-$(if $(CONFIG_DOCTOR_REPAIR),n,y) += agent/doctor_repair.c
OFF-$(if $(CONFIG_PUBLISHER_PATCH),n,y) += $(patsubst $(S)/%,%,$(wildcard $(S)/publisher/patch*.c))

USES_base :=
USES_trust := base
USES_plan := base
USES_poll := base
USES_journal := base
USES_slot := base
USES_boot := base
USES_hooks := base
USES_agent := trust plan poll journal slot boot hooks base
USES_publisher := trust plan slot base

PKGS_base := libcrypto jansson
PKGS_trust := libcrypto jansson
PKGS_plan := jansson
PKGS_poll := libarchive $(if $(CONFIG_HTTP),libcurl libssl)
PKGS_journal := jansson
PKGS_slot := zlib libxxhash $(if $(CONFIG_ZSTD),libzstd)
PKGS_boot := $(if $(CONFIG_BOOT_UBOOT),libubootenv)
PKGS_hooks := jansson
PKGS_agent := inih
PKGS_publisher := libarchive zlib inih $(if $(CONFIG_ZSTD),libzstd) $(if $(CONFIG_PUBLISHER_PATCH),libdivsufsort)

# cmd_*.c and main.c are the program, not the library that tests link.
sources = $(filter-out $(OFF-y),$(patsubst $(S)/%,%,$(sort $(wildcard $(S)/$(DIR_$(1))/*.c))))
objects = $(patsubst %.c,$(O)/%.o,$(1))
is_program = agent/main.c agent/cmd_%.c publisher/main.c publisher/cmd_%.c
lib_sources = $(filter-out $(is_program),$(call sources,$(1)))
libs_of = $(1) $(USES_$(1))
archives = $(foreach m,$(1),$(O)/lib$(m).a)
pkgs_of = $(sort $(foreach m,$(1),$(PKGS_$(m))))

# Asked once for each list of packages that is linked.
pkg_cflags = $(if $(strip $(1)),$(shell $(PKG_CONFIG) --cflags $(1)))
pkg_libs = $(if $(strip $(1)),$(shell $(PKG_CONFIG) --libs $(1)))

define module_rules
$(O)/lib$(1).a: $$(call objects,$$(call lib_sources,$(1)))
	@rm -f $$@
	$$(Q)$$(AR) rcs $$@ $$^
endef
$(foreach m,$(MODULES) publisher,$(eval $(call module_rules,$(m))))

ALL_PKGS = $(call pkgs_of,$(MODULES) publisher)
# Goals that compile nothing themselves do not ask.
QUIET_GOALS := clean help deps deps-% check check-long check-boot check-boot-long check-boot-cycles \
	check-boot-rpi check-boot-tryboot check-boot-systemd check-boot-sandbox demo format% \
	lint-% $(KCONFIG_GOALS) %_defconfig
ifneq ($(filter-out $(QUIET_GOALS),$(or $(MAKECMDGOALS),all)),)
PKG_CFLAGS := $(call pkg_cflags,$(ALL_PKGS))
endif

$(O)/%.o: $(S)/%.c $(O)/config.mk
	@mkdir -p $(@D)
	@$(if $(filter 0,$(V)),echo "  CC      $*.c")
	$(Q)$(CC) $(BASE_CPPFLAGS) $(PKG_CFLAGS) $(CPPFLAGS) $(BASE_CFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

# link(output, objects, modules, extra flags)
define link
@mkdir -p $(dir $(1))
@$(if $(filter 0,$(V)),echo "  LD      $(patsubst $(O)/%,%,$(1))")
$(Q)$(CC) $(CFLAGS) $(BASE_LDFLAGS) $(LDFLAGS) -o $(1) $(2) -Wl,--start-group $(call archives,$(3)) -Wl,--end-group $(call pkg_libs,$(call pkgs_of,$(3))) $(4)
endef

# --- Programs --------------------------------------------------------------------
PROGRAMS := $(O)/pawl $(if $(CONFIG_PUBLISHER),$(O)/pawl-repo)
programs: $(PROGRAMS)

program_objects = $(call objects,$(filter $(is_program),$(call sources,$(1))))

# A library must find this function in the program: agent/poll/http_setup.c says why.
AGENT_LDFLAGS = $(EXPORT-$(CONFIG_HTTP))
EXPORT-y := -Wl,--export-dynamic-symbol=_gnutls_global_init_skip
$(O)/pawl: $(call program_objects,agent) $(call archives,$(call libs_of,agent))
	$(call link,$@,$(call program_objects,agent),$(call libs_of,agent),$(AGENT_LDFLAGS))

$(O)/pawl-repo: $(call program_objects,publisher) $(call archives,$(call libs_of,publisher))
	$(call link,$@,$(call program_objects,publisher),$(call libs_of,publisher))

include $(S)/scripts/deps.mk
include $(S)/tests/tests.mk
include $(S)/scripts/lint.mk
include $(S)/packaging/install.mk

clean:
	rm -rf $(O)

help:
	@sed -n 's/^#: //p' $(S)/Makefile $(S)/scripts/*.mk $(S)/tests/tests.mk $(S)/tests/*/*.mk $(S)/packaging/install.mk

#: make                build pawl and pawl-repo into $(O) (default: build)
#: make clean          remove $(O)
#: variables           O= DESTDIR= PREFIX= CC= CFLAGS= LDFLAGS= PKG_CONFIG= V=1 WERROR=1

-include $(shell find $(O) -path $(O)/bench -prune -o -type f -name '*.d' -print 2>/dev/null)

.PHONY: all programs clean help
.DELETE_ON_ERROR:
