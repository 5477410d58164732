"""Bicubic enlargement as a model without parameters: the baseline that every network has to beat."""

from __future__ import annotations

from torch import Tensor, nn

from srlib.degrade import bicubic_up


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
