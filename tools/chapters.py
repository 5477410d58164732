"""The files of the book: where they are, how a notebook is read and written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

Notebook = dict[str, Any]
Cell = dict[str, Any]


def toc(root: Path = ROOT) -> list[str]:
    """The pages of `_toc.yml` in reading order, without their suffix: `["book/index", ...]`."""
    return re.findall(r"^\s*-?\s*(?:root|file):\s*(\S+)\s*$", (root / "_toc.yml").read_text("utf-8"), re.M)


def notebooks(root: Path = ROOT) -> list[Path]:
    """Every notebook of the book, in `_toc.yml` or not."""
    return sorted((root / "book").glob("**/*.ipynb"))


def read(path: Path) -> Notebook:
    """One notebook as the dictionary that is stored."""
    notebook: Notebook = json.loads(path.read_text("utf-8"))
    return notebook


def write(path: Path, notebook: Notebook) -> None:
    """Store a notebook the way Jupyter does, so that a difference shows only what changed."""
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")


def source(cell: Cell) -> str:
    """The text of a cell, whichever of the two forms it is stored in."""
    text = cell.get("source", "")
    return text if isinstance(text, str) else "".join(text)


def tags(cell: Cell) -> list[str]:
    """The tags of a cell."""
    found: list[str] = cell.get("metadata", {}).get("tags", [])
    return found
