"""Single-image super-resolution: the code behind “Super-Resolution, Measured”.

Read the modules in the order an image passes through them: `image` (files to tensors), `degrade` (high to low
resolution), `metrics`, `datasets`, `patches`, `models`, `recipes`, `train`, `evaluate`, `upscaling`, `video`, `export`;
then `show`, `lab`, `check` and `cli`. Every tensor is `(N, C, H, W)` float32 in [0, 1], RGB unless a name says `y` or
`luma`.

Importing `srlib` loads nothing heavy: submodules, and the three functions `load`, `save` and `upscale`, are
imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from srlib.image import load as load
    from srlib.image import save as save
    from srlib.upscaling import upscale as upscale

__version__ = "0.1.0"

_MODULES = [
    "image", "degrade", "metrics", "datasets", "patches", "models", "recipes",
    "train", "evaluate", "upscaling", "video", "export", "show", "lab", "check", "cli",
]  # fmt: skip
_FUNCTIONS = {"load": "srlib.image", "save": "srlib.image", "upscale": "srlib.upscaling"}

__all__ = ["__version__", *_FUNCTIONS, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(import_module(_FUNCTIONS[name]), name)
    if name in _MODULES:
        return import_module(f"srlib.{name}")
    raise AttributeError(f"module 'srlib' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
