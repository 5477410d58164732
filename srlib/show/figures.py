"""Figures of the book: crops pixel by pixel and training curves, and the style they share.

Read `grid` first. Errors, spectra, filters and feature maps are in `maps`. Each function of both files
returns a closed matplotlib `Figure`: write it as the last line of a notebook cell, hand it to `display`, or
call `.savefig(path)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ._layout import (
    DPI,
    FONT,
    WIDTH,
    add_axes,
    default_columns,
    default_zoom,
    draw_panels,
    new_figure,
)
from ._pixels import Crop, ImageLike, check_crop, check_whole, enlarge, pixels, same_field

#: Okabe and Ito's eight colours, which people with any common colour blindness can tell apart.
PALETTE: dict[str, str] = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "yellow": "#F0E442",
    "black": "#000000",
}
_LINES = [PALETTE[c] for c in ("blue", "vermilion", "green", "orange", "purple", "sky", "black")]
_UNITS = {
    "step": "training step",
    "seconds": "training time (s)",
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "loss": "loss",
    "learning_rate": "learning rate",
}


def style() -> None:
    """Set matplotlib's defaults to the book's: white, large text, Okabe-Ito colours, 100 dpi.

    Call it once, in a notebook's set-up cell. At 100 dpi a figure takes 10 to 150 kB in the notebook.

    >>> style()
    >>> mpl.rcParams["figure.dpi"]
    100.0
    """
    mpl.rcParams.update(
        {
            "figure.dpi": DPI,
            "figure.figsize": (WIDTH / DPI, 4.0),
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "savefig.dpi": "figure",
            "axes.facecolor": "white",
            "axes.prop_cycle": cycler(color=_LINES),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#dddddd",
            "grid.linewidth": 0.8,
            "axes.axisbelow": True,
            "font.size": FONT,
            "axes.titlesize": FONT,
            "axes.labelsize": FONT,
            "xtick.labelsize": FONT - 1,
            "ytick.labelsize": FONT - 1,
            "legend.fontsize": FONT - 1,
            "legend.frameon": False,
            "lines.linewidth": 2.0,
            "image.interpolation": "nearest",
            "image.cmap": "cividis",
        }
    )


def _rgb(array: Any) -> Any:
    """(H, W, 1 or 3) uint8 to (H, W, 3), so that matplotlib never maps grey through a colour map."""
    return np.broadcast_to(array, (*array.shape[:2], 3))


def grid(
    images: Mapping[str, ImageLike],
    *,
    crop: Crop | None = None,
    zoom: int | None = None,
    columns: int | None = None,
    context: str | ImageLike | None = None,
    scores: Mapping[str, float | str] | None = None,
) -> Figure:
    """The same crop of every picture, side by side, each pixel a block of zoom × zoom pixels of the figure.

    images: title to picture, in the order to show: (1, 3, H, W) or (1, 1, H, W) in [0, 1], or (H, W, 3)
    arrays. A picture that is smaller by a whole factor (LR) is shown at the same field of view, with larger
    pixels. crop: (top, left, height, width) in pixels of the largest picture; None shows all of it. zoom:
    whole number; None takes the largest one at which the figure stays within 640 pixels. columns: None
    takes at most three. context: the title of one of the images, or another picture of the same field,
    drawn whole as the first panel with the crop's outline. scores: title to a number in dB, or a text,
    written under the title.

    Raises ValueError when there is no picture, sizes do not differ by whole factors, or the crop leaves the
    picture.

    >>> import torch
    >>> pictures = {"LR": torch.zeros(1, 3, 8, 8), "HR": torch.zeros(1, 3, 24, 24)}
    >>> fig = grid(pictures, crop=(0, 0, 12, 12), zoom=4)
    >>> len(fig.axes)
    2
    """
    check_whole("zoom", zoom)
    check_whole("columns", columns)
    sources = same_field(images)
    full_height, full_width = (max(a.shape[i] * f for a, f in sources.values()) for i in (0, 1))
    top, left, height, width = check_crop(crop, full_height, full_width)
    unknown = set(scores or {}) - set(sources)
    if unknown:
        raise ValueError(f"scores for {sorted(unknown)}, but the images are {list(sources)}")
    panels: dict[str, Any] = {}
    if context is not None:
        if isinstance(context, str):
            if context not in sources:
                raise ValueError(f"context {context!r} is none of the images {list(sources)}")
            whole = sources[context][0]
        else:
            whole = pixels(context, "context")
        panels["whole picture"] = _rgb(whole)
    for name, (array, factor) in sources.items():
        score = (scores or {}).get(name)
        line = "" if score is None else f"\n{score if isinstance(score, str) else f'{score:.2f} dB'}"
        # enlarged before the crop, so a crop may begin inside an LR pixel and still shows the same field
        panels[name + line] = _rgb(enlarge(array, factor)[top : top + height, left : left + width])
    columns = columns or default_columns(len(panels), width)
    fig = draw_panels(
        panels,
        zoom=zoom or default_zoom(width, columns),
        columns=columns,
        smooth=(0,) if context is not None else (),
    )
    if context is not None:
        _outline(fig.axes[0], panels["whole picture"].shape, (full_height, full_width), (top, left, height, width))
    return fig


def _outline(ax: Axes, shown: tuple[int, ...], full: tuple[int, int], crop: Crop) -> None:
    """Draw the crop's rectangle, dark around light so that it is seen on any picture."""
    sy, sx = shown[0] / full[0], shown[1] / full[1]
    top, left, height, width = crop
    corner = (left * sx - 0.5, top * sy - 0.5)
    for colour, line in (("black", 4.0), (PALETTE["yellow"], 2.0)):
        ax.add_patch(Rectangle(corner, width * sx, height * sy, fill=False, edgecolor=colour, linewidth=line))


Log = Sequence[Mapping[str, Any]]


def curves(
    log: Log | Mapping[str, Log],
    *,
    x: str = "step",
    y: str = "psnr",
    baseline: float | Mapping[str, float] | None = None,
    title: str = "",
    xlabel: str | None = None,
    ylabel: str | None = None,
    log_y: bool = False,
) -> Figure:
    """Training curves: y over x, one line for one run, or one line a run when `log` maps names to logs.

    log: list of dicts as `srlib.train.fit` returns them, with any of step, loss, psnr (dB), seconds and
    learning_rate; entries without x or y are left out. baseline: horizontal lines, a number (called
    bicubic) or name to number, in the unit of y. log_y: logarithmic y axis. Labels default to the quantity
    with its unit.

    Raises ValueError when a run has no entry with both x and y.

    >>> fig = curves([{"step": 0, "psnr": 20.0}, {"step": 100, "psnr": 29.0}], baseline=28.4)
    >>> fig.axes[0].get_ylabel()
    'PSNR (dB)'
    """
    runs: Mapping[str, Log] = log if isinstance(log, Mapping) else {"": log}
    if not runs:
        raise ValueError("no runs to draw: the mapping is empty")
    fig = new_figure(WIDTH, 400)
    ax = add_axes(fig, (WIDTH, 400), 92, 40 if title else 14, WIDTH - 92 - 14, 400 - 66 - (40 if title else 14))
    for index, (name, entries) in enumerate(runs.items()):
        points = [(e[x], e[y]) for e in entries if e.get(x) is not None and e.get(y) is not None]
        if not points:
            raise ValueError(f"no entry of the log {name!r} has both {x!r} and {y!r}")
        xs, ys = zip(*points, strict=True)
        marker = "o" if len(points) <= 12 else None
        ax.plot(xs, ys, label=name or None, color=_LINES[index % len(_LINES)], linewidth=2, marker=marker)
    if baseline is not None:
        lines = baseline if isinstance(baseline, Mapping) else {"bicubic": baseline}
        for (name, value), dashes in zip(lines.items(), ("--", ":", "-.") * len(lines), strict=False):
            ax.axhline(value, color="#555555", linestyle=dashes, linewidth=1.5)
            ax.annotate(
                f"{name} {value:.2f}",
                (1, value),
                (0, 4),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                ha="right",
                fontsize=FONT - 1,
                color="#333333",
            )
    if log_y:
        ax.set_yscale("log")
    ax.set_xlabel(xlabel if xlabel is not None else _UNITS.get(x, x), fontsize=FONT)
    ax.set_ylabel(ylabel if ylabel is not None else _UNITS.get(y, y), fontsize=FONT)
    ax.tick_params(labelsize=FONT - 1)
    ax.grid(True, color="#dddddd", linewidth=0.8)
    ax.spines[["top", "right"]].set_visible(False)
    if title:
        ax.set_title(title, fontsize=FONT)
    if any(runs):
        ax.legend(fontsize=FONT - 1, frameon=False)
    return fig
