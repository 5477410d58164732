"""Draw the benchmarks' figures, `book/_static/benchmarks/*.svg`, from `data/benchmarks/*.json`.

`python -m benchmarks.page` draws all. The same numbers give the same bytes, so that a test can tell a stale figure. The
tables beside the figures are made while the book is built, by `book/_ext/sr_benchmarks.py`.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.machine import FOLDER
from srlib.checkpoint import write_atomically
from srlib.show import PALETTE, style
from srlib.show._layout import FONT, WIDTH, add_axes, new_figure

TARGET = Path(__file__).resolve().parent.parent / "book" / "_static" / "benchmarks"
LABEL = FONT - 2

# Loop: colour, marker and its words in the legend.
LOOPS = {
    "PNG files": (PALETTE["vermilion"], "s", "conventional: PNG files"),
    "pictures in memory": (PALETTE["orange"], "D", "pictures in memory"),
    "srlib": (PALETTE["blue"], "o", "srlib"),
}
# Way of enlarging: colour, marker, dashes.
WAYS = {
    "bicubic": (PALETTE["black"], "o", "-"),
    "srcnn 9-1-5": (PALETTE["sky"], "s", "-"),
    "srcnn 9-5-5": (PALETTE["blue"], "s", "-"),
    "espcn": (PALETTE["green"], "D", "-"),
    "vdsr": (PALETTE["vermilion"], "^", "-"),
    "srresnet": (PALETTE["purple"], "v", "-"),
    "OpenCV INTER_CUBIC": ("#777777", "", "--"),
    "Pillow BICUBIC": ("#777777", "", ":"),
    "PyTorch interpolate bicubic": ("#777777", "", "-."),
}
NAMES = {"srcnn": "SRCNN", "espcn": "ESPCN", "vdsr": "VDSR", "srresnet": "SRResNet", "bicubic": "bicubic"}


def number(value: float) -> str:
    """Three digits, as a reader wants them.

    >>> number(1234.5), number(12.345), number(0.012345)
    ('1,234', '12.3', '0.0123')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _tick(value: float, position: int) -> str:
    return f"{value:,.12g}"


def _log(axis: Any) -> None:
    """Powers of ten in plain figures."""
    axis.set_major_locator(LogLocator(10))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(_tick))


def _legend(ax: Axes, left: float, height: float) -> None:
    """Above the axes, in three columns, from `left` on."""
    ax.legend(
        fontsize=LABEL,
        frameon=False,
        ncols=3,
        loc="lower left",
        bbox_to_anchor=(left, height),
        borderaxespad=0,
        columnspacing=1.2,
        handlelength=1.8,
        handletextpad=0.5,
    )


def training(results: list[dict[str, Any]]) -> Figure:
    """Images a second of the three loops, a group of points for each network."""
    height = 108 + 84 * len(results)
    fig = new_figure(WIDTH, height)
    ax = add_axes(fig, (WIDTH, height), 104, 38, WIDTH - 104 - 30, height - 38 - 62)
    for group, result in enumerate(results):
        found = {loop["name"]: loop["images_per_s"] for loop in result["loops"]}
        for line, (name, (colour, marker, label)) in enumerate(LOOPS.items()):
            rates, y = found[name], group + 0.26 * (line - 1)
            ax.plot([rates["low"], rates["high"]], [y, y], color=colour, linewidth=3, alpha=0.45)
            ax.plot(
                rates["median"],
                y,
                marker,
                color=colour,
                markersize=8,
                label=label if group == 0 else None,
            )
            ax.annotate(number(rates["median"]), (rates["high"], y), (9, 0), textcoords="offset points", va="center")
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    ax.set_xlim(low / 1.3, high * 2.2)  # room for the numbers
    _log(ax.xaxis)
    ax.set_yticks(range(len(results)), [NAMES[result["model"]] for result in results])
    ax.set_ylim(len(results) - 0.45, -0.55)
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("images a second in training")
    _legend(ax, -0.18, 1 + 8 / (height - 100))
    return fig


def inference(results: list[dict[str, Any]]) -> Figure:
    """Output megapixels a second over the size of the output, at ×3 or the scale that was measured."""
    scales = {row["scale"] for row in results}
    scale = 3 if 3 in scales else min(scales)
    height = 520
    fig = new_figure(WIDTH, height)
    ax = add_axes(fig, (WIDTH, height), 96, 96, WIDTH - 96 - 14, height - 96 - 66)
    for name, (colour, marker, dashes) in WAYS.items():
        rows = [row for row in results if row["name"] == name and row["scale"] == scale]
        if rows:
            x = [row["sr"][0] * row["sr"][1] / 1e6 for row in rows]
            y = [row["megapixels_out_per_s"]["median"] for row in rows]
            head, _, tail = name.partition(" ")
            label = f"{NAMES.get(head, head)} {tail}".strip()
            ax.plot(x, y, dashes, marker=marker, color=colour, markersize=6, label=label)
    ax.set_xscale("log")
    ax.set_yscale("log")
    _log(ax.yaxis)
    sizes = sorted({tuple(row["sr"]) for row in results if row["scale"] == scale})
    ax.set_xticks([w * h / 1e6 for w, h in sizes], [f"{w}×{h}" for w, h in sizes])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.margins(x=0.09)
    ax.set_xlabel(f"size of the output, ×{scale}")
    ax.set_ylabel("output megapixels a second")
    _legend(ax, 0, 1 + 8 / (height - 162))
    return fig


DRAW = {"training": training, "inference": inference}


def svg(path: Path) -> bytes:
    """The figure of one result file."""
    content = json.loads(path.read_text("utf-8"))
    kind = path.stem.partition("_")[0]
    with mpl.rc_context():
        style()
        mpl.rcParams.update({"svg.hashsalt": path.stem, "svg.fonttype": "path", "font.size": LABEL})
        figure, buffer = DRAW[kind](content["results"]), io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    lines = buffer.getvalue().decode("utf-8").splitlines()
    return ("\n".join(line.rstrip() for line in lines) + "\n").encode("utf-8")


def draw(source: Path = FOLDER, target: Path = TARGET) -> list[Path]:
    """Draw every result file of `source` into `target`, and remove figures whose results are gone."""
    files = sorted(path for kind in DRAW for path in source.glob(f"{kind}_*.json"))
    drawn = []
    for path in files:
        content = svg(path)
        figure = target / f"{path.stem}.svg"
        write_atomically(figure, lambda temporary, content=content: temporary.write_bytes(content))  # type: ignore[misc]
        drawn.append(figure)
    for old in set(target.glob("*.svg")) - set(drawn):
        old.unlink()
    return drawn


def main() -> int:
    """Draw all, and say which."""
    for path in draw():
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
