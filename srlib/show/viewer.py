"""The loupe: pictures side by side in a page, zoomed and moved together. No kernel, no other host.

Read `loupe`, which checks and packs the pictures, then `_markup`, which writes the HTML. The page's part is in
`loupe.js` (state, controls, keys), `gestures.js` (pointers, wheel), `drawing.js` (pixels), `page.js` (address,
colours) and `loupe.css`. The pictures are embedded once, as plain `<img>` elements: where scripts do not run,
those are what the reader sees; where they do, the script draws them.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

from ._fragment import Fragment, attribute, check_name, data_uri, read, script
from ._pixels import Bytes, Crop, ImageLike, check_crop, check_whole, enlarge, same_field

Mode = Literal["all", "one", "blink", "split", "difference"]
MAX_ZOOM = 16

# For readers without scripts; the second rule takes away the light box that the book's theme puts around HTML in
# dark mode, since the loupe is dark itself.
_FALLBACK_CSS = """
.srlib-loupe:not([data-ready]) { display: flex; flex-wrap: wrap; gap: 8px; }
.text_html:has(> .srlib-loupe) { background: none !important; padding: 0 !important; }
.srlib-loupe figure { margin: 0; }
.srlib-loupe p { width: 100%; margin: 0; font-weight: 600; }
.srlib-loupe img { max-width: 100%; height: auto; image-rendering: pixelated; }
"""


@dataclass(frozen=True)
class Loupe(Fragment):
    """What `loupe` returns: a notebook shows it as a cell's value; `save` writes it as a page of its own.

    Attributes:
        html: the fragment, self-contained.
        names: the titles, in order.
        size: (height, width) of the field of view, in pixels.
        zoom: the zoom it opens with.
        title: its heading, or "".
    """

    html: str
    names: tuple[str, ...]
    size: tuple[int, int]
    zoom: int
    title: str = ""

    def __repr__(self) -> str:
        count = f"{len(self.names)} picture" + ("s" if len(self.names) > 1 else "")
        return f"Loupe({count} of {self.size[0]}×{self.size[1]}, zoom {self.zoom}: {', '.join(self.names)})"


@cache
def _script() -> str:
    """Style and scripts as one closure; the same text in every loupe."""
    return script(("loupe.css",), ("drawing.js", "gestures.js", "loupe.js", "start.js"))


def module() -> str:
    """The loupe as an ES module, for pages that draw their pictures themselves.

    It exports `loupe(host, pictures, options)`, `pictureOf(canvas, options)` and `element`; `options` of a loupe are
    those that `_markup` writes.
    """
    css = json.dumps(read("base.css") + read("loupe.css"))
    scripts = "".join(read(name) for name in ("page.js", "drawing.js", "gestures.js", "loupe.js"))
    return f"const CSS = {css};\n{scripts}export {{ loupe, pictureOf, element }};\n"


def _markup(pictures: Mapping[str, tuple[Bytes, int]], options: Mapping[str, object]) -> str:
    figures = []
    for name, (array, factor) in pictures.items():
        height, width = array.shape[0] * factor, array.shape[1] * factor
        text = html.escape(name)
        figures.append(
            f'<figure><img src="{data_uri(array)}" alt="{text}" width="{width}" height="{height}" '
            f'data-title="{text}" data-factor="{factor}" data-grey="{int(array.shape[2] == 1)}">'
            f"<figcaption>{text}</figcaption></figure>"
        )
    # the attribute keeps JupyterLab's one-letter commands away from the loupe's keys
    opening = f'<div class="srlib-loupe" data-lm-suppress-shortcuts="true" data-options="{attribute(options)}">'
    heading = [f"<p>{html.escape(str(options['title']))}</p>"] if options["title"] else []
    body = "\n".join([f"<style>{_FALLBACK_CSS}</style>", *heading, *figures])
    return f"{opening}\n{body}\n</div>\n{_script()}"


def loupe(
    images: Mapping[str, ImageLike],
    *,
    title: str = "",
    name: str | None = None,
    crop: Crop | None = None,
    zoom: int = 4,
    center: tuple[float, float] | None = None,
    mode: Mode = "all",
    height: int = 280,
) -> Loupe:
    """An interactive comparison: the same place in every picture, at the same whole-number zoom.

    images: title to picture, from LR to HR: (1, 3, H, W) or (1, 1, H, W) in [0, 1], or (H, W, 3) arrays. A
    picture that is smaller by a whole factor (LR) covers the same field of view with larger pixels. title:
    a heading. name: letters, digits, "-" and "_"; with it, the view is kept in the page's address as
    `#loupe-NAME=x,y,zoom,mode,first,second,divider` and restored from there, so a link can show a detail.
    crop: (top, left, height, width) in pixels of the largest picture: what is embedded; None embeds all of
    it. zoom: 1..16. A pixel is drawn as zoom × zoom blocks of round(devicePixelRatio) device pixels.
    center: (x, y) in pixels of the (cropped) largest picture, None for its middle. mode: "all" side by
    side, "one", "blink" or "split" between the last but one picture and the last, or "difference" from the
    last. height: of a panel, in CSS pixels.

    Four pictures of 240 × 240 take about 300 kB. Raises ValueError when there is no picture, sizes do not
    differ by whole factors, or an argument is out of range.

    >>> import torch
    >>> loupe({"LR": torch.zeros(1, 3, 8, 8), "HR": torch.zeros(1, 3, 24, 24)}, name="demo")
    Loupe(2 pictures of 24×24, zoom 4: LR, HR)
    """
    sources = same_field(images)
    full = next((a.shape[0] * f, a.shape[1] * f) for a, f in sources.values())
    top, left, h, w = check_crop(crop, *full)
    check_whole("zoom", zoom)
    check_whole("height", height)
    if zoom > MAX_ZOOM:
        raise ValueError(f"zoom must be 1..{MAX_ZOOM}, not {zoom}")
    if mode not in get_args(Mode):
        raise ValueError(f"mode must be one of {', '.join(get_args(Mode))}, not {mode!r}")
    if len(sources) == 1 and mode not in ("all", "one"):
        raise ValueError(f"mode {mode!r} compares two pictures, but there is one: {next(iter(sources))}")
    check_name(name)
    x, y = center if center is not None else (w / 2, h / 2)
    if not (0 <= x <= w and 0 <= y <= h):
        raise ValueError(f"center (x, y) = {center} lies outside the picture of {h}×{w}")
    pictures = {}
    for key, (array, f) in sources.items():
        if any(v % f for v in (top, left, h, w)):
            # the crop cuts through LR pixels: enlarge first, so that the field of view stays exact
            pictures[key] = (enlarge(array, f)[top : top + h, left : left + w], 1)
        else:
            pictures[key] = (array[top // f : (top + h) // f, left // f : (left + w) // f], f)
    options = {"title": title, "name": name, "zoom": zoom, "center": [x, y], "mode": mode, "height": height}
    return Loupe(_markup(pictures, options), tuple(pictures), (h, w), zoom, title)
