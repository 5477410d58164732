"""Any picture, any size: tiles with exact overlap, in bounded memory.

Read `super_resolve` (one tensor, colour handled as the papers do), then `tiles` and `upscale`. The module is not
called `upscale` because `srlib.upscale` is the function.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from srlib import models
from srlib.degrade import bicubic_up
from srlib.devices import pick_device
from srlib.image import (
    ImageError,
    Picture,
    as_array,
    check_target,
    load,
    on_white,
    read,
    rgb_to_ycbcr,
    save,
    to_uint8,
    ycbcr_to_rgb,
)

# What a file can hold: transparency, and pixels a side where the format has a limit that a picture can meet.
WITH_ALPHA = ("PNG", "WEBP", "TIFF")
LARGEST = {"JPEG": 65_500, "WEBP": 16_383, "GIF": 65_535}

TILE_OUT = 384  # side of a tile of SR in pixels; larger ones are no faster on a CPU and take more memory


@torch.inference_mode()
def super_resolve(model: nn.Module, lr: Tensor) -> Tensor:
    """LR `(N, 3, h, w)` RGB to SR `(N, 3, h·scale, w·scale)`, clipped to [0, 1], in one piece.

    A network for luma sees Y'CbCr: it enlarges Y, bicubic enlarges Cb and Cr, in which the eye sees little detail. A
    network for RGB sees the picture as it is. Luma alone, `(N, 1, h, w)`, stays luma.
    """
    if lr.shape[1] == 1 or model.channels == 3:
        out: Tensor = model(lr)
        return out.clamp(0, 1)
    ycbcr = rgb_to_ycbcr(lr)
    y = model(ycbcr[:, :1])
    chroma = bicubic_up(ycbcr[:, 1:], int(model.scale))  # type: ignore[arg-type]
    return ycbcr_to_rgb(torch.cat([y, chroma], dim=1)).clamp(0, 1)


class Tile(NamedTuple):
    """What the network sees (`top:bottom, left:right` in LR) and which part of its answer is kept."""

    seen: tuple[slice, slice]
    kept: tuple[slice, slice]  # within the tile's SR
    place: tuple[slice, slice]  # in the whole SR


def tiles(height: int, width: int, scale: int, tile: int, overlap: int) -> Iterator[Tile]:
    """Cut `height`×`width` LR pixels into tiles of at most `tile`, each seen with `overlap` pixels around it.

    With an overlap as large as the network's reach, the kept parts equal the untiled picture; at the border of the
    picture a tile ends where the picture ends.

    >>> [t.place[1] for t in tiles(4, 10, scale=2, tile=6, overlap=1)]
    [slice(0, 12, None), slice(12, 20, None)]
    """

    def cut(size: int) -> list[tuple[slice, slice, slice]]:
        axis = []
        for start in range(0, size, tile):
            stop = min(start + tile, size)
            first, last = max(0, start - overlap), min(size, stop + overlap)
            kept = slice((start - first) * scale, (stop - first) * scale)
            axis.append((slice(first, last), kept, slice(start * scale, stop * scale)))
        return axis

    for rows in cut(height):
        for columns in cut(width):
            yield Tile(*zip(rows, columns, strict=True))


def upscale_into(
    model: nn.Module, lr: Tensor, out: Tensor, *, tile: int | None = None, progress: bool = False
) -> Tensor:
    """Fill `out` `(1, C, h·scale, w·scale)`, uint8 or floating, with `lr` `(1, C, h, w)` super-resolved tile by tile.

    Memory beyond `lr` and `out` is that of one tile. `model` and the computation stay on the model's device.
    """
    from tqdm.auto import tqdm

    scale, overlap = int(model.scale), int(model.overlap)  # type: ignore[arg-type]
    device = _device_of(model)
    side = max(1, TILE_OUT // scale) if tile is None else tile
    if side < 1:
        raise ValueError(f"a tile has at least 1 LR pixel, not {tile}")
    pieces = list(tiles(lr.shape[2], lr.shape[3], scale, side, overlap))
    megapixels = tqdm(total=out.shape[2] * out.shape[3] / 1e6, unit="Mpx", disable=not progress, mininterval=0.2)
    megapixels.bar_format = "{percentage:3.0f}%|{bar}| {n:.1f}/{total:.1f} megapixels [{elapsed}<{remaining}]"
    for piece in pieces:
        sr = super_resolve(model, lr[..., *piece.seen].to(device).float())[..., *piece.kept]
        out[..., *piece.place] = (to_uint8(sr) if out.dtype == torch.uint8 else sr).to(out.device)
        megapixels.update(sr.shape[2] * sr.shape[3] / 1e6)
    megapixels.close()
    return out


@contextmanager
def borrowed(model: str | nn.Module, scale: int, device: str = "auto") -> Iterator[nn.Module]:
    """The network of that name, or the one given, in eval mode on `device`; one that was given is put back after.

    With "auto", a network that was given stays on the device where it is.
    """
    network = models.load_pretrained(model, scale) if isinstance(model, str) else model
    if isinstance(model, str):  # with the channels of a pixel side by side, VDSR is 1.5 times as fast on a CPU
        network = network.to(memory_format=torch.channels_last)
    if int(network.scale) != scale:  # type: ignore[arg-type]
        raise ValueError(f"the network enlarges ×{network.scale}, but scale={scale} was asked for")
    if not hasattr(network, "overlap"):
        raise ValueError(
            f"{type(network).__name__} has no attribute `overlap`: how many LR pixels away an output pixel sees"
        )
    training, home = network.training, _device_of(network)
    place = home if device == "auto" and not isinstance(model, str) else pick_device(device)
    try:
        yield network.eval().to(place)
    finally:
        network.train(training).to(home)


def _device_of(network: nn.Module) -> torch.device:
    return next((p.device for p in network.parameters()), torch.device("cpu"))


def upscale(
    x: Tensor | np.ndarray[Any, Any] | Image.Image | str | os.PathLike[str],
    model: str | nn.Module = "srcnn",
    scale: int = 3,
    *,
    device: str = "auto",
    tile: int | None = None,
    progress: bool = False,
) -> Any:
    """Super-resolve one picture; what comes back is of the kind that went in.

    Args:
        x: a tensor `(1, 3, h, w)` or `(1, 1, h, w)` (luma) in [0, 1], which gives a float tensor; an array
            `(h, w, 3)` or `(h, w)` of uint8, which gives an array; a PIL image, which gives a PIL image; or the path
            of a file, which gives a tensor.
        model: the name of shipped weights ("srcnn", "bicubic"), or a network.
        scale: whole factor; must be the network's.
        device: "auto", "cpu", "cuda", "mps".
        tile: side of a tile in LR pixels; None picks one that keeps memory low. The result does not depend on it.
        progress: draw a bar.

    Raises:
        ValueError: a shape that is no picture, NaN, a model or scale that does not ship, a device that is not there.

    >>> upscale(torch.rand(1, 3, 10, 12), model="bicubic", scale=2).shape
    torch.Size([1, 3, 20, 24])
    """
    if isinstance(x, Image.Image):
        if x.mode not in ("L", "RGB"):
            raise ValueError(f"a PIL picture has mode L or RGB, not {x.mode}; convert it, or give the file's path")
        return Image.fromarray(upscale(np.asarray(x), model, scale, device=device, tile=tile, progress=progress))
    if isinstance(x, np.ndarray):
        if x.dtype != np.uint8 or x.ndim not in (2, 3) or (x.ndim == 3 and x.shape[2] not in (1, 3)) or not x.size:
            raise ValueError(f"an array picture is (h, w, 3) or (h, w) of uint8, not {x.shape} of {x.dtype}")
        lr = torch.from_numpy(np.array(x)).reshape(*x.shape[:2], -1).permute(2, 0, 1)[None].float() / 255
        dtype = torch.uint8
    else:
        lr, dtype = x if isinstance(x, Tensor) else load(x), torch.float32
        if lr.ndim != 4 or lr.shape[0] != 1 or lr.shape[1] not in (1, 3) or 0 in lr.shape or not lr.is_floating_point():
            raise ValueError(
                f"a picture is a floating tensor (1, 3, h, w) or (1, 1, h, w), not {tuple(lr.shape)} of {lr.dtype}"
            )
        if not bool(torch.isfinite(lr).all()):
            raise ValueError("the picture holds NaN or infinity")
    with borrowed(model, scale, device) as network:
        seen = lr.expand(-1, 3, -1, -1) if network.channels == 3 and lr.shape[1] == 1 else lr
        out = torch.empty(1, seen.shape[1], lr.shape[2] * scale, lr.shape[3] * scale, dtype=dtype, device=lr.device)
        upscale_into(network, seen, out, tile=tile, progress=progress)
    out = out[:, : lr.shape[1]]
    return as_array(out).reshape(*out.shape[2:], *x.shape[2:]) if isinstance(x, np.ndarray) else out


def fill_hidden(rgb: Tensor, alpha: Tensor) -> Tensor:
    """Give what is fully transparent the colour of the nearest visible parts, roughly; the rest stays as it is.

    A file may hold anything there, mostly black. Nobody sees it until the picture is enlarged, when it would mix into
    the visible pixels at the rim. `rgb` is `(1, 3, h, w)` in [0, 1], `alpha` `(1, 1, h, w)`.

    >>> fill_hidden(torch.tensor([1.0, 0.0]).expand(1, 3, 1, 2), torch.tensor([[[[1.0, 0.0]]]]))[0, 0].tolist()
    [[1.0, 1.0]]
    """
    if bool((alpha > 0).all()) or not bool((alpha > 0).any()):
        return rgb
    weight = F.avg_pool2d(alpha, 2, ceil_mode=True)  # means over blocks of 2×2, of the visible pixels only
    small = F.avg_pool2d(rgb * alpha, 2, ceil_mode=True) / weight.clamp(min=1e-6)
    around = F.interpolate(fill_hidden(small, weight), scale_factor=2)[..., : rgb.shape[2], : rgb.shape[3]]
    return torch.where(alpha > 0, rgb, around)


def upscale_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    model: str | nn.Module = "srcnn",
    scale: int = 3,
    *,
    device: str = "auto",
    tile: int | None = None,
    progress: bool = False,
) -> Path:
    """Super-resolve a picture file into another one, in bounded memory: 12 megapixels ×3 need less than 2 GB.

    Orientation, colour profile, EXIF data and transparency (enlarged bicubically) are kept; a grey file stays grey. A
    transparent picture is laid on white where the target's format cannot hold transparency.
    Arguments as for `upscale`; errors as for it, `srlib.image.read` and `srlib.image.save`, and ImageError when the
    result has more pixels a side than the target's format can hold.
    """
    target, form = check_target(target)
    with borrowed(model, scale, device) as network:
        picture = read(source)
        size = (picture.rgb.shape[2] * scale, picture.rgb.shape[3] * scale)
        if max(size) > LARGEST.get(form, max(size)):
            raise ImageError(
                f"{form} holds at most {LARGEST[form]:,} pixels a side, and {source} ×{scale} has "
                f"{size[1]:,}×{size[0]:,}; use .png or .tif"
            )
        if picture.alpha is not None and form in WITH_ALPHA:
            picture = replace(picture, rgb=fill_hidden(picture.rgb, picture.alpha))
        elif picture.alpha is not None:
            picture = replace(picture, rgb=on_white(picture), alpha=None)
        lr = picture.rgb[:, :1] if picture.grey and network.channels == 1 else picture.rgb
        out = torch.empty(
            1, lr.shape[1], *size, dtype=torch.uint8, memory_format=torch.channels_last
        )  # as files want it
        upscale_into(network, lr, out, tile=tile, progress=progress)
    alpha = picture.alpha
    if alpha is not None:
        alpha = upscale_into(models.create("bicubic", scale), alpha, torch.empty(1, 1, *size, dtype=torch.uint8))
    like = Picture(torch.empty(1, 3, 0, 0), alpha, picture.icc_profile, picture.exif, picture.grey)
    del lr, picture  # the LR floats of a large photograph are 150 MB
    return save(out[:, :1] if like.grey else out, target, like=like)
