"""The lab and the pixel shuffle in a real browser: each by mouse and by keyboard, and as a link opens them."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from srlib import show
from srlib.lab import setups

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

Open = Callable[..., "Page"]
SIDE = 24
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """`open_page(figure, width=1280, …)` is a page that holds it; errors in it fail the test."""
    contexts: list[Any] = []
    errors: list[str] = []

    def opened(figure: Any, width: int = 1280, anchor: str = "", **options: Any) -> Page:
        path = figure.save(tmp_path / "page.html")
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type in ("error", "warning") else None)
        page.on("request", lambda r: errors.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
        page.goto(path.as_uri() + anchor)
        if options.get("java_script_enabled", True):
            page.locator(".box").wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []


# ── the lab ───────────────────────────────────────────────────────────────────────────────────────────


def _lab(**options: Any) -> show.Laboratory:
    """28 dB, and less by another amount for each other option, so that a score says what was chosen."""
    scores = {}
    for setup in setups():
        chosen = setup.chosen()
        loss = {"Y, full range": 1.3, "RGB": 1.3, "nothing shaved": 0.1, "no antialiasing": 0.5, "resize HR": -0.9}
        scores[setup] = 28 - sum(loss.get(option, 0) for option in chosen.values())
    return show.lab({2: {s: v + 3 for s, v in scores.items()}, 3: scores}, pictures="noise", **options)


def _heard(page: Page) -> str:
    return page.locator("[role=status]").inner_text()


def test_lab_answers_to_the_mouse(open_page: Open) -> None:
    page = open_page(_lab())
    assert _heard(page).startswith("28.00 dB, ±0.00 dB against protocol A. Prints the same as: SelfExSR (protocol A)")
    page.get_by_label("RGB", exact=True).check()
    assert _heard(page).startswith("26.70 dB, −1.30 dB against protocol A")
    assert "BasicSR as it is set up: RGB; Y of Pillow or OpenCV: full range" in _heard(page), "two rows, one number"
    page.get_by_label("resize HR").check()
    assert page.locator(".result").inner_text() == "27.60 dB −0.40 dB against protocol A"
    page.get_by_role("button", name="×2").click()
    assert _heard(page).startswith("30.60 dB, −0.40 dB")
    page.get_by_role("button", name=re.compile("OpenCV's INTER_CUBIC")).click()
    assert _heard(page).startswith("30.50 dB, −0.50 dB")
    assert page.get_by_label("no antialiasing").is_checked()
    assert page.get_by_label("crop HR").is_checked()
    page.get_by_role("button", name="Back to protocol A").click()
    assert _heard(page).startswith("31.00 dB, ±0.00 dB")


def test_lab_answers_to_the_keyboard(open_page: Open) -> None:
    page = open_page(_lab())
    page.evaluate("window.heard = []; document.addEventListener('keydown', e => heard.push(e.key))")
    page.get_by_label("Y, studio range").focus()
    page.keyboard.press("ArrowDown")
    assert page.get_by_label("Y, full range").is_checked()
    assert _heard(page).startswith("26.70 dB")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert _heard(page).startswith("26.60 dB"), "the next choice is the shave"
    page.get_by_role("button", name=re.compile("BasicSR on Y")).press("Enter")
    assert _heard(page).startswith("28.00 dB")
    assert page.evaluate("heard") == [], "the notebook's own shortcuts do not run as well"


def test_lab_marks_the_score_on_the_axis(open_page: Open) -> None:
    page = open_page(_lab())
    for label, score in (("Y, studio range", 28.0), ("RGB", 26.7)):
        page.get_by_label(label, exact=True).check()
        low, high, x = page.locator(".axis svg[role=img]").evaluate(
            "axis => [axis.dataset.low, axis.dataset.high, axis.querySelector('.mark').getAttribute('x')]"
        )
        place = 2 + 96 * (score - float(low)) / (float(high) - float(low))
        assert float(x.rstrip("%")) == pytest.approx(place, abs=0.01)
    label = page.locator(".axis svg[role=img]").get_attribute("aria-label")
    assert "Your choices stand at 26.70 dB, protocol A at 28.00 dB" in str(label)


def test_lab_is_kept_in_the_address(open_page: Open) -> None:
    lab = _lab(name="mine")
    page = open_page(lab)
    assert page.evaluate("location.hash") == "", "the address stays clean until something is chosen"
    page.get_by_label("RGB", exact=True).check()
    page.get_by_label("resize HR").check()
    anchor = page.evaluate("location.hash")
    assert anchor == "#lab-mine=3,3,1,1,1,2"
    again = open_page(lab, anchor=anchor)
    assert _heard(again).startswith("27.60 dB")
    again.evaluate("location.hash = '#lab-mine=2,1,2,1,1,1&loupe-other=1,2,3'")
    again.wait_for_function("location.hash.includes('loupe') && document.querySelector('.srlib-lab')")
    assert _heard(again).startswith("30.90 dB")
    again.get_by_label("RGB", exact=True).check()
    assert again.evaluate("location.hash") == "#lab-mine=2,3,2,1,1,1&loupe-other=1,2,3", "others' parts stay"
    assert _heard(open_page(lab, anchor="#lab-mine=9,0,x,99,,<b>")).startswith("28.00 dB"), "rubbish is harmless"


# ── the shuffle ───────────────────────────────────────────────────────────────────────────────────────


def _noise() -> torch.Tensor:
    return torch.randint(0, 256, (1, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(0)) / 255


def _shuffle(**options: Any) -> show.Shuffle:
    return show.shuffle(_noise(), **options)


def _told(page: Page) -> str:
    return page.locator(".where").inner_text()


def _drawn(page: Page, r: int) -> np.ndarray:
    """The picture on the right, one value a pixel, (SIDE, SIDE); nothing may be chosen."""
    url = page.locator("canvas").evaluate("canvas => canvas.toDataURL()")
    canvas = np.asarray(Image.open(BytesIO(base64.b64decode(url.split(",")[1]))).convert("L"))
    cell = 8  # the largest, on a wide page
    left = SIDE * cell + (r - 1) * 5 + 36
    return canvas[17 + cell // 2 : 17 + SIDE * cell : cell, left + cell // 2 :: cell]


def _bytes(x: torch.Tensor) -> np.ndarray:
    return (x[0, 0] * 255).round().byte().numpy()


@pytest.mark.parametrize("r", [2, 3, 4])
def test_shuffle_lays_out_channels_as_pytorch_does(open_page: Open, r: int) -> None:
    page = open_page(_shuffle(), reduced_motion="reduce")
    page.get_by_role("button", name=f"r = {r}").click()
    np.testing.assert_array_equal(_drawn(page, r), _bytes(_noise()))
    channels = torch.nn.functional.pixel_unshuffle(_noise(), r)
    wrong = channels.view(1, r, r, SIDE // r, SIDE // r).transpose(1, 2).reshape(channels.shape)
    page.get_by_role("combobox", name="Order").select_option(index=1)
    np.testing.assert_array_equal(_drawn(page, r), _bytes(torch.nn.functional.pixel_shuffle(wrong, r)))
    page.get_by_role("combobox", name="Order").select_option(index=2)
    np.testing.assert_array_equal(_drawn(page, r), _bytes(channels.reshape(1, 1, SIDE, SIDE)))
    page.get_by_role("combobox", name="Order").select_option(index=0)
    slider = page.get_by_role("slider", name="Channels in the picture")
    slider.fill("1")
    assert slider.get_attribute("aria-valuetext") == f"1 of {r * r} channels"
    seen = _drawn(page, r)
    np.testing.assert_array_equal(seen[::r, ::r], _bytes(channels))
    assert len(np.unique(seen[1::r])) == 1, "the other places are empty"


def test_shuffle_tells_the_way_of_a_pixel_under_the_mouse(open_page: Open) -> None:
    page = open_page(_shuffle())
    box = page.locator("canvas").bounding_box()
    assert box is not None
    assert _told(page).startswith("Point at a pixel")
    left, top = box["x"] + SIDE * 8 + 2 * 5 + 36, box["y"] + 17
    page.mouse.move(left + 7 * 8 + 3, top + 11 * 8 + 3)
    told = "Channel 7, row 3, column 2 goes to row 11, column 7 of the picture."
    assert _told(page) == f"{told} In its block it is in row i = 2 and column j = 1: 7 = 2 · 3 + 1."
    page.mouse.move(left - 20, top + 20)
    assert _told(page).startswith(told), "between pixels the last one stays"
    # the same pixel in its channel: the second map of the last row
    page.mouse.move(box["x"] + (8 * 8 + 5) + 2 * 8 + 3, box["y"] + 2 * (8 * 8 + 5 + 17) + 17 + 3 * 8 + 3)
    assert _told(page).startswith(told)
    page.get_by_role("combobox", name="Order").select_option(index=1)
    assert "It belongs in row 2 and column 1." in _told(page)


def test_shuffle_by_keyboard(open_page: Open) -> None:
    page = open_page(_shuffle(), reduced_motion="reduce")
    page.evaluate("window.heard = []; document.addEventListener('keydown', e => heard.push(e.key))")
    page.locator(".stage").focus()
    page.keyboard.press("ArrowRight")
    assert _told(page).startswith("Channel 0, row 4, column 4 goes to row 12, column 12")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert _told(page).startswith("Channel 4, row 4, column 4 goes to row 13, column 13")
    page.keyboard.press("Shift+ArrowLeft")
    assert _told(page).startswith("Channel 4, row 4, column 3 goes to row 13, column 10")
    page.keyboard.press("-")
    page.keyboard.press("-")
    assert page.locator("output").inner_text() == "7 of 9"
    page.keyboard.press("+")
    assert page.locator("output").inner_text() == "8 of 9"
    page.keyboard.press("2")
    assert _told(page).startswith("Channel 2, row 6, column 5 goes to row 13, column 10"), "the pixel stays chosen"
    assert set(page.evaluate("heard")) <= {"Shift"}
    page.wait_for_timeout(350)
    assert page.locator("[role=status]").inner_text() == _told(page)


def test_shuffle_plays_and_stops(open_page: Open) -> None:
    page = open_page(_shuffle())
    page.clock.install(time=NOON)
    page.clock.pause_at(NOON + timedelta(hours=1))  # or the time that the test takes would count, too
    page.get_by_role("button", name="Play").click()
    assert page.locator("output").inner_text() == "0 of 9"
    page.clock.run_for(2000)
    assert page.locator("output").inner_text() == "2 of 9"
    page.get_by_role("button", name="Pause").click()
    page.clock.run_for(5000)
    assert page.locator("output").inner_text() == "2 of 9"
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(20_000)
    assert page.locator("output").inner_text() == "9 of 9"
    assert page.get_by_role("button", name="Play").is_visible(), "it stops at the end"


def test_shuffle_is_kept_in_the_address(open_page: Open) -> None:
    shuffle = _shuffle(name="mine")
    page = open_page(shuffle, reduced_motion="reduce")
    assert page.get_by_role("button", name="Play").count() == 0, "no motion where none is wanted"
    page.get_by_role("button", name="r = 4").click()
    page.get_by_role("button", name="Back", exact=True).click()
    page.locator(".stage").press("ArrowUp")
    page.get_by_role("combobox", name="Order").select_option(index=2)
    told = _told(page)
    page.wait_for_timeout(350)
    anchor = page.evaluate("location.hash")
    found = re.fullmatch(r"#shuffle-mine=4,15,3,(\d+),(\d+)", anchor)
    assert found, anchor
    again = open_page(shuffle, anchor=anchor)
    assert _told(again) == told
    assert again.locator("output").inner_text() == "15 of 16"
    assert open_page(shuffle, anchor="#shuffle-mine=7,99,0,-1,1e9").locator("output").inner_text() == "9 of 9"


# ── both ──────────────────────────────────────────────────────────────────────────────────────────────

FIGURES = {"lab": _lab, "shuffle": _shuffle}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("width", [360, 1280])
def test_no_sideways_scroll_and_room_for_fingers(open_page: Open, name: str, width: int) -> None:
    page = open_page(FIGURES[name](), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    controls = page.locator("button, select, label, input[type=range]").all()
    boxes = [control.bounding_box() for control in controls if control.is_visible()]
    assert len(boxes) > 5
    assert all(box and box["width"] >= 24 and box["height"] >= 24 for box in boxes)


@pytest.mark.parametrize("name", FIGURES)
def test_without_scripts_the_plain_figure_is_there(open_page: Open, name: str) -> None:
    page = open_page(FIGURES[name](), java_script_enabled=False)
    figures = page.locator("svg[role=img], img")
    assert figures.count() == 2
    for figure in figures.all():
        assert figure.is_visible()
        assert figure.get_attribute("aria-label") or figure.get_attribute("alt")


@pytest.mark.parametrize("name", FIGURES)
def test_dark_follows_the_page(open_page: Open, name: str) -> None:
    page = open_page(FIGURES[name](), color_scheme="dark")
    back = "getComputedStyle(document.querySelector('[data-ready]').shadowRoot.querySelector('.box')).backgroundColor"
    assert page.evaluate(back) == "rgb(27, 27, 31)"
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    assert page.evaluate(back) == "rgb(255, 255, 255)"
