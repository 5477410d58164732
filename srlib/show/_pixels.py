"""Pictures in, arrays of pixels out: what every view in `srlib.show` needs before it can draw.

`pixels` turns one picture into (H, W, 3 or 1) uint8. `same_field` enlarges the smaller pictures of a set by
whole factors until all of them cover the same field of view. Both refuse bad input with a message that
names the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from srlib.image import rgb_to_y, to_uint8

ImageLike = torch.Tensor | npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Crop = tuple[int, int, int, int]


def _as_hwc(image: ImageLike, name: str) -> npt.NDArray[Any]:
    """(1, C, H, W) or (C, H, W) tensor, or (H, W[, C]) array, to an (H, W, C) array of the same numbers."""
    if isinstance(image, torch.Tensor):
        x = image.detach().cpu()
        if x.ndim == 4 and x.shape[0] == 1:
            x = x[0]
        if x.ndim != 3 or x.shape[0] not in (1, 3):
            raise ValueError(f"{name}: a tensor must be (1, 3, H, W) or (1, 1, H, W), not {tuple(image.shape)}")
        if x.dtype in (torch.float16, torch.bfloat16):
            x = x.float()
        array: npt.NDArray[Any] = x.permute(1, 2, 0).numpy()
    elif isinstance(image, np.ndarray):
        array = image[..., None] if image.ndim == 2 else image
        if array.ndim != 3 or array.shape[2] not in (1, 3):
            raise ValueError(f"{name}: an array must be (H, W), (H, W, 1) or (H, W, 3), not {image.shape}")
    else:
        raise TypeError(f"{name}: expected a tensor or an array, not {type(image).__name__}")
    if 0 in array.shape:
        raise ValueError(f"{name}: the picture is empty, its shape is {tuple(image.shape)}")
    if array.dtype != np.uint8:
        if not np.issubdtype(array.dtype, np.floating):
            raise ValueError(f"{name}: expected floats in [0, 1] or uint8, not {array.dtype}")
        if not np.isfinite(array).all():
            bad = int((~np.isfinite(array)).sum())
            raise ValueError(f"{name}: {bad} of {array.size} values are NaN or infinite")
    return array


def pixels(image: ImageLike, name: str = "image") -> Bytes:
    """One picture as (H, W, 3) or (H, W, 1) uint8; floats in [0, 1] are clipped and rounded half up.

    Raises ValueError for another shape, an empty picture, NaN or infinity, TypeError for another type.

    >>> pixels(torch.tensor([[[[0.0, 0.5, 1.0]]]]))[..., 0].tolist()
    [[0, 128, 255]]
    """
    array = _as_hwc(image, name)
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    return to_uint8(torch.from_numpy(np.ascontiguousarray(array))).numpy()


def luma(image: ImageLike, name: str = "image") -> Floats:
    """Luma of one picture in grey levels, (H, W) float64, after rounding the picture to uint8.

    Colour goes through BT.601 studio range (16..235), the luma of the book's scores; a picture of one
    channel is taken as it stands, 0..255.

    >>> [round(float(v), 2) for v in luma(np.array([[[255, 255, 255], [0, 0, 0]]], dtype=np.uint8))[0]]
    [235.0, 16.0]
    """
    array = pixels(image, name).astype(np.float64)
    if array.shape[2] == 1:
        return array[..., 0]
    rgb = torch.from_numpy(array / 255).permute(2, 0, 1)[None]
    return np.asarray(rgb_to_y(rgb)[0, 0].numpy() * 255)


def enlarge(array: Bytes, factor: int) -> Bytes:
    """Each pixel becomes factor × factor equal pixels: (H, W, C) to (factor·H, factor·W, C)."""
    return array.repeat(factor, axis=0).repeat(factor, axis=1)


def same_field(images: Mapping[str, ImageLike]) -> dict[str, tuple[Bytes, int]]:
    """Every picture as uint8 with the whole factor that enlarges it to the largest picture's size.

    Returns `{name: (array, factor)}` in the given order; factor is 1 for the full-size pictures, the scale
    for an LR picture. Raises ValueError when there is no picture or one does not fit by a whole factor.

    >>> out = same_field({"LR": torch.zeros(1, 3, 4, 5), "HR": torch.zeros(1, 3, 12, 15)})
    >>> [(name, array.shape, factor) for name, (array, factor) in out.items()]
    [('LR', (4, 5, 3), 3), ('HR', (12, 15, 3), 1)]
    """
    if not images:
        raise ValueError("no images to show: the mapping is empty")
    arrays = {str(name): pixels(image, str(name)) for name, image in images.items()}
    height = max(a.shape[0] for a in arrays.values())
    width = max(a.shape[1] for a in arrays.values())
    out = {}
    for name, array in arrays.items():
        factor = height // array.shape[0]
        if array.shape[0] * factor != height or array.shape[1] * factor != width:
            raise ValueError(
                f"{name} is {array.shape[0]}×{array.shape[1]}, the largest picture {height}×{width}: "
                "sizes must be equal or differ by one whole factor (crop HR to a multiple of the scale first)"
            )
        out[name] = (array, factor)
    return out


def check_crop(crop: Crop | None, height: int, width: int) -> Crop:
    """The crop (top, left, height, width), or the whole picture for None; ValueError when it does not fit."""
    if crop is None:
        return (0, 0, height, width)
    if len(crop) != 4:
        raise ValueError(f"crop must be (top, left, height, width), not {crop}")
    top, left, h, w = (int(v) for v in crop)
    if top < 0 or left < 0 or h < 1 or w < 1 or top + h > height or left + w > width:
        raise ValueError(f"crop (top, left, height, width) = {tuple(crop)} leaves the picture of {height}×{width}")
    return (top, left, h, w)


def check_whole(name: str, value: int | None) -> None:
    """Raise ValueError unless value is None or a whole number from 1."""
    if value is not None and (int(value) != value or value < 1):
        raise ValueError(f"{name} must be a whole number from 1, not {value}")
