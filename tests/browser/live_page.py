"""What the tests of the live page do to it, and what `srlib upscale` makes of the same picture."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from srlib import datasets
from srlib.upscaling import upscale_file

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 120_000  # ms; a quiet machine needs a tenth
Pixels = NDArray[np.uint8]


def shipped() -> list[tuple[str, str, int]]:
    """Model, variant and scale of all weights that ship: vdsr_20_x234 is for three scales."""
    stems = [path.stem.rpartition("_x") for path in (ROOT / "srlib" / "weights").glob("*.safetensors")]
    return sorted((*name.split("_", 1), int(scale)) for name, _, scales in stems for scale in scales)  # type: ignore[misc]


@contextmanager
def opened(browser: Browser, site: str, name: str = "book/live", **options: Any) -> Iterator[Page]:
    """A page that may ask its own site only; anything else, and every error in the console, fails the test."""
    complaints: list[str] = []
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"} | options)
    context.set_default_timeout(PATIENCE)

    def gate(route: Route) -> None:
        if route.request.url.startswith((site + "/", "data:", "blob:")):
            route.continue_()
        else:
            complaints.append(route.request.url)
            route.abort()

    def note(wrong: bool, text: str) -> None:
        if wrong:
            complaints.append(text)

    context.route("**/*", gate)
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: note(line.type == "error", line.text))
    page.on("response", lambda answer: note(answer.status >= 400, f"{answer.status} {answer.url}"))
    try:
        page.goto(f"{site}/{name}.html")
        if options.get("java_script_enabled", True):
            page.locator(".sr-live :is(.sr-live-panel, .sr-live-status)").first.wait_for()
        yield page
        assert complaints == []
    finally:
        context.close()


def png(pixels: Pixels) -> bytes:
    """A file in memory."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def choose(page: Page, model: str, variant: str, scale: int) -> None:
    """Set the network and the scale."""
    page.get_by_label("Network").select_option(f"{model} {variant}")
    page.get_by_label("Scale").first.select_option(str(scale))


def upload(page: Page, name: str, file: bytes) -> None:
    """Hand over a file as the button for it would."""
    page.locator(".sr-live input[type=file]").first.set_input_files(
        {"name": name, "mimeType": "image/png", "buffer": file}
    )


def status(page: Page) -> str:
    """What the page says at the moment."""
    return page.locator(".sr-live-status").first.inner_text()


def wait(page: Page) -> str:
    """Wait for the result, agreeing if the page asks first; returns the line under it."""
    done = page.locator(".sr-live-facts", has_text="megapixels/s").first
    agree = page.get_by_role("button", name="Start", exact=True)
    done.or_(agree).first.wait_for()
    if agree.is_visible():
        agree.click()
    done.wait_for()
    return done.inner_text()


def saved(page: Page) -> tuple[str, NDArray[np.int64]]:
    """Press the button that saves: the file's name and its pixels."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as PNG").click()
    return download.value.suggested_filename, np.asarray(Image.open(download.value.path()).convert("RGBA")).astype(int)


def by_srlib(source: Path, tmp_path: Path, model: str, scale: int, variant: str | None = None) -> NDArray[np.int64]:
    """The pixels that `srlib upscale` writes."""
    from srlib import models

    network = models.load_pretrained(model, scale, variant)
    target = upscale_file(source, tmp_path / "srlib.png", network, scale, device="cpu")
    return np.asarray(Image.open(target).convert("RGBA")).astype(int)


def assert_equal(seen: NDArray[np.int64], wanted: NDArray[np.int64]) -> None:
    """Within one step of 255, and that only here and there, where rounding decides."""
    assert seen.shape == wanted.shape
    difference = np.abs(seen - wanted)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.002


def detail(height: int, width: int, name: str = "coffee") -> Pixels:
    """A piece of a photograph."""
    pixels = np.asarray(Image.open(datasets.card(name).path).convert("RGB"))
    return np.ascontiguousarray(pixels[150 : 150 + height, 200 : 200 + width])
