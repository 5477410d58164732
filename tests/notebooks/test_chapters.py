"""Every committed chapter keeps the rules of `tools/rules.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.chapters import ROOT, notebooks, read, toc
from tools.rules import BYTES, missing_papers, problems

CHAPTERS = notebooks()


def test_there_are_chapters_and_each_is_in_the_table_of_contents() -> None:
    pages = {page for page in toc() if (ROOT / f"{page}.ipynb").exists()}
    assert pages, "_toc.yml names no notebook"
    assert pages == {path.relative_to(ROOT).with_suffix("").as_posix() for path in CHAPTERS}


def test_every_page_of_the_table_of_contents_has_a_source() -> None:
    assert [page for page in toc() if not any((ROOT / f"{page}{kind}").exists() for kind in (".md", ".ipynb"))] == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_keeps_the_rules(path: Path) -> None:
    assert problems(read(path)) == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_is_small_enough_for_colab_and_github(path: Path) -> None:
    assert path.stat().st_size < BYTES


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_papers_that_a_chapter_links_to_are_listed(path: Path) -> None:
    bibliography = (ROOT / "book" / "references.bib").read_text("utf-8")
    assert missing_papers(read(path), bibliography) == []
