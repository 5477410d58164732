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
