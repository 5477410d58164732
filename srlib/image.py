"""Files to tensors and back, and colour.

Read `Picture` (a decoded file with what must survive a round trip), `read` and `load` (file to tensor), `save`
(tensor to file, atomic), then the colour conversions. Nothing outside this module sees 0..255 floats or BGR.
"""

from __future__ import annotations

import io
import os
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from torch import Tensor


class ImageError(ValueError):
    """A file that cannot become a tensor, or a tensor that cannot become a file; the message says why."""


@dataclass(frozen=True)
class Picture:
    """A decoded still image and what has to survive the way through a network.

    Attributes:
        rgb: `(1, 3, H, W)` float32 in [0, 1], upright (EXIF orientation applied), transparency laid on white.
        alpha: `(1, 1, H, W)` float32 in [0, 1], or None for an opaque file.
        icc_profile: the colour profile's bytes, or None. `rgb` is in the file's own colour space.
        exif: EXIF bytes with the orientation reset to upright, or None.
        grey: the file has one colour channel.
    """

    rgb: Tensor
    alpha: Tensor | None = None
    icc_profile: bytes | None = None
    exif: bytes | None = None
    grey: bool = False


def _to_rgb(image: Image.Image) -> tuple[Image.Image, bool]:
    """An 8-bit RGB, RGBA or L image of the same colours; and whether a CMYK profile was used up on the way."""
    if image.mode == "CMYK":
        profile = image.info.get("icc_profile")
        if profile:
            try:
                converted = ImageCms.profileToProfile(
                    image,
                    ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                    ImageCms.createProfile("sRGB"),
                    outputMode="RGB",
                )
                if converted is not None:
                    return converted, True
            except ImageCms.PyCMSError:
                pass  # a broken profile: the plain conversion below is the best there is
        return image.convert("RGB"), True
    if image.mode in ("LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return image.convert("RGBA"), False
    if image.mode in ("L", "RGB", "RGBA"):
        return image, False
    return image.convert("L" if image.mode in ("1",) else "RGB"), False


def _decode(path: Path, frame: int | None) -> Picture:
    with warnings.catch_warnings():
        # Pillow warns from 89 megapixels on and refuses from 179; ×3 of a 12-megapixel photograph has 108.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        file = Image.open(path)
    with file:
        frames = getattr(file, "n_frames", 1)
        if frames > 1 and getattr(file, "is_animated", False):
            if frame is None:
                raise ImageError(f"{path} is animated ({frames} frames); choose one: load(path, frame=0)")
            if not 0 <= frame < frames:
                raise ImageError(f"{path} has frames 0 to {frames - 1}, not {frame}")
            file.seek(frame)
        file.load()  # decodes everything, so that a truncated file is found here
        exif = file.getexif()
        image: Image.Image = ImageOps.exif_transpose(file)
    exif.pop(0x0112, None)  # the orientation: the pixels are upright now
    kept = exif.tobytes() if len(exif) else None

    if image.mode == "F":
        raise ImageError(f"{path} holds floating-point pixels of unknown range; save it as 8- or 16-bit first")
    if image.mode.startswith("I"):  # 16 bits a pixel
        deep = np.asarray(image).astype(np.float32)
        if deep.min() < 0 or deep.max() > 65535:
            raise ImageError(f"{path} has grey values from {deep.min():g} to {deep.max():g}; 0 to 65535 can be read")
        plane = torch.from_numpy(deep / 65535)[None, None]
        return Picture(plane.expand(1, 3, -1, -1).contiguous(), grey=True, exif=kept)

    grey = image.mode in ("1", "L", "LA", "La")
    profile = image.info.get("icc_profile")
    image, profile_used = _to_rgb(image)
    pixels = torch.from_numpy(np.array(image)).float().div_(255)
    if pixels.ndim == 2:
        pixels = pixels[..., None].expand(-1, -1, 3)
    pixels = pixels.permute(2, 0, 1)[None].contiguous()  # (1, 3 or 4, H, W)
    alpha: Tensor | None = None
    if pixels.shape[1] == 4:
        alpha = pixels[:, 3:]
        pixels = pixels[:, :3] * alpha + (1 - alpha)
        alpha = None if bool((alpha == 1).all()) else alpha
    return Picture(pixels, alpha, None if profile_used else profile, kept, grey)


def read(path: str | os.PathLike[str], frame: int | None = None) -> Picture:
    """Read a still image with its transparency, colour profile and EXIF data; see `Picture`.

    Understood: everything Pillow opens; grey, grey with alpha, palette, CMYK (through its profile where it has one),
    16-bit grey (all 16 bits used; 16-bit RGB is cut to 8 by Pillow), any EXIF orientation.

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
        return _decode(path, frame)
    except ImageError:
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
    """An image file as an RGB tensor: `(1, 3, H, W)` float32 in [0, 1]. Grey files get three equal channels.

    Takes the same files and raises the same errors as `read`.

    >>> from srlib import datasets
    >>> load(datasets.photo_path("coffee")).shape
    torch.Size([1, 3, 400, 600])
    """
    return read(path, frame).rgb


def to_uint8(x: Tensor) -> Tensor:
    """[0, 1] floats to 0..255 bytes, clipped, halves rounded up as MATLAB does; any shape.

    >>> to_uint8(torch.tensor([-1.0, 0.5, 2.0])).tolist()
    [0, 128, 255]
    """
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
    path = Path(path)
    Image.init()
    form = Image.EXTENSION.get(path.suffix.lower())
    if form is None or form not in Image.SAVE:
        raise ImageError(f"no image format is written as '{path.suffix}' ({path.name}); use .png, .jpg, .webp or .tif")
    image = Image.fromarray(as_array(x))
    options: dict[str, Any] = {"quality": quality} if form in ("JPEG", "WEBP") else {}
    if like is not None:
        options |= {k: v for k, v in (("icc_profile", like.icc_profile), ("exif", like.exif)) if v is not None}
        if like.alpha is not None and form in ("PNG", "WEBP", "TIFF"):
            if like.alpha.shape[-2:] != x.shape[-2:]:
                raise ImageError(f"alpha is {tuple(like.alpha.shape[-2:])} but the picture {tuple(x.shape[-2:])}")
            image = image.convert("RGB")
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
