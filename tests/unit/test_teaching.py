"""The page for teachers: what it says of the chapters is in the chapters, and its examples work."""

from __future__ import annotations

import re
import sys
import textwrap
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch

from srlib import check as checks
from tools.chapters import notebooks, read, source, tags


@pytest.fixture(scope="module")
def extension(root: Path) -> ModuleType:
    sys.path.insert(0, str(root / "book" / "_ext"))
    try:
        return import_module("sr_teaching")
    finally:
        sys.path.pop(0)


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "book" / "teaching.md").read_text("utf-8")


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_chapter_says_how_long_it_takes_and_what_it_is_for(extension: ModuleType, path: Path) -> None:
    chapter = extension.read(path)
    assert {"reading", "running all cells"} <= set(chapter.box)
    assert len(chapter.objectives) >= 3
    assert set(chapter.exercises) <= set(checks.exercises())


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_every_exercise_is_listed(extension: ModuleType, path: Path) -> None:
    cells = [source(cell) for cell in read(path)["cells"] if "exercise" in tags(cell)]
    numbers = [re.match(r"# Exercise (\S+)", cell)[1] for cell in cells]  # type: ignore[index]
    table = "\n".join(extension.exercises([extension.read(path)]))
    assert [number for number in numbers if f"{number}\N{NO-BREAK SPACE}" not in table] == []


def test_sections_that_the_page_names_are_there(page: str, root: Path) -> None:
    """Each “section” that follows a link to a chapter is the beginning of one of its headings, or an exercise."""
    wrong = []
    for line in page.splitlines():
        for file, names in re.findall(r"\]\((\w+\.ipynb)\),((?: “[^”]+”,?)+)", line):
            if not (root / "book" / file).is_file():
                continue  # the build says that a page is missing
            text = (root / "book" / file).read_text("utf-8")
            for name in re.findall(r"“([^”]+?),?”", names):
                wrong += [] if re.search(rf'"#+ {re.escape(name)}', text) else [f"{file}: {name}"]
    assert wrong == []


def test_the_judge_on_the_page_judges(page: str) -> None:
    found = re.search(r'( *@exercise\("3\.6".*?)\n *```', page, re.S)
    assert found
    names: dict[str, object] = vars(import_module("srlib.check._answers")) | vars(checks) | {"torch": torch}
    try:
        exec(textwrap.dedent(found[1]), names)
        assert checks.check("3.6", lambda x: 2 * x)
        assert "unchanged" in checks.check("3.6", lambda x: x).message
        assert "dots" in checks.check("3.6", lambda x: ...).message
        assert checks.hint("3.6", 3) == "Nearly the answer."
    finally:
        checks._EXERCISES.pop("3.6", None)
