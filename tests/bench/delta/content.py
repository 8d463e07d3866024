# SPDX-License-Identifier: Apache-2.0
"""What each release consists of, and its folder of files.

  r1 ... r4   history: updates come one after the other, one is taken back and comes again,
              packages go away and come back
  r5 = base   everything of the list; what the pairs start from
  r6 = upgrade  base, with UPDATES packages replaced by their security updates
  small       base, with 3 configuration edits and 2 programs of that upgrade alone
  r7 = return   upgrade, a quarter of it taken back, packages gone again, 3 configuration edits
"""
import pathlib
import shutil
import subprocess
from collections import namedtuple

import debian
from settings import EXCLUDE, WORK

# versions: {package: version}; edits: how often each configuration file was edited;
# programs: paths of files taken from the upgrade.
Content = namedtuple("Content", "name versions edits programs")

USR_MERGE = ["bin", "sbin", "lib", "lib64"]


def make_history(packages, history, upgrade):
    """The contents in the order of their publication, "small" last."""
    old = {p.name: p.old for p in packages}
    base = old | {p.name: p.new for p in history}
    after = base | {p.name: p.new for p in upgrade}
    first, second, third = (history[i::3] for i in range(3))
    stable = [p.name for p in packages if not p.new and p.name != "libc6"]
    visitors = stable[7::40]  # a few, whatever they are
    here, there = visitors[::2], visitors[1::2]

    def without(versions, names):
        return {k: v for k, v in versions.items() if k not in names}

    r2 = old | {p.name: p.new for p in first}
    r3 = old | {p.name: p.new for p in second}  # what "first" brought is taken back
    r4 = r3 | {p.name: p.new for p in [*first, *third]}
    returned = after | {p.name: p.old for p in upgrade[::4]}
    return [
        Content("r1", without(old, here), 0, []),
        Content("r2", without(r2, there), 1, []),
        Content("r3", r3, 2, []),
        Content("r4", without(r4, here), 3, []),
        Content("r5", base, 4, []),
        Content("r6", after, 4, []),
        Content("r7", without(returned, there), 5, []),
        Content("small", base, 5, find_programs(upgrade)),
    ]


def find_programs(upgrade):
    """Two programs of the upgrade, of different packages, with a size closest to 1 MiB."""
    found = []
    for p in upgrade:
        listing = subprocess.run(
            ["dpkg-deb", "-c", str(debian.deb_path(p.name, p.new))],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        for line in listing.splitlines():
            mode, _, size, *_, path = line.split(None, 5)
            if mode.startswith("-rwx") and "/bin/" in path or "/sbin/" in path:
                found.append((abs(int(size) - (1 << 20)), p.name, path.lstrip(".")))
    chosen = {}
    for _, name, path in sorted(found):
        if len(chosen) < 2 and name not in chosen:
            chosen[name] = path
    return sorted(chosen.items())


def make_tree(content, packages, tree):
    """Unpacks content into tree. Nothing of a package is run, and nothing needs root."""
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    for name in USR_MERGE:
        (tree / "usr" / name).mkdir(parents=True)
        (tree / name).symlink_to(f"usr/{name}")
    status = []
    for p in packages:
        version = content.versions.get(p.name)
        if version:
            unpack(debian.deb_path(p.name, version), tree)
            status.append(p.control[version])
    (tree / "var/lib/dpkg").mkdir(parents=True, exist_ok=True)
    (tree / "var/lib/dpkg/status").write_text("\n\n".join(status) + "\n")
    for name, path in content.programs:
        new = next(p.new for p in packages if p.name == name)
        unpack(debian.deb_path(name, new), tree, "." + path)
    edit_configuration(tree, content.edits)


def unpack(deb, tree, *members):
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as source:
        subprocess.run(
            ["tar", "-C", tree, "-xf", "-", "--keep-directory-symlink", "--no-same-owner",
             "--delay-directory-restore", "--no-same-permissions",
             *[f"--exclude=./{path}" for path in EXCLUDE], *members],
            stdin=source.stdout, check=True,
        )  # fmt: skip
        if source.wait():
            raise SystemExit(f"{deb} cannot be unpacked")


def edit_configuration(tree, times):
    """Each edit adds a line to three configuration files, the same three every time."""
    files = sorted(f for f in (tree / "etc").rglob("*") if f.is_file() and not f.is_symlink())
    for i in (1, 2, 3):
        path = files[len(files) * i // 4]
        path.chmod(0o644)
        with path.open("a") as f:
            f.writelines(f"# edited for release {n}\n" for n in range(times))


def tree_of(content):
    return pathlib.Path(WORK / "trees" / content.name)
