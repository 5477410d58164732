"""The glossary: in order, without a term that the book does not use, and each led back to where it is introduced."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from tools.chapters import toc


@pytest.fixture(scope="module")
def extension(root: Path) -> ModuleType:
    sys.path.insert(0, str(root / "book" / "_ext"))
    try:
        return import_module("sr_glossary")
    finally:
        sys.path.pop(0)


@pytest.fixture(scope="module")
def terms(root: Path) -> list[str]:
    (block,) = re.findall(r"^```{glossary}\n(.*?)^```", (root / "book" / "glossary.md").read_text("utf-8"), re.M | re.S)
    return re.findall(r"^(\S.*)$", block, re.M)


def test_terms_are_in_order_and_defined_once(terms: list[str]) -> None:
    assert terms == sorted(set(terms), key=lambda term: term.partition(",")[0].casefold().replace("-", " "))


def test_every_term_is_introduced_somewhere(extension: ModuleType, root: Path) -> None:
    """In a chapter or on a page; or the entry itself leads there."""
    pages = [page for page in toc() if page not in extension.NOT_HERE]
    if not set("12345678") <= {page[6] for page in pages if page.startswith("book/0")}:
        pytest.skip("a book with fewer chapters introduces fewer terms")
    where = list(extension.places(root, pages))
    text = (root / "book" / "glossary.md").read_text("utf-8").partition("```{glossary}\n")[2]
    entries = [entry for entry in re.split(r"\n\n(?=\S)", text.partition("\n```")[0]) if "](" not in entry]
    terms = [entry.partition("\n")[0] for entry in entries]
    assert [term for term in terms if extension.introduced(term, where) is None] == []


def test_the_place_in_bold_comes_first(extension: ModuleType) -> None:
    where = [
        extension.Place("book/01_one", "", "**Aliasing** will come.", True),
        extension.Place("book/01_one", "A start", "There is aliasing here.", True),
        extension.Place("book/02_two", "Aliasing", "This is **aliasing**.", True),
        extension.Place("book/page", "Later", "**aliasing**", False),
    ]
    assert extension.introduced("Aliasing", where) == where[2]
    assert extension.introduced("Aliasing", where[:2]) == where[1]
    assert extension.introduced("Aliasing", where[3:]) == where[3]
    assert extension.introduced("Moiré", where) is None
    assert extension._section(where[1]) == "#a-start"
    assert extension._section(where[0]) == ""
