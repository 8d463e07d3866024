#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One run of the reference client of The Update Framework (python-tuf, ngclient).

usage: tuf_reference.py METADATA_DIR REPOSITORY_URL ROOT_JSON TARGET...
METADATA_DIR keeps what the client trusts between runs. Prints "TARGET SHA256"
for each target that it accepted; any refusal is an exception and exit status 1.
"""

import hashlib
import os
import sys
import tempfile

from tuf.ngclient import Updater


def main() -> None:
    metadata_dir, url, root_json, *targets = sys.argv[1:]
    os.makedirs(metadata_dir, exist_ok=True)
    with open(root_json, "rb") as f:
        root = f.read()
    with tempfile.TemporaryDirectory() as out:
        updater = Updater(
            metadata_dir=metadata_dir,
            metadata_base_url=url + "metadata/",
            target_dir=out,
            target_base_url=url + "targets/",
            bootstrap=root,
        )
        updater.refresh()
        for name in targets:
            info = updater.get_targetinfo(name)
            if info is None:
                sys.exit(f"{name} is not listed")
            with open(updater.download_target(info), "rb") as f:
                print(name, hashlib.sha256(f.read()).hexdigest())


main()
