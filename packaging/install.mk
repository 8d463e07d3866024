# SPDX-License-Identifier: Apache-2.0
#: make install        into DESTDIR with PREFIX
install: programs
	install -D -m 755 $(O)/pawl $(DESTDIR)$(PREFIX)/bin/pawl

.PHONY: install
