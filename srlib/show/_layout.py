"""Where panels stand in a figure: at whole pixels, so that a picture's pixel is a whole block of them.

matplotlib places axes by fractions and lets layout engines move them, and then the blocks of a
nearest-neighbour zoom come out unequal. Here sizes are added up in pixels first and turned into fractions
last.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

DPI = 100  # pixels per inch of every figure here; 1 point is DPI / 72 pixels
WIDTH = 640  # target width in pixels: at 360 px on a phone, 13 pt text is then still 10 px tall
FONT = 13  # points
MARGIN = 6
GAP = 12
MAX_ZOOM = 32


class Shades(NamedTuple):
    """How a panel of numbers (not of colours) is drawn: map, limits, the colour bar's label and arrows."""

    cmap: str
    low: float
    high: float
    label: str
    extend: str = "neither"
    missing: str = "white"  # the colour of NaN


def new_figure(width: int, height: int) -> Figure:
    """A white figure of exactly that many pixels, closed in pyplot so that a notebook shows it once.

    pyplot would draw an open figure at the end of the cell, and the notebook once more as the cell's value.
    """
    # the small surplus keeps int(width / DPI * DPI) from falling one pixel short
    fig = plt.figure(figsize=((width + 1e-6) / DPI, (height + 1e-6) / DPI), dpi=DPI, facecolor="white")
    plt.close(fig)
    # notebooks save with a "tight" box; an unseen frame makes it the whole figure plus a pad of whole pixels
    frame = Rectangle((0, 0), 1, 1, transform=fig.transFigure, fill=False, edgecolor="none", linewidth=0)
    fig.add_artist(frame)
    return fig


def add_axes(fig: Figure, size: tuple[int, int], left: int, top: int, width: int, height: int) -> Axes:
    """Axes at whole pixels, counted from the top left corner of a figure of `size` (width, height)."""
    w, h = size
    # a hundredth of a pixel inside: matplotlib rounds an image's box up to whole pixels, and 45.0000001 would be 46
    x, y, inner_width, inner_height = left + 0.01, h - top - height + 0.01, width - 0.02, height - 0.02
    return fig.add_axes((x / w, y / h, inner_width / w, inner_height / h))


def line_height(points: float) -> int:
    """Pixels that one line of text takes."""
    return round(points * DPI / 72 * 1.3)


def wrap(text: str, width: int, points: float) -> str:
    """Break a title so that no line is wider than `width` pixels (by the font's mean letter width)."""
    letters = max(6, int(width / (points * DPI / 72 * 0.56)))
    return "\n".join(line for part in text.split("\n") for line in (textwrap.wrap(part, letters) or [""]))


def bar_width() -> int:
    """Pixels that a colour bar takes at the right: gap, bar, numbers, label."""
    return GAP + 14 + round(FONT * DPI / 72 * 5)


def default_columns(count: int, panel: int, extra: int = 0) -> int:
    """At most three, four as two by two, fewer where panels of that many pixels would not fit `WIDTH`."""
    columns = count if count <= 3 else 2 if count == 4 else 3
    while columns > 1 and columns * panel + (columns - 1) * GAP + 2 * MARGIN + extra > WIDTH:
        columns -= 1
    return columns


def default_zoom(panel: int, columns: int, extra: int = 0) -> int:
    """The largest whole zoom (1..32) at which the columns fit `WIDTH`, `extra` pixels being taken already."""
    room = WIDTH - 2 * MARGIN - (columns - 1) * GAP - extra
    return min(MAX_ZOOM, max(1, room // (columns * panel)))


def draw_panels(
    panels: Mapping[str, npt.NDArray[Any]],
    *,
    zoom: int,
    columns: int,
    shades: Shades | None = None,
    points: float = FONT,
    factors: Sequence[int] | None = None,
    smooth: Sequence[int] = (),
) -> Figure:
    """A figure with one panel per array, each array pixel a zoom × zoom block (times its factor).

    panels: title to (H, W, 3) uint8 colours, or (H, W) numbers that `shades` turns into colours. All panels
    are as large as the first one's H·factor × W·factor. factors: the enlargement of each. smooth: indices
    of panels that are overviews, drawn in the same box with resampling.
    """
    arrays = list(panels.values())
    factors = list(factors) if factors is not None else [1] * len(arrays)
    first = next(i for i in range(len(arrays)) if i not in smooth)
    w = arrays[first].shape[1] * factors[first] * zoom
    h = arrays[first].shape[0] * factors[first] * zoom
    titles = [wrap(title, w + GAP - 4, points) for title in panels]
    rows = -(-len(arrays) // columns)
    lines = [max(t.count("\n") + 1 if t else 0 for t in titles[r * columns : (r + 1) * columns]) for r in range(rows)]
    heads = [n * line_height(points) for n in lines]
    bar = 0 if shades is None else bar_width()
    width = 2 * MARGIN + columns * w + (columns - 1) * GAP + bar
    height = 2 * MARGIN + sum(heads) + rows * h + (rows - 1) * GAP
    # a colour bar needs room for its label, however flat the panels are
    spare = max(0, 150 - (height - heads[0])) if shades else 0
    size = (width, height + spare)
    fig = new_figure(*size)
    top = MARGIN
    for row in range(rows):
        top += heads[row]
        for column, index in enumerate(range(row * columns, min(len(arrays), (row + 1) * columns))):
            ax = add_axes(fig, size, MARGIN + column * (w + GAP), top, w, h)
            ax.set_axis_off()
            array = arrays[index]
            ax.imshow(
                array,
                interpolation="antialiased" if index in smooth else "nearest",
                aspect="equal" if index in smooth else "auto",
                cmap=plt.get_cmap(shades.cmap).with_extremes(bad=shades.missing) if shades else None,
                vmin=shades.low if shades else None,
                vmax=shades.high if shades else None,
            )
            middle = (MARGIN + column * (w + GAP) + w / 2) / size[0]
            text = fig.text(middle, 1 - (top - 4) / size[1], titles[index], ha="center", va="bottom", fontsize=points)
            # text never takes part in a "tight" bounding box: the box would end between two pixels
            text.set_in_layout(False)
        top += h + GAP
    if shades is not None:
        bar_top = MARGIN + heads[0]
        bar_height = size[1] - bar_top - MARGIN
        inset = FONT // 2
        cax = add_axes(fig, size, width - bar + GAP - MARGIN, bar_top + inset, 14, bar_height - 2 * inset)
        mappable = ScalarMappable(Normalize(shades.low, shades.high), shades.cmap)
        colourbar = fig.colorbar(mappable, cax=cax, extend=shades.extend)
        colourbar.set_label(shades.label, fontsize=FONT - 1)
        colourbar.ax.tick_params(labelsize=FONT - 2)
        cax.set_in_layout(False)
    return fig
