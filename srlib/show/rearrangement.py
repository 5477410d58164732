"""The pixel shuffle of chapter 4 in a page: r² small channels, one large picture, and the way of every pixel.

Read `shuffle`, which checks and packs the picture. The page's part is in `shuffle.js` (state, controls, keys),
`flights.js` (where a pixel of a channel goes, and how it is drawn on its way) and `shuffle.css`. Only the picture is
embedded; the channels are its phases, which the page takes from it.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import cache

import numpy as np

from ._fragment import Fragment, attribute, check_name, data_uri, script
from ._pixels import Bytes, ImageLike, pixels

FACTORS = (2, 3, 4)
MULTIPLE, LARGEST = 12, 96  # sides that 2, 3 and 4 divide, and that a phone can show

_FALLBACK_CSS = """
.text_html:has(> .srlib-shuffle) { background: none !important; padding: 0 !important; color: inherit; }
.srlib-shuffle:not([data-ready]) { display: flex; flex-wrap: wrap; gap: 16px; }
.srlib-shuffle figure { margin: 0; }
.srlib-shuffle p { width: 100%; margin: 0; font-weight: 600; }
.srlib-shuffle img { max-width: 100%; height: auto; image-rendering: pixelated; }
"""
_ZOOM, _GAP = 4, 1  # of the plain pictures: blocks of a pixel, and white lines between channels in pixels


@dataclass(frozen=True)
class Shuffle(Fragment):
    """What `shuffle` returns: a notebook shows it as a cell's value; `save` writes it as a page of its own.

    Attributes:
        html: the fragment, self-contained.
        size: (height, width) of the large picture, in pixels.
        r: the factor that it opens with.
        title: its heading, or "".
    """

    html: str
    size: tuple[int, int]
    r: int
    title: str = ""

    def __repr__(self) -> str:
        height, width = self.size
        small = f"{height // self.r}×{width // self.r}"
        return f"Shuffle({self.r**2} channels of {small}, one picture of {height}×{width})"


def _channels(picture: Bytes, r: int) -> Bytes:
    """The r² phases (h, w, C) of a picture as one sheet, row by row, with white lines between them."""
    height, width = picture.shape[0] // r, picture.shape[1] // r
    size = r * (height + _GAP) - _GAP, r * (width + _GAP) - _GAP
    sheet = np.full((*size, picture.shape[2]), 255, dtype=np.uint8)
    for i in range(r):
        for j in range(r):
            top, left = i * (height + _GAP), j * (width + _GAP)
            sheet[top : top + height, left : left + width] = picture[i::r, j::r]
    return sheet


@cache
def _script() -> str:
    return script(("shuffle.css",), ("flights.js", "shuffle.js"))


def shuffle(
    image: ImageLike,
    *,
    r: int = 3,
    title: str = "r² channels, one picture",
    name: str | None = None,
) -> Shuffle:
    """The sub-pixel rearrangement, step by step and pixel by pixel; works without a kernel.

    The r² channels are the phases of `image`, as the last layer of ESPCN has to give them; the reader lays them out
    one after the other, follows single pixels, changes r, and may choose a wrong order of the channels.

    image: (1, 3, H, W) or (1, 1, H, W) in [0, 1], or an (H, W, 3) array; H and W are multiples of 12, so that 2, 3 and
    4 divide them, and at most 96. r: 2, 3 or 4, to open with. title: a heading. name: letters, digits, "-" and "_";
    with it, the view is kept in the page's address as `#shuffle-NAME=r,step,order,x,y` and restored from there.

    Where scripts do not run, the channels and the picture are shown. Raises ValueError when the picture's sides do not
    fit, or an argument is out of range.

    >>> import torch
    >>> shuffle(torch.zeros(1, 1, 24, 36), r=2)
    Shuffle(4 channels of 12×18, one picture of 24×36)
    """
    picture = pixels(image)
    height, width = picture.shape[:2]
    if height % MULTIPLE or width % MULTIPLE or max(height, width) > LARGEST:
        raise ValueError(
            f"sides must be multiples of {MULTIPLE} up to {LARGEST}, not {height}×{width}; crop the picture"
        )
    if r not in FACTORS:
        raise ValueError(f"r must be one of {', '.join(map(str, FACTORS))}, not {r}")
    check_name(name)
    sheet = _channels(picture, r)
    figures = []
    for text, array, marks in (
        (f"{r * r} channels of {height // r}×{width // r} pixels, in the order of a block", sheet, ""),
        (f"the picture of {height}×{width} pixels that they make", picture, " data-picture"),
    ):
        size = f'width="{array.shape[1] * _ZOOM}" height="{array.shape[0] * _ZOOM}"'
        figures.append(
            f'<figure><img src="{data_uri(array)}" alt="{text}" {size}{marks}><figcaption>{text}</figcaption></figure>'
        )
    heading = [f"<p>{html.escape(title)}</p>"] if title else []
    body = "\n".join([f"<style>{_FALLBACK_CSS}</style>", *heading, *figures])
    options = attribute({"title": title, "name": name, "r": r, "factors": FACTORS})
    opening = f'<div class="srlib-shuffle" data-lm-suppress-shortcuts="true" data-options="{options}">'
    return Shuffle(f"{opening}\n{body}\n</div>\n{_script()}", (height, width), r, title)
