#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# System calls of the agent go wrong, one after the other; see faults.py.
exec python3 "$(dirname "$0")/faults.py" "$@"
