"""The loupe in a real browser: what each control does, seen in the pixels that are drawn."""

from __future__ import annotations

import base64
import math
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
from srlib.show._pixels import pixels

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

SIDE = 120
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
Open = Callable[..., "Page"]


def _pictures() -> dict[str, torch.Tensor]:
    """Noise, so that every place is told from every other: LR ×3, two pictures of full size, the reference."""
    generator = torch.Generator().manual_seed(0)
    sizes = {"LR ×3": SIDE // 3, "bicubic": SIDE, "SRCNN": SIDE, "HR": SIDE}
    return {k: torch.randint(0, 256, (1, 3, v, v), generator=generator) / 255 for k, v in sizes.items()}


PICTURES = _pictures()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """`open_page(loupe, …, width=1280, …)` is a page that holds these loupes; errors in it fail the test."""
    contexts: list[Any] = []
    errors: list[str] = []

    def opened(*loupes: show.Loupe, width: int = 1280, anchor: str = "", **options: Any) -> Page:
        path = loupes[0].save(tmp_path / "page.html")
        html = path.read_text(encoding="utf-8")
        # room above, so that the page can scroll
        rest = "".join(item.html for item in loupes[1:]) + '<p style="height: 1500px">below</p></body>'
        path.write_text(html.replace("</body>", rest), encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda r: errors.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
        page.goto(path.as_uri() + anchor)
        if options.get("java_script_enabled", True):
            page.locator(".srlib-loupe .stage").first.wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []


def _canvas(page: Page, index: int = 0, loupe: int = 0) -> np.ndarray:
    """The pixels of one panel as they are drawn, (height, width, 3)."""
    canvas = page.locator(".srlib-loupe").nth(loupe).locator("canvas").nth(index)
    url = canvas.evaluate("canvas => canvas.toDataURL()")
    return np.asarray(Image.open(BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB"))


def _expected(name: str, x: float, y: float, size: int, shape: tuple[int, ...]) -> np.ndarray:
    """What a panel has to show: `size` device pixels a pixel, (x, y) in the middle."""
    array = pixels(PICTURES[name])
    factor = SIDE // array.shape[0]
    big = array.repeat(factor * size, axis=0).repeat(factor * size, axis=1)
    # the picture's corner, rounded as JavaScript rounds: halves up
    top, left = (-math.floor(length / 2 - c * size + 0.5) for c, length in ((y, shape[0]), (x, shape[1])))
    return np.asarray(big[top : top + shape[0], left : left + shape[1]])


def _assert_shows(page: Page, index: int, name: str, x: float, y: float, size: int, loupe: int = 0) -> None:
    seen = _canvas(page, index, loupe)
    np.testing.assert_array_equal(seen, _expected(name, x, y, size, seen.shape))


def _status(page: Page, loupe: int = 0) -> str:
    page.wait_for_timeout(350)
    return page.locator(".srlib-loupe").nth(loupe).locator("[role=status]").inner_text()


def _visible_captions(page: Page, loupe: int = 0) -> list[str]:
    captions = page.locator(".srlib-loupe").nth(loupe).locator("figcaption")
    return [c.inner_text() for c in captions.all() if c.is_visible()]


def _press(page: Page, *keys: str) -> None:
    page.locator(".stage").first.focus()
    for key in keys:
        page.keyboard.press(key)


@pytest.mark.parametrize("ratio", [1, 1.5, 2, 3])
def test_every_pixel_is_a_whole_block_of_device_pixels(open_page: Open, ratio: float) -> None:
    page = open_page(show.loupe(PICTURES, zoom=5, height=150), device_scale_factor=ratio)
    size = 5 * max(1, int(ratio + 0.5))
    for index, name in enumerate(PICTURES):
        _assert_shows(page, index, name, 60, 60, size)
    if ratio == 1.5:
        return  # emulated fractions are scaled after layout, which real screens do not do
    # and the browser puts the canvas on the screen without resampling it
    box = page.locator("canvas").first.bounding_box()
    assert box is not None
    shot = np.asarray(Image.open(BytesIO(page.screenshot())).convert("RGB"))
    drawn = _canvas(page)
    height, width = drawn.shape[:2]
    top, left = int(box["y"] * ratio), int(box["x"] * ratio)
    places = [(top + dy, left + dx) for dy in (-1, 0, 1, 2) for dx in (-1, 0, 1, 2)]
    assert any(np.array_equal(shot[r : r + height, c : c + width], drawn) for r, c in places)


def test_keyboard(open_page: Open) -> None:
    page = open_page(show.loupe(PICTURES, zoom=8, height=200))
    _press(page, "+", "+", "-")
    assert _status(page).startswith("Zoom 9×, centre 60, 60 of 120 × 120 pixels, side by side")
    _assert_shows(page, 1, "bicubic", 60, 60, 9)
    _press(page, "ArrowRight", "ArrowDown")
    x, y = (int(v) for v in re.findall(r"centre (\d+), (\d+)", _status(page))[0])
    assert x > 60
    assert y > 60
    for index, name in enumerate(PICTURES):
        _assert_shows(page, index, name, x, y, 9)
    _press(page, "0")
    assert _status(page).startswith("Zoom 8×, centre 60, 60")
    _press(page, "2")
    assert _visible_captions(page) == ["bicubic"]
    _assert_shows(page, 0, "bicubic", 60, 60, 8)
    _press(page, "a")
    assert _visible_captions(page) == list(PICTURES)
    _press(page, "s")
    assert _visible_captions(page) == ["bicubic | HR"]
    _press(page, "3")
    assert _visible_captions(page) == ["SRCNN | HR"]
    _press(page, *("+",) * 20)
    assert _status(page).startswith("Zoom 16×")
    assert page.get_by_role("button", name="Zoom in").is_disabled()
    _press(page, *("-",) * 20)
    assert _status(page).startswith("Zoom 1×")
    _press(page, "Escape")
    assert page.evaluate("document.activeElement.tagName") == "BODY"


def test_keys_do_not_reach_the_page(open_page: Open) -> None:
    page = open_page(show.loupe(PICTURES))
    page.evaluate("window.heard = []; document.addEventListener('keydown', e => heard.push(e.key))")
    _press(page, "b", "s", "d", "a", "ArrowLeft", "1", "x")
    assert page.evaluate("heard") == ["x"]
    assert page.locator(".srlib-loupe").get_attribute("data-lm-suppress-shortcuts") == "true"


def test_the_picture_cannot_be_lost(open_page: Open) -> None:
    page = open_page(show.loupe(PICTURES, zoom=8, height=200))
    _press(page, *("Shift+ArrowLeft",) * 12, *("Shift+ArrowUp",) * 12)
    seen = _canvas(page)
    corner = pixels(PICTURES["LR ×3"])[0, 0]
    assert (seen[:24, :24] == corner).all()


def test_buttons_and_pressed_state(open_page: Open) -> None:
    page = open_page(show.loupe(PICTURES, zoom=6))
    for name, captions in [
        ("One", ["SRCNN"]),
        ("Split", ["SRCNN | HR"]),
        ("Difference", ["LR ×3 − HR", "bicubic − HR", "SRCNN − HR"]),
        ("Side by side", list(PICTURES)),
    ]:
        button = page.get_by_role("button", name=name, exact=True)
        button.click()
        assert _visible_captions(page) == captions
        assert button.get_attribute("aria-pressed") == "true"
        assert page.locator("[aria-pressed=true]").count() == 1
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Pan left").click()
    x = int(re.findall(r"Zoom 7×, centre (\d+), 60", _status(page))[0])
    assert x < 60
    page.get_by_role("button", name="Back to the start").click()
    assert _status(page).startswith("Zoom 6×, centre 60, 60")


def test_wheel_belongs_to_the_page_until_the_loupe_is_chosen(open_page: Open) -> None:
    page = open_page(show.loupe(PICTURES, zoom=8, height=200))
    box = page.locator("canvas").nth(1).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 50, box["y"] + 60)
    page.mouse.wheel(0, 120)
    page.wait_for_function("scrollY > 0")
    assert page.locator(".hint").is_visible()
    page.evaluate("scrollTo(0, 0)")
    page.mouse.click(box["x"] + 50, box["y"] + 60)
    assert _status(page).startswith("Zoom 8×")
    before = _canvas(page, 1)[60, 50]
    page.mouse.wheel(0, -120)
    assert _status(page).startswith("Zoom 9×")
    assert page.evaluate("scrollY") == 0
    assert (_canvas(page, 1)[60, 50] == before).all(), "what is under the pointer stays there"
    page.mouse.wheel(0, 240)
    assert _status(page).startswith("Zoom 8×")


def test_drag_moves_all_panels_by_the_same(open_page: Open) -> None:
    page = open_page(show.loupe(PICTURES, zoom=8, height=200))
    box = page.locator("canvas").nth(2).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 124, steps=5)
    page.mouse.up()
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    assert _status(page).startswith("Zoom 8×, centre 65, 57")
    for index, name in enumerate(PICTURES):
        _assert_shows(page, index, name, 65, 57, 8)


Point = tuple[float, float]


def _touch(devtools: Any, kind: str, *points: Point) -> None:
    touches = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
    devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})


def _swipe(devtools: Any, start: Point, by: Point) -> None:
    _touch(devtools, "touchStart", start)
    for part in (0.25, 0.5, 0.75, 1):
        _touch(devtools, "touchMove", (start[0] + by[0] * part, start[1] + by[1] * part))
    _touch(devtools, "touchEnd")


def test_touch(open_page: Open) -> None:
    page = open_page(show.loupe(PICTURES, zoom=8, height=200), width=390, has_touch=True, is_mobile=True)
    devtools = page.context.new_cdp_session(page)
    box = page.locator("canvas").first.bounding_box()
    assert box is not None
    x, y = box["x"] + 80, box["y"] + 100
    _swipe(devtools, (x, y), (0, -80))
    page.wait_for_timeout(300)
    assert page.evaluate("scrollY") > 0, "before a tap, a vertical swipe scrolls the page"
    assert _status(page).startswith("Zoom 8×, centre 60, 60")
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(100)
    page.touchscreen.tap(x, y)
    _swipe(devtools, (x, y), (-40, -24))
    assert _status(page).startswith("Zoom 8×, centre 65, 63"), "after a tap, every swipe moves the picture"
    assert page.evaluate("scrollY") == 0
    _touch(devtools, "touchStart", (x - 20, y), (x + 20, y))
    for spread in (25, 30, 35, 40):
        _touch(devtools, "touchMove", (x - spread, y), (x + spread, y))
    _touch(devtools, "touchEnd")
    assert _status(page).startswith("Zoom 16×"), "two fingers at twice the distance double the zoom"


def test_split_by_slider_and_by_drag(open_page: Open) -> None:
    page = open_page(show.loupe(PICTURES, zoom=8, height=200, mode="split"))
    shape = _canvas(page).shape
    left, right = _expected("SRCNN", 60, 60, 8, shape), _expected("HR", 60, 60, 8, shape)
    slider = page.get_by_role("slider", name="Divider")

    def check(cut: int) -> None:
        seen = _canvas(page)
        np.testing.assert_array_equal(seen[:, : cut - 14], left[:, : cut - 14])
        np.testing.assert_array_equal(seen[:, cut + 14 :], right[:, cut + 14 :])

    check(shape[1] // 2)
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert slider.input_value() == "60"
    check(round(shape[1] * 0.6))
    box = page.locator("canvas").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + shape[1] * 0.6, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + shape[1] * 0.25, box["y"] + 30, steps=4)
    page.mouse.up()
    assert slider.input_value() == "25"
    check(round(shape[1] * 0.25))
    page.get_by_label("Left picture").select_option("bicubic")
    assert _visible_captions(page) == ["bicubic | HR"]


def test_blink_alternates_and_stops(open_page: Open) -> None:
    page = open_page(show.loupe(PICTURES, zoom=8, height=200))
    page.clock.install(time=NOON)
    page.clock.pause_at(NOON + timedelta(hours=1))  # or the time that the test takes would count, too
    _press(page, "b")
    seen = []
    for _ in range(3):
        seen += _visible_captions(page)
        page.clock.run_for(850)
    assert seen == ["SRCNN", "HR", "SRCNN"]
    _press(page, "Space")
    stopped = _visible_captions(page)
    page.clock.run_for(5000)
    assert _visible_captions(page) == stopped, "a swap by hand stops the clock"
    _press(page, "b")
    assert _visible_captions(page) == list(PICTURES), "b again leaves"


def test_no_motion_where_the_reader_wants_none(open_page: Open) -> None:
    page = open_page(show.loupe(PICTURES, zoom=8, height=200), reduced_motion="reduce")
    page.clock.install(time=NOON)
    page.clock.pause_at(NOON + timedelta(hours=1))  # or the time that the test takes would count, too
    page.get_by_role("button", name="Blink").click()
    page.clock.run_for(5000)
    assert _visible_captions(page) == ["SRCNN"]
    page.get_by_role("button", name="Swap").click()
    assert _visible_captions(page) == ["HR"]
    _assert_shows(page, 0, "HR", 60, 60, 8)


def test_difference_is_signed_and_grey_at_zero(open_page: Open) -> None:
    base = torch.full((1, 1, 24, 24), 100 / 255)
    brighter, darker = base.clone(), base.clone()
    brighter[..., :12] = 132 / 255
    darker[..., :12] = 84 / 255
    loupe = show.loupe({"brighter": brighter, "darker": darker, "HR": base}, zoom=8, height=200)
    page = open_page(loupe)
    _press(page, "d")
    assert _visible_captions(page) == ["brighter − HR", "darker − HR"]
    zero = (247, 247, 247)
    for index, colour in enumerate([(103, 0, 31), (67, 147, 195)]):
        canvas = _canvas(page, index)
        middle = canvas.shape[1] // 2
        assert tuple(canvas[100, middle - 20]) == colour
        assert tuple(canvas[100, middle + 20]) == zero
    page.get_by_label("Reference picture").select_option("brighter")
    assert _visible_captions(page) == ["darker − brighter", "HR − brighter"]


def test_address_keeps_the_view(open_page: Open) -> None:
    loupe = show.loupe(PICTURES, name="detail", zoom=8, height=200)
    page = open_page(loupe)
    assert page.evaluate("location.hash") == "", "the address stays clean until something is moved"
    _press(page, "s", "+", "ArrowRight", "2")
    _status(page)
    anchor = page.evaluate("location.hash")
    x = re.fullmatch(r"#loupe-detail=(\d+),60,9,split,2,4,50", anchor)
    assert x is not None, anchor
    again = open_page(loupe, anchor=anchor)
    assert _visible_captions(again) == ["bicubic | HR"]
    assert _status(again).startswith(f"Zoom 9×, centre {x[1]}, 60")
    again.evaluate("location.hash = '#loupe-detail=50,70,10,one,1,4,50'")
    assert _status(again).startswith("Zoom 10×, centre 50, 70")
    _assert_shows(again, 0, "LR ×3", 50, 70, 10)


@pytest.mark.parametrize("rubbish", ["x,y,z", "1e999,NaN,-3,nothing,0,99,400", "", ",,,,,,", "<b>,1,99999"])
def test_address_with_rubbish_is_harmless(open_page: Open, rubbish: str) -> None:
    page = open_page(show.loupe(PICTURES, name="detail", height=200), anchor=f"#loupe-detail={rubbish}")
    assert _visible_captions(page) == list(PICTURES)


def test_two_loupes_keep_apart(open_page: Open) -> None:
    first = show.loupe(PICTURES, name="first", zoom=8, height=200)
    second = show.loupe(PICTURES, name="second", zoom=6, height=200)
    page = open_page(first, second, show.loupe(PICTURES, zoom=6, height=200))
    _press(page, "+")
    stage = page.locator(".stage").nth(1)
    stage.focus()
    page.keyboard.press("-")
    assert _status(page, 0).startswith("Zoom 9×")
    assert _status(page, 1).startswith("Zoom 5×")
    assert _status(page, 2).startswith("Zoom 6×")
    anchor = page.evaluate("location.hash")
    assert anchor == "#loupe-second=60,60,5,all,3,4,50&loupe-first=60,60,9,all,3,4,50"
    again = open_page(first, second, anchor=anchor)
    assert _status(again, 0).startswith("Zoom 9×")
    assert _status(again, 1).startswith("Zoom 5×")


def test_inside_a_sandboxed_frame(open_page: Open) -> None:
    """As a notebook's output frame: no address to write to, and the loupe works all the same."""
    page = open_page(show.loupe(PICTURES, zoom=8))
    inner = show.loupe(PICTURES, name="inner", zoom=8, height=200).html
    page.evaluate(
        """html => { const frame = document.createElement("iframe"); frame.setAttribute("sandbox", "allow-scripts");
        frame.style.cssText = "width:900px;height:500px"; frame.srcdoc = html; document.body.prepend(frame); }""",
        inner,
    )
    frame = page.frame_locator("iframe")
    frame.locator(".stage").focus()
    page.keyboard.press("+")
    page.wait_for_timeout(400)
    assert frame.locator("[role=status]").inner_text().startswith("Zoom 9×")


def test_without_scripts_the_plain_pictures_are_there(open_page: Open) -> None:
    page = open_page(show.loupe(PICTURES, title="Noise"), java_script_enabled=False)
    images = page.locator(".srlib-loupe img")
    assert [i.get_attribute("alt") for i in images.all()] == list(PICTURES)
    for image in images.all():
        box = image.bounding_box()
        assert box is not None
        assert (box["width"], box["height"]) == (SIDE, SIDE)
    assert page.get_by_text("Noise").is_visible()


@pytest.mark.parametrize("width", [360, 390, 1280])
def test_no_sideways_scroll(open_page: Open, width: int) -> None:
    page = open_page(show.loupe(PICTURES, title="Noise", mode="split"), width=width)
    for key in ("s", "d", "b", "a"):
        _press(page, key)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        buttons = [b.bounding_box() for b in page.get_by_role("button").all() if b.is_visible()]
        assert all(box and box["width"] >= 24 and box["height"] >= 24 for box in buttons)


def test_dark_follows_the_page_then_the_system(open_page: Open) -> None:
    page = open_page(show.loupe(PICTURES), color_scheme="dark")

    def dark() -> bool:
        return bool(page.locator(".loupe").evaluate("box => box.classList.contains('dark')"))

    assert dark()
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    assert not dark()
    page.emulate_media(color_scheme="light")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert dark()
    page.evaluate("delete document.documentElement.dataset.theme; document.body.dataset.jpThemeLight = 'false'")
    assert dark()


def test_names_roles_and_focus(open_page: Open) -> None:
    page = open_page(show.loupe(PICTURES, title="Noise, ×3", mode="split"))
    assert page.get_by_role("region", name="Noise, ×3").is_visible()
    for name in ("View", "Zoom", "Pan", "Pictures"):
        assert page.get_by_role("group", name=name).count() == 1
    assert page.get_by_role("img", name="SRCNN | HR").is_visible()
    for name in ("Left picture", "Right picture"):
        assert page.get_by_role("combobox", name=name, exact=True).is_visible()
    page.keyboard.press("Tab")
    focused = page.get_by_role("button", name="Side by side")
    assert focused.evaluate("node => getComputedStyle(node).outlineStyle") == "solid"
