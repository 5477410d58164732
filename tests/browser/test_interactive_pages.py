"""The time machine and the blind test, as the book holds them: by mouse, by keyboard, and what is kept."""

from __future__ import annotations

import contextlib
import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tools.chapters import toc

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

Open = Callable[..., "Page"]
MACHINE, BLIND = "book/time_machine", "book/blind_test"
PAGES = [pytest.param(name, marks=pytest.mark.skipif(name not in toc(), reason="no page")) for name in (MACHINE, BLIND)]
with_machine = pytest.mark.skipif(MACHINE not in toc(), reason="the time machine is no page of the book")
with_blind = pytest.mark.skipif(BLIND not in toc(), reason="the blind test is no page of the book")


@pytest.fixture
def open_page(browser: Browser, site: str) -> Iterator[Open]:
    """`open_page(name, width=1280, …)` is a page of the book; errors and requests elsewhere fail the test."""
    errors: list[str] = []
    with contextlib.ExitStack() as contexts:

        def opened(name: str, width: int = 1280, anchor: str = "", **options: Any) -> Page:
            window: Any = {"width": width, "height": 900}
            context = contexts.enter_context(contextlib.closing(browser.new_context(viewport=window, **options)))
            page = context.new_page()
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("console", lambda line: errors.append(line.text) if line.type in ("error", "warning") else None)
            page.on(
                "request", lambda r: errors.append(r.url) if not r.url.startswith((site, "blob:", "data:")) else None
            )
            page.goto(f"{site}/{name}.html{anchor}", wait_until="load")
            if options.get("java_script_enabled", True):
                page.locator(".box").wait_for()
                _settled(page)
            return page

        yield opened
    assert errors == []


def _settled(page: Page) -> None:
    """Wait for the pictures that were asked for."""
    page.wait_for_function("!document.querySelector('[data-ready]').shadowRoot.querySelector('[aria-busy=true]')")


def _options(page: Page, name: str) -> dict[str, Any]:
    host = page.locator(f".sr-{name.rpartition('/')[2].replace('_', '-')}")
    options: dict[str, Any] = json.loads(str(host.get_attribute("data-options")))
    return options


def _drawn(page: Page, index: int) -> str:
    return str(page.locator("canvas").nth(index).evaluate("canvas => canvas.toDataURL()"))


# ── the time machine ──────────────────────────────────────────────────────────────────────────────────


@with_machine
def test_time_machine_by_mouse(open_page: Open) -> None:
    page = open_page(MACHINE)
    networks = _options(page, MACHINE)["networks"]
    steps, gains = networks[0]["steps"], networks[0]["gains"]
    told = page.locator(".told")
    assert told.inner_text().startswith(f"+{gains[-1]:.2f} dB against bicubic")
    end = [_drawn(page, index) for index in range(3)]
    page.locator(".dot").nth(0).click(force=True)  # the large mark may lie on another dot, never on this one
    assert page.locator("output").inner_text() == f"step 0 of {steps[-1]:,}"
    assert told.inner_text().startswith(f"{gains[0]:+.2f} dB".replace("-", "−"))
    start = [_drawn(page, index) for index in range(3)]
    assert start[0] == end[0], "bicubic stays"
    assert start[1] != end[1], "the network changes"
    assert start[2] != end[2], "its filters do, too"
    page.get_by_role("button", name="Later").click()
    assert page.locator("output").inner_text() == f"step {steps[1]:,} of {steps[-1]:,}"
    page.get_by_label("Shown beside it").select_option("HR")
    assert _drawn(page, 0) != end[0]
    page.get_by_role("button", name="Earlier").click()
    assert _drawn(page, 2) == start[2]
    page.get_by_label("Filters show").select_option("weights")
    assert _drawn(page, 2) != start[2], "at step 0 nothing has changed, and the weights are there"


@with_machine
def test_time_machine_by_keyboard(open_page: Open) -> None:
    page = open_page(MACHINE)
    steps = _options(page, MACHINE)["networks"][0]["steps"]
    slider = page.get_by_role("slider", name="Step of the training")
    slider.press("Home")
    assert slider.get_attribute("aria-valuetext") == "step 0"
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == f"step {steps[2]:,}"
    page.wait_for_timeout(350)
    assert re.search(rf"step {steps[2]:,} of .*against bicubic", page.locator("[role=status]").inner_text())
    page.get_by_role("button", name="Later").press("Enter")
    assert slider.get_attribute("aria-valuetext") == f"step {steps[3]:,}"


@with_machine
def test_time_machine_loads_a_network_when_it_is_chosen(open_page: Open) -> None:
    page = open_page(MACHINE)
    networks = _options(page, MACHINE)["networks"]
    asked: list[str] = []
    # The page's icon is asked for whenever the browser finds the time.
    page.on("request", lambda request: "favicon" in request.url or asked.append(request.url.rpartition("/")[2]))
    before = _drawn(page, 1)
    page.get_by_role("button", name=networks[1]["title"]).click()
    page.wait_for_function("name => location.hash.includes(name)", arg=networks[1]["id"])
    _settled(page)
    assert sorted(asked) == sorted(networks[1]["id"] + end for end in (".webp", "-filters.png"))
    assert _drawn(page, 1) != before
    page.get_by_role("button", name=networks[0]["title"]).click()
    page.get_by_role("button", name=networks[1]["title"]).click()
    page.wait_for_timeout(300)
    assert len(asked) == 2, "each strip is asked for once"


@with_machine
def test_time_machine_is_kept_in_the_address(open_page: Open) -> None:
    page = open_page(MACHINE)
    network = _options(page, MACHINE)["networks"][1]
    assert page.evaluate("location.hash") == ""
    step = network["steps"][5]
    anchor = f"#time-machine={network['id']},{step}"
    again = open_page(MACHINE, anchor=anchor)
    assert again.locator("output").inner_text() == f"step {step:,} of {network['steps'][-1]:,}"
    assert again.get_by_role("button", name=network["title"]).get_attribute("aria-pressed") == "true"
    again.get_by_role("button", name="Later").click()
    again.wait_for_function("step => location.hash.endsWith(`,${step}`)", arg=network["steps"][6])
    rubbish = open_page(MACHINE, anchor="#time-machine=<b>,99")
    last = _options(rubbish, MACHINE)["networks"][0]["steps"][-1]
    assert rubbish.locator("output").inner_text() == f"step {last:,} of {last:,}"


@with_machine
def test_time_machine_plays_only_for_those_who_want_motion(open_page: Open) -> None:
    page = open_page(MACHINE)
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("document.querySelector('.sr-time-machine').shadowRoot.querySelector('input').value > 1")
    page.get_by_role("button", name="Pause").click()
    assert open_page(MACHINE, reduced_motion="reduce").get_by_role("button", name="Play").count() == 0


# ── the blind test ────────────────────────────────────────────────────────────────────────────────────


def _left(page: Page) -> int:
    found = re.search(r"\((\d+) to go\)", page.locator(".question").inner_text())
    return int(found[1]) if found else 0


def _votes(page: Page) -> list[dict[str, Any]]:
    (kept,) = page.evaluate("Object.entries(localStorage).filter(([key]) => key.startsWith('srlib-blind-test'))")
    votes: list[dict[str, Any]] = json.loads(kept[1])["votes"]
    return votes


@with_blind
def test_blind_test_by_mouse(open_page: Open) -> None:
    page = open_page(BLIND)
    names = _options(page, BLIND)["names"]
    total = _left(page)
    assert total >= 12
    shown = " ".join(
        page.locator(".blind").all_inner_texts()
        + page.locator("canvas").evaluate_all("all => all.map((canvas) => canvas.getAttribute('aria-label'))")
    )
    assert not any(name in shown for name in names.values()), "nothing says which is which"
    before = _drawn(page, 0)
    page.locator("canvas").nth(1).click()
    page.get_by_role("button", name="No difference").click()
    page.get_by_role("button", name="Left", exact=True).click()
    _settled(page)
    assert _left(page) == total - 3
    assert [vote["chosen"] for vote in _votes(page)] == ["right", "same", "left"]
    assert _drawn(page, 0) != before
    page.get_by_role("button", name="Take back").click()
    assert _left(page) == total - 2
    page.reload()
    page.locator(".box").wait_for()
    assert _left(page) == total - 2, "votes and what is to come are kept on the device"


@with_blind
def test_blind_test_by_keyboard_to_the_result(open_page: Open) -> None:
    page = open_page(BLIND)
    options = _options(page, BLIND)
    total = _left(page)
    page.get_by_role("button", name="No difference").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Backspace")
    assert _left(page) == total
    keys = [("ArrowLeft", "ArrowRight", "ArrowDown")[number % 3] for number in range(total)]
    for key in keys:
        page.keyboard.press(key)
    assert page.locator(".question").inner_text() == "That was the round."
    assert page.get_by_role("button", name="Another round").evaluate(
        "node => node.getRootNode().activeElement === node"
    )
    won = dict.fromkeys(options["names"], 0.0)
    shown = dict.fromkeys(options["names"], 0)
    agreed = decided = 0
    for vote in _votes(page):
        psnr = options["places"][vote["place"]]["psnr"]
        for side in ("left", "right"):
            shown[vote[side]] += 1
            won[vote[side]] += 0.5 if vote["chosen"] == "same" else vote["chosen"] == side
        if vote["chosen"] != "same":
            decided += 1
            agreed += (psnr[vote["left"]] > psnr[vote["right"]]) == (vote["chosen"] == "left")
    assert len(set(shown.values())) == 1, "each method comes equally often"
    assert page.get_by_text(f"in {agreed} of the {decided} votes").is_visible()
    rows = [row.locator("th, td").all_inner_texts() for row in page.locator("tbody tr").all()]
    for method, name in options["names"].items():
        (row,) = [row for row in rows if row[0] == name]
        whole, half = divmod(won[method], 1)
        assert row[1] == f"{int(whole) or ('' if half else 0)}{'½' if half else ''} of {shown[method]}"
        mean = sum(place["psnr"][method] for place in options["places"]) / len(options["places"])
        assert float(row[4]) == pytest.approx(mean, abs=0.006)
    page.keyboard.press("Enter")
    assert _left(page) == total, "another round"


@with_blind
def test_blind_test_exports_and_forgets(open_page: Open, tmp_path: Path) -> None:
    page = open_page(BLIND)
    total = _left(page)
    for name in ("Left", "Right", "No difference"):
        page.get_by_role("button", name=name, exact=True).click()
    page.get_by_role("button", name="Show the result of 3 votes").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export as CSV").click()
    download.value.save_as(tmp_path / "votes.csv")
    rows = list(csv.DictReader((tmp_path / "votes.csv").read_text("utf-8").splitlines()))
    assert [row["chosen"] for row in rows] == ["left", "right", "same"]
    names = _options(page, BLIND)["names"]
    assert [row["left"] for row in rows] == [names[vote["left"]] for vote in _votes(page)]
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Delete the votes").click()
    assert len(_votes(page)) == 3
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete the votes").click()
    assert _votes(page) == []
    assert _left(page) == total


# ── both ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", PAGES)
def test_narrow_and_dark(open_page: Open, name: str) -> None:
    page = open_page(name, width=360, color_scheme="dark", has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    boxes = [control.bounding_box() for control in page.locator(".box :is(button, select, input)").all()]
    assert all(box["width"] >= 24 and box["height"] >= 24 for box in boxes if box)
    back = "box => getComputedStyle(box).backgroundColor"
    assert page.locator(".box").evaluate(back) == "rgb(27, 27, 31)"
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    assert page.locator(".box").evaluate(back) == "rgb(255, 255, 255)"


@pytest.mark.parametrize("name", PAGES)
def test_without_scripts_the_figures_are_there(open_page: Open, name: str) -> None:
    page = open_page(name, java_script_enabled=False)
    figures = page.locator("noscript figure, [data-options] figure")
    assert figures.count() >= 3
    for figure in figures.all():
        figure.scroll_into_view_if_needed()
        assert figure.locator("img").get_attribute("alt")
        assert "dB" in figure.inner_text()


@pytest.mark.parametrize("name", PAGES)
def test_pictures_are_few_bytes(html: Path, name: str) -> None:
    folder = html / "_static" / "interactive" / name.rpartition("/")[2].replace("_", "-")
    sizes = [path.stat().st_size for path in folder.iterdir() if "-plain" not in path.name]
    assert 0 < sum(sizes) < 1_500_000
