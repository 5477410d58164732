"""The pictures that a training learns from and those it is scored on while it learns.

For another data set name it in `data`: bundled photographs, registered sets, folders, or several with commas between
them. Read `read_training_set`, then `validate`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from srlib import datasets
from srlib.degrade import mod_crop
from srlib.image import load, rgb_to_y, to_uint8
from srlib.metrics import psnr
from srlib.patches import Degradation, shrink
from srlib.upscaling import upscale_into

HOLD_OUT = 20  # one picture in twenty validates and is never trained on


@dataclass(frozen=True)
class TrainingSet:
    """Pictures as bytes, `(1, C, H, W)` each: those to learn from, those held out to validate, and a record of both."""

    kept: list[Tensor]
    held: list[Tensor]
    record: dict[str, Any]


def read_training_set(data: str, channels: int, scale: int | None = None, patch: int = 1) -> TrainingSet:
    """Decode the pictures of `data` ("bundled", "t91,bsds500", a folder) as luma or RGB; hold out one in twenty.

    Of fewer than twenty pictures the last one is held out; a single picture does both, and the record says so.
    Pictures smaller than `patch` are left out. `scale` is for sets that come as HR and LR pairs.
    """
    parts = ["bundled:train" if part.strip() == "bundled" else part for part in data.split(",")]
    samples = datasets.images(",".join(parts), scale)
    pictures: list[tuple[str, Tensor]] = []
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(sample.path.read_bytes())
        rgb = load(sample.path)
        if min(rgb.shape[-2:]) >= patch:
            pictures.append((sample.name, to_uint8(rgb_to_y(rgb) if channels == 1 else rgb)))
    if not pictures:
        raise ValueError(
            f"none of the {len(samples)} pictures of {data} has {patch}×{patch} pixels; use a smaller patch"
        )
    every = min(HOLD_OUT, len(pictures))
    held = [picture for _, picture in pictures[every - 1 :: every]]
    names = [name for name, _ in pictures[every - 1 :: every]]
    kept = [picture for i, (_, picture) in enumerate(pictures, start=1) if i % every] or held
    record = {
        "data": data,
        "pictures": len(kept),
        "held_out": names,
        "sha256_of_all_files": digest.hexdigest(),
    }
    return TrainingSet(kept, held, record)


@torch.no_grad()
def validate(
    model: nn.Module,
    pictures: Sequence[Tensor],
    scale: int,
    device: torch.device,
    degradation: Degradation = "bicubic",
    bfloat16: bool = False,
) -> float:
    """Mean PSNR in dB over uint8 `pictures` (1, C, H, W), LR made as for training, shave = scale; in bounded memory.

    Over all channels that the network has: luma, or RGB, which scores about 1.8 dB lower for the same picture.
    `bfloat16` runs the convolutions as training does where that is fast: a quarter of the time for VDSR on a CPU.
    Around 30 dB the score stays within 0.01 dB of that in float32; towards 50 dB the rounding shows.
    """
    scores = []
    for picture in pictures:
        hr = mod_crop(picture, scale).to(device)
        lr = shrink(hr, scale, degradation).float() / 255
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            sr = upscale_into(model, lr, torch.empty(hr.shape, device=device))
        scores.append(float(psnr(sr, hr.float() / 255, shave=scale)))
    return sum(scores) / len(scores)
