"""The built book as files: each page is there, nothing else is, and every link inside the site arrives."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tools.chapters import toc

# What Sphinx makes by itself.
GENERATED = {"index.html", "search.html", "genindex.html"}


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name in ("id", "name") and value:
                self.anchors.add(value)


@pytest.fixture(scope="module")
def pages(html: Path) -> dict[Path, _Page]:
    found = {}
    for path in html.rglob("*.html"):
        if "_static" not in path.parts:
            found[path] = _Page()
            found[path].feed(path.read_text("utf-8"))
    return found


@pytest.mark.parametrize("page", toc())
def test_page_of_the_table_of_contents_is_built(html: Path, page: str) -> None:
    assert (html / f"{page}.html").stat().st_size > 1000


def test_no_other_page_is_built(html: Path, pages: dict[Path, _Page]) -> None:
    built = {path.relative_to(html).as_posix() for path in pages}
    assert built - {f"{page}.html" for page in toc()} - GENERATED == set()


def test_every_link_inside_the_site_arrives(pages: dict[Path, _Page]) -> None:
    assert [f"{path.name}: {link}" for path in pages for link in _dead(path, pages)] == []


def test_marks_for_the_tests_are_not_shown(html: Path) -> None:
    # The chapters explain the mark in a sentence, whose words stand in tags of their own.
    assert [path.name for path in html.rglob("*.html") if "# NBVAL_CHECK_OUTPUT" in path.read_text("utf-8")] == []


def test_no_page_loads_anything_from_another_host(html: Path) -> None:
    class Loaded(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            values = dict(attrs)
            loads = values.get("src") or (values.get("href") if tag == "link" else None) or ""
            if urlsplit(loads).netloc and values.get("rel") != "canonical":
                elsewhere.append(loads)

    elsewhere: list[str] = []
    for path in html.rglob("*.html"):
        Loaded().feed(path.read_text("utf-8"))
    assert elsewhere == []


def _dead(path: Path, pages: dict[Path, _Page]) -> Iterator[str]:
    for link in pages[path].links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if target.is_dir():
            target /= "index.html"
        anchors = pages[target].anchors if target in pages else set()
        if not target.exists() or (parts.fragment and target in pages and parts.fragment not in anchors):
            yield link
