"""Every exercise twice: the stub in the chapter must fail its check, the folded solution must pass."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from srlib.check import Feedback, check, exercise, exercises, hint

BOOK = Path(__file__).resolve().parents[2] / "book"
PRELUDE = """
import math
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
import srlib
from srlib import datasets, degrade, image, metrics, models, patches, recipes, show, train
"""


def stubs_and_solutions() -> dict[str, tuple[str, str]]:
    """{"1.2": (source of the stub cell, source of the solution)} of all chapters."""
    stubs, solutions = {}, {}
    for path in sorted(BOOK.glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if "exercise" in cell.metadata.get("tags", []):
                found = re.match(r"# Exercise (\d+\.\d+)", cell.source)
                assert found, f"{path.name}: an exercise's cell starts with its number: {cell.source[:40]!r}"
                stubs[found[1]] = cell.source
            elif cell.cell_type == "markdown":
                for part in re.split(r"(?=<details>)", cell.source):
                    if found := re.match(r"<details>\s*<summary>(?:<b>)?Solution (\d+\.\d+)", part):
                        blocks = re.findall(r"```python\n(.*?)```", part, re.S)
                        assert blocks, f"{path.name}: solution {found[1]} has no Python block"
                        solutions[found[1]] = "\n".join(blocks)
    assert set(stubs) == set(solutions)
    return {name: (stub, solutions[name]) for name, stub in stubs.items()}


EXERCISES = stubs_and_solutions()


def answer_of(source: str, stub: str, name: str) -> Any:
    """Run `source` and give what the stub's last line hands to `check`."""
    found = re.search(rf'check\("{re.escape(name)}", (\w+)\)', stub)
    assert found, f"the cell of exercise {name} ends with a call of check"
    namespace: dict[str, Any] = {}
    exec(PRELUDE, namespace)
    exec("\n".join(line for line in source.splitlines() if not line.startswith(("check(", "print(check("))), namespace)
    return namespace[found[1]]


def test_every_exercise_has_a_cell_and_every_chapter_four() -> None:
    assert sorted(EXERCISES) == sorted(exercises())
    for chapter in {name.split(".")[0] for name in EXERCISES}:
        assert sum(name.startswith(f"{chapter}.") for name in EXERCISES) >= 4


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_the_stub_fails_and_says_something(name: str) -> None:
    stub, _ = EXERCISES[name]
    feedback = check(name, answer_of(stub, stub, name))
    assert not feedback
    assert len(feedback.message) > 20
    assert repr(feedback).startswith("✘")


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_the_solution_passes(name: str) -> None:
    stub, solution = EXERCISES[name]
    feedback = check(name, answer_of(solution, stub, name))
    assert feedback, feedback
    assert repr(feedback).startswith("✔")


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_nonsense_gets_a_sentence_and_no_exception(name: str) -> None:
    def broken(*args: object) -> object:
        raise RuntimeError("broken on purpose")

    for nonsense in ("nonsense", -1e9, [], broken, lambda *args: None):
        feedback = check(name, nonsense)
        assert isinstance(feedback, Feedback)
        assert not feedback, f"exercise {name} accepts {nonsense!r}"
        assert len(feedback.message) > 15


# Usual mistakes, and a part of the sentence that names each.
MISTAKES: list[tuple[str, str, str]] = [
    ("4.1", "lambda s: 25 * 64 + 9 * 64 * 32 + 9 * 32 * s * s", "per pixel of LR"),
    ("4.1", "lambda s: (25 * 64 + 9 * 64 * 32 + 9 * 32) / s**2", "one filter"),
    ("4.1", "lambda s: (26 * 64 + 577 * 32 + 289 * s * s) / s**2", "bias"),
    ("4.1", "lambda s: 57184", "SRCNN"),
    ("4.1", "lambda s: 1000", "less than it is"),
    ("4.1", "lambda s: 'many'", "must return a number"),
    ("4.2", "lambda x, r: F.pixel_unshuffle(x, r)", "what it should build"),
    ("4.2", "lambda x, r: x.reshape(x.shape[0], -1, x.shape[2] // r, x.shape[3] // r)", "strips"),
    ("4.2", "lambda x, r: torch.cat([x[:, :, k // r :: r, k % r :: r] for k in range(r * r)], 1)", "slowest"),
    (
        "4.2",
        "lambda x, r: torch.stack([x[:, :, k % r :: r, k // r :: r] for k in range(r * r)], 2).flatten(1, 2)",
        "exchanged",
    ),
    ("4.2", "lambda x, r: F.avg_pool2d(x, r).repeat_interleave(r * r, 1)", "numbers have changed"),
    (
        "4.2",
        "lambda x, r: torch.stack([x[:, :, k // r :: r, k % r :: r] for k in range(r * r)], 2).flatten(1, 2).flip(1)",
        "not in their places",
    ),
    ("4.3", "lambda r: F.pad(torch.ones(r * r, 1, 1, 1), (1, 1, 1, 1))", "nearest neighbour"),
    ("4.3", "lambda r: torch.full((r * r, 1, 3, 3), 1 / 8)", "adds up to"),
    ("4.3", "lambda r: torch.full((r * r, 1, 3, 3), 1 / 9)", "not that of bilinear"),
    ("4.3", "filters(lambda r: (torch.arange(r) / r,) * 2)", "shifted"),
    ("4.3", "filters(lambda r: (0.5 - (torch.arange(r) + 0.5) / r,) * 2)", "mirrored"),
    (
        "4.3",
        "lambda r: bilinear(r).view(r, r, 1, 3, 3).transpose(0, 1).reshape(r * r, 1, 3, 3)",
        "rows and columns are exchanged",
    ),
    ("4.4", "lambda c, hr, r: (F.mse_loss(c, swapped(hr, r)), F.pixel_shuffle(c, r))", "rows and columns"),
    ("4.4", "lambda c, hr, r: (F.mse_loss(c.tanh(), F.pixel_unshuffle(hr, r)), F.pixel_shuffle(c, r))", "tanh"),
    ("4.4", "lambda c, hr, r: (F.mse_loss(F.pixel_shuffle(c, r), hr).item(), F.pixel_shuffle(c, r))", "one number"),
    ("4.4", "lambda c, hr, r: (F.mse_loss(F.pixel_shuffle(c, r).detach(), hr), F.pixel_shuffle(c, r))", "no gradient"),
    ("4.4", "lambda c, hr, r: (F.l1_loss(F.pixel_shuffle(c, r), hr), F.pixel_shuffle(c, r))", "mean squared"),
    (
        "4.4",
        "lambda c, hr, r: (F.mse_loss(F.pixel_shuffle(c, r), hr), F.pixel_shuffle(c, r).clamp(0, 0.5))",
        "no longer",
    ),
    ("4.4", "lambda c, hr, r: F.mse_loss(F.pixel_shuffle(c, r), hr)", "two things"),
    ("4.5", "lambda network, lr, tile: network(lr)", "LR pixels at once"),
    ("4.5", "lambda network, lr, tile: lr.new_zeros(1, 1, 3 * lr.shape[2], 3 * lr.shape[3])", "never called"),
    ("4.5", "tiled(lambda x, top, bottom, left, right: x[..., top:bottom, left:right], 0)", "seams"),
    ("4.5", "tiled(lambda x, t, b, l, r: x[..., max(t - 2, 0) : b + 2, max(l - 2, 0) : r + 2], 2)", "overlap of 2"),
    (
        "4.5",
        "tiled(lambda x, t, b, l, r: F.pad(x, (4, 4, 4, 4), mode='replicate')[..., t : b + 8, l : r + 8], None)",
        "at the border",
    ),
]
TOOLS = """
def filters(places):
    def make(r):
        rows, columns = ((1 - (at[:, None] - torch.arange(-1, 2)).abs()).clamp(min=0) for at in places(r))
        return torch.einsum("ia,jb->ijab", rows, columns).reshape(r * r, 1, 3, 3)
    return make

bilinear = filters(lambda r: ((torch.arange(r) + 0.5) / r - 0.5,) * 2)

def swapped(hr, r):
    n, _, h, w = hr.shape
    return hr.view(n, h // r, r, w // r, r).permute(0, 4, 2, 1, 3).reshape(n, r * r, h // r, w // r)

def tiled(cut, overlap):
    def enlarge(network, lr, tile):
        height, width = lr.shape[2:]
        out = lr.new_empty(1, 1, 3 * height, 3 * width)
        for top in range(0, height, tile):
            for left in range(0, width, tile):
                bottom, right = min(top + tile, height), min(left + tile, width)
                above = 4 if overlap is None else min(top, overlap)
                before = 4 if overlap is None else min(left, overlap)
                sr = network(cut(lr, top, bottom, left, right))[..., 3 * above :, 3 * before :]
                kept = sr[..., : 3 * (bottom - top), : 3 * (right - left)]
                out[..., 3 * top : 3 * bottom, 3 * left : 3 * right] = kept
        return out
    return enlarge
"""


@pytest.mark.parametrize(("name", "answer", "words"), MISTAKES, ids=[f"{m[0]}-{m[2]}" for m in MISTAKES])
def test_a_usual_mistake_is_called_by_its_name(name: str, answer: str, words: str) -> None:
    namespace: dict[str, Any] = {}
    exec(PRELUDE + TOOLS, namespace)
    feedback = check(name, eval(answer, namespace))
    assert not feedback
    assert words in feedback.message


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_the_hint_ladder_has_two_rungs_or_more(name: str) -> None:
    assert hint(name, 1) != hint(name, 2)
    assert hint(name, 99) == hint(name, 100)


def test_the_machinery() -> None:
    assert not check(exercises()[0], ...)
    assert "no answer yet" in check(exercises()[0], None).message
    with pytest.raises(ValueError, match="no exercise '0.0'"):
        check("0.0", 1)
    with pytest.raises(ValueError, match="defined twice"):
        exercise(exercises()[0])(lambda answer: "")
