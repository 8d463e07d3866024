# SPDX-License-Identifier: Apache-2.0
"""Debian packages in two real versions: of the last point release, and of its security updates.

Uses a private apt with its own lists, so that the machine's sources do not matter, and needs no
root. Signatures and hashes are checked by apt. Everything is kept in WORK/debian.
"""
import re
import subprocess
from collections import namedtuple

from settings import ARCH, MIRROR, PACKAGES, SUITE, UPDATES, WORK, say

FOLDER = WORK / "debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# old and new are versions; new is None where no update is newer. source groups what is built
# together. control is the paragraph of old and new in apt's list, for the dpkg status file.
Package = namedtuple("Package", "name source old new control")


def apt_options():
    return [
        "-o", f"Dir::Etc::SourceList={FOLDER}/sources.list",
        "-o", "Dir::Etc::SourceParts=/dev/null",
        "-o", f"Dir::State={FOLDER}/state",
        "-o", f"Dir::State::status={FOLDER}/state/status",
        "-o", f"Dir::Cache={FOLDER}/cache",
        "-o", f"APT::Architecture={ARCH}",
        "-o", f"APT::Architectures={ARCH}",
        "-o", "APT::Sandbox::User=",
    ]  # fmt: skip


def update_lists():
    for folder in ("state/lists/partial", "cache/archives/partial", "pool"):
        (FOLDER / folder).mkdir(parents=True, exist_ok=True)
    (FOLDER / "state/status").touch()
    source = f"deb [signed-by={KEYRING}] {MIRROR}"
    (FOLDER / "sources.list").write_text(
        f"{source}/debian {SUITE} main\n"
        f"{source}/debian {SUITE}-updates main\n"
        f"{source}/debian-security {SUITE}-security main\n"
    )
    if not list((FOLDER / "state/lists").glob("*Packages*")):
        subprocess.run(["apt-get", *apt_options(), "-q", "-q", "update"], check=True)


def read_list(pattern):
    """All paragraphs of the package lists whose file name has pattern: {name: [control, ...]}."""
    found = {}
    for path in sorted((FOLDER / "state/lists").glob(f"*{pattern}*_Packages*")):
        text = subprocess.run(
            ["/usr/lib/apt/apt-helper", "cat-file", str(path)],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        for control in text.split("\n\n"):
            name = re.match(r"Package: (\S+)", control)
            if name:
                found.setdefault(name[1], []).append(control)
    return found


def field(control, name):
    match = re.search(rf"^{name}: (.*)$", control, re.M)
    return match[1] if match else ""


def is_newer(a, b):
    return subprocess.run(["dpkg", "--compare-versions", a, "gt", b], check=False).returncode == 0


def newest(controls):
    best = None
    for control in controls:
        if best is None or is_newer(field(control, "Version"), field(best, "Version")):
            best = control
    return best


def find_packages():
    """The packages of the list, in its order."""
    update_lists()
    main = read_list(f"_{SUITE}_")
    later = read_list(f"_{SUITE}-")
    packages = []
    for name in PACKAGES.read_text().split():
        if name not in main:
            say(f"  {name}: not in {SUITE}, left out")
            continue
        old = newest(main[name])
        new = newest(later[name]) if name in later else None
        if new and not is_newer(field(new, "Version"), field(old, "Version")):
            new = None
        control = {field(c, "Version"): c for c in (old, new) if c}
        source = field(old, "Source").split(" ")[0] or name
        new_version = field(new, "Version") if new else None
        packages.append(Package(name, source, field(old, "Version"), new_version, control))
    return packages


def deb_path(name, version):
    safe = version.replace(":", "%3a")
    found = list((FOLDER / "pool").glob(f"{name}_{safe}_*.deb"))
    return found[0] if found else None


def download(packages):
    """Both versions of everything; what is there already is not fetched again."""
    wanted = [
        f"{p.name}={version}"
        for p in packages
        for version in (p.old, p.new)
        if version and not deb_path(p.name, version)
    ]
    if wanted:
        say(f"  fetching {len(wanted)} packages")
        command = ["apt-get", *apt_options(), "-q", "-q", "download", *wanted]
        subprocess.run(command, cwd=FOLDER / "pool", check=True)


def split_updates(packages):
    """Which updates belong to the history, which to the upgrade. Whole source packages, by name,
    from the end of the alphabet until the upgrade has its number; what is left is history."""
    by_source = {}
    for p in packages:
        if p.new:
            by_source.setdefault(p.source, []).append(p)
    upgrade, history = [], []
    for source in sorted(by_source, reverse=True):
        (upgrade if len(upgrade) < UPDATES else history).extend(by_source[source])
    return history, upgrade
