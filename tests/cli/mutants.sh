#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The names of security checks are unique, and a few of them, switched off, are noticed. All of
# them: `make mutants`.
set -u
cd "$PAWL_SOURCE" || exit 1
. tests/lib/tap.sh
unset MAKEFLAGS MFLAGS MAKELEVEL # of the make that runs this test

tap_check "names of checks are unique and readable" sh scripts/mutants.sh names

# One for each kind of harm: an old release, a wrong device, a number that lies, a floor that sinks.
MAKE_COMMAND="make -f $PAWL_SOURCE/Makefile O=$PAWL_BUILD"
export MAKE_COMMAND
for name in policy.release policy.product manifest.image-size state.release-floor; do
	tap_check "without $name a test goes red" sh scripts/mutants.sh run "$name"
done
tap_refuse "a name that is not there is an error" 1 "not in the source" \
	sh scripts/mutants.sh run no.such-check
tap_end
