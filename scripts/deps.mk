# SPDX-License-Identifier: Apache-2.0
#: make deps           Debian packages to build, check and lint: installed as root, named otherwise
#: make deps-cross     Debian packages to build for arm64 and to run that here
deps:
	$(Q)sh $(S)/scripts/deps.sh build check lint

deps-cross:
	$(Q)sh $(S)/scripts/deps.sh build check cross

#: make deps-bench     Debian packages for make bench-delta and bench-install
deps-bench:
	$(Q)sh $(S)/scripts/deps.sh build check bench

.PHONY: deps deps-cross deps-bench
