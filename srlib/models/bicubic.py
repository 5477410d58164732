"""Bicubic enlargement as a model without parameters: the baseline that every network has to beat.

`Bicubic` is the model. `BicubicConv` computes the same with one convolution, for graphs and for video.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srlib.degrade import bicubic_up, cubic


class Bicubic(nn.Module):
    """MATLAB's bicubic enlargement: `(N, C, h, w)` to `(N, C, h·scale, w·scale)`, any number of channels.

    >>> import torch
    >>> Bicubic(scale=2)(torch.rand(1, 3, 4, 5)).shape
    torch.Size([1, 3, 8, 10])
    """

    channels = 3

    def __init__(self, scale: int, variant: str = "") -> None:
        super().__init__()
        if not (isinstance(scale, int) and scale >= 2):
            raise ValueError(f"scale must be a whole number from 2 on, not {scale!r}")
        self.scale, self.variant = scale, variant

    @property
    def overlap(self) -> int:
        """How far an output pixel sees, in LR pixels."""
        return 2

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge; not clipped."""
        return bicubic_up(x, self.scale)


class BicubicConv(nn.Module):
    """`bicubic_up` as padding, one convolution and a pixel shuffle: `(N, C, h, w)` to `(N, C, h·scale, w·scale)`.

    Enlarging by a whole factor gives every LR pixel a block of scale×scale pixels, and the weights of a place in the
    block are the same in all blocks: a 5×5 kernel a place. `bicubic_up` computes its weights in Python from the size
    of the picture; these do not depend on it, so that an exported graph takes pictures of any size.

    Args:
        scale: whole factor from 2 on.
        channels: C; each is enlarged on its own.
        shift: how far to the right of its place each SR pixel looks, in LR pixels from -1/2 to 1/2. Chroma of a video
            needs this, see `srlib._planes`.

    Raises:
        ValueError: a scale or shift out of range.

    >>> BicubicConv(scale=3, channels=2)(torch.rand(1, 2, 4, 5)).shape
    torch.Size([1, 2, 12, 15])
    """

    kernels: Tensor  # (C·scale², 1, 5, 5)

    def __init__(self, scale: int, channels: int = 1, shift: float = 0.0) -> None:
        super().__init__()
        if not (isinstance(scale, int) and scale >= 2):
            raise ValueError(f"scale must be a whole number from 2 on, not {scale!r}")
        if not abs(shift) <= 0.5:
            raise ValueError(f"shift must lie between -1/2 and 1/2 LR pixels, not {shift}")
        self.scale, self.channels = scale, channels
        place = (torch.arange(scale, dtype=torch.float64) + 0.5) / scale - 0.5  # in the block, from its middle
        rows, columns = (
            taps / taps.sum(dim=1, keepdim=True)
            for taps in (cubic(at[:, None] - torch.arange(-2, 3)) for at in (place, place + shift))  # (scale, 5)
        )
        kernels = torch.einsum("ia,jb->ijab", rows, columns).reshape(scale**2, 1, 5, 5)
        self.register_buffer("kernels", kernels.repeat(channels, 1, 1, 1).float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge, the edge pixel repeated outside; not clipped."""
        x = F.conv2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), self.kernels, groups=self.channels)
        return F.pixel_shuffle(x, self.scale)  # (N, C·scale², h, w) before
