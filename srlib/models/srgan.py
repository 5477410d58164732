"""SRResNet, the generator of SRGAN, and the discriminator.

C. Ledig, L. Theis, F. Huszár, J. Caballero, A. Cunningham, A. Acosta, A. Aitken, A. Tejani, J. Totz, Z. Wang, W. Shi,
“Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network”, CVPR 2017, arXiv:1609.04802.
The layers of figure 4: k9n64s1 is a convolution with kernel 9, 64 feature maps and stride 1. Read
`SRResNet.forward` and `Discriminator.forward`, then `fold_batch_norm`.
"""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from srlib.models.espcn import interpolating_taps

VARIANTS: dict[str, int] = {"b16": 16, "b4": 4}  # residual blocks; the paper has 16


class ResidualBlock(nn.Module):
    """k3n64s1, batch norm, PReLU, k3n64s1, batch norm, and the input added.

    The biases before batch norm do nothing, since it subtracts the mean; they are kept because weights and parameter
    counts in wide use have them. PReLU learns one slope for all maps; the paper does not say whether one or n.
    """

    def __init__(self, n: int = 64) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(n, n, 3, padding=1), nn.BatchNorm2d(n)
        self.activation = nn.PReLU()
        self.conv2, self.norm2 = nn.Conv2d(n, n, 3, padding=1), nn.BatchNorm2d(n)

    def forward(self, x: Tensor) -> Tensor:
        """Features `(N, n, h, w)` in and out."""
        y: Tensor = self.activation(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return x + y


class SRResNet(nn.Module):
    """The generator: RGB in [0, 1] to RGB in [0, 1], features computed in LR space, sub-pixel layers at the end.

    The paper trains on HR in [-1, 1]; here the last layer's output is read as 2·SR - 1, so that the call is that of
    every other model.

    Args:
        scale: 2 or 3 (one sub-pixel stage) or 4 (two stages of ×2, as in the paper).
        variant: residual blocks, "b16" (the paper; 1,549,462 parameters at ×4) or "b4" (small enough for a chapter).
        n: feature maps (paper: 64).

    Raises:
        ValueError: a scale or variant that does not exist.

    >>> SRResNet(scale=4, variant="b4")(torch.rand(1, 3, 6, 5)).shape
    torch.Size([1, 3, 24, 20])
    """

    channels = 3

    def __init__(self, scale: int = 4, variant: str = "b16", n: int = 64) -> None:
        super().__init__()
        if not (isinstance(scale, int) and scale in (2, 3, 4)):
            raise ValueError(f"SRResNet enlarges ×2, ×3 or ×4: scale must be one of these whole numbers, not {scale!r}")
        if variant not in VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, not {variant!r}")
        self.scale, self.variant, self.blocks = scale, variant, VARIANTS[variant]
        self.head = nn.Sequential(nn.Conv2d(3, n, 9, padding=4), nn.PReLU())  # k9n64s1
        self.body = nn.Sequential(*[ResidualBlock(n) for _ in range(self.blocks)])
        self.tail = nn.Sequential(nn.Conv2d(n, n, 3, padding=1), nn.BatchNorm2d(n))  # k3n64s1
        stages: list[nn.Module] = []
        for r in (2, 2) if scale == 4 else (scale,):
            stages += [nn.Conv2d(n, r * r * n, 3, padding=1), nn.PixelShuffle(r), nn.PReLU()]  # k3n256s1
        self.enlarge = nn.Sequential(*stages)
        self.last = nn.Conv2d(n, 3, 9, padding=4)  # k9n3s1
        self.reset_parameters()

    @property
    def overlap(self) -> int:
        """How far an output pixel sees, in LR pixels: 4 + 2·blocks + 1, the sub-pixel stages, and the last layer."""
        return 4 + 2 * self.blocks + 1 + 3

    def reset_parameters(self, start: str = "ours") -> None:
        """Before training. "paper": as PyTorch fills its layers, since the paper does not say.

        "ours" starts near bicubic: red, green and blue travel as the first three feature maps, no block adds to
        them, each sub-pixel stage interpolates them with the middle three taps of the cubic, and the last layer picks
        them up; all other weights are random, so that there is something to learn from. The network then has to find
        only what bicubic lacks, and a live run of a minute is not spent on learning to copy.
        """
        if start not in ("ours", "paper"):
            raise ValueError(f"start must be ours or paper, not {start!r}")
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
                module.reset_parameters()
            elif isinstance(module, nn.PReLU):
                nn.init.constant_(module.weight, 0.25)
        if start != "ours":
            return
        rgb = range(3)
        with torch.no_grad():
            head = self.head[0]
            assert isinstance(head, nn.Conv2d)
            assert head.bias is not None
            head.weight -= head.weight.mean((1, 2, 3), keepdim=True)  # do not answer to brightness, only to detail
            head.bias.zero_()
            for c in rgb:
                head.weight[c] = 0
                head.weight[c, c, 4, 4] = 1
            for norm in (*(block.norm2 for block in self.body), self.tail[1]):
                assert isinstance(norm, nn.BatchNorm2d)
                norm.weight.fill_(0.2)
                norm.weight[:3] = 0
            for stage in self.enlarge[::3]:
                assert isinstance(stage, nn.Conv2d)
                assert stage.bias is not None
                r = round((stage.out_channels / stage.in_channels) ** 0.5)
                taps = interpolating_taps(r)
                stage.bias.zero_()
                for c in rgb:
                    places = slice(c * r * r, (c + 1) * r * r)
                    stage.weight[places] = 0
                    stage.weight[places, c] = torch.einsum("ia,jb->ijab", taps, taps).flatten(0, 1)
            assert self.last.bias is not None
            self.last.weight *= 0.05
            self.last.bias.fill_(-1.0)  # SR = (y + 1) / 2
            for c in rgb:
                self.last.weight[:, c] = 0
                self.last.weight[c, c, 4, 4] = 2

    def forward(self, x: Tensor) -> Tensor:
        """LR `(N, 3, h, w)` in [0, 1] to SR `(N, 3, h·scale, w·scale)`, not clipped."""
        if x.ndim != 4 or x.shape[1] != 3:
            raise ValueError(f"SRResNet works on RGB (N, 3, h, w), not {tuple(x.shape)}")
        first = self.head(x)  # (N, 64, h, w)
        y = first + self.tail(self.body(first))  # (N, 64, h, w)
        y = self.enlarge(y)  # (N, 64, h·scale, w·scale)
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 has 8 bits, the picture needs more
            out: Tensor = self.last(y.to(self.last.weight.dtype))  # (N, 3, h·scale, w·scale) in [-1, 1]
        return (out + 1) / 2


class Discriminator(nn.Module):
    """Eight 3×3 convolutions from 64 to 512 features, then two dense layers: one logit a picture, high for real.

    The paper ends with a sigmoid; here the logit is returned, since BCE-with-logits computes sigmoid and logarithm
    together and stays finite. LeakyReLU 0.2 throughout, batch norm everywhere but in the first layer.

    Args:
        patch: side of the square pictures, a multiple of 16 (paper: 96, 23,563,649 parameters).

    Raises:
        ValueError: a patch that is no multiple of 16.

    >>> Discriminator(patch=32)(torch.rand(2, 3, 32, 32)).shape
    torch.Size([2, 1])
    """

    def __init__(self, patch: int = 96) -> None:
        super().__init__()
        if not (isinstance(patch, int) and patch >= 16 and patch % 16 == 0):
            raise ValueError(f"patch must be a multiple of 16, since four layers halve it, not {patch!r}")
        self.patch = patch
        widths = [3, 64, 64, 128, 128, 256, 256, 512, 512]
        layers: list[nn.Module] = []
        for number, (a, b) in enumerate(pairwise(widths)):
            # Before a batch norm a bias would be subtracted again, so only the first layer has one.
            layers.append(nn.Conv2d(a, b, 3, stride=1 + number % 2, padding=1, bias=number == 0))
            if number:
                layers.append(nn.BatchNorm2d(b))
            layers.append(nn.LeakyReLU(0.2))
        self.features = nn.Sequential(*layers)
        self.dense = nn.Sequential(nn.Linear(512 * (patch // 16) ** 2, 1024), nn.LeakyReLU(0.2), nn.Linear(1024, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Pictures `(N, 3, patch, patch)` in [0, 1] to logits `(N, 1)`."""
        if x.ndim != 4 or x.shape[1:] != (3, self.patch, self.patch):
            raise ValueError(f"the discriminator judges (N, 3, {self.patch}, {self.patch}), not {tuple(x.shape)}")
        features = self.features(2 * x - 1).flatten(1)  # (N, 512·(patch/16)²)
        with torch.autocast(x.device.type, enabled=False):
            out: Tensor = self.dense(features.to(self.dense[0].weight.dtype))
        return out


def fold_batch_norm(model: SRResNet) -> SRResNet:
    """A copy for inference whose batch norms are folded into the convolutions before them; eval mode, same output.

    In eval mode a batch norm is a fixed scale and shift a channel, and so is part of the convolution.

    Raises:
        ValueError: a module that is no SRResNet, or one that is folded already.
    """
    if not isinstance(model, SRResNet) or not isinstance(model.tail[1], nn.BatchNorm2d | nn.SyncBatchNorm):
        raise ValueError(f"an SRResNet with batch norms can be folded, not {type(model).__name__} without them")
    folded = copy.deepcopy(model).eval()  # fused in eval mode only
    for block in folded.body:
        assert isinstance(block, ResidualBlock)
        block.conv1, block.norm1 = fuse_conv_bn_eval(block.conv1, block.norm1), nn.Identity()  # type: ignore[assignment]
        block.conv2, block.norm2 = fuse_conv_bn_eval(block.conv2, block.norm2), nn.Identity()  # type: ignore[assignment]
    conv, norm = folded.tail
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d | nn.SyncBatchNorm)
    folded.tail = nn.Sequential(fuse_conv_bn_eval(conv, norm), nn.Identity())
    return folded.eval()
