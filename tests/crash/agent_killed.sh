#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Kills the agent at every writing system call; see agent_killed.py.
exec python3 "$(dirname "$0")/agent_killed.py" "$@"
