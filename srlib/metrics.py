"""How close a picture is to the truth: PSNR, SSIM, and the protocol that makes two scores comparable.

Read `psnr` and `ssim`, then `Protocol`: which channel, which rounding, which border. A score without its protocol
means little; chapter 2 moves the score of one picture by more than 2 dB with those choices alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from srlib.image import rgb_to_y


def _pair(sr: Tensor, hr: Tensor, shave: int) -> tuple[Tensor, Tensor]:
    """Check that two pictures can be compared; cut `shave` pixels from each side; double precision."""
    if sr.shape != hr.shape:
        raise ValueError(f"pictures of different shape cannot be compared: {tuple(sr.shape)} and {tuple(hr.shape)}")
    if sr.ndim != 4:
        raise ValueError(f"pictures have shape (N, C, H, W), not {tuple(sr.shape)}")
    if sr.dtype != hr.dtype or not sr.is_floating_point():
        raise TypeError(f"both pictures must be floats in [0, 1] of one dtype, not {sr.dtype} and {hr.dtype}")
    if shave < 0 or 2 * shave >= min(sr.shape[-2:]):
        raise ValueError(f"shave must leave something of {tuple(sr.shape[-2:])} pixels, not {shave}")
    for name, x in (("first", sr), ("second", hr)):
        if not bool(torch.isfinite(x).all()):
            raise ValueError(f"the {name} picture holds NaN or infinity")
    height, width = sr.shape[-2:]
    cut = (..., slice(shave, height - shave), slice(shave, width - shave))
    precise = torch.float32 if sr.device.type == "mps" else torch.float64
    return sr[cut].to(precise), hr[cut].to(precise)


def psnr(sr: Tensor, hr: Tensor, *, shave: int = 0, peak: float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio in decibels, `10·log10(peak² / MSE)`, one value for each picture.

    Args:
        sr, hr: `(N, C, H, W)` floats; the mean square error runs over all channels and pixels of a picture.
        shave: pixels left out on each side; super-resolution papers leave out `scale`.
        peak: the largest possible value, 1.0 for pictures in [0, 1].

    Returns:
        `(N,)` float64 in dB; `inf` for equal pictures.

    Raises:
        ValueError: different shapes, NaN, a shave that leaves nothing. TypeError: pictures that are not floats.

    >>> psnr(torch.full((1, 1, 8, 8), 0.5), torch.full((1, 1, 8, 8), 0.6)).round(decimals=2)
    tensor([20.], dtype=torch.float64)
    """
    sr, hr = _pair(sr, hr, shave)
    mse = (sr - hr).square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(peak**2 / mse)


def gaussian(size: int = 11, sigma: float = 1.5) -> Tensor:
    """A `(size,)` float64 Gaussian that sums to one: one axis of the window of SSIM."""
    x = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    g = torch.exp(-0.5 * (x / sigma) ** 2)
    return g / g.sum()


def ssim(sr: Tensor, hr: Tensor, *, shave: int = 0, peak: float = 1.0) -> Tensor:
    """Structural similarity, one value for each picture: 1 for equal pictures, near 0 for unrelated ones.

    Source: Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, “Image quality assessment: from error visibility to
    structural similarity”, IEEE TIP 13(4), 2004: an 11×11 Gaussian window with sigma 1.5, K1 = 0.01, K2 = 0.03,
    only positions where the window fits into the picture, as in the authors' `ssim_index.m`.

    Args and errors as for `psnr`; at least 11×11 pixels must remain. Channels are scored apart and averaged.

    >>> x = torch.rand(2, 1, 16, 16)
    >>> ssim(x, x)
    tensor([1., 1.], dtype=torch.float64)
    """
    sr, hr = _pair(sr, hr, shave)
    if min(sr.shape[-2:]) < 11:
        raise ValueError(f"SSIM needs at least 11×11 pixels, {sr.shape[-2]}×{sr.shape[-1]} are left after the shave")
    channels = sr.shape[1]
    g = gaussian().to(sr.device, sr.dtype)
    row, column = (g.view(shape).expand(channels, 1, -1, -1) for shape in ((1, 1, 1, -1), (1, 1, -1, 1)))

    def blur(x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, H - 10, W - 10)
        return F.conv2d(F.conv2d(x, row, groups=channels), column, groups=channels)

    mu1, mu2 = blur(sr), blur(hr)
    var1, var2 = blur(sr * sr) - mu1**2, blur(hr * hr) - mu2**2
    cov = blur(sr * hr) - mu1 * mu2
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    score = ((2 * mu1 * mu2 + c1) * (2 * cov + c2)) / ((mu1**2 + mu2**2 + c1) * (var1 + var2 + c2))
    return score.mean(dim=(1, 2, 3))


def daala_ssim(sr: Tensor, hr: Tensor, *, shave: int = 0, peak: float = 1.0) -> Tensor:
    """The structural similarity of the SRGAN paper's tables, one value for each picture; higher than Wang's.

    Source: `dump_ssim` of the Daala video codec, which the paper names (its §3.1). Three things differ from `ssim`:
    the Gaussian grows with the picture, its sigma being 1.5/256 of the height; its taps are whole 256ths; and
    positions at the border count, too, with the part of the window that lies in the picture as their weight.

    Args and errors as for `psnr`; any size will do. Channels are scored apart and averaged.

    >>> x = torch.rand(2, 1, 16, 16)
    >>> daala_ssim(x, x)
    tensor([1., 1.], dtype=torch.float64)
    """
    sr, hr = _pair(sr, hr, shave)
    channels, height, width = sr.shape[1:]
    sigma = height * 1.5 / 256
    lowest = math.sqrt(0.5 * math.pi) * sigma / 256  # the window ends where a tap would round to nothing
    reach = min(int(sigma * math.sqrt(-2 * math.log(lowest))) if lowest < 1 else 0, min(height, width) - 1)
    offsets = torch.arange(-reach, reach + 1, device=sr.device, dtype=sr.dtype)
    g = torch.floor(256 * torch.exp(-0.5 * (offsets / sigma) ** 2) / (math.sqrt(2 * math.pi) * sigma) + 0.5)
    g[reach] = 0
    g[reach] = 256 - g.sum()
    g = g / 256
    row, column = (g.view(shape).expand(channels, 1, -1, -1) for shape in ((1, 1, 1, -1), (1, 1, -1, 1)))

    def gather(x: Tensor) -> Tensor:  # sums over the window; outside the picture there is nothing
        x = F.conv2d(x, row, padding=(0, reach), groups=channels)
        return F.conv2d(x, column, padding=(reach, 0), groups=channels)

    weight = gather(torch.ones_like(sr))
    x, y = gather(sr), gather(hr)
    xx, yy, xy = gather(sr * sr) * weight - x * x, gather(hr * hr) * weight - y * y, gather(sr * hr) * weight - x * y
    c1, c2 = ((k * peak * weight) ** 2 for k in (0.01, 0.03))
    score = (2 * x * y + c1) * (2 * xy + c2) / ((x * x + y * y + c1) * (xx + yy + c2))
    return (weight * score).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3))


def round_to_byte(x: Tensor) -> Tensor:
    """Floats in [0, 1] rounded to the nearest of the 256 grey levels (halves up), still floats in [0, 1]."""
    x = x if x.dtype == torch.float64 else x.float()
    return torch.floor(x.clamp(0, 1) * 255 + 0.5) / 255


@dataclass(frozen=True)
class Protocol:
    """How a low-resolution picture is made from HR and how SR is scored against HR.

    Attributes:
        name: its letter in the book and in the ledger.
        text: one line for tables.
        luma_first: True turns HR into luma before it is shrunk, and keeps the LR luma as unrounded floats (the
            demo code of SRCNN); False shrinks the RGB picture and rounds it to bytes, as a file would (SelfExSR).
        round_y: luma is rounded to whole grey levels before the comparison, as MATLAB's `rgb2ycbcr` does on uint8.
        grey: a greyscale HR picture is either copied into three channels ("replicate", then Y is studio range) or
            taken as luma as it is ("luma"). Set14's `bridge` is such a picture: 0.09 dB in the mean of the set.
        border: how LR is made at the border of the picture, see `srlib.degrade.imresize`.
        similarity: Wang's `ssim`, or `daala_ssim`, which only the SRGAN paper used.
    """

    name: str
    text: str
    luma_first: bool
    round_y: bool
    grey: Literal["replicate", "luma"]
    border: Literal["clamp", "mirror"] = "mirror"
    similarity: Literal["wang", "daala"] = "wang"

    def luma(self, rgb: Tensor) -> Tensor:
        """The luma on which this protocol compares: `(N, 3, H, W)` RGB (or `(N, 1, H, W)` luma) to `(N, 1, H, W)`."""
        y = rgb if rgb.shape[1] == 1 else rgb_to_y(rgb.double() if rgb.device.type != "mps" else rgb)
        return round_to_byte(y) if self.round_y else y

    def score(self, sr: Tensor, hr: Tensor, scale: int) -> tuple[float, float]:
        """(PSNR in dB, SSIM) of one SR picture against HR, on rounded bytes, with `shave = scale`."""
        y_sr, y_hr = self.luma(round_to_byte(sr.double())), self.luma(hr.double())
        score = float(psnr(y_sr, y_hr, shave=scale))
        if self.similarity == "daala":  # a video codec's tool, which reads bytes
            return score, float(daala_ssim(round_to_byte(y_sr), round_to_byte(y_hr), shave=scale))
        return score, float(ssim(y_sr, y_hr, shave=scale))


PROTOCOLS: dict[str, Protocol] = {
    p.name: p
    for p in (
        Protocol("A", "uint8 RGB LR, uint8 SR, rounded Y, shave = scale", False, True, "replicate"),
        Protocol("B", "uint8 RGB LR, uint8 SR, unrounded Y, shave = scale", False, False, "replicate"),
        Protocol("D", "Y first, unrounded LR, uint8 SR, shave = scale", True, True, "luma"),
        Protocol("S", "as B, with Daala's SSIM (SRGAN)", False, False, "luma", similarity="daala"),
    )
}
