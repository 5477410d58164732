"""The training time machine: what a network was like at the steps at which its weights were kept.

Read `build`, which finds the files, then `_look`, which makes for one of them: the score at each step, a strip with the
same piece of a photograph at each step, and a strip with the filters of the first layer. Both strips hold a row for
each step, so the page shows one by moving a window.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import built
import numpy as np
import torch
from live_assets import named
from PIL import Image
from torch import Tensor, nn

from srlib import datasets, degrade, metrics, models
from srlib.checkpoint import read_moments
from srlib.image import rgb_to_y, to_uint8

NAMES = {"srcnn": "SRCNN", "espcn": "ESPCN"}
SIDE = 144  # scored: the middle of each test photograph; 2, 3 and 4 divide it
SHOWN, TOP, LEFT, CROP = "coins", 30, 30, 108  # the piece that is shown, within that middle
WHAT = "Ancient coins"
LEVELS = 24  # shades of a filter, from blue over white to red
STOPS = np.array([[5, 48, 97], [67, 147, 195], [247, 247, 247], [214, 96, 77], [103, 0, 31]])  # as in the loupe
COLUMNS = 8  # of filters


def _middle(name: str) -> Tensor:
    """Luma (1, 1, SIDE, SIDE) of the middle of a photograph."""
    y = rgb_to_y(datasets.photo(name))
    top, left = (y.shape[-2] - SIDE) // 2, (y.shape[-1] - SIDE) // 2
    return y[..., top : top + SIDE, left : left + SIDE]


def _sheet(weight: Tensor, limit: float) -> Image.Image:
    """Filters (n, 1, f, f) side by side in rows of eight, one pixel a weight, in colours of a palette."""
    n, _, f, _ = weight.shape
    level = ((weight / limit).clamp(-1, 1) * 0.5 + 0.5) * (LEVELS - 1)
    rows = level.round().byte().view(n // COLUMNS, COLUMNS, f, f).permute(0, 2, 1, 3)  # (row, f, column, f)
    sheet = Image.fromarray(rows.reshape(n // COLUMNS * f, COLUMNS * f).numpy(), mode="P")
    place = np.linspace(0, 4, LEVELS)
    palette = np.stack([np.interp(place, np.arange(5), STOPS[:, c]) for c in range(3)], axis=1)
    sheet.putpalette(palette.round().astype(np.uint8).tobytes())
    return sheet


def _strip(rows: list[Image.Image]) -> Image.Image:
    """Pictures of one size under each other, in the mode and palette of the first."""
    width, height = rows[0].size
    strip = Image.new(rows[0].mode, (width, height * len(rows)))
    if rows[0].mode == "P":
        strip.putpalette(rows[0].getpalette() or [])
    for number, row in enumerate(rows):
        strip.paste(row, (0, number * height))
    return strip


def _piece(luma: Tensor) -> Image.Image:
    """The piece that is shown, of luma (5, 1, SIDE, SIDE), as bytes."""
    shown = luma[datasets.bundled("test").index(SHOWN), 0, TOP : TOP + CROP, LEFT : LEFT + CROP]
    return Image.fromarray(to_uint8(shown[None, None])[0, 0].numpy(), mode="L")


def _poster(pieces: list[Image.Image], columns: int = 3, gap: int = 4) -> Image.Image:
    """What a reader without scripts sees: a few steps in rows of three, on white."""
    step = CROP + gap
    poster = Image.new("L", (columns * step - gap, -(-len(pieces) // columns) * step - gap), 255)
    for number, piece in enumerate(pieces):
        poster.paste(piece, (number % columns * step, number // columns * step))
    return poster.resize((2 * poster.width, 2 * poster.height), Image.Resampling.NEAREST)


@torch.inference_mode()
def _look(path: Path, folder: Path) -> dict[str, Any]:
    model, variant, scale_text = path.stem.split("_")
    scale = int(scale_text.removeprefix("x"))
    moments = read_moments(path)
    hr = torch.cat([_middle(name) for name in datasets.bundled("test")])  # (5, 1, SIDE, SIDE)
    lr = degrade.bicubic_down(hr, scale)

    def score(network: nn.Module) -> tuple[Tensor, float]:
        sr = network(lr)
        return sr, metrics.psnr(sr, hr, shave=scale).mean().item()

    bicubic, reference = score(models.create("bicubic", scale).eval())
    network = models.create(model, scale, variant).eval()
    pieces, gains, filters = [], [], []
    for weights in moments.values():
        network.load_state_dict(weights)
        sr, value = score(network)
        pieces.append(_piece(sr.clamp(0, 1)))
        gains.append(round(value - reference, 4))
        filters.append(next(weight for weight in weights.values() if weight.ndim == 4))  # (n1, 1, f1, f1)
    small = _piece(lr.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3))
    _strip([*pieces, small, _piece(bicubic.clamp(0, 1)), _piece(hr)]).save(
        folder / f"{path.stem}.webp", lossless=True, quality=90, method=6
    )
    changes = [now - filters[0] for now in filters]
    most = [torch.quantile(x.abs().flatten(), 0.995).item() for x in (torch.stack(filters), changes[-1])]
    limits = [float(f"{value:.2g}") for value in most]  # the ends of the scale, as they are printed
    sheets = [_sheet(x, limits[0]) for x in filters] + [_sheet(x, limits[1]) for x in changes]
    _strip(sheets).save(folder / f"{path.stem}-filters.png", optimize=True)
    chosen = sorted({round(k) for k in np.linspace(0, len(pieces) - 1, 6)})
    _poster([pieces[k] for k in chosen]).save(folder / f"{path.stem}-plain.webp", lossless=True)
    return {
        "id": path.stem,
        "title": f"{named(model, variant)} ×{scale}",
        "scale": scale,
        "steps": list(moments),
        "gains": gains,
        "bicubic": round(reference, 4),
        "crop": CROP,
        "filter": {
            "size": int(filters[0].shape[-1]),
            "count": int(filters[0].shape[0]),
            "columns": COLUMNS,
            "limits": limits,
        },
        "plain": chosen,
    }


def build(cache: Path, moments: Path) -> list[dict[str, Any]]:
    """A card for each file of moments, in the order of the papers; the pictures lie in `cache/ID/`."""
    paths = [path for path in sorted(moments.glob("*.safetensors")) if path.stem.split("_")[0] in NAMES]
    photographs = [datasets.card(name).path for name in datasets.bundled("test")]
    cards = []
    for path in paths:
        key = built.key_of([path, *photographs, Path(__file__)])
        cards.append(built.kept(cache / path.stem, key, lambda folder, path=path: _look(path, folder)))  # type: ignore[misc]
    return sorted(cards, key=lambda card: (list(NAMES).index(card["id"].split("_")[0]), card["id"]))
