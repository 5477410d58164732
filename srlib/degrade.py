"""High resolution to low: what a camera, a web page or a benchmark does to a picture before we see it.

`imresize` is MATLAB's, because every published table of super-resolution was made with MATLAB's bicubic. Read
`cubic`, then `_taps` (which pixels, with which weights), then `_resize_axis`, then `imresize`. The blur of the SRGAN
paper, JPEG and noise follow.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

Border = Literal["clamp", "mirror"]


def cubic(x: Tensor) -> Tensor:
    """Keys' cubic kernel with a = -1/2, which MATLAB calls bicubic: support [-2, 2], any shape in, same shape out.

    Source: R. Keys, “Cubic convolution interpolation for digital image processing”, 1981, eq. 15.

    >>> cubic(torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0])).tolist()
    [1.0, 0.5625, 0.0, -0.0625, 0.0]
    """
    x = x.abs()
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, near, torch.where(x <= 2, far, torch.zeros_like(x)))


def linear(x: Tensor) -> Tensor:
    """The triangle kernel of bilinear interpolation: support [-1, 1]."""
    return (1 - x.abs()).clamp(min=0)


def box(x: Tensor) -> Tensor:
    """The box kernel of nearest-neighbour interpolation: support [-1/2, 1/2)."""
    return ((x >= -0.5) & (x < 0.5)).to(x.dtype)


KERNELS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "bicubic": (cubic, 4.0),
    "bilinear": (linear, 2.0),
    "nearest": (box, 1.0),
}


def _taps(n_out: int, scale: float, kernel: str, antialias: bool) -> tuple[Tensor, Tensor]:
    """For each output pixel of one axis, the input pixels it reads (some outside the image) and their weights.

    Returns `index` (n_out, taps) int64 and `weight` (n_out, taps) float64 whose rows sum to one. This is
    `contributions` of MATLAB's imresize.m: when the image shrinks, the kernel is stretched by 1/scale, which is
    the low-pass filter against aliasing.
    """
    function, width = KERNELS[kernel]
    stretch = scale if antialias and scale < 1 else 1.0
    width /= stretch

    out = torch.arange(1, n_out + 1, dtype=torch.float64)  # MATLAB counts pixels from 1
    centre = out / scale + 0.5 * (1 - 1 / scale)  # the output pixel's centre in input pixels
    left = torch.floor(centre - width / 2)
    count = math.ceil(width) + 2
    index = left[:, None] + torch.arange(count)  # (n_out, taps), from 1
    weight = stretch * function(stretch * (centre[:, None] - index))
    weight = weight / weight.sum(dim=1, keepdim=True)

    used = (weight.abs() > 1e-15).any(dim=0)  # the outermost taps are zero for every output pixel
    return index[:, used].long() - 1, weight[:, used]


def _inside(index: Tensor, n: int, border: Border) -> Tensor:
    """Fold indices that lie outside 0..n-1 back into the image."""
    if border == "clamp":  # older MATLAB, and the benchmark files of 2015: repeat the edge pixel
        return index.clamp(0, n - 1)
    index = index.remainder(2 * n)  # newer MATLAB: mirror at the edge, the edge pixel included
    return torch.where(index < n, index, 2 * n - 1 - index)


def _resize_axis(x: Tensor, dim: int, index: Tensor, weight: Tensor, border: Border) -> Tensor:
    """Weighted sum of the pixels that `index` (n_out, taps) names along `dim`.

    For a whole factor every `phases`-th output pixel uses the same weights on pixels `step` further on, so that each
    tap is a slice of the padded image: ten times as fast as gathering the pixels one by one.
    """
    n_in, (n_out, taps) = x.shape[dim], index.shape
    phases = max(1, round(n_out / n_in))
    rows = n_out // phases
    step = max(1, round(n_in / n_out))
    regular = index[:phases].repeat(rows, 1) + (torch.arange(rows) * step).repeat_interleave(phases)[:, None]
    if rows * phases != n_out or not torch.equal(index, regular):
        # A broken factor such as 0.9: gather.
        picks = [x.index_select(dim, _inside(index[:, t], n_in, border).to(x.device)) for t in range(taps)]
        shape = [-1 if d == dim else 1 for d in range(x.ndim)]
        weight = weight.to(x.device, x.dtype)
        return torch.stack([pick * weight[:, t].view(shape) for t, pick in enumerate(picks)]).sum(0)

    first, last = int(index.min()), int(index.max())
    source = x.index_select(dim, _inside(torch.arange(first, last + 1, device=x.device), n_in, border))
    parts = []
    for phase in range(phases):
        part: Tensor | None = None
        for tap in range(taps):
            w = float(weight[phase, tap])
            if w == 0:
                continue
            start = int(index[phase, tap]) - first
            where = [slice(None)] * x.ndim
            where[dim] = slice(start, start + (rows - 1) * step + 1, step)
            pixels = source[tuple(where)]
            part = pixels * w if part is None else torch.add(part, pixels, alpha=w)
        assert part is not None
        parts.append(part)
    return parts[0] if phases == 1 else torch.stack(parts, dim + 1).flatten(dim, dim + 1)


def imresize(
    x: Tensor,
    scale: float,
    *,
    border: Border = "clamp",
    kernel: str = "bicubic",
    antialias: bool = True,
) -> Tensor:
    """Resize as MATLAB's `imresize` does: `(N, C, H, W)` in, `(N, C, ceil(H·scale), ceil(W·scale))` out.

    A **uint8** tensor gives a uint8 tensor, equal to MATLAB's byte for byte: MATLAB resizes rows, rounds to uint8,
    then resizes columns and rounds again. A **floating** tensor is never rounded or clipped (bicubic overshoots at
    edges, so values may leave [0, 1] a little); it is differentiable and stays on its device and in its dtype.

    Args:
        x: uint8 in 0..255, or floating of any range.
        scale: larger than 0; `1 / 3` shrinks to a third, `3` enlarges.
        border: `"clamp"` repeats the edge pixel (older MATLAB, the files of Set5 and Set14), `"mirror"` reflects
            (newer MATLAB).
        kernel: `"bicubic"` (a = -1/2), `"bilinear"` or `"nearest"`.
        antialias: stretch the kernel when shrinking, as MATLAB does by default. `False` shows aliasing.

    Raises:
        ValueError: wrong number of dimensions, an empty image, a scale, border or kernel that does not exist.
        TypeError: a dtype that is neither uint8 nor floating.

    >>> imresize(torch.rand(1, 3, 9, 12), 1 / 3).shape
    torch.Size([1, 3, 3, 4])
    >>> imresize(torch.full((1, 1, 2, 2), 7, dtype=torch.uint8), 2).unique()
    tensor([7], dtype=torch.uint8)
    """
    if x.ndim != 4 or 0 in x.shape:
        raise ValueError(f"imresize wants a tensor (N, C, H, W) without empty axes, not shape {tuple(x.shape)}")
    if not (scale > 0 and math.isfinite(scale)):
        raise ValueError(f"scale must be a number above 0 (1/3 shrinks, 3 enlarges), not {scale}")
    if border not in ("clamp", "mirror"):
        raise ValueError(f"border must be 'clamp' or 'mirror', not {border!r}")
    if kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {', '.join(KERNELS)}, not {kernel!r}")
    if x.dtype != torch.uint8 and not x.is_floating_point():
        raise TypeError(f"imresize wants uint8 or a floating dtype, not {x.dtype}")

    byte = x.dtype == torch.uint8
    # Double precision decides ties at .5 as MATLAB does; Apple's GPUs have none, there float32 is the best there is.
    work = torch.float32 if x.device.type == "mps" else torch.float64
    half = x.dtype in (torch.float16, torch.bfloat16)
    out = x.float() if half else x
    for dim in (2, 3):
        n_out = math.ceil(round(x.shape[dim] * scale, 9))  # 9 · (1/3) is 3, whatever the last bit of 1/3 says
        index, weight = _taps(n_out, scale, kernel, antialias)
        out = _resize_axis(out.to(work) if byte else out, dim, index, weight, border)
        if byte:
            out = torch.floor(out + 0.5).clamp_(0, 255).to(torch.uint8)
    return out.to(x.dtype)


def bicubic_down(x: Tensor, scale: int, *, border: Border = "clamp") -> Tensor:
    """Shrink by a whole factor with MATLAB's antialiased bicubic: `(N, C, H, W)` to `(N, C, H/scale, W/scale)`.

    Raises ValueError when H or W is not a multiple of `scale`: crop with `mod_crop` first, since resizing instead
    would shift every pixel and inflate PSNR by up to 0.5 dB.

    >>> bicubic_down(torch.rand(1, 1, 8, 8), 4).shape
    torch.Size([1, 1, 2, 2])
    """
    height, width = x.shape[-2:]
    if height % scale or width % scale:
        raise ValueError(f"{height}×{width} is not a multiple of scale {scale}: call mod_crop(x, {scale}) first")
    return imresize(x, 1 / scale, border=border)


def bicubic_up(x: Tensor, scale: int, *, border: Border = "clamp") -> Tensor:
    """Enlarge by a whole factor with MATLAB's bicubic: `(N, C, h, w)` to `(N, C, h·scale, w·scale)`.

    >>> bicubic_up(torch.rand(1, 1, 2, 3), 4).shape
    torch.Size([1, 1, 8, 12])
    """
    return imresize(x, scale, border=border)


def mod_crop(x: Tensor, scale: int) -> Tensor:
    """Cut rows and columns at the bottom and right until both sides are multiples of `scale`.

    >>> mod_crop(torch.rand(1, 3, 10, 11), 3).shape
    torch.Size([1, 3, 9, 9])
    """
    height, width = x.shape[-2] // scale * scale, x.shape[-1] // scale * scale
    if height == 0 or width == 0:
        raise ValueError(f"an image of {x.shape[-2]}×{x.shape[-1]} is smaller than scale {scale}")
    return x[..., :height, :width]


def blur_down(x: Tensor, scale: int, sigma: float | None = None) -> Tensor:
    """Gaussian blur, then keep every `scale`-th pixel: the degradation in the text of the ESPCN and SRGAN papers.

    Args:
        x: `(N, C, H, W)` floating; H and W multiples of `scale`.
        scale: whole factor.
        sigma: standard deviation of the blur in HR pixels; the papers do not print theirs, ours defaults to
            `scale / 2`, which removes most of what the coarser grid cannot carry.

    The kept pixel is the one at the centre of each block for odd scales and the mean of the two middle ones for
    even scales, so that the result is not shifted by a part of a pixel.

    >>> blur_down(torch.rand(1, 3, 12, 12), 4).shape
    torch.Size([1, 3, 3, 3])
    """
    height, width = x.shape[-2:]
    if height % scale or width % scale:
        raise ValueError(f"{height}×{width} is not a multiple of scale {scale}: call mod_crop(x, {scale}) first")
    sigma = scale / 2 if sigma is None else sigma
    if not sigma > 0:
        raise ValueError(f"sigma must be above 0 HR pixels, not {sigma}")
    radius = math.ceil(3 * sigma)
    for dim in (2, 3):
        n_out = x.shape[dim] // scale
        centre = (torch.arange(n_out, dtype=torch.float64) + 0.5) * scale - 0.5
        index = centre.floor()[:, None] + torch.arange(-radius, radius + 2)
        weight = torch.exp(-0.5 * ((index - centre[:, None]) / sigma) ** 2)
        weight = weight / weight.sum(dim=1, keepdim=True)
        x = _resize_axis(x, dim, index.long(), weight, "clamp")
    return x


def noise(x: Tensor, sigma: float, generator: torch.Generator | None = None) -> Tensor:
    """Add white Gaussian noise of standard deviation `sigma` in grey levels (0..255); not clipped.

    >>> noise(torch.zeros(1, 1, 64, 64), 10, torch.Generator().manual_seed(0)).std().mul(255).round()
    tensor(10.)
    """
    if sigma < 0:
        raise ValueError(f"sigma is a standard deviation in grey levels and cannot be negative: {sigma}")
    device = x.device if generator is None else generator.device  # the same noise on every device
    return x + torch.randn(x.shape, generator=generator, device=device, dtype=x.dtype).to(x.device) * (sigma / 255)


def jpeg(x: Tensor, quality: int = 75) -> Tensor:
    """Write and read again as JPEG (Pillow, 4:2:0 chroma): `(N, 3, H, W)` or `(N, 1, H, W)` float in [0, 1].

    >>> jpeg(torch.rand(1, 3, 16, 16), 30).shape
    torch.Size([1, 3, 16, 16])
    """
    if not 1 <= quality <= 95:
        raise ValueError(f"quality must lie between 1 and 95, not {quality}")
    if not x.is_floating_point():
        raise TypeError(f"jpeg wants floats in [0, 1], not {x.dtype}")
    out = []
    for picture in torch.floor(x.detach().clamp(0, 1) * 255 + 0.5).to(torch.uint8).cpu():
        array = picture.permute(1, 2, 0).numpy()  # (H, W, C)
        buffer = io.BytesIO()
        Image.fromarray(array.squeeze(-1) if array.shape[2] == 1 else array).save(buffer, "JPEG", quality=quality)
        decoded = np.asarray(Image.open(buffer)).reshape(array.shape)
        out.append(torch.from_numpy(decoded.copy()).permute(2, 0, 1))
    return torch.stack(out).to(x.device, x.dtype) / 255
