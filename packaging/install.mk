# SPDX-License-Identifier: Apache-2.0
#: make install        into DESTDIR with PREFIX; MAN=n leaves the man pages out (cross builds)
#: make man            man pages into $(O)/man

BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
HOOKDIR ?= $(PREFIX)/lib/pawl/hooks
DOCDIR ?= $(PREFIX)/share/doc/pawl
INSTALL ?= install

# make-man runs at build time, so it cannot be made by a cross compiler.
MAN ?= y
MAN_PAGES := pawl.1 pawl.conf.5 $(if $(CONFIG_PUBLISHER),pawl-repo.1)
MAN_FILES = $(patsubst %,$(O)/man/%,$(MAN_PAGES))
MAN_DATE = $(shell date -u -d "@$${SOURCE_DATE_EPOCH:-$$(git -C $(S) log -1 --format=%ct 2>/dev/null || \
	stat -c %Y $(S)/VERSION)}" +%Y-%m-%d)

# Links what the program links; its main() gets another name, as it holds more than that.
# make_man_rule(name, module, flags)
define make_man_rule
$(O)/packaging/man/$(1).o: $(S)/packaging/man/make-man.c $(O)/config.mk
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(BASE_CPPFLAGS) $$(CPPFLAGS) $$(BASE_CFLAGS) $$(CFLAGS) $(3) -MMD -MP -c $$< -o $$@

$(O)/packaging/man/$(1)-main.o: $(S)/$(DIR_$(2))/main.c $(O)/config.mk
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(BASE_CPPFLAGS) $$(PKG_CFLAGS) $$(CPPFLAGS) $$(BASE_CFLAGS) -Wno-missing-prototypes \
		$$(CFLAGS) -Dmain=program_main -MMD -MP -c $$< -o $$@

$(O)/packaging/man/$(1): $(O)/packaging/man/$(1).o $(O)/packaging/man/$(1)-main.o \
		$$(filter-out %/main.o,$$(call program_objects,$(2))) $$(call archives,$$(call libs_of,$(2)))
	$$(call link,$$@,$$(filter %.o,$$^),$$(call libs_of,$(2)))
endef
$(eval $(call make_man_rule,make-man-pawl,agent,-DMAN_PROGRAM=pawl_program -DMAN_CONFIG))
$(eval $(call make_man_rule,make-man-repo,publisher,-DMAN_PROGRAM=publisher_program))

$(O)/man/pawl.1 $(O)/man/pawl.conf.5: $(O)/packaging/man/make-man-pawl
	@mkdir -p $(@D)
	$(Q)$< $(basename $(@F)) $(MAN_DATE) >$@

$(O)/man/pawl-repo.1: $(O)/packaging/man/make-man-repo
	@mkdir -p $(@D)
	$(Q)$< pawl-repo $(MAN_DATE) >$@

man: $(MAN_FILES)

lint-man: man
	$(Q)mandoc -Tlint -Wwarning $(MAN_FILES)

UNITS := $(sort $(wildcard $(S)/packaging/systemd/pawl-*))
# Hooks that come with Pawl: hooks/<stage>/..., as in hooks/README.md.
HOOK_FILES := $(patsubst $(S)/hooks/%,%,$(sort $(wildcard $(S)/hooks/*.d/* $(S)/hooks/health/*.d/*)))
LAYOUT_FILES := $(patsubst $(S)/partitions/layouts/%,%,$(sort $(wildcard $(S)/partitions/layouts/*/* $(S)/partitions/layouts/*.sh)))

install: install-programs install-units install-hooks install-docs $(if $(filter y,$(MAN)),install-man)

install-programs: programs
	$(Q)$(INSTALL) -D -m 755 $(O)/pawl $(DESTDIR)$(BINDIR)/pawl
	$(if $(CONFIG_PUBLISHER),$(Q)$(INSTALL) -D -m 755 $(O)/pawl-repo $(DESTDIR)$(BINDIR)/pawl-repo)

install-units:
	$(Q)mkdir -p $(DESTDIR)$(UNITDIR) $(O)/units
	$(Q)for u in $(UNITS); do \
		sed 's,@PREFIX@/bin,$(BINDIR),' $$u >$(O)/units/$${u##*/} && \
		$(INSTALL) -m 644 $(O)/units/$${u##*/} $(DESTDIR)$(UNITDIR)/ || exit; done

install-hooks:
	$(Q)mkdir -p $(DESTDIR)$(HOOKDIR)/health/required.d $(DESTDIR)$(HOOKDIR)/health/wanted.d
	$(Q)for h in $(HOOK_FILES); do \
		$(INSTALL) -D -m 755 $(S)/hooks/$$h $(DESTDIR)$(HOOKDIR)/$$h || exit; done
	@[ $(HOOKDIR) = /usr/lib/pawl/hooks ] || \
		echo "note: pawl.conf must say [paths] hooks-image = $(HOOKDIR), or no check runs"

install-docs:
	$(Q)$(INSTALL) -D -m 644 $(S)/LICENSE $(DESTDIR)$(DOCDIR)/LICENSE
	$(Q)$(INSTALL) -D -m 644 $(S)/packaging/cron/pawl $(DESTDIR)$(DOCDIR)/examples/cron
	$(Q)for f in $(LAYOUT_FILES); do \
		$(INSTALL) -D -m $$(test -x $(S)/partitions/layouts/$$f && echo 755 || echo 644) \
			$(S)/partitions/layouts/$$f $(DESTDIR)$(DOCDIR)/layouts/$$f || exit; done

install-man: man
	$(Q)for m in $(MAN_FILES); do \
		$(INSTALL) -D -m 644 $$m $(DESTDIR)$(MANDIR)/man$${m##*.}/$${m##*/} || exit; done

.PHONY: install install-programs install-units install-hooks install-docs install-man man lint-man
