#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lets a device refuse a bundle for each trick of tar_tricks.py, and looks after each one at all
that refuse.py looks at. In one process, because there are many.

usage: refuse_tricks.py --device DIR TRICKS < LIST

TRICKS and LIST are what tar_tricks.py made. Prints "STATUS<tab>NAME" for each, STATUS 0 = all of it
holds, and what does not hold on lines that begin with "#".
"""
import argparse
import os
import sys

import refuse


def play(device, before, place):
    args = refuse.options().parse_args(
        ["--device", device.dir, "--code", "E_BUNDLE", "--seconds", "10", "--",
         refuse.PAWL, "--root", device.dir, "install", place])
    judge = refuse.Judge(args, device)
    text = refuse.run(args, judge)
    after = device.look()
    for check in (judge.slots, judge.environment, judge.state, judge.store, judge.journal):
        check(before, after)
    judge.status()
    judge.hooks()
    return judge.problems, text, after


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--device", required=True)
    p.add_argument("tricks")
    args = p.parse_args()
    device = refuse.Device(args.device)
    before = device.look()
    for line in sys.stdin:
        name, what = line.rstrip("\n").split("\t")
        if name == "honest":
            continue
        problems, text, before = play(device, before, os.path.join(args.tricks, name))
        print(f"{1 if problems else 0}\t{name}, {what}: E_BUNDLE")
        for problem in problems + (text.splitlines() if problems else []):
            print(f"# {problem}")


if __name__ == "__main__":
    main()
