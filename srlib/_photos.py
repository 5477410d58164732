"""The photographs that ship with the package: names, splits, credits, pixels. Public in `srlib.datasets`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from srlib._paths import data_dir
from srlib._registry import DataError

if TYPE_CHECKING:
    from torch import Tensor

Split = Literal["train", "test"]


@dataclass(frozen=True)
class Photo:
    """A photograph that ships with the package: `width` and `height` in pixels, `alt` says what it shows."""

    name: str
    file: str
    split: Split
    title: str
    author: str
    licence: str
    source: str
    via: str
    sha256: str
    bytes: int
    width: int
    height: int
    grey: bool
    alt: str

    @property
    def path(self) -> Path:
        return data_dir() / "photos" / self.file


@lru_cache
def read_json(path: Path) -> Any:
    """A JSON file of the package; read once."""
    return json.loads(path.read_text(encoding="utf-8"))


def photographs() -> dict[str, Photo]:
    """All photographs by name, in the order of ``photos.json``."""
    return {values["name"]: Photo(**values) for values in read_json(data_dir() / "photos" / "photos.json")}


def bundled(split: str | None = None) -> list[str]:
    """Names of the photographs that ship with the package, sorted within each split, ``train`` first.

    Args:
        split: ``"train"``, ``"test"`` or None for both. No scene is in both.

    Raises:
        DataError: `split` is something else.

    >>> bundled("test")
    ['astronaut', 'chelsea', 'coffee', 'coins', 'temple']
    """
    if split not in (None, "train", "test"):
        raise DataError(f"split {split!r} does not exist; use 'train', 'test' or None for both")
    cards = sorted(photographs().values(), key=lambda item: (item.split != "train", item.name))
    return [item.name for item in cards if split in (None, item.split)]


def card(name: str) -> Photo:
    """What is known of a photograph: author, licence, source, size, alt text.

    Raises:
        DataError: no photograph has this name.

    >>> card("chelsea").licence
    'CC0 1.0'
    """
    cards = photographs()
    if name not in cards:
        raise DataError(f"no photograph is called {name!r}; there are {', '.join(bundled())}")
    return cards[name]


def photo(name: str) -> Tensor:
    """A photograph that ships with the package, as (1, 3, H, W) float32 RGB in [0, 1]; grey ones too.

    Raises:
        DataError: no photograph has this name.

    >>> photo("chelsea").shape
    torch.Size([1, 3, 300, 451])
    """
    from srlib.image import load

    return load(card(name).path)


def photos(split: str | None = None) -> dict[str, Tensor]:
    """All photographs of a split (see `bundled`) by name, each (1, 3, H, W) float32 RGB in [0, 1].

    >>> list(photos("test"))
    ['astronaut', 'chelsea', 'coffee', 'coins', 'temple']
    """
    return {name: photo(name) for name in bundled(split)}
