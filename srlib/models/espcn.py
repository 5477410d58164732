"""ESPCN: every convolution on the small picture, and a rearrangement at the end.

W. Shi, J. Caballero, F. Huszár, J. Totz, A. P. Aitken, R. Bishop, D. Rueckert, Z. Wang, “Real-Time Single Image and
Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network”, CVPR 2016, arXiv:1609.05158.
Notation of the paper: upscaling factor r, filter sizes f1, f2, f3 and numbers of filters n1, n2. Read
`periodic_shuffle`, then `ESPCN.forward`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srlib.degrade import cubic


def periodic_shuffle(x: Tensor, r: int) -> Tensor:
    """The operator PS of eq. 4: `(N, C·r², h, w)` to `(N, C, h·r, w·r)`; numbers change place, nothing is computed.

    Channel `c·r² + i·r + j` becomes the pixels at row `i` and column `j` of each r×r block of channel `c`. The same as
    `torch.nn.functional.pixel_shuffle`, which the network uses. With several colours the paper counts `c` fastest,
    PyTorch slowest: the same operator after a change of the channels' order, and for luma no difference at all.

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


def interpolating_taps(r: int) -> Tensor:
    """Bicubic enlargement of one axis by r with a filter of three: `(r, 3)`, a row for each place in a block.

    The cubic reaches over four or five pixels; its outermost taps are added to their neighbours.
    """
    phase = (torch.arange(r) + 0.5) / r - 0.5  # where a sub-pixel lies, seen from the middle of its pixel
    taps = cubic(phase[:, None] - torch.arange(-2, 3))  # (r, 5)
    taps[:, 1] += taps[:, 0]
    taps[:, 3] += taps[:, 4]
    return taps[:, 1:4]


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
        """Before training.

        "ours" starts near bicubic: the first map carries the picture through both activations, small and centred so
        that tanh hardly bends it, and the last layer interpolates it; the other filters answer to detail only.
        "icnr" keeps the variance from layer to layer (1/fan-in for tanh, He's 2/fan-in for ReLU) and starts the last
        layer equal in every phase, biases zero. "paper": the paper does not say; this is N(0, 0.001) everywhere, as in
        SRCNN's paper, which it follows elsewhere. Re-implementations in wide use draw only the last layer so.
        """
        if start not in ("ours", "icnr", "paper"):
            raise ValueError(f"start must be ours, icnr or paper, not {start!r}")
        gain = 1.0 if self.variant == "tanh" else 2.0
        for layer in (self.conv1, self.conv2, self.conv3):
            fan_in = layer.in_channels * layer.kernel_size[0] ** 2
            nn.init.normal_(layer.weight, std=0.001 if start == "paper" else (gain / fan_in) ** 0.5)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        if start == "icnr":
            same_in_every_phase(self.conv3.weight, self.scale, std=(1.0 / fan_in) ** 0.5)
        if start == "ours":
            self._start_near_bicubic()

    @torch.no_grad()
    def _start_near_bicubic(self) -> None:
        # tanh(a) differs from a by a³/3: with |a| ≤ 0.1 by a third of a thousandth. ReLU passes x ≥ 0 as it is.
        small, centre = (0.2, 0.5) if self.variant == "tanh" else (1.0, 0.0)
        assert self.conv1.bias is not None
        assert self.conv3.bias is not None
        self.conv1.weight -= self.conv1.weight.mean((1, 2, 3), keepdim=True)
        self.conv1.weight *= 2  # detail is weaker than brightness
        self.conv1.weight[0] = 0
        self.conv1.weight[0, 0, 2, 2] = small
        self.conv1.bias[0] = -small * centre
        self.conv2.weight[:, 0] = 0  # of the second layer, only filter 0 reads map 0
        self.conv2.weight[0] = 0
        self.conv2.weight[0, 0, 1, 1] = 1
        self.conv3.weight *= 0.01
        taps = interpolating_taps(self.scale)
        self.conv3.weight[:, 0] = torch.einsum("ia,jb->ijab", taps, taps).flatten(0, 1) / small
        self.conv3.bias.fill_(centre)

    def forward(self, x: Tensor) -> Tensor:
        """LR luma `(N, 1, h, w)` in [0, 1] to SR luma `(N, 1, h·scale, w·scale)`, not clipped.

        Borders are padded with zeros before every layer. No activation follows the last one: a picture is no tanh.
        """
        if x.ndim != 4 or x.shape[1] != 1:
            raise ValueError(f"ESPCN works on luma (N, 1, h, w), not {tuple(x.shape)}; srlib.upscale takes colour")
        x = self.activation(self.conv1(x))  # (N, n1, h, w)
        x = self.activation(self.conv2(x))  # (N, n2, h, w)
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 has 8 bits, the picture needs more
            x = self.conv3(x.to(self.conv3.weight.dtype))  # (N, r², h, w)
        return nn.functional.pixel_shuffle(x, self.scale)  # (N, 1, h·r, w·r)
