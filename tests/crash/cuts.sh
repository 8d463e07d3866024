#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Cuts of the connection, of the server and of the agent at random places; see cuts.py.
exec python3 "$(dirname "$0")/cuts.py" "$@"
