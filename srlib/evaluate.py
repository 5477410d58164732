"""A model on a test set under a named protocol, and the ledger that keeps the scores.

Read `benchmark`, then `Ledger`. A score never appears without its protocol; see `srlib.metrics.Protocol`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from srlib import datasets
from srlib._paths import data_dir
from srlib.checkpoint import write_atomically
from srlib.degrade import imresize, mod_crop
from srlib.image import from_uint8, on_white, read, to_uint8
from srlib.metrics import PROTOCOLS, Protocol
from srlib.models.bicubic import Bicubic
from srlib.upscaling import borrowed, upscale_into


@dataclass(frozen=True)
class Score:
    """One picture: its name, PSNR in dB, SSIM."""

    name: str
    psnr: float
    ssim: float


@dataclass(frozen=True)
class Benchmark:
    """The scores of one model on one set: `psnr` in dB and `ssim` are means over the pictures of `per_image`."""

    model: str
    data: str
    scale: int
    protocol: str
    per_image: tuple[Score, ...]

    @property
    def psnr(self) -> float:
        return sum(s.psnr for s in self.per_image) / len(self.per_image)

    @property
    def ssim(self) -> float:
        return sum(s.ssim for s in self.per_image) / len(self.per_image)

    def __str__(self) -> str:
        width = max(len(s.name) for s in self.per_image)
        lines = [
            f"{self.model} ×{self.scale} on {self.data}, protocol {self.protocol} ({PROTOCOLS[self.protocol].text})"
        ]
        lines += [f"  {s.name:<{width}}  {s.psnr:6.2f} dB  {s.ssim:.4f}" for s in self.per_image]
        return "\n".join([*lines, f"  {'mean':<{width}}  {self.psnr:6.2f} dB  {self.ssim:.4f}"])


def low_resolution(hr: Tensor, scale: int, protocol: Protocol) -> Tensor:
    """The LR picture that a protocol makes of HR bytes: uint8 RGB, or unrounded float32 luma.

    `hr` is `(1, 3, H, W)` or `(1, 1, H, W)` uint8, H and W multiples of `scale`.
    """
    if not protocol.luma_first:
        return imresize(hr, 1 / scale, border=protocol.border)
    return imresize(protocol.luma(hr.double() / 255), 1 / scale, border=protocol.border).float()


def _score(model: nn.Module, path: Path, scale: int, protocol: Protocol) -> tuple[float, float]:
    picture = read(path)
    as_luma = picture.grey and protocol.grey == "luma"
    colours = on_white(picture)
    hr = mod_crop(to_uint8(colours[:, :1] if as_luma else colours), scale)  # stays on the CPU: MPS has no float64
    if min(hr.shape[-2:]) <= 2 * scale + 10:
        raise ValueError(f"{path} has {hr.shape[-1]}×{hr.shape[-2]} pixels, too few to score at ×{scale}")
    lr = low_resolution(hr, scale, protocol)
    if isinstance(model, Bicubic) and lr.dtype == torch.uint8:
        sr = from_uint8(imresize(lr, scale, border=protocol.border))  # MATLAB enlarges bytes as bytes
    else:
        lr = from_uint8(lr) if lr.dtype == torch.uint8 else lr
        if lr.shape[1] == 1 and model.channels == 3 and not isinstance(model, Bicubic):
            lr = lr.expand(-1, 3, -1, -1)
        sr = upscale_into(model, lr, torch.empty(1, lr.shape[1], *hr.shape[-2:]))
        if as_luma:  # a network for RGB may tint a grey picture; the mean of its channels is what is grey of it
            sr = sr.mean(dim=1, keepdim=True)
    truth = from_uint8(hr)
    if protocol.luma_first:
        truth = protocol.luma(truth)
    return protocol.score(sr, truth, scale)


def benchmark(
    model: nn.Module | str,
    data: str | os.PathLike[str],
    scale: int,
    protocol: str = "A",
    *,
    device: str = "auto",
    progress: bool = False,
) -> Benchmark:
    """Score a model on a set of HR pictures; LR is made from them as the protocol says.

    Args:
        model: a network with `scale`, `channels` and `overlap`, or the name of one that ships ("srcnn", "bicubic"). A
            network comes back on its device and in its mode.
        data: "set5", "set14", "bundled:test", or a folder of HR images.
        scale: 2, 3 or 4; must be the network's.
        protocol: "A" (the book's default), "B", "D" or "S" (the SRGAN paper's).

    Raises:
        ValueError: an unknown protocol, a network of another scale, a picture too small, protocol D (luma first) with
            a network for RGB. DataError: the data cannot be had.

    >>> round(benchmark("bicubic", "bundled:test", scale=3).psnr, 2) > 25
    True
    """
    from tqdm.auto import tqdm

    if protocol not in PROTOCOLS:
        raise ValueError(f"there is no protocol {protocol!r}; there are {', '.join(PROTOCOLS)}")
    rule = PROTOCOLS[protocol]
    with borrowed(model, scale, device) as network:
        if rule.luma_first and network.channels == 3 and not isinstance(network, Bicubic):
            raise ValueError(f"protocol {protocol} compares networks for luma; score a network for RGB with A or B")
        samples = datasets.images(data, scale, progress=progress)
        scores = [
            Score(sample.name, *_score(network, sample.path, scale, rule))
            for sample in tqdm(samples, disable=not progress, unit="picture")
        ]
    name = model if isinstance(model, str) else type(network).__name__.lower()
    return Benchmark(name, str(data), scale, protocol, tuple(scores))


class Ledger:
    """`data/ledger.json`: for each published cell the paper's value and ours, and what made the difference.

    >>> Ledger().find(model="bicubic", data="set5", scale=3, protocol="D")["psnr"] > 30
    True
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(path) if path is not None else data_dir() / "ledger.json"
        content = json.loads(self.path.read_text("utf-8")) if self.path.is_file() else {}
        self.rows: list[dict[str, Any]] = content.get("rows", [])
        self.unmatched: list[dict[str, Any]] = content.get("unmatched", [])  # published, and not measured by us

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def find(self, **wanted: Any) -> dict[str, Any]:
        """The one row whose fields equal `wanted`; LookupError when there is none, or more than one."""
        rows = [row for row in self.rows if all(row.get(key) == value for key, value in wanted.items())]
        if len(rows) != 1:
            raise LookupError(f"{len(rows)} rows of {self.path.name} match {wanted}")
        return rows[0]

    def put(self, row: dict[str, Any]) -> None:
        """Add a row, or replace the one of the same model, variant, data, scale and protocol."""
        key = ("model", "variant", "data", "scale", "protocol")
        self.rows = [r for r in self.rows if any(r.get(k) != row.get(k) for k in key)] + [row]
        self.rows.sort(key=lambda r: tuple(str(r.get(k)) for k in key))

    def save(self) -> None:
        """Write the file atomically."""
        text = json.dumps({"rows": self.rows, "unmatched": self.unmatched}, indent=1, ensure_ascii=False) + "\n"
        write_atomically(self.path, lambda path: path.write_text(text, "utf-8"))
