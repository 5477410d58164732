"""Files to tensors and back, and colour.

Read `read` (a file as a `Picture`, with what must survive a round trip) and `load` (as a tensor), `save` (tensor to
file, atomic), then the colour conversions. Pillow's many modes are dealt with in `srlib._decode`. Nothing outside
these two modules sees 0..255 floats or BGR.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from srlib._decode import ImageError, Picture, decode_file

__all__ = [
    "ImageError",
    "Picture",
    "as_array",
    "check_target",
    "from_uint8",
    "load",
    "on_white",
    "read",
    "rgb_to_y",
    "rgb_to_ycbcr",
    "save",
    "to_uint8",
    "ycbcr_to_rgb",
]


def read(path: str | os.PathLike[str], frame: int | None = None) -> Picture:
    """Read a still image with its transparency, colour profile and EXIF data; see `Picture`.

    Understood: everything Pillow opens; grey, grey with alpha, palette, CMYK (through its profile where it has one),
    16-bit grey (all 16 bits used; 16-bit RGB is cut to 8 by Pillow), any EXIF orientation, the first picture of files
    that hold several without being animations (telephones' MPO, many-page TIFF).

    Args:
        path: the file.
        frame: which frame of an animated file, from 0.

    Raises:
        FileNotFoundError: there is no such file.
        ImageError: it is a folder, not an image, truncated, animated without `frame`, or so large (over 179
            megapixels by default) that it may be a decompression bomb.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no such image: {path}")
    if path.is_dir():
        raise ImageError(f"{path} is a folder; name an image in it")
    try:
        return decode_file(path, frame)
    except (ImageError, PermissionError):
        raise
    except UnidentifiedImageError as error:
        raise ImageError(f"{path} is not an image that Pillow can read") from error
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{path} claims more than {2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f} megapixels and may be a "
            "decompression bomb; if you trust it, raise PIL.Image.MAX_IMAGE_PIXELS first"
        ) from error
    except (OSError, SyntaxError, EOFError, ValueError) as error:
        raise ImageError(f"{path} is damaged or truncated: {error}") from error


def load(path: str | os.PathLike[str], frame: int | None = None) -> Tensor:
    """An image file as an RGB tensor: `(1, 3, H, W)` float32 in [0, 1].

    Grey files get three equal channels, transparent ones are laid on white. Takes the same files and raises the same
    errors as `read`.

    >>> from srlib import datasets
    >>> load(datasets.card("coffee").path).shape
    torch.Size([1, 3, 400, 600])
    """
    return on_white(read(path, frame))


def on_white(picture: Picture) -> Tensor:
    """The colours of a picture with its transparent parts laid on white: `(1, 3, H, W)` in [0, 1]."""
    if picture.alpha is None:
        return picture.rgb
    return picture.rgb * picture.alpha + (1 - picture.alpha)


def to_uint8(x: Tensor) -> Tensor:
    """[0, 1] floats to 0..255 bytes, clipped, halves rounded up as MATLAB does; any shape.

    >>> to_uint8(torch.tensor([-1.0, 0.5, 2.0])).tolist()
    [0, 128, 255]
    """
    x = x if x.dtype == torch.float64 else x.float()  # half precision cannot tell 255 from 255.5
    return torch.floor(x.clamp(0, 1) * 255 + 0.5).to(torch.uint8)


def from_uint8(x: Tensor) -> Tensor:
    """0..255 bytes to float32 in [0, 1]; any shape."""
    return x.float() / 255


def as_array(x: Tensor) -> NDArray[np.uint8]:
    """One picture as bytes for a file or a figure: `(1, C, H, W)` or `(C, H, W)` to `(H, W, C)`, or `(H, W)` for C = 1.

    Raises ImageError for several pictures at once, for a channel count other than 1 and 3, and for NaN or infinity.
    """
    if x.ndim == 4 and x.shape[0] == 1:
        x = x[0]
    if x.ndim != 3 or x.shape[0] not in (1, 3) or 0 in x.shape:
        raise ImageError(f"one picture has shape (1, 3, H, W) or (1, 1, H, W), not {tuple(x.shape)}")
    if x.dtype != torch.uint8:
        if not bool(torch.isfinite(x).all()):
            raise ImageError(f"the picture holds {int((~torch.isfinite(x)).sum())} values that are NaN or infinite")
        x = to_uint8(x)
    array = x.detach().cpu().permute(1, 2, 0).numpy()
    return array[..., 0] if array.shape[2] == 1 else array


def check_target(path: str | os.PathLike[str]) -> tuple[Path, str]:
    """See that a picture can be written to `path` before any work is done; returns the path and Pillow's format.

    Raises ImageError for an ending that names no format, OSError for a folder that does not exist or cannot be
    written to.
    """
    path = Path(path)
    Image.init()
    form = Image.EXTENSION.get(path.suffix.lower())
    if form is None or form not in Image.SAVE:
        raise ImageError(f"no image format is written as '{path.suffix}' ({path.name}); use .png, .jpg, .webp or .tif")
    if not path.parent.is_dir():
        raise OSError(f"cannot write {path}: there is no folder {path.parent}")
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise OSError(f"cannot write {path}: {'it is a folder' if path.is_dir() else 'its folder is read-only'}")
    return path, form


def save(x: Tensor, path: str | os.PathLike[str], *, like: Picture | None = None, quality: int = 95) -> Path:
    """Write a picture; the ending of `path` chooses the format. Returns the path.

    The file appears whole or not at all: it is written beside its place under another name and then renamed.

    Args:
        x: `(1, 3, H, W)` or `(1, 1, H, W)` in [0, 1] (values outside are clipped).
        path: PNG, JPEG, WebP, TIFF, BMP, …
        like: the picture it was made from; its colour profile and EXIF data are kept, its transparency too when it
            has been brought to the new size and the format can hold it.
        quality: for JPEG and WebP.

    Raises:
        ImageError: NaN or infinity in `x`, a shape that is no picture, an ending that names no format.
        OSError: the place cannot be written to or the disk is full; nothing is left behind.
    """
    path, form = check_target(path)
    image = Image.fromarray(as_array(x))
    options: dict[str, Any] = {"quality": quality} if form in ("JPEG", "WEBP") else {}
    if like is not None:
        options |= {k: v for k, v in (("icc_profile", like.icc_profile), ("exif", like.exif)) if v is not None}
        if like.alpha is not None and form in ("PNG", "WEBP", "TIFF"):
            if like.alpha.shape[-2:] != x.shape[-2:]:
                raise ImageError(f"alpha is {tuple(like.alpha.shape[-2:])} but the picture {tuple(x.shape[-2:])}")
            image = image.convert("RGB") if form == "WEBP" else image
            image.putalpha(Image.fromarray(as_array(like.alpha)))
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            image.save(file, form, **options)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)  # mkstemp makes files that only their owner can read
        os.replace(name, path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(f"cannot write {path}: {error.strerror or error}") from error
        raise
    return path


# ITU-R BT.601 in studio range, as MATLAB's rgb2ycbcr: luma 16..235, chroma 16..240, here divided by 255.
_YCBCR = torch.tensor(
    [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]], dtype=torch.float64
)
_OFFSET = torch.tensor([16.0, 128.0, 128.0], dtype=torch.float64)


def _mix(x: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    if x.ndim != 4 or x.shape[1] != 3 or not x.is_floating_point():
        raise ValueError(f"a floating tensor (N, 3, H, W) is wanted, not {tuple(x.shape)} of {x.dtype}")
    matrix, offset = matrix.to(x.device, x.dtype), offset.to(x.device, x.dtype)
    return torch.einsum("ij,njhw->nihw", matrix, x) + offset.view(1, -1, 1, 1)


def rgb_to_ycbcr(x: Tensor) -> Tensor:
    """RGB to Y'CbCr, both `(N, 3, H, W)`; RGB in [0, 1], Y in [16, 235]/255, Cb and Cr in [16, 240]/255.

    Source: MATLAB's `rgb2ycbcr`, ITU-R BT.601.

    >>> (rgb_to_ycbcr(torch.ones(1, 3, 1, 1)) * 255).flatten().round().tolist()
    [235.0, 128.0, 128.0]
    """
    return _mix(x, _YCBCR / 255, _OFFSET / 255)


def ycbcr_to_rgb(x: Tensor) -> Tensor:
    """The inverse of `rgb_to_ycbcr`; not clipped, since not every Y'CbCr triple is a colour."""
    inverse = torch.linalg.inv(_YCBCR / 255)
    return _mix(x, inverse, -inverse @ (_OFFSET / 255))


def rgb_to_y(x: Tensor) -> Tensor:
    """Luma alone: `(N, 3, H, W)` RGB in [0, 1] to `(N, 1, H, W)` in [16, 235]/255 (BT.601 studio range).

    >>> (rgb_to_y(torch.zeros(1, 3, 1, 1)) * 255).item()
    16.0
    """
    return _mix(x, _YCBCR[:1] / 255, _OFFSET[:1] / 255)
