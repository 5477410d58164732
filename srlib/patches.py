"""The training set as bytes in device memory, and random patches cut from it there.

A set of a few hundred photographs is small: 491 luma planes are 80 MB. So it is decoded once, LR versions are made
once with the MATLAB-exact resize, and a batch is a gather: no worker processes, no files, no copies. Mirroring and
turning cost nothing, since they only change the order in which pixels are gathered. Read `PatchSampler.next`, then
`_places`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from srlib.degrade import blur_down, imresize, mod_crop
from srlib.image import to_uint8

Degradation = Literal["bicubic", "blur"]

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


class _Where(NamedTuple):
    """Which patches: each field (N,) on the device; `top` and `left` in LR pixels, the flips as bool."""

    picture: Tensor
    top: Tensor
    left: Tensor
    flip_rows: Tensor
    flip_columns: Tensor
    transpose: Tensor


def _store(pictures: Sequence[Tensor]) -> _Store:
    sizes = torch.tensor([p.shape[-2:] for p in pictures])
    areas = sizes.prod(1)
    return _Store(
        pixels=torch.cat([p[0].flatten(1) for p in pictures], dim=1),
        start=(areas.cumsum(0) - areas).to(pictures[0].device),
        height=sizes[:, 0].to(pictures[0].device),
        width=sizes[:, 1].to(pictures[0].device),
    )


def _places(store: _Store, where: _Where, top: Tensor, left: Tensor, size: int) -> Tensor:
    """The position in `store.pixels` of each pixel of each patch, `(N, size, size)`, one of the eight symmetries each.

    A mirrored patch is read backwards; a transposed one has its rows and columns exchanged. Places outside a picture
    repeat its edge.
    """
    steps = torch.arange(size, device=top.device)
    back = size - 1 - steps
    height, width = store.height[where.picture][:, None], store.width[where.picture][:, None]
    rows = top[:, None] + torch.where(where.flip_rows[:, None], back, steps)  # (N, size)
    columns = left[:, None] + torch.where(where.flip_columns[:, None], back, steps)  # (N, size)
    rows = rows.clamp(min=0).minimum(height - 1) * width
    columns = columns.clamp(min=0).minimum(width - 1)
    turned = where.transpose[:, None]
    first, second = torch.where(turned, columns, rows), torch.where(turned, rows, columns)
    return store.start[where.picture][:, None, None] + first[:, :, None] + second[:, None, :]


def _gather(store: _Store, places: Tensor) -> Tensor:
    """Pixels `(N, C, size, size)` as floats in [0, 1]."""
    return store.pixels[:, places].transpose(0, 1).float() / 255


class PatchSampler:
    """Random aligned LR/HR patches, turned and mirrored, every pixel position equally likely.

    Args:
        pictures: HR pictures as uint8 `(1, C, H, W)`; cut to multiples of `scale` here. Pictures smaller than a
            patch are left out.
        scale: whole factor.
        patch: side of the HR patch in pixels, a multiple of `scale`.
        batch: patches in a batch.
        upsampled: give the bicubic enlargement of LR instead of LR, as SRCNN and VDSR take it.
        degradation: how LR is made: "bicubic" (MATLAB's, rounded to bytes) or "blur" (Gaussian blur, then every
            `scale`-th pixel, as in the text of the ESPCN and SRGAN papers).
        device: where the set lives and the patches are made.
        seed: of the random positions. The draws are made on the CPU, so that every device sees the same patches.
        part: `(rank, world)`: of each batch give every `world`-th patch from `rank` on, for training in several
            processes that draw the same batch.

    Raises:
        ValueError: `patch` is no multiple of `scale`, no picture is as large as a patch, or `batch` cannot be dealt
            out to `world` processes.

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
        degradation: Degradation = "bicubic",
        device: str | torch.device = "cpu",
        seed: int = 0,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        if patch % scale:
            raise ValueError(f"patch {patch} is not a multiple of scale {scale}")
        if batch % part[1]:
            raise ValueError(f"a batch of {batch} cannot be dealt out equally to {part[1]} processes")
        large = [p for p in pictures if min(p.shape[-2:]) >= patch]
        if not large:
            raise ValueError(f"none of the {len(pictures)} pictures has {patch}×{patch} pixels; use a smaller patch")
        hr = [mod_crop(p.to(device), scale) for p in large]
        self.scale, self.patch, self.batch, self.upsampled, self.part = scale, patch, batch, upsampled, part
        self.device = torch.device(device)
        self.hr = _store(hr)
        self.lr = _store([shrink(p, scale, degradation) for p in hr])
        places = (self.lr.height - patch // scale + 1) * (self.lr.width - patch // scale + 1)
        self._odds = places.cpu().double()
        self._heights, self._widths = self.lr.height.cpu(), self.lr.width.cpu()
        self._up = _enlarging_matrix(patch, scale).to(device)
        self.generator = torch.Generator().manual_seed(seed)

    def next(self) -> Batch:
        """The next batch; the state of `generator` decides which."""
        n, p = self.batch, self.patch // self.scale
        picture = torch.multinomial(self._odds, n, replacement=True, generator=self.generator)
        u = torch.rand(2, n, dtype=torch.float64, generator=self.generator)
        top = (u[0] * (self._heights[picture] - p + 1)).long()
        left = (u[1] * (self._widths[picture] - p + 1)).long()
        turns = torch.randint(0, 2, (3, n), generator=self.generator)
        drawn = torch.cat([torch.stack([picture, top, left]), turns])[:, self.part[0] :: self.part[1]]
        numbers = drawn.to(self.device, non_blocking=True)
        where = _Where(numbers[0], numbers[1], numbers[2], *(numbers[3:] > 0))

        hr = _gather(self.hr, _places(self.hr, where, where.top * self.scale, where.left * self.scale, self.patch))
        if not self.upsampled:
            return Batch(_gather(self.lr, _places(self.lr, where, where.top, where.left, p)), hr)
        # With a margin, so that it equals a piece of the enlarged picture.
        lr = _gather(self.lr, _places(self.lr, where, where.top - _MARGIN, where.left - _MARGIN, p + 2 * _MARGIN))
        return Batch(self._up @ lr @ self._up.T, hr)

    def state_dict(self) -> dict[str, Tensor]:
        """What decides the next batch."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on exactly where `state_dict` was taken."""
        self.generator.set_state(state["generator"])


class MixedSampler:
    """Several scales in one batch, an equal share each: what one VDSR for ×2, ×3 and ×4 learns from.

    Possible because the network sees the enlarged picture, which has the size of HR at any scale. The arguments are
    those of `PatchSampler`; `patch` is a multiple of every scale, `batch` of their number.

    >>> pictures = [torch.randint(0, 256, (1, 1, 60, 50), dtype=torch.uint8)]
    >>> MixedSampler(pictures, (2, 3, 4), patch=24, batch=6).next().lr.shape
    torch.Size([6, 1, 24, 24])
    """

    def __init__(
        self,
        pictures: Sequence[Tensor],
        scales: Sequence[int],
        patch: int,
        batch: int,
        *,
        degradation: Degradation = "bicubic",
        device: str | torch.device = "cpu",
        seed: int = 0,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        if batch % len(scales):
            raise ValueError(f"a batch of {batch} cannot be shared equally by {len(scales)} scales")
        self.batch = batch
        self.samplers = [
            PatchSampler(
                pictures,
                scale,
                patch,
                batch // len(scales),
                upsampled=True,
                degradation=degradation,
                device=device,
                seed=seed + number,
                part=part,
            )
            for number, scale in enumerate(scales)
        ]

    def next(self) -> Batch:
        """The next batch: first all patches of the first scale, then those of the second, …"""
        batches = [sampler.next() for sampler in self.samplers]
        return Batch(torch.cat([b.lr for b in batches]), torch.cat([b.hr for b in batches]))

    def state_dict(self) -> dict[str, Tensor]:
        """What decides the next batch."""
        return {str(number): sampler.generator.get_state() for number, sampler in enumerate(self.samplers)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on exactly where `state_dict` was taken."""
        for number, sampler in enumerate(self.samplers):
            sampler.generator.set_state(state[str(number)])


def shrink(hr: Tensor, scale: int, degradation: Degradation) -> Tensor:
    """LR bytes from HR bytes `(1, C, H, W)`, sides multiples of `scale`."""
    if degradation == "blur":
        return to_uint8(blur_down(hr.float() / 255, scale))
    return imresize(hr, 1 / scale)


def _enlarging_matrix(patch: int, scale: int) -> Tensor:
    """Bicubic enlargement of one axis as a matrix `(patch, patch/scale + 2·margin)`.

    Every patch has the same size, so that enlarging a batch is two matrix products instead of dozens of additions.
    """
    size = patch // scale + 2 * _MARGIN
    # Each unit vector as a picture one pixel wide; enlarged, it is a column of the matrix.
    columns = imresize(torch.eye(size, dtype=torch.float64).reshape(size, 1, size, 1), scale)  # (size, 1, ·, scale)
    matrix = columns[:, 0, :, 0].T
    return matrix[_MARGIN * scale : matrix.shape[0] - _MARGIN * scale].float()
