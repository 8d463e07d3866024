# SPDX-License-Identifier: Apache-2.0
"""Results as markdown tables, put between the marks of docs/benchmarks.md."""
import os
import pathlib

from settings import ALL_FORMATS, MIB, PLAIN_FORMATS, SOURCE, WORK, say

BEGIN = "<!-- bench-delta: begin (made by `make bench-delta`) -->"
END = "<!-- bench-delta: end -->"
PAGE = pathlib.Path(os.environ.get("BENCH_PAGE", SOURCE / "docs/benchmarks.md"))
CHANGES = {"small": "small", "r6": "upgrade", "r7": "return"}

# Goals in MiB: {(format, change): (any-to-any, patch)}.
GOALS = {
    ("ext4", "r6"): (11, 2.1), ("ext4", "small"): (1.4, 0.12),
    ("erofs", "r6"): (14, 2.3), ("erofs", "small"): (3.9, 0.2),
    ("erofs-lz4hc", "r6"): (15, 4.8), ("erofs-lz4hc", "small"): (2.5, None),
    ("squashfs-zstd", "r6"): (14.2, 12.7), ("squashfs-zstd", "small"): (1.0, None),
}  # fmt: skip
# Goals beside others in the same run: (format, change or None for all, what, peer, at most).
RATIOS = [
    ("ext4", "r6", "any", "rauc", 0.60), ("ext4", "small", "any", "rauc", 0.20),
    ("ext4", "r6", "any", "zchunk", 0.62), ("ext4", "small", "any", "zchunk", 0.22),
    ("squashfs", None, "any", "zchunk", 0.85), (None, None, "patch", "xdelta3", 0.55),
]  # fmt: skip
ANONYMOUS_KIB, RSS_KIB, RSS_OF_IMAGE = 8 << 10, 20 << 10, 0.004
DATA_REQUESTS = 3


def nonzero_bytes(image):
    zero, count = bytes(4096), 0
    with image.open("rb") as f:
        for block in iter(lambda: f.read(4096), b""):
            count += 0 if block == zero[: len(block)] else len(block)
    return count


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def mib(n):
    return "–" if n is None else f"{n / MIB:.2f}"


def ratio(a, b):
    return "–" if a is None or not b else f"{a / b:.2f}"


class Results:
    def __init__(self, results):
        self.about = results["about"]
        order = [*ALL_FORMATS, *PLAIN_FORMATS]
        self.rows = sorted(results["rows"], key=lambda row: order.index(row["format"]))
        self.formats = [r["format"] for r in self.rows if r["table"] == "image"]

    def find(self, **wanted):
        return [r for r in self.rows if all(r.get(k) == v for k, v in wanted.items())]

    def peer(self, fmt, change, name):
        """All bytes, or None where it was not run."""
        found = self.find(table="peer", format=fmt, to=change, peer=name)
        return found[0]["data"] + found[0]["tables"] if found else None

    def pawl(self, fmt, change, situation):
        found = self.find(table="pawl", format=fmt, to=change, situation=situation)
        return sum(found[0][k] for k in ("data", "tables", "metadata")) if found else None

    def nonzero(self, fmt):
        return self.find(table="image", format=fmt)[0]["nonzero"]


def compare_table(r):
    head = ["image", "change", "full, zstd -19", "RAUC's method", "zchunk", "casync 16K", "Pawl",
            "Pawl/RAUC", "Pawl/zchunk", "xdelta3 -9", "Pawl patch", "patch/xdelta3"]  # fmt: skip
    rows = []
    for fmt in r.formats:
        size = r.find(table="image", format=fmt)[0]["sizes"]["r6"]
        for change in ("r6", "small"):
            names = ("full", "rauc", "zchunk", "casync", "xdelta3")
            get = {name: r.peer(fmt, change, name) for name in names}
            any_way, patch = r.pawl(fmt, change, "N-1"), r.pawl(fmt, change, "patch")
            rows.append([
                f"{fmt} {size // MIB} MiB", CHANGES[change], mib(get["full"]), mib(get["rauc"]),
                mib(get["zchunk"]), mib(get["casync"]), f"**{mib(any_way)}**",
                ratio(any_way, get["rauc"]), ratio(any_way, get["zchunk"]), mib(get["xdelta3"]),
                f"**{mib(patch)}**", ratio(patch, get["xdelta3"]),
            ])  # fmt: skip
    return table(head, rows)


def detail_table(r):
    head = ["image", "to", "device", "way", "data", "tables", "metadata", "requests (data)",
            "seconds", "CPU s", "RSS KiB", "anonymous KiB", "written MiB", "right"]  # fmt: skip
    rows = []
    for row in r.find(table="pawl"):
        rows.append([
            row["format"], CHANGES.get(row["to"], row["to"]), row["situation"], row["way"],
            mib(row["data"]), mib(row["tables"]), f"{row['metadata'] / 1024:.1f} KiB",
            f"{row['requests']} ({row['data_requests']})", f"{row['wall']:.1f}",
            f"{row['cpu']:.1f}", str(row["rss"]), str(row["anonymous"]),
            f"{row['written'] / MIB:.1f}", "yes" if row["ok"] else "**NO**",
        ])  # fmt: skip
    return table(head, rows)


def peer_table(r):
    head = ["image", "change", "who", "data", "tables", "requests", "how"]
    rows = [
        [row["format"], CHANGES[row["to"]], row["peer"], mib(row["data"]), mib(row["tables"]),
         str(row["requests"]), row["how"]] for row in r.find(table="peer")
    ]  # fmt: skip
    return table(head, rows)


def publisher_table(r):
    head = ["image", "release", "seconds", "CPU s", "RSS MiB", "full", "data", "index", "patch"]
    rows = []
    for row in r.find(table="publisher"):
        sizes = row["sizes"]
        patches = [n for what, n in sizes.items() if what.startswith("patch")]
        rows.append([
            row["format"], CHANGES.get(row["to"], row["to"]), f"{row['wall']:.0f}",
            f"{row['cpu']:.0f}", str(row["rss"] // 1024), mib(sizes.get("full")),
            mib(sizes.get("data")), mib(sizes.get("index")),
            mib(sum(patches)) if patches else "–",
        ])  # fmt: skip
    return table(head, rows)


def judge(r):
    """Every goal as (text, measured, limit); a goal whose figures are not there is left out."""
    for (fmt, change), (any_goal, patch_goal) in GOALS.items():
        for goal, situation in ((any_goal, "N-1"), (patch_goal, "patch")):
            got = r.pawl(fmt, change, situation)
            if goal is not None and got is not None:
                yield f"{fmt}, {CHANGES[change]}, {situation}: MiB", got / MIB, goal
    for prefix, only, what, peer, limit in RATIOS:
        for fmt in r.formats:
            for change in ("r6", "small"):
                ours = r.pawl(fmt, change, "N-1" if what == "any" else "patch")
                theirs = r.peer(fmt, change, peer)
                if fmt.startswith(prefix or "") and only in (None, change) and ours and theirs:
                    yield f"{fmt}, {CHANGES[change]}, {what} beside {peer}", ours / theirs, limit
    for row in r.find(table="pawl"):
        name = f"{row['format']}, {row['situation']} to {CHANGES.get(row['to'], row['to'])}"
        bar = RSS_KIB + RSS_OF_IMAGE * r.nonzero(row["format"]) / 1024
        yield f"{name}: RSS KiB", row["rss"], bar
        yield f"{name}: anonymous KiB", row["anonymous"], ANONYMOUS_KIB
        if row["situation"] in ("N-1", "N-2", "N-3", "N-4") and row["to"] != "small":
            yield f"{name}: requests for data", row["data_requests"], DATA_REQUESTS


def goals_text(r):
    goals = list(judge(r))
    missed = [g for g in goals if g[1] > g[2]]
    lines = [f"Goals: {len(goals) - len(missed)} of {len(goals)} met."]
    lines += [f"- missed: {text}: {got:.2f}, at most {limit:.2f}" for text, got, limit in missed]
    wrong = [row for row in r.find(table="pawl") if not row["ok"]]
    lines.append(f"Target slot as it should be after {len(r.find(table='pawl')) - len(wrong)} of "
                 f"{len(r.find(table='pawl'))} installations.")  # fmt: skip
    return [*lines, ""]


def about_text(r):
    a = r.about
    pairs = ", ".join(f"{name} {old} → {new}" for name, old, new in a["upgrade"])
    programs = ", ".join(path for _, path in a["programs"])
    level = f", compression level {a['level']} (a trial run)" if a["level"] else ""
    return [
        f"{a['packages']} packages{level}. Upgrade: {len(a['upgrade'])} packages: {pairs}. "
        f"Small: 3 configuration edits, {programs} of the upgrade. Updated within the history: "
        f"{', '.join(a['history'])}.",
        "",
    ]


def make_text(results):
    r = Results(results)
    return "\n".join([
        *about_text(r), "MiB fetched with all tables and metadata, from base:", "",
        *compare_table(r), *goals_text(r),
        "Each installation (MiB; bytes and requests from nginx's log):", "", *detail_table(r),
        "The others in detail (MiB):", "", *peer_table(r),
        "The publisher's side (MiB):", "", *publisher_table(r),
    ])  # fmt: skip


def write(results):
    text = make_text(results)
    (WORK / "results.md").write_text(text)
    page = PAGE.read_text()
    if BEGIN in page and END in page:
        before, rest = page.split(BEGIN, 1)
        page = before + BEGIN + "\n" + text + END + rest.split(END, 1)[1]
        PAGE.write_text(page)
    say(text)
    say(f"written: {WORK}/results.md, {PAGE}")
