#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Forges metadata: edits a published tree and signs it again with the workspace's keys, so that
what is forged is refused for the one reason that is tested and no other.

usage: forge.py WORKSPACE < PROGRAM

PROGRAM is Python; it finds these names:

  r                   the tree (class Tree below)
  f = r.load(ROLE)    a metadata file of today: f.doc, f.signed, f.signatures
  r.save(f, ...)      signs it (by=[...]) and writes it, and links it into what lists it
  r.keys["online"]    keys of the workspace: root-1 root-2 root-3 release online
  Key.make(KIND)      a new key: p256 p384 ed25519 rsa1024 rsa3072
  r.bump = True       each file that is saved is a version higher, for devices that have seen it
  canonical, sha256   as TUF wants them

Needs Python 3 and its cryptography module.
"""
import copy
import hashlib
import json
import os
import sys
import tarfile

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

OWNERS = {"root": ["root-1", "root-2"], "targets": ["release"], "releases": ["release"],
          "snapshot": ["online"], "timestamp": ["online"]}


def canonical(value) -> bytes:
    """OLPC canonical JSON: sorted keys, and only the quote and the backslash are escaped."""
    def text(v):
        if isinstance(v, str):
            return '"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"'
        if isinstance(v, dict):
            return "{" + ",".join(text(k) + ":" + text(v[k]) for k in sorted(v)) + "}"
        if isinstance(v, list):
            return "[" + ",".join(map(text, v)) + "]"
        return json.dumps(v)
    return text(value).encode()


def dump(doc) -> bytes:
    return json.dumps(doc, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Key:
    """A private key and the key object that stands for it in metadata."""

    def __init__(self, private, keytype, scheme):
        self.private = private
        public = private.public_key()
        if keytype == "ed25519":
            text = public.public_bytes(serialization.Encoding.Raw,
                                       serialization.PublicFormat.Raw).hex()
        else:
            text = public.public_bytes(serialization.Encoding.PEM,
                                       serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        self.object = {"keytype": keytype, "scheme": scheme, "keyval": {"public": text}}

    @classmethod
    def load(cls, path):
        with open(path, "rb") as f:
            private = serialization.load_pem_private_key(f.read(), None)
        return cls(private, "ecdsa", "ecdsa-sha2-nistp256")

    @classmethod
    def make(cls, kind):
        if kind == "p256":
            return cls(ec.generate_private_key(ec.SECP256R1()), "ecdsa", "ecdsa-sha2-nistp256")
        if kind == "p384":
            return cls(ec.generate_private_key(ec.SECP384R1()), "ecdsa", "ecdsa-sha2-nistp384")
        if kind == "ed25519":
            return cls(ed25519.Ed25519PrivateKey.generate(), "ed25519", "ed25519")
        return cls(rsa.generate_private_key(65537, int(kind[3:])), "rsa", "rsassa-pss-sha256")

    def alias(self, **changes):
        """The same key with another key object, so with another key id."""
        other = copy.copy(self)
        other.object = json.loads(json.dumps(self.object))
        other.object["keyval"]["public"] = changes.pop("public",
                                                       other.object["keyval"]["public"])
        other.object.update(changes)
        return other

    @property
    def id(self):
        return sha256(canonical(self.object))

    def sign(self, data: bytes) -> str:
        k = self.private
        if isinstance(k, ed25519.Ed25519PrivateKey):
            return k.sign(data).hex()
        if isinstance(k, rsa.RSAPrivateKey):
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
            return k.sign(data, pss, hashes.SHA256()).hex()
        # As the scheme says, whatever the curve: who believes the scheme finds it right.
        is_384 = self.object["scheme"].endswith("384")
        return k.sign(data, ec.ECDSA(hashes.SHA384() if is_384 else hashes.SHA256())).hex()


class File:
    """One metadata file: what is written is `raw` where it is set, else `doc`."""

    def __init__(self, role, doc):
        self.role = role
        self.doc = doc
        self.raw = None

    @property
    def signed(self):
        return self.doc["signed"]

    @property
    def signatures(self):
        return self.doc["signatures"]

    def sign(self, keys):
        data = canonical(self.signed)
        self.doc["signatures"] = [{"keyid": k.id, "sig": k.sign(data)} for k in keys]

    @property
    def bytes(self):
        return self.raw if self.raw is not None else dump(self.doc)


class Tree:
    """A published tree. Files are changed in place: a device that has not seen them takes them."""

    def __init__(self, workspace):
        self.public = os.path.join(workspace, "public")
        self.workspace = workspace
        self.bump = False
        self.keys = {}
        for name in os.listdir(os.path.join(workspace, "keys")):
            if name.endswith(".pem") and not name.endswith(".pub.pem"):
                self.keys[name[:-4]] = Key.load(os.path.join(workspace, "keys", name))

    # --- files ---------------------------------------------------------------------
    def path(self, name):
        return os.path.join(self.public, name)

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def write(self, name, data):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.exists(path):
            os.unlink(path)
        with open(path, "wb") as f:
            f.write(data)

    def root_version(self):
        n = 1
        while os.path.exists(self.path(f"metadata/{n + 1}.root.json")):
            n += 1
        return n

    def version_of(self, role):
        if role == "root":
            return self.root_version()
        lister = self.load("timestamp" if role == "snapshot" else "snapshot")
        return lister.signed["meta"][role + ".json"]["version"]

    def name_of(self, role, version=None):
        if role == "timestamp":
            return "metadata/timestamp.json"
        return f"metadata/{version or self.version_of(role)}.{role}.json"

    def load(self, role, version=None):
        return File(role, json.loads(self.read(self.name_of(role, version))))

    # --- changes -------------------------------------------------------------------
    def owners(self, role):
        return [self.keys[name] for name in OWNERS[role]]

    def put(self, f, version=None):
        """Writes the file as it is, under its version (or the one given)."""
        self.write(self.name_of(f.role, version or f.signed["version"]), f.bytes)

    def link(self, f, version=None):
        """What lists the file lists it as it is now, signed again, up to the timestamp."""
        if f.role in ("root", "timestamp"):
            return
        lister = self.load("timestamp" if f.role == "snapshot" else "snapshot")
        data = f.bytes
        lister.signed["meta"][f.role + ".json"] = {
            "version": version or f.signed["version"], "length": len(data),
            "hashes": {"sha256": sha256(data)}}
        self.save(lister)

    def save(self, f, by=None, version=None):
        """Signs with the role's keys (or those in `by`), writes, links."""
        if self.bump and f.role != "root":
            f.signed["version"] += 1
        f.sign(self.owners(f.role) if by is None else by)
        self.put(f, version)
        self.link(f, version)

    def next_root(self, by=("root-1", "root-2"), **changes):
        """The next root as a File, not written: `changes` of signed; signed by names of keys."""
        f = self.load("root")
        f.signed["version"] += 1
        f.signed.update(changes)
        f.sign([k if isinstance(k, Key) else self.keys[k] for k in by])
        return f

    def use_key(self, root, role, keys, threshold=1):
        """Gives a role these keys in a root file that is being made."""
        for k in keys:
            root.signed["keys"][k.id] = k.object
        root.signed["roles"][role] = {"keyids": [k.id for k in keys], "threshold": threshold}

    # --- manifests -----------------------------------------------------------------
    def target_names(self, release, product="demo", channel="stable"):
        return {"targets": f"{product}/{channel}.json",
                "releases": f"{product}/releases/{release}.json"}

    def target_file(self, path, digest):
        folder, base = path.rsplit("/", 1)
        return f"targets/{folder}/{digest}.{base}"

    def manifest(self, release):
        path = self.target_names(release)["releases"]
        entry = self.load("releases").signed["targets"][path]
        return json.loads(self.read(self.target_file(path, entry["hashes"]["sha256"])))

    def put_manifest(self, release, manifest, custom=None):
        """Publishes it (a value, or bytes) as the target of `release` and of the channel."""
        data = manifest if isinstance(manifest, bytes) else dump(manifest)
        for role, path in self.target_names(release).items():
            f = self.load(role)
            entry = f.signed["targets"].setdefault(path, {})
            entry.update({"length": len(data), "hashes": {"sha256": sha256(data)}})
            entry.setdefault("custom", {"release": release})
            if custom:
                entry["custom"].update(custom)
            self.write(self.target_file(path, sha256(data)), data)
            self.save(f)

    def edit_manifest(self, release, **changes):
        m = self.manifest(release)
        m.update(changes)
        self.put_manifest(release, m)

    # --- bundles -------------------------------------------------------------------
    def members(self, release):
        """Names of a bundle in their order."""
        names = [f"metadata/{n}.root.json" for n in range(1, self.root_version() + 1)]
        names += [self.name_of(role) for role in ("timestamp", "snapshot", "targets", "releases")]
        path = self.target_names(release)["releases"]
        digest = self.load("releases").signed["targets"][path]["hashes"]["sha256"]
        names.append(self.target_file(path, digest))
        m = self.manifest(release)
        small = [o["sha256"] for i in m["images"] for o in (i["leaves"], i["full"]["pieces"])]
        large = [i["full"]["sha256"] for i in m["images"]]
        return names + [f"objects/{d[:2]}/{d}" for d in dict.fromkeys(small + large)]

    def pack(self, out, release, names=None):
        """A bundle of what the tree holds now, without any check."""
        with tarfile.open(out, "w", format=tarfile.USTAR_FORMAT) as tar:
            for name in names or self.members(release):
                info = tarfile.TarInfo(name)
                info.size = os.path.getsize(self.path(name))
                info.mode = 0o644
                with open(self.path(name), "rb") as f:
                    tar.addfile(info, f)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    names = {"r": Tree(sys.argv[1]), "Key": Key, "File": File, "canonical": canonical,
             "dump": dump, "sha256": sha256, "json": json, "os": os, "copy": copy}
    exec(compile(sys.stdin.read(), "forge", "exec"), names)


if __name__ == "__main__":
    main()
