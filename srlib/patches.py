"""The training set as bytes in device memory, and random patches cut from it there.

A set of a few hundred photographs is small: 491 luma planes are 80 MB. So it is decoded once, LR versions are made
once with the MATLAB-exact resize, and a batch is a gather: no worker processes, no files, no copies. Read
`PatchSampler.next`, then `_cut`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from srlib.degrade import bicubic_up, imresize, mod_crop

_MARGIN = 2  # LR pixels on each side that bicubic enlargement reads beyond the patch


class Batch(NamedTuple):
    """`lr` (N, C, p/scale, p/scale), or (N, C, p, p) when sampled with `upsampled=True`; `hr` (N, C, p, p); [0, 1]."""

    lr: Tensor
    hr: Tensor


class _Store(NamedTuple):
    pixels: Tensor  # (C, all pixels of all pictures) uint8
    start: Tensor  # (pictures,) where each picture begins
    height: Tensor
    width: Tensor


def _store(pictures: Sequence[Tensor]) -> _Store:
    sizes = torch.tensor([p.shape[-2:] for p in pictures])
    areas = sizes.prod(1)
    return _Store(
        pixels=torch.cat([p[0].flatten(1) for p in pictures], dim=1),
        start=(areas.cumsum(0) - areas).to(pictures[0].device),
        height=sizes[:, 0].to(pictures[0].device),
        width=sizes[:, 1].to(pictures[0].device),
    )


def _cut(store: _Store, picture: Tensor, top: Tensor, left: Tensor, size: int) -> Tensor:
    """Square patches `(N, C, size, size)` float in [0, 1]; places outside a picture repeat its edge."""
    steps = torch.arange(size, device=picture.device)
    height, width = store.height[picture][:, None], store.width[picture][:, None]
    rows = (top[:, None] + steps).clamp(min=0).minimum(height - 1)  # (N, size)
    columns = (left[:, None] + steps).clamp(min=0).minimum(width - 1)  # (N, size)
    places = (store.start[picture][:, None] + rows * width)[:, :, None] + columns[:, None, :]  # (N, size, size)
    return store.pixels[:, places].transpose(0, 1).float() / 255


def _turn(x: Tensor, flip_rows: Tensor, flip_columns: Tensor, transpose: Tensor) -> Tensor:
    """One of the eight symmetries of the square for each patch."""
    x = torch.where(flip_rows[:, None, None, None], x.flip(2), x)
    x = torch.where(flip_columns[:, None, None, None], x.flip(3), x)
    return torch.where(transpose[:, None, None, None], x.transpose(2, 3), x)


class PatchSampler:
    """Random aligned LR/HR patches, turned and mirrored, every pixel position equally likely.

    Args:
        pictures: HR pictures as uint8 `(1, C, H, W)`; cut to multiples of `scale` here. Pictures smaller than a
            patch are left out.
        scale: whole factor.
        patch: side of the HR patch in pixels, a multiple of `scale`.
        batch: patches in a batch.
        upsampled: give the bicubic enlargement of LR instead of LR, as SRCNN and VDSR take it.
        device: where the set lives and the patches are made.
        seed: of the random positions. The draws are made on the CPU, so that every device sees the same patches.

    Raises:
        ValueError: `patch` is no multiple of `scale`, or no picture is as large as a patch.

    >>> pictures = [torch.randint(0, 256, (1, 1, 60, 50), dtype=torch.uint8)]
    >>> batch = PatchSampler(pictures, scale=3, patch=24, batch=4).next()
    >>> batch.lr.shape, batch.hr.shape
    (torch.Size([4, 1, 8, 8]), torch.Size([4, 1, 24, 24]))
    """

    def __init__(
        self,
        pictures: Sequence[Tensor],
        scale: int,
        patch: int,
        batch: int,
        *,
        upsampled: bool = False,
        device: str | torch.device = "cpu",
        seed: int = 0,
    ) -> None:
        if patch % scale:
            raise ValueError(f"patch {patch} is not a multiple of scale {scale}")
        large = [p for p in pictures if min(p.shape[-2:]) >= patch]
        if not large:
            raise ValueError(f"none of the {len(pictures)} pictures has {patch}×{patch} pixels; use a smaller patch")
        hr = [mod_crop(p.to(device), scale) for p in large]
        self.scale, self.patch, self.batch, self.upsampled = scale, patch, batch, upsampled
        self.device = torch.device(device)
        self.hr = _store(hr)
        self.lr = _store([imresize(p, 1 / scale) for p in hr])
        places = (self.lr.height - patch // scale + 1) * (self.lr.width - patch // scale + 1)
        self._places = places.cpu().double()
        self._heights, self._widths = self.lr.height.cpu(), self.lr.width.cpu()
        self.generator = torch.Generator().manual_seed(seed)

    def next(self) -> Batch:
        """The next batch; the state of `generator` decides which."""
        n, p = self.batch, self.patch // self.scale
        picture = torch.multinomial(self._places, n, replacement=True, generator=self.generator)
        u = torch.rand(2, n, dtype=torch.float64, generator=self.generator)
        top = (u[0] * (self._heights[picture] - p + 1)).long()  # in LR pixels
        left = (u[1] * (self._widths[picture] - p + 1)).long()
        turns = torch.randint(0, 2, (3, n), generator=self.generator)
        picture, top, left, *flips = torch.cat([torch.stack([picture, top, left]), turns]).to(self.device)
        flips = [f.bool() for f in flips]

        hr = _cut(self.hr, picture, top * self.scale, left * self.scale, self.patch)
        if self.upsampled:  # with a margin, so that it equals a piece of the enlarged picture exactly
            lr = _cut(self.lr, picture, top - _MARGIN, left - _MARGIN, p + 2 * _MARGIN)
            cut = _MARGIN * self.scale
            lr = bicubic_up(lr, self.scale)[..., cut:-cut, cut:-cut]
        else:
            lr = _cut(self.lr, picture, top, left, p)
        return Batch(_turn(lr, *flips), _turn(hr, *flips))

    def state_dict(self) -> dict[str, Tensor]:
        """What decides the next batch."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on exactly where `state_dict` was taken."""
        self.generator.set_state(state["generator"])
