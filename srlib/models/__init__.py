"""The networks, one file a paper, and the table that finds them by name.

`create` makes a fresh network, `load_pretrained` one with the weights that this package trained and ships. To add a
network, write its file, add a row to `MODELS`, and give it recipes in `srlib.recipes`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from srlib._paths import weights_dir
from srlib.models import srgan, vdsr
from srlib.models.bicubic import Bicubic
from srlib.models.espcn import ESPCN
from srlib.models.srcnn import SRCNN
from srlib.models.srgan import SRResNet
from srlib.models.vdsr import VDSR


class _Builder(Protocol):
    def __call__(self, *, scale: int, variant: str) -> nn.Module: ...


@dataclass(frozen=True)
class Entry:
    """A row of the table of models: its class, its variants (the first is the default), and what it takes."""

    build: _Builder
    variants: tuple[str, ...]
    channels: int  # 1 = luma, 3 = RGB
    upsampled: bool  # takes the bicubic enlargement with upsampled=True
    paper: str


MODELS: dict[str, Entry] = {
    "bicubic": Entry(Bicubic, ("",), channels=3, upsampled=False, paper="Keys, 1981"),
    "srcnn": Entry(SRCNN, ("9-5-5", "9-3-5", "9-1-5"), channels=1, upsampled=True, paper="Dong et al., 2014 and 2016"),
    "espcn": Entry(ESPCN, ("tanh", "relu"), channels=1, upsampled=False, paper="Shi et al., 2016"),
    "vdsr": Entry(VDSR, tuple(vdsr.VARIANTS), channels=1, upsampled=True, paper="Kim et al., 2016"),
    "srresnet": Entry(SRResNet, tuple(srgan.VARIANTS), channels=3, upsampled=False, paper="Ledig et al., 2017"),
    "srgan": Entry(SRResNet, tuple(srgan.VARIANTS), channels=3, upsampled=False, paper="Ledig et al., 2017"),
}


def entry(name: str, variant: str | None = None) -> tuple[Entry, str]:
    """The row of `name` and the variant that is meant; ValueError lists what exists."""
    if name not in MODELS:
        raise ValueError(f"there is no model {name!r}; there are {', '.join(MODELS)}")
    row = MODELS[name]
    if variant is not None and variant not in row.variants:
        there = ", ".join(filter(None, row.variants)) or "none, so leave it out"
        raise ValueError(f"{name} has no variant {variant!r}; it has {there}")
    return row, variant or row.variants[0]


def create(name: str, scale: int, variant: str | None = None) -> nn.Module:
    """A fresh network with random weights, in training mode.

    Raises ValueError for a name, scale or variant that does not exist.

    >>> sum(p.numel() for p in create("srcnn", scale=3, variant="9-1-5").parameters())
    8129
    """
    row, variant = entry(name, variant)
    return row.build(scale=scale, variant=variant)


def weights_path(name: str, scale: int, variant: str | None = None) -> Path:
    """Where the shipped weights of a model lie; ValueError lists the scales that ship when this one does not."""
    _, variant = entry(name, variant)
    # One network may serve several scales: vdsr_20_x234 is for ×2, ×3 and ×4.
    files = weights_dir().glob(f"{name}_{variant}_x*.safetensors")
    fitting = [path for path in files if str(scale) in tuple(path.stem.rpartition("_x")[2])]
    path = min(fitting, key=lambda p: len(p.stem), default=None)
    if path is None:
        here = sorted(p.stem for p in weights_dir().glob("*.safetensors"))
        raise ValueError(f"no weights ship for {name} {variant} ×{scale}; there are {', '.join(here) or 'none yet'}")
    return path


def card(name: str, scale: int, variant: str | None = None) -> dict[str, Any]:
    """What is known of the shipped weights: recipe, steps, seconds, device, data, seed, commit, scores, sha256."""
    content: dict[str, Any] = json.loads(weights_path(name, scale, variant).with_suffix(".json").read_text("utf-8"))
    return content


def load_weights(model: nn.Module, path: str | Path) -> nn.Module:
    """Fill `model` from a safetensors file and put it into eval mode; ValueError when the file does not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not Path(path).is_file():
        raise FileNotFoundError(f"no such weights: {path}")
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error
    tensors = {key: value.float() if value.is_floating_point() else value for key, value in tensors.items()}
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        kind = f"{type(model).__name__} {getattr(model, 'variant', '')}".strip()
        raise ValueError(f"the weights in {path} do not fit {kind}; name the variant that they belong to") from error
    return model.eval()


def load_pretrained(name: str, scale: int, variant: str | None = None) -> nn.Module:
    """The network with the weights that ship with `srlib`, in eval mode on the CPU.

    >>> load_pretrained("srcnn", scale=3).scale
    3
    """
    if name == "bicubic":  # nothing to load
        return create(name, scale, variant).eval()
    return load_weights(create(name, scale, variant), weights_path(name, scale, variant))
