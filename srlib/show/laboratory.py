"""The lab of chapter 2 in a page: five choices, one score, and where it stands among all the others.

Read `lab`, which checks and packs the scores that `srlib.lab.every` has measured, then `_axis`, which draws them. The
page's part is in `lab.js` and `lab.css`. Nothing is computed in the page: all 270 scores are there already.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from srlib.lab import CHOICES, Setup, setups

from ._fragment import Fragment, attribute, check_name, script

#: What a row of a table is, where its setup is known from public code. The chapter has the sources: the evaluation code
#: of SelfExSR, BasicSR's `metrics`, `prepare.py` of yjn870/SRCNN-pytorch; the others are what a library does if asked
#: for “bicubic” or “YCbCr”.
ROWS: dict[str, Setup] = {
    "SelfExSR (protocol A)": Setup(),
    "BasicSR on Y (protocol B)": Setup(rounding="bytes, unrounded Y"),
    "BasicSR as it is set up: RGB": Setup(colour="RGB"),
    "yjn870's SRCNN: Pillow, HR resized, no shave": Setup(
        "Y, studio range", "nothing shaved", "Pillow", "bytes, unrounded Y", "resize HR"
    ),
    "Y of Pillow or OpenCV: full range": Setup(colour="Y, full range"),
    "torch's bicubic to enlarge": Setup(resize="torch up"),
    "OpenCV's INTER_CUBIC both ways": Setup(resize="no antialiasing"),
}

_FALLBACK_CSS = """
.text_html:has(> .srlib-lab) { background: none !important; padding: 0 !important; color: inherit; }
.srlib-lab p { margin: 0.5rem 0 0; font-weight: 600; }
.srlib-lab svg { max-width: 640px; font: 13px system-ui, sans-serif; }
"""
_ROW, _TICKS = 42, 20  # of the axis, in pixels: from one colour to the next, and the height of a mark


@dataclass(frozen=True)
class Laboratory(Fragment):
    """What `lab` returns: a notebook shows it as a cell's value; `save` writes it as a page of its own.

    Attributes:
        html: the fragment, self-contained.
        scales: the scales that can be chosen.
        scale: the one that it opens with.
        title: its heading, or "".
    """

    html: str
    scales: tuple[int, ...]
    scale: int
    title: str = ""

    def __repr__(self) -> str:
        scales = ", ".join(f"×{scale}" for scale in self.scales)
        return f"Laboratory({math.prod(map(len, CHOICES.values()))} setups at {scales})"


def _axis(scores: Mapping[Setup, float], scale: int) -> str:
    """The scores of one scale as marks on an axis, a row for each colour, as SVG that is as wide as the page.

    `data-low` and `data-high` are the ends of the axis in dB; they stand at 2 % and 98 % of the width.
    """
    low, high = math.floor(min(scores.values())), math.ceil(max(scores.values()))
    high = max(high, low + 1)

    def place(value: float) -> float:
        return (value - low) / (high - low)

    parts, colours = [], CHOICES["colour"]
    for index, colour in enumerate(colours):
        top = index * _ROW
        marks = sorted({round(1000 * place(value)) for setup, value in scores.items() if setup.colour == colour})
        path = "".join(f"M{mark} 0v1" for mark in marks)
        parts.append(
            f'<text x="0" y="{top + 13}" fill="currentColor">{html.escape(colour)}</text>'
            f'<svg x="2%" y="{top + 18}" width="96%" height="{_TICKS}" viewBox="0 0 1000 1" preserveAspectRatio="none">'
            f'<path class="ticks" d="{path}" stroke="currentColor" vector-effect="non-scaling-stroke"/></svg>'
        )
    bottom = len(colours) * _ROW + 4
    reference = 2 + 96 * place(scores[Setup()])
    parts.append(
        f'<line x1="{reference:.2f}%" x2="{reference:.2f}%" y1="0" y2="{bottom}" stroke="currentColor" '
        'stroke-width="1.5" stroke-dasharray="5 4"/>'
        f'<line x1="2%" x2="98%" y1="{bottom}" y2="{bottom}" stroke="currentColor"/>'
    )
    for decibel in range(low, high + 1):
        x = 2 + 96 * place(decibel)
        parts.append(
            f'<line x1="{x:.2f}%" x2="{x:.2f}%" y1="{bottom}" y2="{bottom + 5}" stroke="currentColor"/>'
            f'<text x="{x:.2f}%" y="{bottom + 19}" text-anchor="middle" fill="currentColor">{decibel}</text>'
        )
    label = (
        f"{len(scores)} scores of bicubic ×{scale}, {min(scores.values()):.2f} to {max(scores.values()):.2f} dB, "
        f"a row of marks for each colour; protocol A, the dashed line, has {scores[Setup()]:.2f} dB."
    )
    return (
        f'<svg role="img" aria-label="{label}" width="100%" height="{bottom + 24}" overflow="visible" '
        f'data-scale="{scale}" data-low="{low}" data-high="{high}">{"".join(parts)}</svg>'
    )


@cache
def _script() -> str:
    return script(("lab.css",), ("lab.js",))


def lab(
    scores: Mapping[int, Mapping[Setup, float]],
    *,
    pictures: str = "",
    scale: int | None = None,
    title: str = "Why is your PSNR wrong?",
    name: str | None = None,
) -> Laboratory:
    """Five choices and the score of bicubic under them, on an axis of all 270 scores; works without a kernel.

    scores: scale to what `srlib.lab.every` gives, all setups with a PSNR in dB each. pictures: what was scored, for the
    heading of the axis, as in "mean of two photographs". scale: the one to open with, ×3 if it is there, else the
    first. title: a heading. name: letters, digits, "-" and "_"; with it, the choices are kept in the page's address as
    `#lab-NAME=scale,colour,shave,resize,rounding,size` (numbers of the options, from 1) and restored from there, so
    a link can show a setup.

    Where scripts do not run, the axes of all scales are shown. Raises ValueError when there are no scores, a setup is
    missing, a score is not finite, or an argument is out of range.

    >>> from srlib.lab import setups
    >>> lab({3: dict.fromkeys(setups(), 28.5)}, name="demo")
    Laboratory(270 setups at ×3)
    """
    if not scores:
        raise ValueError("no scores: a mapping from scale to the scores of srlib.lab.every is wanted")
    order = list(setups())
    for key, found in scores.items():
        if missing := [setup for setup in order if setup not in found]:
            raise ValueError(f"×{key} lacks {len(missing)} of {len(order)} setups, such as {missing[0]}")
        if wrong := [setup for setup in order if not math.isfinite(found[setup])]:
            raise ValueError(f"the score of {wrong[0]} at ×{key} is {found[wrong[0]]}, not a number of dB")
    start = scale if scale is not None else 3 if 3 in scores else next(iter(scores))
    if start not in scores:
        raise ValueError(f"scale must be one of {', '.join(map(str, scores))}, not {start}")
    check_name(name)
    options = {
        "title": title,
        "name": name,
        "pictures": pictures,
        "scale": start,
        "choices": list(CHOICES.items()),
        "rows": [[row, _numbers(setup)] for row, setup in ROWS.items()],
        "scores": {key: [round(found[setup], 5) for setup in order] for key, found in scores.items()},
    }
    plain = "\n".join(
        f"<p>Bicubic ×{key}{', ' + html.escape(pictures) if pictures else ''}: PSNR in dB</p>\n{_axis(found, key)}"
        for key, found in scores.items()
    )
    heading = f"<p>{html.escape(title)}</p>\n" if title else ""
    body = f"<style>{_FALLBACK_CSS}</style>\n{heading}{plain}"
    opening = f'<div class="srlib-lab" data-lm-suppress-shortcuts="true" data-options="{attribute(options)}">'
    return Laboratory(f"{opening}\n{body}\n</div>\n{_script()}", tuple(scores), start, title)


def _numbers(setup: Setup) -> list[int]:
    """Which option of each choice a setup has, from 0."""
    return [CHOICES[choice].index(option) for choice, option in setup.chosen().items()]
