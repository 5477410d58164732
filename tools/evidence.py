"""Where a number in prose may come from: outputs and constants of cells, and the project's data.

Read `Known`, then the functions that collect it (`in_output`, `in_code`, `in_data`) and `Evidence`, which chooses what
may speak for a sentence: outputs that are near, and rows of data about the networks that are spoken of.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

from srlib.recipes import RECIPES
from tools.chapters import Cell

NEAR = 6  # printing cells above a sentence that it may speak of
NEXT = 2  # and those of them whose rows and columns it may have subtracted
SCORES = frozenset({"dB", "SSIM"})  # printed with decimals
MODELS = ("srcnn", "espcn", "vdsr", "srresnet", "srgan", "edsr", "swinir", "bicubic")
SETTINGS = frozenset({"levels", "count", "percent"})  # what an experiment is told, rather than finds out

# What a cell prints is of these kinds when its code or output has such a word.
_SIGNS = {
    "dB": r"dB|psnr|decibel|score",
    "SSIM": r"ssim",
    "percent": r"%|per cent|share|fraction|times|×",
    "seconds": r"second|\bs\b|\bms\b|time|minutes",
    "rate": r"second|/s\b|fps|\bs\b",
    "bytes": r"bytes|[kMG]B\b",
    "levels": r"level|255|grey|bytes|rmse|uint8",
}
_NUMBER = re.compile(r"(?<![\w.])[−+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")

# Fields of data files: the kind of their numbers, and how many base units one is.
_FIELDS: tuple[tuple[str, str, float], ...] = (
    (r"psnr|(?<!gain)_db$|^db$", "dB", 1),  # not the seeds of a study one by one
    (r"ssim", "SSIM", 1),
    (r"milliseconds", "seconds", 0.001),
    (r"seconds", "seconds", 1),
    (r"per_s", "rate", 1),
    (r"share|percent", "percent", 100),
    (r"bytes", "bytes", 1),
    (r"steps|pictures|images|parameters|patch|batch", "count", 1),
)
_UNITS = {"s": "seconds", "bytes": "bytes", "dB": "dB", "%": "percent", "1/s": "rate", "times": "times", "": "count"}


@dataclass(frozen=True)
class Known:
    """A number that was measured, computed or set.

    Attributes:
        value: in base units; `spread` is what follows a ±.
        kinds: what it may be a measurement of.
        position: of the cell in the chapter; -1 in data.
        models: the networks that a sentence has to name before it may speak of this; in data only.
        constant: written in code, not printed.
        derived: the difference of two numbers.
    """

    value: float
    kinds: frozenset[str]
    position: int = -1
    models: frozenset[str] = frozenset()
    spread: float | None = None
    constant: bool = False
    derived: bool = False


@dataclass(frozen=True)
class Evidence:
    """What may speak for a sentence: the cells above it, and the data.

    A section without code of its own, such as a summary, looks back on all of the chapter (`near` is None).
    """

    above: list[Known]
    data: list[Known]
    sentence: str
    near: int | None = NEAR

    def of(self, kind: str, step: float, bound: bool) -> Iterator[Known]:
        """Numbers of a kind for a claim with that last digit.

        A constant of the code is no measurement, but may be a bound on one. A difference speaks only for a claim with
        two decimals: there are so many of them that some would fit any shorter one.
        """
        printing = sorted({known.position for known in self.above if not known.constant}, reverse=True)
        near, next_, exact = printing[: self.near], printing[:NEXT], step < 0.02
        for known in self.above:
            if known.constant:
                if kind in known.kinds or bound:
                    yield known
            elif kind in known.kinds and (
                exact and known.position in next_ if known.derived else known.position in near
            ):
                yield known
        named = models_in(self.sentence)
        speaks = bool(named) or bool(re.search(r"\b(?:ours|paper|published)\b", self.sentence))
        for known in self.data:
            if kind in known.kinds and known.models <= named and (not known.derived or (exact and speaks)):
                yield known


def models_in(text: str) -> frozenset[str]:
    """The networks that a text names."""
    text = re.sub(r"\(.*?\)", "", text)  # in a row's name, who printed it
    named = {model for model in MODELS if model in text.lower()}
    return frozenset(named | ({"srcnn"} if re.search(r"\b9-[135]-5\b", text) else set()))


def in_output(cell: Cell, position: int) -> list[Known]:
    """The numbers that a cell printed, and the differences within its rows and columns."""
    code = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
    text = ""
    for output in cell.get("outputs", []):
        parts = (output.get("text", ""), output.get("data", {}).get("text/plain", ""))
        text += "\n".join(part if isinstance(part, str) else "".join(part) for part in parts) + "\n"
    kinds = frozenset(
        {kind for kind, sign in _SIGNS.items() if re.search(sign, code + text, re.I)} | {"count", "times"}
    )
    found, rows = [], []
    for line in text.splitlines():
        row = [(match, float(match[0].replace(",", "").replace("−", "-"))) for match in _NUMBER.finditer(line)]
        rows.append([value for match, value in row if "." in match[0]])
        for number, (match, value) in enumerate(row):
            after = line[match.end() :]
            spread = row[number + 1][1] if number + 1 < len(row) and after.lstrip().startswith("±") else None
            score = "." in match[0] or after.lstrip().startswith("dB")
            found.append(Known(value, kinds if score else kinds - SCORES, position, spread=spread))
            if re.match(r"\s*ms\b", after):
                found.append(Known(value / 1000, frozenset({"seconds"}), position))
            if 0 < abs(value) <= 1 and "percent" in kinds:
                found += [Known(100 * share, frozenset({"percent"}), position) for share in (value, 1 - value)]
    for one, other in _pairs(rows):
        found.append(Known(one - other, kinds & SCORES, position, derived=True))
    return found


def _pairs(rows: list[list[float]]) -> Iterator[tuple[float, float]]:
    """Numbers that a reader may subtract: of one row, and of one column of rows that have as many."""
    for row in rows:
        yield from combinations(row, 2)
    for one, other in combinations([row for row in rows if row], 2):
        if len(one) == len(other):
            yield from zip(one, other, strict=True)


def in_code(code: str, position: int) -> list[Known]:
    """The numbers that are written in code."""
    numbers = re.findall(r"(?<![\w.])\d+(?:_\d+)*(?:\.\d+)?(?:e-?\d+)?(?!\w)", code)
    return [Known(float(number), SETTINGS, position, constant=True) for number in numbers]


def in_data(root: Path, stem: str) -> list[Known]:
    """The numbers of the project's data that a chapter or page of this name may lean on.

    A chapter about a network need not name it, or bicubic, in every sentence.
    """
    own = models_in(stem)
    own |= {"bicubic"} if own else set()
    shared = [replace(known, models=known.models - own) for known in _collected(root)]
    return shared + [known for name, known in _measured(root) if name == stem]


@cache
def _collected(root: Path) -> tuple[Known, ...]:
    ledger = json.loads((root / "data" / "ledger.json").read_text("utf-8"))
    found = list(_walk(ledger, frozenset()))
    for folder in ("srlib/weights", "data/ablations", "data/benchmarks", "data/features"):
        for path in sorted((root / folder).glob("*.json")):
            content = json.loads(path.read_text("utf-8"))
            found += _walk(content, models_in(path.stem))
            if folder.endswith("ablations"):
                found += _compared(content.get("rows", []), models_in(path.stem))
    with (root / "data" / "published.tsv").open(encoding="utf-8") as file:
        published = [
            {key: _parsed(value) for key, value in row.items()} for row in csv.DictReader(file, delimiter="\t")
        ]
    for row in published:
        found += _walk(row, models_in(row["model"]))
    found += _subtracted(published, ledger["rows"])
    for recipe in RECIPES.values():
        found += [replace(known, models=frozenset()) for known in _walk(recipe.as_dict(), frozenset())]
    return tuple(set(found))


def _compared(rows: list[dict[str, Any]], models: frozenset[str]) -> Iterator[Known]:
    """What one row of a study is above another, and the larger of their spreads, as the chapters give it."""
    for one, other in combinations([row for row in rows if "mean_db" in row], 2):
        spread = max(one["spread_db"], other["spread_db"])
        yield Known(one["mean_db"] - other["mean_db"], frozenset({"dB"}), models=models, spread=spread)


def _subtracted(published: list[dict[str, Any]], measured: list[dict[str, Any]]) -> Iterator[Known]:
    """How far two networks lie apart on one test set at one scale, as published, or ours against published."""
    scores: dict[tuple[str, int], list[tuple[str, float]]] = {}
    for row in published:
        if isinstance(row["psnr_y_db"], float):
            scores.setdefault((row["test_set"].lower(), int(row["scale"])), []).append((row["model"], row["psnr_y_db"]))
    for row in measured:
        scores.setdefault((row["data"], row["scale"]), []).append((row["model"], row["psnr"]))
    for group in scores.values():
        for (one, first), (other, second) in combinations(group, 2):
            yield Known(first - second, frozenset({"dB"}), models=models_in(one) | models_in(other), derived=True)


@cache
def _measured(root: Path) -> tuple[tuple[str, Known], ...]:
    """`data/measurements.json`: what was measured once, outside the chapters, and the file whose text says so."""
    path = root / "data" / "measurements.json"
    rows = json.loads(path.read_text("utf-8"))["measurements"] if path.exists() else []
    return tuple((name, Known(row["value"], frozenset({_UNITS[row["unit"]]}))) for row in rows for name in row["in"])


def _walk(node: Any, models: frozenset[str], key: str = "") -> Iterator[Known]:
    """Every number below a node of JSON, with the kind that its field's name says."""
    if isinstance(node, dict):
        own = models_in(" ".join(str(node.get(name, "")) for name in ("model", "published_model", "name"))) or models
        spread = node.get("spread_db")
        for name, value in node.items():
            if name == "mean_db":
                yield Known(value, frozenset({"dB"}), models=own, spread=spread)
            else:
                yield from _walk(value, own, key if name in ("median", "low", "high") else name)
    elif isinstance(node, list):
        for value in node:
            yield from _walk(value, models, key)
    elif isinstance(node, int | float) and not isinstance(node, bool):
        found = next(((kind, size) for pattern, kind, size in _FIELDS if re.search(pattern, key)), None)
        if found:
            yield Known(node * found[1], frozenset({found[0]}), models=models)


def _parsed(value: str) -> Any:
    try:
        return float(value)
    except ValueError:
        return value
