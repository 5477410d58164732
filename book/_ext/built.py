"""What the interactive pages show is made while the book is built, once: a folder in `_build` for each input."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

CARD = "card.json"


def key_of(files: Iterable[Path], *words: str) -> str:
    """SHA-256 over the content of files and some words; another weight, photograph or line of code is another key."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    digest.update("\0".join(words).encode())
    return digest.hexdigest()


def kept(folder: Path, key: str, make: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """The card that `make(folder)` has written for this key, or makes now; its files lie beside it.

    `make` gets an empty folder to put files into, and returns what is to be known of them. The folder appears under its
    name only when all is there, so a build that was interrupted leaves nothing behind that looks whole.
    """
    card = folder / CARD
    if card.is_file():
        content: dict[str, Any] = json.loads(card.read_text("utf-8"))
        if content["key"] == key:
            return content
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        content = make(unfinished) | {"key": key}
        (unfinished / CARD).write_text(json.dumps(content, ensure_ascii=False), "utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return content


def files(folder: Path) -> list[Path]:
    """The files of a folder that belong into the site."""
    return sorted(path for path in folder.iterdir() if path.name != CARD)
