"""Inside `srlib.image`: from Pillow's many modes to straight RGB, transparency and what has to survive.

Read `decode`, then `to_rgb`.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps
from torch import Tensor

ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")  # others hold several pictures, of which the first is the photograph

# TIFF tags that describe how the file stores its pixels; of no meaning in another file.
_STRUCTURE = {254, 255, 256, 257, 258, 259, 262, 263, 266, 273, 274, 277, 278, 279, 280, 281, 284, 288, 289, 292, 293}
_STRUCTURE |= {297, 301, 317, 318, 319, 320, 322, 323, 324, 325, 330, 338, 339, 340, 341, 347, 34675, 33723, 34377}
_STRUCTURE |= set(range(512, 522)) | {529, 530, 531, 532, 700}
_PIXEL_SIZE = (0xA002, 0xA003)  # in the EXIF block: the size that the camera wrote


class ImageError(ValueError):
    """A file that cannot become a tensor, or a tensor that cannot become a file; the message says why."""


@dataclass(frozen=True)
class Picture:
    """A decoded still image and what has to survive the way through a network.

    Attributes:
        rgb: `(1, 3, H, W)` float32 in [0, 1], upright (EXIF orientation applied), colour not mixed with transparency.
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


def to_rgb(image: Image.Image) -> tuple[Image.Image, bool]:
    """An 8-bit L, RGB or RGBA image of the same colours; and whether the file's profile still describes it."""
    if image.mode == "CMYK":
        profile = image.info.get("icc_profile")
        if profile:
            try:
                source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
                converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
                if converted is not None:
                    return converted, False
            except ImageCms.PyCMSError:
                pass  # a broken profile: the plain conversion below is the best there is
        return image.convert("RGB"), False
    if image.mode in ("LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return image.convert("RGBA"), image.mode in ("PA", "P", "RGB", "RGBa")
    if image.mode in ("L", "RGB", "RGBA"):
        return image, True
    return image.convert("L" if image.mode == "1" else "RGB"), image.mode == "P"


def _exif_of(image: Image.Image) -> bytes | None:
    exif = image.getexif()
    for tag in _STRUCTURE & set(exif):
        del exif[tag]
    block = exif.get_ifd(0x8769)
    for tag in _PIXEL_SIZE:
        block.pop(tag, None)
    return exif.tobytes() if len(exif) or block else None


def decode(image: Image.Image, name: str) -> Picture:
    """A `Picture` of a loaded Pillow image of any mode; `name` is for the messages."""
    upright = ImageOps.exif_transpose(image)
    exif = _exif_of(image)  # without the orientation: the pixels are upright now
    image = upright
    profile = image.info.get("icc_profile")
    if image.mode == "F":
        raise ImageError(f"{name} holds floating-point pixels of unknown range; save it as 8- or 16-bit first")
    if image.mode.startswith("I"):  # 16 bits a pixel
        deep = np.asarray(image).astype(np.float32)
        if deep.min() < 0 or deep.max() > 65535:
            raise ImageError(f"{name} has grey values from {deep.min():g} to {deep.max():g}; 0 to 65535 can be read")
        plane = torch.from_numpy(deep / 65535)[None, None]
        return Picture(plane.expand(1, 3, -1, -1).contiguous(), None, profile, exif, grey=True)

    grey = image.mode in ("1", "L", "LA", "La")
    image, described = to_rgb(image)
    pixels = torch.from_numpy(np.array(image)).float().div_(255)
    if pixels.ndim == 2:
        pixels = pixels[..., None].expand(-1, -1, 3)
    pixels = pixels.permute(2, 0, 1)[None].contiguous()  # (1, 3 or 4, H, W)
    alpha: Tensor | None = None
    if pixels.shape[1] == 4:
        pixels, alpha = pixels[:, :3], pixels[:, 3:]
        alpha = None if bool((alpha == 1).all()) else alpha
    return Picture(pixels, alpha, profile if described else None, exif, grey)


def decode_file(path: Path, frame: int | None) -> Picture:
    """Open, choose the frame, decode everything."""
    with warnings.catch_warnings():
        # Pillow warns from 89 megapixels on and refuses from 179; ×3 of a 12-megapixel photograph has 108.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        file = Image.open(path)
    with file:
        frames = int(getattr(file, "n_frames", 1))
        if frames > 1 and frame is None and file.format in ANIMATED:
            raise ImageError(
                f"{path} is animated ({frames} frames); choose one: load(path, frame=0) in Python, or save it as a PNG"
            )
        if frame is not None and not 0 <= frame < frames:
            raise ImageError(f"{path} has {f'frames 0 to {frames - 1}' if frames > 1 else 'frame 0 only'}, not {frame}")
        if frames > 1:
            file.seek(frame or 0)
        file.load()  # so that a truncated file is found here
        return decode(file, str(path))
