"""SRCNN, the first convolutional network for super-resolution.

C. Dong, C. C. Loy, K. He, X. Tang, “Learning a Deep Convolutional Network for Image Super-Resolution”, ECCV 2014
(9-1-5), and “Image Super-Resolution Using Deep Convolutional Networks”, IEEE TPAMI 38(2), 2016, arXiv:1501.00092
(9-3-5, 9-5-5). Notation of the paper: filter sizes f1, f2, f3 and numbers of filters n1, n2. Read `SRCNN.forward`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srlib.degrade import bicubic_up

VARIANTS: dict[str, tuple[int, int, int]] = {"9-1-5": (9, 1, 5), "9-3-5": (9, 3, 5), "9-5-5": (9, 5, 5)}


class SRCNN(nn.Module):
    """Bicubic enlargement, then three convolutions: patch extraction, non-linear mapping, reconstruction (§3.1).

    Args:
        scale: whole enlargement factor. The weights do not depend on it, the bicubic step before them does.
        variant: filter sizes f1-f2-f3: "9-1-5" (8,129 parameters), "9-3-5" (24,513) or "9-5-5" (57,281).
        n1, n2: number of filters in the first and second layer.

    Raises:
        ValueError: a scale under 2 or a variant that does not exist.

    >>> SRCNN(scale=3, variant="9-1-5")(torch.rand(1, 1, 5, 7)).shape
    torch.Size([1, 1, 15, 21])
    """

    channels = 1

    def __init__(self, scale: int = 3, variant: str = "9-5-5", n1: int = 64, n2: int = 32) -> None:
        super().__init__()
        if not (isinstance(scale, int) and scale >= 2):
            raise ValueError(f"scale must be a whole number from 2 on, not {scale!r}")
        if variant not in VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, not {variant!r}")
        self.scale, self.variant = scale, variant
        f1, f2, f3 = VARIANTS[variant]
        self.conv1 = nn.Conv2d(1, n1, f1)  # patch extraction and representation, eq. 1
        self.conv2 = nn.Conv2d(n1, n2, f2)  # non-linear mapping, eq. 2
        self.conv3 = nn.Conv2d(n2, 1, f3)  # reconstruction, eq. 3
        self.reset_parameters()

    @property
    def overlap(self) -> int:
        """How far an output pixel sees, in LR pixels: the three convolutions, and two pixels for the bicubic step."""
        radius = sum(layer.kernel_size[0] // 2 for layer in (self.conv1, self.conv2, self.conv3))
        return -(-radius // self.scale) + 2

    def reset_parameters(self, start: str = "ours") -> None:
        """Start as bicubic plus a little noise: one path hands the picture through, the other filters see detail only.

        That is "ours". "paper" draws from N(0, 0.001), biases zero, and needs days to leave that plateau. He's
        variance alone (K. He et al., “Delving Deep into Rectifiers”, 2015) starts fast but kills most of the second
        layer: luma is about 0.45 everywhere, so the sum of a filter's weights decides whether its ReLU is ever on.
        Filters that add up to zero do not answer to brightness. The chapter measures the difference.
        """
        if start not in ("ours", "paper"):
            raise ValueError(f"start must be ours or paper, not {start!r}")
        if start == "paper":
            for layer in (self.conv1, self.conv2, self.conv3):
                nn.init.normal_(layer.weight, std=0.001)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)
            return
        with torch.no_grad():
            for layer, gain in ((self.conv1, 2.0), (self.conv2, 2.0), (self.conv3, 0.01)):
                layer.weight.normal_(std=(gain / layer.weight[0].numel()) ** 0.5)
                assert layer.bias is not None
                layer.bias.zero_()
            self.conv1.weight -= self.conv1.weight.mean((1, 2, 3), keepdim=True)
            self.conv2.weight[:, 0] = 0  # of the second layer, only filter 0 reads map 0
            for layer in (self.conv1, self.conv2, self.conv3):
                centre = layer.kernel_size[0] // 2
                layer.weight[0] = layer.weight[0] if layer is self.conv3 else 0
                layer.weight[0, 0] = 0
                layer.weight[0, 0, centre, centre] = 1  # x ≥ 0 passes every ReLU unchanged

    def forward(self, x: Tensor, upsampled: bool = False) -> Tensor:
        """LR luma `(N, 1, h, w)` in [0, 1] to SR luma `(N, 1, h·scale, w·scale)`, not clipped.

        With `upsampled=True`, `x` is the bicubic enlargement already, `(N, 1, H, W)` in and out: that saves training
        a resize at every step. The image is continued at its border by repeating the edge pixel before each layer,
        as in the authors' test code.
        """
        if x.ndim != 4 or x.shape[1] != 1:
            raise ValueError(f"SRCNN works on luma (N, 1, h, w), not {tuple(x.shape)}; srlib.upscale takes colour")
        if not upsampled:
            x = bicubic_up(x, self.scale)  # (N, 1, H, W)
        x = F.relu(self.conv1(_replicate(x, self.conv1)))  # (N, n1, H, W)
        x = F.relu(self.conv2(_replicate(x, self.conv2)))  # (N, n2, H, W)
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 has 8 bits, the picture needs more
            out: Tensor = self.conv3(_replicate(x.to(self.conv3.weight.dtype), self.conv3))
            return out  # (N, 1, H, W)


def _replicate(x: Tensor, layer: nn.Conv2d) -> Tensor:
    pad = layer.kernel_size[0] // 2
    return F.pad(x, (pad, pad, pad, pad), mode="replicate") if pad else x
