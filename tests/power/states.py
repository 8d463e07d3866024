# SPDX-License-Identifier: Apache-2.0
"""Crash states of a log of writes. A flush makes durable what was written before it; until then a
disk keeps any part of what it was given, in sectors of 512 bytes. So each interval between two
flushes has its own states, upon everything before it:

  prefix  the first k writes, all of each
  drop    any of the writes, all of each: what was dropped, or came later than what came after it
  tear    the first k-1 writes, and the head or the tail of the k-th
  mixed   of each write nothing, all, its head, its tail, or any of its sectors

A state is a name and, for each write of the interval, the sectors that the disk kept."""
import random
from dataclasses import dataclass

SECTOR = 512
KINDS = ("prefix", "drop", "tear", "mixed")


@dataclass
class Amount:
    """How many states of one interval are taken."""
    drops: int  # all of them if there are not more, else so many at random
    tears: int
    mixed: int


@dataclass
class Interval:
    number: int
    first: int  # index in the log of its first entry
    writes: list  # [(sector, data)]

    def sectors(self, k):
        return len(self.writes[k][1]) // SECTOR


def split(entries):
    """The log as intervals; those without a write are left out."""
    found, writes, first = [], [], 0
    for i, entry in enumerate([*entries, None]):
        if entry is not None:
            writes.append(entry)
            continue
        if writes:
            found.append(Interval(len(found), first, writes))
        writes, first = [], i + 1
    return found


def write(disk, sector, data):
    disk[sector * SECTOR:sector * SECTOR + len(data)] = data


def apply(disk, interval, kept):
    """Puts what was kept onto `disk`, a bytearray."""
    for (sector, data), mask in zip(interval.writes, kept):
        if mask is True:
            write(disk, sector, data)
        elif mask:
            for s in mask:
                write(disk, sector + s, data[s * SECTOR:(s + 1) * SECTOR])


def whole(interval):
    return [True] * len(interval.writes)


def prefixes(interval):
    n = len(interval.writes)
    for k in range(1, n + 1):
        yield f"prefix:{k}", [i < k for i in range(n)]


def drops(interval, amount, r):
    """Sets that are no prefix."""
    n = len(interval.writes)
    total = 2 ** n - n - 1
    prefix = {2 ** k - 1 for k in range(n + 1)}
    if total <= amount:
        sets = [s for s in range(2 ** n) if s not in prefix]
    else:
        found = set()
        while len(found) < amount:
            # A disk that lost one write, or kept one, is as likely as any mixture.
            s = (2 ** n - 1) ^ (1 << r.randrange(n)) if r.random() < 0.3 else r.getrandbits(n)
            if s not in prefix:
                found.add(s)
        sets = sorted(found)
    for s in sets:
        kept = [bool(s >> i & 1) for i in range(n)]
        yield "drop:" + ",".join(str(i + 1) for i in range(n) if not kept[i]), kept


def tears(interval, amount, r):
    n = len(interval.writes)
    cuts = [(k, at, head) for k in range(n) for at in range(1, interval.sectors(k))
            for head in (True, False)]
    if len(cuts) > amount:
        cuts = sorted(r.sample(cuts, amount))
    for k, at, head in cuts:
        mask = range(at) if head else range(at, interval.sectors(k))
        yield (f"tear:{k + 1}:{'head' if head else 'tail'}:{at}",
               [True] * k + [list(mask)] + [False] * (n - k - 1))


def part_of(interval, k, r):
    count = interval.sectors(k)
    way = r.randrange(5)
    if way < 2 or count == 1:
        return way == 0
    cut = r.randrange(1, count)
    if way == 2:
        return list(range(cut))
    if way == 3:
        return list(range(cut, count))
    return [s for s in range(count) if r.random() < 0.5]


def mixed(interval, amount, r):
    if all(interval.sectors(k) == 1 for k in range(len(interval.writes))):
        return
    for i in range(amount):
        yield f"mixed:{i + 1}", [part_of(interval, k, r) for k in range(len(interval.writes))]


def states_of(interval, amount, seed):
    """{kind: [(name, kept)]}: always the same for the same seed."""
    r = random.Random(f"{seed} {interval.number}")
    return {"prefix": list(prefixes(interval)),
            "drop": list(drops(interval, amount.drops, r)),
            "tear": list(tears(interval, amount.tears, r)),
            "mixed": list(mixed(interval, amount.mixed, r))}


def possible(interval):
    """{kind: how many there are}; of `mixed`, too many to be counted."""
    n = len(interval.writes)
    return {"prefix": n, "drop": 2 ** n - n - 1,
            "tear": sum(2 * (interval.sectors(k) - 1) for k in range(n)), "mixed": 0}


def change_of(disk, interval, kept):
    """What a state changes upon `disk`; equal for states that come to the same bytes."""
    found = {}
    for (sector, data), mask in zip(interval.writes, kept):
        for s in range(len(data) // SECTOR) if mask is True else mask or ():
            found[sector + s] = data[s * SECTOR:(s + 1) * SECTOR]
    return frozenset((s, d) for s, d in found.items()
                     if disk[s * SECTOR:(s + 1) * SECTOR] != d)
