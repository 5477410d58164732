"""Figures of numbers rather than of pictures: errors, spectra, learned filters, feature maps.

Numbers are drawn on colour-blind-safe maps with one scale for all panels and a colour bar. What can be
negative is drawn symmetric about zero on a diverging map: white is zero, blue is negative, red is positive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from matplotlib.figure import Figure

from ._layout import (
    FONT,
    GAP,
    MARGIN,
    WIDTH,
    Shades,
    add_axes,
    bar_width,
    default_columns,
    default_zoom,
    draw_panels,
    new_figure,
)
from ._pixels import Crop, Floats, ImageLike, check_crop, check_whole, luma

_DIVERGING = "RdBu_r"
_SEQUENTIAL = "cividis"


def _named(image: ImageLike | Mapping[str, ImageLike], title: str) -> dict[str, ImageLike]:
    if not isinstance(image, Mapping):
        return {title: image}
    if not image:
        raise ValueError("no images to show: the mapping is empty")
    return {str(name): picture for name, picture in image.items()}


def difference(
    a: ImageLike | Mapping[str, ImageLike],
    b: ImageLike,
    *,
    gain: float = 8.0,
    signed: bool = True,
    crop: Crop | None = None,
    zoom: int | None = None,
    columns: int | None = None,
    title: str = "",
) -> Figure:
    """Error map: luma of `a` minus luma of `b`, pixel by pixel, in grey levels (0..255), with a colour bar.

    a: picture, or title to picture for several maps on one scale; b: the reference (HR); all of one size.
    gain: how much the error is amplified: the scale ends at 255 / gain grey levels (±32 at gain 8), and
    what lies beyond takes the last colour. signed: False shows the absolute error instead. crop, zoom,
    columns as in `grid`. Both pictures are rounded to uint8 first, as for a score.

    Raises ValueError when sizes differ or gain is not positive.

    >>> fig = difference(torch.full((1, 1, 8, 8), 0.5), torch.zeros(1, 1, 8, 8), gain=1, zoom=4)
    >>> float(fig.axes[0].images[0].get_array().max())
    128.0
    """
    if not gain > 0:
        raise ValueError(f"gain must be positive, not {gain}")
    check_whole("zoom", zoom)
    check_whole("columns", columns)
    reference = luma(b, "b")
    top, left, height, width = check_crop(crop, *reference.shape)
    panels: dict[str, Floats] = {}
    for name, picture in _named(a, title).items():
        y = luma(picture, name or "a")
        if y.shape != reference.shape:
            raise ValueError(f"{name or 'a'} is {y.shape[0]}×{y.shape[1]}, b {reference.shape[0]}×{reference.shape[1]}")
        error = (y - reference)[top : top + height, left : left + width]
        panels[name] = error if signed else np.abs(error)
    limit = 255 / gain
    if signed:
        beyond = "both" if gain > 1 else "neither"
        shades = Shades(_DIVERGING, -limit, limit, "error (grey levels)", beyond)
    else:
        shades = Shades(_SEQUENTIAL, 0, limit, "absolute error (grey levels)", "max" if gain > 1 else "neither")
    columns = columns or default_columns(len(panels), width, bar_width())
    return draw_panels(panels, zoom=zoom or default_zoom(width, columns, bar_width()), columns=columns, shades=shades)


def filters(weight: torch.Tensor, *, order: Literal["norm", "index"] = "norm", columns: int = 8) -> Figure:
    """Learned filters of a first layer, one tile each, on one scale symmetric about zero.

    weight: (n, 1, k, k), e.g. `model.features.weight`. order: "norm" shows the strongest filter first
    (Euclidean norm), "index" keeps the layer's order. columns: tiles in a row.

    Raises ValueError for another shape, NaN, or another order.

    >>> fig = filters(torch.randn(64, 1, 9, 9), columns=8)
    >>> fig.axes[0].images[0].get_array().shape  # 8 tiles of 9 and 7 gaps of 1, both ways
    (79, 79)
    """
    check_whole("columns", columns)
    w = weight.detach().float().cpu()
    if w.ndim != 4 or w.shape[1] != 1 or w.shape[0] == 0:
        raise ValueError(f"weight must be (n, 1, k, k), not {tuple(weight.shape)}: pick one input channel")
    if not torch.isfinite(w).all():
        raise ValueError("weight holds NaN or infinity")
    if order not in ("norm", "index"):
        raise ValueError(f"order must be 'norm' or 'index', not {order!r}")
    if order == "norm":
        w = w[w.flatten(1).norm(dim=1).argsort(descending=True, stable=True)]
    n, _, kh, kw = w.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    mosaic = np.full((rows * (kh + 1) - 1, columns * (kw + 1) - 1), np.nan)
    for i in range(n):
        r, c = divmod(i, columns)
        mosaic[r * (kh + 1) : r * (kh + 1) + kh, c * (kw + 1) : c * (kw + 1) + kw] = w[i, 0].numpy()
    limit = float(w.abs().max()) or 1.0
    # the gaps are NaN, which is drawn light grey: white is already the colour of a weight of zero
    shades = Shades(_DIVERGING, -limit, limit, "weight", missing="#c8c8c8")
    return draw_panels({"": mosaic}, zoom=default_zoom(mosaic.shape[1], 1, bar_width()), columns=1, shades=shades)


def features(maps: torch.Tensor, *, channels: Sequence[int] | None = None, columns: int = 4) -> Figure:
    """Feature maps of one picture, one panel a channel, on one scale.

    maps: (1, n, H, W). channels: which ones, None takes the first 16. columns: panels in a row. Maps without
    negative values (after ReLU) are drawn from 0 up, others symmetric about zero.
    Each value is a whole block of pixels; maps wider than about 130 make a wide figure, so crop them first.

    Raises ValueError for another shape, a channel that is not there, or NaN.

    >>> fig = features(torch.rand(1, 64, 20, 20), channels=[0, 5, 9])
    >>> len(fig.axes)  # three panels and the colour bar
    4
    """
    check_whole("columns", columns)
    x = maps.detach().float().cpu()
    if x.ndim != 4 or x.shape[0] != 1 or 0 in x.shape:
        raise ValueError(f"maps must be (1, n, H, W), not {tuple(maps.shape)}")
    chosen = list(range(min(16, x.shape[1]))) if channels is None else [int(c) for c in channels]
    bad = [c for c in chosen if not 0 <= c < x.shape[1]]
    if bad or not chosen:
        raise ValueError(f"channels {bad or chosen} are not among the {x.shape[1]} channels 0..{x.shape[1] - 1}")
    shown = x[0, chosen].double().numpy()
    if not np.isfinite(shown).all():
        raise ValueError("maps hold NaN or infinity")
    limit = float(np.abs(shown).max()) or 1.0
    if shown.min() < 0:
        shades = Shades(_DIVERGING, -limit, limit, "activation")
    else:
        shades = Shades(_SEQUENTIAL, 0, limit, "activation")
    columns = min(columns, len(chosen))
    panels = {f"{c}": shown[i] for i, c in enumerate(chosen)}
    zoom = default_zoom(shown.shape[2], columns, bar_width())
    return draw_panels(panels, zoom=zoom, columns=columns, shades=shades, points=FONT - 1)


def _spectrum_db(y: Floats) -> Floats:
    """Amplitude spectrum in dB, frequency zero in the middle; 0 dB is a wave that swings through 0..255."""
    # without the window, the jump from each edge to the opposite one would draw a bright cross
    window = np.hanning(y.shape[0] + 2)[1:-1, None] * np.hanning(y.shape[1] + 2)[None, 1:-1]
    mean = (y * window).sum() / window.sum()
    amplitude = np.abs(np.fft.fftshift(np.fft.fft2((y - mean) * window))) * 4 / (255 * window.sum())
    return np.asarray(20 * np.log10(np.maximum(amplitude, 1e-9)))


def spectrum(image: ImageLike | Mapping[str, ImageLike], *, title: str = "", floor: float = -100.0) -> Figure:
    """Spectrum of luma: how strong each spatial frequency is, in dB, axes in cycles per pixel.

    image: picture, or title to picture for several spectra on one scale. The middle is frequency zero, the
    edges ±0.5 cycles per pixel are the finest pattern that the pixels can hold. For an LR picture a pixel
    is an LR pixel. A Hann window hides the picture's edges. 0 dB is a wave that swings through all of
    0..255. floor: the dB value that is drawn darkest.

    Raises ValueError when a picture is smaller than 8 × 8.

    >>> wave = 0.5 + 0.5 * torch.cos(torch.arange(64) * torch.pi / 2).expand(1, 1, 64, 64)
    >>> fig = spectrum(wave)
    >>> fig.axes[0].get_xlabel()
    'cycles per pixel'
    """
    spectra = {}
    for name, picture in _named(image, title).items():
        y = luma(picture, name or "image")
        if min(y.shape) < 8:
            raise ValueError(f"{name or 'image'} is {y.shape[0]}×{y.shape[1]}: a spectrum needs at least 8 × 8")
        spectra[name] = _spectrum_db(y)
    columns = min(2, len(spectra))
    rows = -(-len(spectra) // columns)
    axis, foot, head = 62, 52, 30 if any(spectra) else 0
    side = (WIDTH - 2 * MARGIN - bar_width() - axis - (columns - 1) * 2 * GAP) // columns if columns > 1 else 360
    width = 2 * MARGIN + axis + columns * side + (columns - 1) * 2 * GAP + bar_width()
    height = 2 * MARGIN + rows * (head + side) + (rows - 1) * foot + foot
    fig = new_figure(width, height)
    for index, (name, level) in enumerate(spectra.items()):
        row, column = divmod(index, columns)
        left = MARGIN + axis + column * (side + 2 * GAP)
        ax = add_axes(fig, (width, height), left, MARGIN + head + row * (head + side + foot), side, side)
        # shifted by half a bin, so that frequency zero is drawn at 0 for even sizes too
        h, w = level.shape
        lo_x, lo_y = (-(w // 2) - 0.5) / w, (-(h // 2) - 0.5) / h
        shown = ax.imshow(
            level,
            extent=(lo_x, lo_x + 1, lo_y + 1, lo_y),
            cmap="magma",
            vmin=floor,
            vmax=0,
            interpolation="antialiased",
            aspect="auto",
        )
        ax.set_xticks([-0.5, 0, 0.5], ["−0.5", "0", "0.5"])
        # the outer labels stay inside, so that neighbours' labels do not meet
        ax.get_xticklabels()[0].set_horizontalalignment("left")
        ax.get_xticklabels()[-1].set_horizontalalignment("right")
        ax.set_yticks([-0.5, 0, 0.5], ["−0.5", "0", "0.5"] if column == 0 else [])
        ax.set_xlim(-0.5, 0.5)
        ax.set_ylim(0.5, -0.5)
        ax.tick_params(labelsize=FONT - 2)
        ax.grid(False)
        ax.set_xlabel("cycles per pixel", fontsize=FONT - 1, labelpad=0)
        if column == 0:
            ax.set_ylabel("cycles per pixel", fontsize=FONT - 1, labelpad=-8)
        if name:
            ax.set_title(name, fontsize=FONT, pad=5)
    cax = add_axes(fig, (width, height), width - bar_width() + GAP - MARGIN, MARGIN + head, 14, side)
    bar = fig.colorbar(shown, cax=cax, extend="min")
    bar.set_label("amplitude (dB)", fontsize=FONT - 1)
    bar.ax.tick_params(labelsize=FONT - 2)
    return fig
