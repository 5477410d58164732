"""Every page in Chromium: wide and narrow, light and dark, with nothing but its own site to ask.

Screenshots of all of them are left in `_build/screenshots` to be looked at.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tools.chapters import ROOT, toc

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.browser

PAGES = [*toc(), "search", "genindex"]
CHAPTERS = [page for page in toc() if (ROOT / f"{page}.ipynb").exists()]
SCHEMES = ("light", "dark")
WIDTHS = (1280, 390)
NARROWEST = 360

# What sticks out of the window without being inside a box that scrolls or clips by itself.
WIDER_THAN_WINDOW = """() => {
  const width = document.documentElement.clientWidth;
  const boxed = (element) => {
    for (let box = element.parentElement; box && box !== document.body; box = box.parentElement)
      if (getComputedStyle(box).overflowX !== "visible") return true;
    return false;
  };
  return [...document.querySelectorAll(".bd-article *")]
    .filter((element) => element.getClientRects().length && !boxed(element))
    .filter((element) => element.getBoundingClientRect().right > width + 1)
    .filter((element) => getComputedStyle(element).overflowX === "visible")
    .map((element) => element.outerHTML.slice(0, 100));
}"""


# Blocks of code and outputs whose lines end where only scrolling shows it.
CUT_OFF = """() => [...document.querySelectorAll(".bd-content pre")]
  .filter((block) => block.scrollWidth > block.clientWidth + 1)
  .map((block) => block.textContent.slice(0, 100))"""

# How many characters of code fit beside each other.
COLUMNS = """() => {
  const block = document.querySelector(".cell_input pre"), style = getComputedStyle(block);
  const brush = new OffscreenCanvas(1, 1).getContext("2d");
  brush.font = style.font;
  const room = block.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  return room / (brush.measureText("0".repeat(100)).width / 100);
}"""


@dataclass
class Visit:
    """One page, opened, and what it did while it opened."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)


@contextlib.contextmanager
def visit(browser: Browser, site: str, name: str, scheme: Any, width: int) -> Iterator[Visit]:
    """Open a page and wait until its mathematics is set. Requests to other hosts are noted and refused."""
    window: Any = {"width": width, "height": 900}
    context = browser.new_context(color_scheme=scheme, viewport=window, reduced_motion="reduce")
    seen = Visit(context.new_page())

    def gate(route: Route) -> None:
        if route.request.url.startswith((site + "/", "data:", "blob:")):
            route.continue_()
        else:
            seen.elsewhere.append(route.request.url)
            route.abort()

    def note(wrong: bool, text: str) -> None:
        if wrong:
            seen.complaints.append(text)

    context.route("**/*", gate)
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.on("console", lambda line: note(line.type in ("error", "warning"), line.text))
    seen.page.on("response", lambda answer: note(answer.status >= 400, f"{answer.status} {answer.url}"))
    seen.page.goto(f"{site}/{name}.html", wait_until="load")
    seen.page.evaluate("() => window.MathJax?.startup?.promise")
    seen.page.evaluate("async () => { await document.fonts.ready }")
    try:
        yield seen
    finally:
        context.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", PAGES)
def test_page(browser: Browser, site: str, root: Path, name: str, scheme: str, width: int) -> None:
    with visit(browser, site, name, scheme, width) as seen:
        page = seen.page
        assert seen.complaints == []
        assert seen.elsewhere == []
        assert page.locator("h1:visible").count() == 1
        assert page.evaluate("document.documentElement.dataset.theme") == scheme

        page.wait_for_function("[...document.images].every((i) => i.complete)")  # a script may have added some just now
        images = page.locator(".bd-article img").all()
        assert [image.get_attribute("src") for image in images if not image.get_attribute("alt")] == []
        assert page.evaluate("[...document.images].filter((i) => !i.naturalWidth).map((i) => i.src)") == []
        assert page.locator(".math").count() == page.locator(".math mjx-container").count()
        assert page.locator("mjx-merror, [data-mjx-error]").count() == 0

        shot = root / "_build" / "screenshots" / f"{name.replace('/', '-')}-{width}-{scheme}.png"
        shot.parent.mkdir(exist_ok=True)
        page.screenshot(path=shot, full_page=True, animations="disabled", timeout=120_000)  # chapters are long
        _does_not_scroll_sideways(page)
        if width > 768:
            assert page.evaluate(CUT_OFF) == []
            assert name not in CHAPTERS or page.evaluate(COLUMNS) >= 88
        if width < 400:
            page.set_viewport_size({"width": NARROWEST, "height": 800})
            _does_not_scroll_sideways(page)
        assert seen.complaints == []


def _does_not_scroll_sideways(page: Page) -> None:
    root = "document.documentElement"
    full, window = page.evaluate(f"[{root}.scrollWidth, {root}.clientWidth]")
    sticking_out = page.evaluate(WIDER_THAN_WINDOW)
    assert full <= window, sticking_out
    assert sticking_out == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_figures_stand_on_white_in_the_dark(browser: Browser, site: str, name: str) -> None:
    with visit(browser, site, name, "dark", 390) as seen:
        style = "(i) => [getComputedStyle(i).backgroundColor, getComputedStyle(i).filter]"
        figures = seen.page.locator(".cell_output img[src*='_images/']").all()  # not the loupe's, which it draws itself
        assert figures, "no figure in this chapter"
        assert {tuple(figure.evaluate(style)) for figure in figures} == {("rgb(255, 255, 255)", "none")}


def test_the_theme_can_be_switched_by_keyboard(browser: Browser, site: str) -> None:
    with visit(browser, site, toc()[0], "light", 1280) as seen:
        button = seen.page.locator("button.theme-switch-button:visible").first
        themes = set()
        for _ in range(3):
            button.press("Enter")
            themes.add(seen.page.evaluate("document.documentElement.dataset.theme"))
        assert themes == {"light", "dark"}
        assert seen.complaints == []


def test_search_finds_a_term(browser: Browser, site: str) -> None:
    with visit(browser, site, "search", "light", 1280) as seen:
        seen.page.goto(f"{site}/search.html?q=aliasing")
        first = seen.page.locator("ul.search li a").first
        first.wait_for(timeout=10_000)
        assert "book/" in str(first.get_attribute("href"))
        assert seen.complaints == []
