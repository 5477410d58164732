"""VDSR: twenty layers that learn only what bicubic lacks.

J. Kim, J. K. Lee, K. M. Lee, “Accurate Image Super-Resolution Using Very Deep Convolutional Networks”, CVPR 2016,
arXiv:1511.04587. Read `VDSR.forward`.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srlib.degrade import bicubic_up

# Number of layers, and whether the input is added to the output. The paper's network is the first.
VARIANTS: dict[str, tuple[int, bool]] = {
    "20": (20, True),
    "10": (10, True),
    "5": (5, True),
    "20-plain": (20, False),
    "10-plain": (10, False),
    "5-plain": (5, False),
}


class VDSR(nn.Module):
    """Bicubic enlargement plus a learned residual: 3×3 convolutions of 64 filters, ReLU between them.

    One set of weights serves every scale, since the network sees the enlarged picture only; `scale` says by how much
    the bicubic step enlarges. The receptive field is 2·depth + 1 pixels, 41 with 20 layers.

    Args:
        scale: whole enlargement factor from 2 on.
        variant: the number of layers, "20" (the paper, 665,921 parameters), "10" or "5"; with "-plain" behind it the
            input is not added, so that the layers have to carry the whole picture.
        width: filters in a layer (paper: 64).

    Raises:
        ValueError: a scale or variant that does not exist.

    >>> VDSR(scale=2, variant="5")(torch.rand(1, 1, 5, 7)).shape
    torch.Size([1, 1, 10, 14])
    """

    channels = 1

    def __init__(self, scale: int = 2, variant: str = "20", width: int = 64) -> None:
        super().__init__()
        if not (isinstance(scale, int) and scale >= 2):
            raise ValueError(f"scale must be a whole number from 2 on, not {scale!r}")
        if variant not in VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, not {variant!r}")
        self.scale, self.variant = scale, variant
        depth, self.residual = VARIANTS[variant]
        widths = [1, *[width] * (depth - 1), 1]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths))
        self.reset_parameters()

    @property
    def overlap(self) -> int:
        """How far an output pixel sees, in LR pixels: one pixel a layer, and two LR pixels for the bicubic step."""
        return -(-len(self.layers) // self.scale) + 2

    def reset_parameters(self, start: str = "ours") -> None:
        """He initialisation as in the paper (§5.2), biases zero.

        "paper" stops there, and the first output is the input plus noise as strong as itself. "ours" multiplies the
        last layer by 0.01, so that with the residual training starts near bicubic, and makes the filters of the first
        layer add up to zero: what travels through the layers is then detail, not brightness, of which bfloat16 would
        round the detail away. Without the residual the two are the same.
        """
        if start not in ("ours", "paper"):
            raise ValueError(f"start must be ours or paper, not {start!r}")
        for layer in self.layers:
            assert isinstance(layer, nn.Conv2d)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        if start == "ours" and self.residual:
            first, last = self.layers[0], self.layers[-1]
            assert isinstance(first, nn.Conv2d)
            assert isinstance(last, nn.Conv2d)
            with torch.no_grad():
                first.weight -= first.weight.mean((1, 2, 3), keepdim=True)
                last.weight *= 0.01

    def forward(self, x: Tensor, upsampled: bool = False) -> Tensor:
        """LR luma `(N, 1, h, w)` in [0, 1] to SR luma `(N, 1, h·scale, w·scale)`, not clipped.

        With `upsampled=True`, `x` is the bicubic enlargement already, `(N, 1, H, W)` in and out. Borders are padded
        with zeros before every layer, as in the paper (§3.1).
        """
        if x.ndim != 4 or x.shape[1] != 1:
            raise ValueError(f"VDSR works on luma (N, 1, h, w), not {tuple(x.shape)}; srlib.upscale takes colour")
        x = x if upsampled else bicubic_up(x, self.scale)  # (N, 1, H, W)
        first = self.layers[0]
        assert isinstance(first, nn.Conv2d)
        with torch.autocast(x.device.type, enabled=False):  # detail is small against brightness: 8 bits would lose it
            r: Tensor = F.relu(first(x.to(first.weight.dtype)))  # (N, 64, H, W)
        for layer in self.layers[1:-1]:
            r = F.relu(layer(r))  # (N, 64, H, W)
        last = self.layers[-1]
        assert isinstance(last, nn.Conv2d)
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 has 8 bits, the picture needs more
            out: Tensor = last(r.to(last.weight.dtype))  # (N, 1, H, W)
        return x + out if self.residual else out
