"""Every page for everyone: by axe in both colour schemes, by keyboard, without scripts, and on paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from test_pages import visit

from tools.chapters import ROOT, toc

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

PAGES = [*toc(), "search"]
CHAPTERS = [page for page in toc() if (ROOT / f"{page}.ipynb").exists()]
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
COLOURS = ["color-contrast", "link-in-text-block"]  # the rules that a colour scheme can break; the others hold in both
NAVIGATION = "#pst-primary-sidebar, .bd-sidebar-secondary, .bd-header-article, .prev-next-area, #pst-skip-link"

# Pictures of the article that cannot be seen, outside folded parts.
UNSEEN = """() => [...document.querySelectorAll(".bd-article img")]
  .filter((image) => !image.closest("details:not([open])"))
  .filter((image) => !image.naturalWidth || image.getBoundingClientRect().width < 8
    || !image.checkVisibility({ opacityProperty: true, visibilityProperty: true }))
  .map((image) => image.alt || image.src.slice(0, 80))"""

# What repeats is looked at once, or a page of code takes axe a minute: of every kind of token in code the first, of the
# formulas of a page the first five; the other tokens become plain text, which stands in the colour of the block.
ONCE = """() => {
  const seen = new Set();
  for (const token of document.querySelectorAll(".highlight pre span[class]")) {
    const kind = token.closest(".highlight").parentElement.className + " " + token.className;
    if (seen.has(kind)) token.replaceWith(...token.childNodes);
    seen.add(kind);
  }
  for (const formula of [...document.querySelectorAll("mjx-container")].slice(5)) formula.remove();
}"""


@pytest.fixture(scope="module")
def axe(missing) -> str:
    """The script of axe-core."""
    try:
        from axe_playwright_python.base import AXE_FILE_PATH
    except ImportError:
        missing("axe is not installed; `make env` installs it")
    return Path(AXE_FILE_PATH).read_text("utf-8")


def _violations(page: Page, only: dict[str, Any]) -> list[str]:
    """What axe finds, one line for each element."""
    options = {"runOnly": only, "resultTypes": ["violations"]}
    found = page.evaluate("async (options) => (await axe.run(document, options)).violations", options)
    lines = []
    for rule in found:
        for node in rule["nodes"]:
            because = (node["any"] + node["all"] + node["none"] or [{"message": rule["help"]}])[0]["message"]
            lines.append(f"{rule['id']}: {node['target']} {node['html'][:120]}: {because}")
    return lines


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(browser: Browser, site: str, axe: str, name: str) -> None:
    with visit(browser, site, name, "light", 1280) as seen:
        seen.page.evaluate(ONCE)
        seen.page.evaluate(axe)
        assert _violations(seen.page, {"type": "tag", "values": WCAG}) == []
        seen.page.emulate_media(color_scheme="dark")
        seen.page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
        seen.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert _violations(seen.page, {"type": "rule", "values": COLOURS}) == []
        assert seen.page.locator(".bd-article table thead th:not([scope])").count() == 0


@pytest.mark.parametrize("name", toc())
def test_without_scripts_every_picture_is_seen(browser: Browser, site: str, name: str) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 900})
    try:
        page = context.new_page()
        page.goto(f"{site}/{name}.html", wait_until="load")
        assert page.evaluate(UNSEEN) == []
        assert page.locator("h1:visible").count() == 1
        if name in CHAPTERS:
            assert page.locator(".bd-article .cell_output img").count() > 0
    finally:
        context.close()


@pytest.mark.parametrize("name", toc())
def test_on_paper_there_is_the_text_and_no_navigation(browser: Browser, site: str, name: str) -> None:
    with visit(browser, site, name, "dark", 800) as seen:
        seen.page.emulate_media(media="print")
        assert seen.page.locator(NAVIGATION).locator("visible=true").count() == 0
        assert seen.page.locator("h1:visible").count() == 1
        seen.page.wait_for_function("getComputedStyle(document.querySelector('.bd-article')).color === 'rgb(0, 0, 0)'")
        assert seen.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_first_tab_skips_the_navigation(browser: Browser, site: str) -> None:
    with visit(browser, site, toc()[1], "light", 1280) as seen:
        page = seen.page
        page.keyboard.press("Tab")
        link = page.locator("#pst-skip-link a")
        assert link.evaluate("(a) => a === document.activeElement")
        assert link.is_visible()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_what_has_the_focus_is_seen(browser: Browser, site: str) -> None:
    """The first forty stops of the keyboard: each is on the screen, and has a ring or a shadow."""
    with visit(browser, site, CHAPTERS[-1], "light", 1280) as seen:
        page = seen.page
        look = """() => {
          let at = document.activeElement;
          while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
          const drawn = [at, ...at.querySelectorAll("*")].map((e) => [e.getBoundingClientRect(), getComputedStyle(e)]);
          return [
            at.outerHTML.slice(0, 80),
            drawn.some(([box]) => box.width > 0 && box.height > 0),
            drawn.some(([, style]) => style.boxShadow !== "none"
              || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0)),
          ];
        }"""
        for _ in range(40):
            page.keyboard.press("Tab")
            what, there, ringed = page.evaluate(look)
            assert (there, ringed) == (True, True), what


@pytest.mark.parametrize("name", [toc()[0], CHAPTERS[-1]])
def test_who_wants_no_motion_gets_none(browser: Browser, site: str, name: str) -> None:
    """Nothing moves, and no transition runs, however short: one on every element held up a chapter for ten seconds."""
    with visit(browser, site, name, "light", 1280) as seen:
        page = seen.page
        moving = """() => [...document.querySelectorAll("*")].filter((element) => {
          const style = getComputedStyle(element);
          return style.transitionDuration.split(", ").some((t) => parseFloat(t) > 0)
            || style.animationDuration.split(", ").some((t) => parseFloat(t) > 0.001);
        }).length"""
        assert page.evaluate(moving) == 0
        assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
        run = """async () => {
          let run = 0;
          addEventListener("transitionrun", () => run++, true);
          document.querySelector("button.theme-switch-button").click();
          for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
          return run;
        }"""
        assert page.evaluate(run) == 0
        assert page.evaluate("document.documentElement.dataset.mode") != "auto"  # the button has changed it
