"""Pictures to train and to test on: photographs that ship with the package, standard sets, your own folders.

Start with `images`: it takes any source by name and gives `Sample`s (a name and a path). The photographs
(`bundled`, `photo`, `photos`, `card`) need no network. The standard sets (`available`, `fetch`, `verify`,
`is_cached`) are downloaded once into the cache, each file checked against its SHA-256.

Two environment variables matter: ``SRLIB_CACHE`` (where downloads go) and ``SRLIB_DATA_MIRROR`` (a folder or
an address to take them from instead, laid out like the registries' paths: ``set5/image_SRF_2/…``,
``t91/t1.bmp``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from srlib import _registry, downloads
from srlib._paths import cache_dir, data_dir
from srlib._photos import Photo, Split, bundled, card, photo, photographs, photos, read_json
from srlib._registry import DataError, Entry

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "DataError",
    "Dataset",
    "ImageFolder",
    "Photo",
    "Sample",
    "available",
    "bundled",
    "card",
    "fetch",
    "images",
    "is_cached",
    "photo",
    "photos",
    "verify",
]

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})


@dataclass(frozen=True)
class Sample:
    """A picture to read with `srlib.image.load`. `lr_path` is the LR picture that its set ships, if any."""

    name: str
    path: Path
    lr_path: Path | None = None


@dataclass(frozen=True)
class Dataset:
    """A standard set that can be fetched: `files` files (for kind ``zip``: archives) of `bytes` in all.

    `scales` is not empty where the set comes as HR and LR pairs, one folder a scale. `names` gives the usual
    names of pictures that the set only numbers.
    """

    name: str
    title: str
    kind: Literal["files", "zip"]
    role: Split
    images: int
    files: int
    bytes: int
    terms: str
    citation: str
    source: str
    scales: tuple[int, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def entries(self) -> tuple[Entry, ...]:
        return _registry.read_registry(data_dir() / "registry" / f"{self.name}.tsv")

    @property
    def folder(self) -> Path:
        """Where `fetch` puts the set. It exists after the first download."""
        return _root() / self.name


def _root() -> Path:
    return cache_dir() / "datasets"


def _catalogue() -> dict[str, Dataset]:
    cards = read_json(data_dir() / "datasets.json")
    return {
        name: Dataset(name=name, **{**values, "scales": tuple(values.get("scales", ()))})
        for name, values in cards.items()
    }


def _find(name: str) -> Dataset:
    catalogue = _catalogue()
    if name not in catalogue:
        raise DataError(f"no data set is called {name!r}; there are {', '.join(catalogue)} (and bundled)")
    return catalogue[name]


def available() -> list[Dataset]:
    """The standard sets that `fetch` knows, test sets first.

    >>> [item.name for item in available()]
    ['set5', 'set14', 'div2k-valid', 't91', 'bsds500', 'div2k']
    """
    return sorted(_catalogue().values(), key=lambda item: item.role != "test")


def fetch(name: str, progress: bool = True) -> Path:
    """Get a standard set, unless it is in the cache already.

    Each file is checked (size, SHA-256) before it appears in the cache; a call after an interruption goes on
    with the files that are missing. ``SRLIB_DATA_MIRROR`` replaces the original addresses.

    Args:
        name: one of `available`, such as ``"set5"``.
        progress: show one bar over the bytes that are still to come.

    Returns:
        The folder of the set in the cache.

    Raises:
        DataError: the name is unknown, the cache cannot be written, or a file cannot be had or is damaged.
    """
    dataset = _find(name)
    downloads.obtain(dataset.entries, _root(), title=name, progress=progress)
    return dataset.folder


def is_cached(name: str) -> bool:
    """True if `fetch(name)` needs no network: the set is in the cache, or in a mirror that is a folder.

    Compares sizes only. Use it to skip what needs a set that is not here.

    >>> is_cached("bundled")
    True
    """
    return name == "bundled" or _registry.within_reach(_find(name).entries, _root())


def verify(name: str) -> list[str]:
    """Compare every cached file of a set (or of ``"bundled"``) with its SHA-256.

    Returns:
        One line for each file that is missing or differs; an empty list when all is well.

    >>> verify("bundled")
    []
    """
    if name == "bundled":
        folder = data_dir() / "photos"
        entries = [Entry(item.file, item.sha256, item.bytes, item.source) for item in photographs().values()]
    else:
        folder, entries = _root(), list(_find(name).entries)
    return [fault for entry in entries for fault in _registry.faults(entry, folder, deep=True)]


def images(source: str | PathLike[str], scale: int | None = None, progress: bool = True) -> list[Sample]:
    """The pictures of a source, in a fixed order. Standard sets are fetched if they are not in the cache.

    Args:
        source: one of
            ``"bundled"``, ``"bundled:train"``, ``"bundled:test"``;
            a standard set (``"set5"``), or one folder of it (``"bsds500:train"``);
            a folder of pictures, searched with its subfolders (a set's name wins over a folder of that name,
            so write ``"./set5"`` for the folder);
            several of these with commas (``"t91,bsds500"``), which prefixes the names (``"t91/t1"``).
        scale: needed for sets that come as pairs (``set5``, ``set14``): the HR pictures are those cropped for
            this scale. Other sources ignore it.
        progress: show a bar if something has to be downloaded.

    Returns:
        One `Sample` a picture; names are unique.

    Raises:
        DataError: the source does not exist or holds no picture, a scale is missing, or a download failed.

    >>> [sample.name for sample in images("bundled:test")]
    ['astronaut', 'chelsea', 'coffee', 'coins', 'temple']
    """
    if isinstance(source, str) and not source.strip(", "):
        raise DataError(f"{source!r} names no source; name a data set such as 'bundled', or a folder")
    if not isinstance(source, str) or Path(source).is_dir() or "," not in source:
        return _one_source(source, scale, progress)
    parts = [part.strip() for part in source.split(",") if part.strip()]
    return [
        Sample(f"{part}/{sample.name}", sample.path, sample.lr_path)
        for part in dict.fromkeys(parts)
        for sample in _one_source(part, scale, progress)
    ]


def _one_source(source: str | PathLike[str], scale: int | None, progress: bool) -> list[Sample]:
    if isinstance(source, str):
        name, _, part = source.partition(":")
        if name == "bundled":
            return [Sample(item, card(item).path) for item in bundled(part or None)]
        if name in (catalogue := _catalogue()):
            return _of_set(catalogue[name], part, scale, progress)
        if not Path(source).exists() and re.fullmatch(r"[\w-]+(:[\w-]*)?", source):
            known = ", ".join(["bundled", *catalogue])
            raise DataError(f"{source!r} is neither a data set ({known}) nor a folder here")
    return ImageFolder(source).samples


def _of_set(dataset: Dataset, part: str, scale: int | None, progress: bool) -> list[Sample]:
    if dataset.scales:
        if scale not in dataset.scales:
            raise DataError(f"{dataset.name} needs a scale, one of {dataset.scales}; got {scale!r}")
        if part:
            raise DataError(f"{dataset.name} is chosen by scale; write {dataset.name!r}, not ':{part}'")
        return _pairs(dataset, scale, fetch(dataset.name, progress))
    folder = fetch(dataset.name, progress)
    if part and not (folder / part).is_dir():
        parts = sorted(item.name for item in folder.iterdir() if item.is_dir())
        raise DataError(f"{dataset.name} has no part {part!r}; its parts: {', '.join(parts) or 'none'}")
    samples = ImageFolder(folder / part).samples
    if dataset.kind == "zip":
        return samples
    listed = {entry.local(_root()) for entry in dataset.entries}  # strangers in the cache do not become data
    return [sample for sample in samples if sample.path in listed]


def _pairs(dataset: Dataset, scale: int, folder: Path) -> list[Sample]:
    samples = []
    ending = f"_SRF_{scale}_HR.png"
    for hr in sorted((folder / f"image_SRF_{scale}").glob(f"*{ending}")):
        number = hr.name.removesuffix(ending)
        lr = hr.with_name(f"{number}_SRF_{scale}_LR.png")
        samples.append(Sample(dataset.names.get(number, number), hr, lr))
    return samples


class ImageFolder:
    """The pictures in a folder and its subfolders, sorted by path; hidden files and folders are left out.

    ``len(folder)``, ``folder[i]`` and iteration give (1, 3, H, W) float32 RGB in [0, 1]; `samples` gives
    names and paths without reading a file. A name is the path below the folder without its suffix (with it,
    where two files differ in nothing else).

    Raises:
        DataError: the folder does not exist, is a file, or holds no picture.

    >>> len(ImageFolder(data_dir() / "photos")) == len(bundled())
    True
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path).expanduser()
        if not self.path.is_dir():
            what = "is a file, not a folder" if self.path.exists() else "does not exist"
            raise DataError(f"the folder {self.path} {what}; give a folder of pictures")
        below = sorted(item.relative_to(self.path) for item in self.path.rglob("*") if item.is_file())
        found = [
            item
            for item in below
            if item.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in item.parts)
        ]
        if not found:
            kinds = ", ".join(sorted(SUFFIXES))
            raise DataError(f"the folder {self.path} holds no picture; looked for {kinds}, in subfolders too")
        stems = [item.with_suffix("").as_posix() for item in found]
        times = Counter(stems)
        self.samples = [
            Sample(stem if times[stem] == 1 else item.as_posix(), self.path / item)
            for stem, item in zip(stems, found, strict=True)
        ]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Tensor:
        from srlib.image import load

        return load(self.samples[index].path)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[index] for index in range(len(self)))
