"""A registry names files that live elsewhere: for each a path, an address, a size and a SHA-256.

This module reads registries and says whether a file is here and whole; `srlib.downloads` gets those that
are not.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

# Written into an extracted archive: the archive's SHA-256, and size and SHA-256 of each member.
CONTENTS = ".contents.json"


class DataError(RuntimeError):
    """Data is missing, damaged or cannot be had; the message says what was expected and what to do."""


@dataclass(frozen=True)
class Entry:
    """One file: `path` below the cache's ``datasets`` folder and below a mirror, `bytes` long."""

    path: str
    sha256: str
    bytes: int
    url: str

    @property
    def is_archive(self) -> bool:
        return self.path.endswith(".zip")

    def local(self, root: Path) -> Path:
        """The file itself, or for an archive the folder that holds what was in it."""
        path = root / self.path
        return path.with_suffix("") if self.is_archive else path

    def origin(self) -> str | Path:
        """Where to get it: the registry's address, or a place below ``SRLIB_DATA_MIRROR``."""
        mirror = os.environ.get("SRLIB_DATA_MIRROR")
        if not mirror:
            return self.url
        if mirror.startswith(("http://", "https://")):
            return f"{mirror.rstrip('/')}/{quote(self.path)}"
        return Path(mirror).expanduser() / self.path


def read_registry(path: Path) -> tuple[Entry, ...]:
    """The lines of a registry: a TSV with the columns path, sha256, bytes, url."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return tuple(Entry(row["path"], row["sha256"], int(row["bytes"]), row["url"]) for row in rows)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def faults(entry: Entry, root: Path, *, deep: bool) -> list[str]:
    """What is wrong with the copy of `entry` under `root`: one line a file; empty when it is whole.

    `deep` compares SHA-256 values; otherwise only presence and sizes are looked at.
    """
    target = entry.local(root)
    if not entry.is_archive:
        return _file_faults(target, entry.path, entry.bytes, entry.sha256, deep=deep)
    try:
        contents = json.loads((target / CONTENTS).read_text(encoding="utf-8"))
        if contents["sha256"] != entry.sha256:
            return [f"{entry.path}: extracted from another archive"]
        members = [(str(name), int(size), str(digest)) for name, size, digest in contents["files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return [f"{entry.path}: missing"]
    return [
        fault
        for name, size, digest in members
        for fault in _file_faults(target / name, f"{entry.path}/{name}", size, digest, deep=deep)
    ]


def _file_faults(path: Path, label: str, size: int, digest: str, *, deep: bool) -> list[str]:
    if not path.is_file():
        return [f"{label}: missing"]
    if (found := path.stat().st_size) != size:
        return [f"{label}: {found} bytes, expected {size}"]
    if deep and (actual := sha256_of(path)) != digest:
        return [f"{label}: SHA-256 {actual}, expected {digest}"]
    return []


def is_complete(entry: Entry, root: Path) -> bool:
    """True if `entry` is here. Files are hashed; an extracted archive (gigabytes) is checked by size only."""
    return not faults(entry, root, deep=not entry.is_archive)


def within_reach(entries: Iterable[Entry], root: Path) -> bool:
    """True if each entry is under `root` or in a mirror that is a folder; compares sizes, hashes nothing."""

    def here(entry: Entry) -> bool:
        origin = entry.origin()
        mirrored = isinstance(origin, Path) and origin.is_file() and origin.stat().st_size == entry.bytes
        return mirrored or not faults(entry, root, deep=False)

    return all(here(entry) for entry in entries)
