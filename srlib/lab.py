"""The lab of chapter 2, “Why is your PSNR wrong?”: one picture, one method, many scores.

The method is always bicubic: shrink, enlarge, compare. What varies is what two papers may do differently without
saying so. Read `CHOICES` (what can be chosen; the first of each row is protocol A), `Setup` (one combination),
`enlarge` (the pictures), `compare` (their score), then `every` and `one_at_a_time`, which fill the chapter's tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from srlib.degrade import imresize, mod_crop
from srlib.image import as_array, from_uint8, rgb_to_y, to_uint8
from srlib.metrics import psnr, round_to_byte

#: What a paper has to choose, and what it may choose. The first of each row is protocol A.
CHOICES: dict[str, tuple[str, ...]] = {
    "colour": ("Y, studio range", "Y, full range", "RGB"),
    "shave": ("scale", "nothing shaved", "scale + 6"),
    "resize": ("MATLAB", "torch up", "no antialiasing", "bilinear", "Pillow"),
    "rounding": ("bytes, rounded Y", "bytes, unrounded Y", "nothing rounded"),
    "size": ("crop HR", "resize HR"),
}


@dataclass(frozen=True)
class Setup:
    """One combination of choices; the defaults are protocol A.

    Attributes:
        colour: what is compared: luma in 16..235, luma in 0..255, or the three channels R, G and B.
        shave: the border that is left out of the comparison, in HR pixels.
        resize: `MATLAB` is antialiased bicubic with a = −1/2; `torch up` enlarges with torch's bicubic instead
            (a = −3/4); `no antialiasing` shrinks and enlarges with a = −3/4 and reads 4 × 4 pixels even to shrink, as
            OpenCV's INTER_CUBIC does; `bilinear` is antialiased and linear both ways; `Pillow` is its bicubic.
        rounding: LR and SR rounded to bytes and Y to whole grey levels; the bytes only; nothing.
        size: HR is cropped to a multiple of the scale, or resized to it with Pillow.

    Raises ValueError for a choice that does not exist.

    >>> Setup(colour="RGB").shave
    'scale'
    """

    colour: str = CHOICES["colour"][0]
    shave: str = CHOICES["shave"][0]
    resize: str = CHOICES["resize"][0]
    rounding: str = CHOICES["rounding"][0]
    size: str = CHOICES["size"][0]

    def __post_init__(self) -> None:
        for name, value in self.chosen().items():
            if value not in CHOICES[name]:
                raise ValueError(f"{name} must be one of {', '.join(map(repr, CHOICES[name]))}, not {value!r}")

    def chosen(self) -> dict[str, str]:
        """The name of each choice and what was chosen."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def changes(self) -> dict[str, str]:
        """The choices in which this setup differs from protocol A.

        >>> Setup(size="resize HR").changes()
        {'size': 'resize HR'}
        """
        return {name: value for name, value in self.chosen().items() if value != CHOICES[name][0]}


Resizer = Callable[[Tensor, float, bool], Tensor]


def _matlab(x: Tensor, factor: float, byte: bool, kernel: str = "bicubic") -> Tensor:
    if byte:  # MATLAB rounds after each axis
        return from_uint8(imresize(to_uint8(x), factor, border="mirror", kernel=kernel))
    return imresize(x, factor, border="mirror", kernel=kernel)


def _bilinear(x: Tensor, factor: float, byte: bool) -> Tensor:
    return _matlab(x, factor, byte, "bilinear")


def _torch(x: Tensor, factor: float, byte: bool) -> Tensor:
    """Cubic with a = −3/4 on 4 × 4 pixels, whatever the factor: torch without antialiasing, and OpenCV."""
    size = [round(side * factor) for side in x.shape[-2:]]
    out = F.interpolate(x, size=size, mode="bicubic", align_corners=False)
    return round_to_byte(out) if byte else out


def _pillow_to(x: Tensor, height: int, width: int, byte: bool) -> Tensor:
    if byte:
        image = Image.fromarray(as_array(x)).resize((width, height), Image.Resampling.BICUBIC)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    planes = [Image.fromarray(plane.numpy()) for plane in x[0].float()]  # Pillow's mode F, 32-bit floats
    resized = [np.array(plane.resize((width, height), Image.Resampling.BICUBIC)) for plane in planes]
    return torch.from_numpy(np.stack(resized))[None]


def _pillow(x: Tensor, factor: float, byte: bool) -> Tensor:
    height, width = (round(side * factor) for side in x.shape[-2:])
    return _pillow_to(x, height, width, byte)


#: How each way shrinks, and how it enlarges.
_RESIZERS: dict[str, tuple[Resizer, Resizer]] = {
    "MATLAB": (_matlab, _matlab),
    "torch up": (_matlab, _torch),
    "no antialiasing": (_torch, _torch),
    "bilinear": (_bilinear, _bilinear),
    "Pillow": (_pillow, _pillow),
}


def enlarge(photo: Tensor, scale: int, setup: Setup | None = None) -> tuple[Tensor, Tensor]:
    """SR and HR of a photograph `(1, 3, H, W)`, both with sides that are multiples of `scale`.

    Uses `resize`, `rounding` and `size` of the setup (default: protocol A).

    >>> sr, hr = enlarge(torch.rand(1, 3, 20, 22), 3)
    >>> sr.shape == hr.shape == (1, 3, 18, 21)
    True
    """
    setup = setup or Setup()
    if photo.ndim != 4 or photo.shape[:2] != (1, 3):
        raise ValueError(f"one RGB picture (1, 3, H, W) is wanted, not {tuple(photo.shape)}")
    hr = mod_crop(photo, scale)
    if setup.size == "resize HR":
        hr = _pillow_to(photo, hr.shape[-2], hr.shape[-1], byte=True)
    down, up = _RESIZERS[setup.resize]
    byte = setup.rounding != "nothing rounded"
    return up(down(hr, 1 / scale, byte), scale, byte).clamp(0, 1), hr


def _plane(x: Tensor, colour: str, rounding: str) -> Tensor:
    """What is compared: `(1, 1, H, W)` luma or `(1, 3, H, W)` RGB, float64."""
    if colour == "RGB":
        return x.double()
    y = rgb_to_y(x.double())
    if colour == "Y, full range":
        y = (y - 16 / 255) * 255 / 219
    return round_to_byte(y) if rounding == "bytes, rounded Y" else y


def _pixels(shave: str, scale: int) -> int:
    return {"scale": scale, "nothing shaved": 0, "scale + 6": scale + 6}[shave]


def compare(sr: Tensor, hr: Tensor, scale: int, setup: Setup | None = None) -> float:
    """PSNR in dB of SR against HR with `colour`, `shave` and `rounding` of the setup (default: protocol A).

    >>> compare(torch.zeros(1, 3, 12, 12), torch.ones(1, 3, 12, 12), 3, Setup(colour="RGB"))
    0.0
    """
    setup = setup or Setup()
    planes = (_plane(x, setup.colour, setup.rounding) for x in (sr, hr))
    return psnr(*planes, shave=_pixels(setup.shave, scale)).item()


def score(photo: Tensor, scale: int, setup: Setup | None = None) -> float:
    """PSNR in dB of bicubic on one photograph `(1, 3, H, W)`; without a setup, protocol A's.

    >>> from srlib import datasets
    >>> round(score(datasets.photo("coffee"), 3), 2)
    28.4
    """
    return compare(*enlarge(photo, scale, setup), scale, setup)


def setups() -> Iterator[Setup]:
    """Every combination of choices, protocol A first.

    >>> len(list(setups()))
    270
    """
    for values in product(*CHOICES.values()):
        yield Setup(**dict(zip(CHOICES, values, strict=True)))


def every(photos: Sequence[Tensor], scale: int) -> dict[Setup, float]:
    """The mean PSNR of bicubic over some photographs under every setup, in the order of `setups`.

    Each picture is enlarged once, and its error map made once, for all setups that share them: two photographs take
    a few seconds.
    """
    total = dict.fromkeys(setups(), 0.0)
    for photo in photos:
        for resize, exact, size in product(CHOICES["resize"], (False, True), CHOICES["size"]):
            roundings = [name for name in CHOICES["rounding"] if (name == "nothing rounded") == exact]
            sr, hr = enlarge(photo, scale, Setup(resize=resize, rounding=roundings[0], size=size))
            for rounding, colour in product(roundings, CHOICES["colour"]):
                error = (_plane(sr, colour, rounding) - _plane(hr, colour, rounding)).square().mean(dim=1)
                for shave in CHOICES["shave"]:
                    cut = _pixels(shave, scale)
                    mse = error[:, cut : error.shape[1] - cut, cut : error.shape[2] - cut].mean()
                    total[Setup(colour, shave, resize, rounding, size)] -= 10 * mse.log10().item()
    return {setup: value / len(photos) for setup, value in total.items()}


def one_at_a_time(scores: Mapping[Setup, float]) -> dict[Setup, float]:
    """Of the scores from `every`, those that differ from protocol A in one choice: how many dB they are above it.

    >>> import math
    >>> one_at_a_time({Setup(): 28.0, Setup(colour="RGB"): 26.5})[Setup(colour="RGB")]
    -1.5
    """
    reference = scores[Setup()]
    return {setup: value - reference for setup, value in scores.items() if len(setup.changes()) == 1}
