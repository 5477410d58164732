"""ESPCN: every convolution on the small picture, and a rearrangement at the end.

W. Shi, J. Caballero, F. Huszár, J. Totz, A. P. Aitken, R. Bishop, D. Rueckert, Z. Wang, “Real-Time Single Image and
Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network”, CVPR 2016, arXiv:1609.05158.
Notation of the paper: upscaling factor r, filter sizes f1, f2, f3 and numbers of filters n1, n2. Read
`periodic_shuffle`, then `ESPCN.forward`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def periodic_shuffle(x: Tensor, r: int) -> Tensor:
    """The operator PS of eq. 4: `(N, C·r², h, w)` to `(N, C, h·r, w·r)`; numbers change place, nothing is computed.

    Channel `c·r² + i·r + j` becomes the pixels at row `i` and column `j` of each r×r block of channel `c`. The same as
    `torch.nn.functional.pixel_shuffle`, which the network uses.

    >>> periodic_shuffle(torch.arange(4.0).reshape(1, 4, 1, 1), 2).tolist()
    [[[[0.0, 1.0], [2.0, 3.0]]]]
    """
    n, channels, h, w = x.shape
    if channels % r**2:
        raise ValueError(f"{channels} channels cannot be dealt to blocks of {r}×{r} pixels")
    x = x.reshape(n, channels // r**2, r, r, h, w)  # (N, C, i, j, h, w)
    return x.permute(0, 1, 4, 2, 5, 3).reshape(n, channels // r**2, h * r, w * r)  # (N, C, h, i, w, j)


def same_in_every_phase(weight: Tensor, r: int, std: float) -> None:
    """Fill the last layer `(C·r², n2, f3, f3)` so that its r² phases start out equal (ICNR).

    Sub-pixels of one block then begin with the same value, as if one small filter had been enlarged by
    nearest neighbour, and no checkerboard stands in the untrained network's output. Source: A. Aitken et al.,
    “Checkerboard artifact free sub-pixel convolution”, 2017, arXiv:1707.02937.
    """
    with torch.no_grad():
        one = torch.randn(weight.shape[0] // r**2, *weight.shape[1:]) * std
        weight.copy_(one.repeat_interleave(r**2, dim=0))


class ESPCN(nn.Module):
    """Three convolutions in LR space, then the sub-pixel layer.

    Args:
        scale: r, a whole number from 2 on. Parameters: 21,284 for ×2, 22,729 for ×3, 24,752 for ×4.
        variant: the activation, "tanh" (the paper's final model) or "relu".
        n1, n2: numbers of filters.

    Raises:
        ValueError: a scale under 2 or a variant that does not exist.

    >>> ESPCN(scale=3)(torch.rand(1, 1, 5, 7)).shape
    torch.Size([1, 1, 15, 21])
    """

    channels = 1
    overlap = 4  # how far an output pixel sees, in LR pixels: 2 + 1 + 1

    def __init__(self, scale: int = 3, variant: str = "tanh", n1: int = 64, n2: int = 32) -> None:
        super().__init__()
        if not (isinstance(scale, int) and scale >= 2):
            raise ValueError(f"scale must be a whole number from 2 on, not {scale!r}")
        if variant not in ("tanh", "relu"):
            raise ValueError(f"variant must be tanh or relu, not {variant!r}")
        self.scale, self.variant = scale, variant
        self.conv1 = nn.Conv2d(1, n1, 5, padding=2)
        self.conv2 = nn.Conv2d(n1, n2, 3, padding=1)
        self.conv3 = nn.Conv2d(n2, scale**2, 3, padding=1)  # eq. 3: r² channels, one for each place in a block
        self.activation = nn.Tanh() if variant == "tanh" else nn.ReLU()
        self.reset_parameters()

    def reset_parameters(self, start: str = "ours") -> None:
        """Before training, biases zero.

        "ours" keeps the variance from layer to layer (Glorot for tanh, He for ReLU) and starts the last layer equal in
        every phase. "paper": the paper does not say; N(0, 0.001) everywhere is what the re-implementations in wide use
        draw from, and what SRCNN's paper says.
        """
        if start == "paper":
            for layer in (self.conv1, self.conv2, self.conv3):
                nn.init.normal_(layer.weight, std=0.001)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)
            return
        gain = 1.0 if self.variant == "tanh" else 2.0
        for layer in (self.conv1, self.conv2):
            fan_in = layer.in_channels * layer.kernel_size[0] ** 2
            nn.init.normal_(layer.weight, std=(gain / fan_in) ** 0.5)
        fan_in = self.conv3.in_channels * self.conv3.kernel_size[0] ** 2
        same_in_every_phase(self.conv3.weight, self.scale, std=(1.0 / fan_in) ** 0.5)
        for layer in (self.conv1, self.conv2, self.conv3):
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """LR luma `(N, 1, h, w)` in [0, 1] to SR luma `(N, 1, h·scale, w·scale)`, not clipped."""
        if x.ndim != 4 or x.shape[1] != 1:
            raise ValueError(f"ESPCN works on luma (N, 1, h, w), not {tuple(x.shape)}; srlib.upscale takes colour")
        x = self.activation(self.conv1(x))  # (N, n1, h, w)
        x = self.activation(self.conv2(x))  # (N, n2, h, w)
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 has 8 bits, the picture needs more
            x = self.conv3(x.to(self.conv3.weight.dtype))  # (N, r², h, w)
        return nn.functional.pixel_shuffle(x, self.scale)  # (N, 1, h·r, w·r)
