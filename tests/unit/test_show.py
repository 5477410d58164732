"""srlib.show: what is drawn is what was given, pixel by pixel."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from srlib import datasets, degrade, show
from srlib.show._pixels import luma, pixels, same_field


def _render(fig: Figure, **options: Any) -> np.ndarray:
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=fig.dpi, **options)
    buffer.seek(0)
    return np.asarray(Image.open(buffer).convert("RGB"))


def _noise(height: int, width: int, channels: int = 3, seed: int = 0) -> torch.Tensor:
    levels = torch.randint(0, 256, (1, channels, height, width), generator=torch.Generator().manual_seed(seed))
    return levels.float() / 255


def _find(canvas: np.ndarray, block: np.ndarray) -> list[tuple[int, int]]:
    """Every place where `block` stands in `canvas`, exactly."""
    h, w = block.shape[:2]
    corner = (canvas[: canvas.shape[0] - h + 1, : canvas.shape[1] - w + 1] == block[0, 0]).all(axis=2)
    return [(r, c) for r, c in np.argwhere(corner) if (canvas[r : r + h, c : c + w] == block).all()]


# ── pixels ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64, torch.bfloat16])
def test_pixels_take_every_float(dtype: torch.dtype) -> None:
    array = pixels(torch.tensor([[[[0.0, 1.0], [-1.0, 2.0]]]], dtype=dtype))
    assert array[..., 0].tolist() == [[0, 255], [0, 255]]


def test_pixels_round_half_up_and_keep_bytes() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert (pixels(levels)[..., 0] == levels).all()
    assert (pixels(torch.from_numpy(levels / 255)[None, None])[..., 0] == levels).all()
    assert pixels(torch.tensor([[[[0.5 / 255, 1.4999 / 255]]]], dtype=torch.float64)).ravel().tolist() == [
        1,
        1,
    ]


@pytest.mark.parametrize(
    "bad",
    [
        torch.zeros(2, 3, 4, 4),
        torch.zeros(1, 4, 4, 4),
        torch.zeros(4, 4),
        torch.zeros(1, 3, 0, 4),
        np.zeros((4, 4, 2)),
        np.zeros((4, 4), dtype=np.int32),
        torch.full((1, 1, 4, 4), float("nan")),
        torch.full((1, 1, 4, 4), float("inf")),
    ],
    ids=["batch", "four channels", "flat tensor", "empty", "two channels", "int32", "NaN", "infinite"],
)
def test_bad_pictures_are_named(bad: Any) -> None:
    with pytest.raises(ValueError, match="my picture"):
        pixels(bad, "my picture")
    with pytest.raises(ValueError, match="my picture"):
        show.grid({"my picture": bad})


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="photo"):
        pixels("photo.png", "photo")  # type: ignore[arg-type]


def test_luma_is_the_books() -> None:
    x = _noise(5, 7)
    expected = (65.481 * x[0, 0] + 128.553 * x[0, 1] + 24.966 * x[0, 2]) + 16
    np.testing.assert_allclose(luma(x), expected.numpy(), atol=1e-4)


def test_same_field_needs_one_whole_factor() -> None:
    with pytest.raises(ValueError, match="empty"):
        same_field({})
    for size in [(5, 6), (4, 6), (3, 4), (13, 12)]:
        with pytest.raises(ValueError, match="whole factor"):
            same_field({"LR": torch.zeros(1, 1, *size), "HR": torch.zeros(1, 1, 12, 12)})


# ── grid ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("tight", [False, True], ids=["whole", "tight as notebooks save"])
@pytest.mark.parametrize(("size", "zoom"), [((7, 9), 1), ((7, 9), 5), ((13, 6), 7), ((40, 31), 3), ((50, 60), 6)])
def test_each_pixel_is_a_whole_block(size: tuple[int, int], zoom: int, tight: bool) -> None:
    images = {f"picture {i}": _noise(*size, seed=i) for i in range(5)}
    canvas = _render(show.grid(images, zoom=zoom), **({"bbox_inches": "tight"} if tight else {}))
    places = []
    for image in images.values():
        block = pixels(image).repeat(zoom, axis=0).repeat(zoom, axis=1)
        found = _find(canvas, block)
        assert len(found) == 1
        places += found
    assert places == sorted(places), "the panels keep the given order, row by row"


def test_default_zoom_fits_many_sizes() -> None:
    for side in (20, 33, 48, 60, 91, 128, 200, 300):
        fig = show.grid({"a": _noise(side, side), "b": _noise(side, side, seed=1)})
        canvas = _render(fig, bbox_inches="tight")
        assert canvas.shape[1] <= 660
        zoom = next(z for z in range(32, 0, -1) if 2 * side * z + 24 <= 640)
        assert len(_find(canvas, pixels(_noise(side, side)).repeat(zoom, 0).repeat(zoom, 1))) == 1


def test_low_resolution_covers_the_same_field() -> None:
    hr, lr = _noise(24, 36), _noise(8, 12, seed=1)
    canvas = _render(show.grid({"LR": lr, "HR": hr}, crop=(3, 6, 9, 12), zoom=4))
    small = pixels(lr)[1:4, 2:6].repeat(12, axis=0).repeat(12, axis=1)
    large = pixels(hr)[3:12, 6:18].repeat(4, axis=0).repeat(4, axis=1)
    assert small.shape == large.shape
    assert len(_find(canvas, small)) == len(_find(canvas, large)) == 1


def test_a_crop_may_begin_inside_a_low_resolution_pixel() -> None:
    lr = _noise(8, 12, seed=1)
    canvas = _render(show.grid({"LR": lr, "HR": _noise(24, 36)}, crop=(4, 7, 9, 12), zoom=2))
    field = pixels(lr).repeat(3, 0).repeat(3, 1)[4:13, 7:19].repeat(2, 0).repeat(2, 1)
    assert len(_find(canvas, field)) == 1


def test_grey_is_not_stretched() -> None:
    canvas = _render(show.grid({"grey": torch.full((1, 1, 8, 8), 100 / 255)}, zoom=4))
    assert len(_find(canvas, np.full((32, 32, 3), 100, dtype=np.uint8))) == 1


def test_titles_scores_and_context() -> None:
    images = {"bicubic": _noise(20, 30), "HR": _noise(20, 30, seed=1)}
    fig = show.grid(images, crop=(0, 0, 10, 10), context="HR", scores={"bicubic": 28.416, "HR": "reference"})
    assert [t.get_text() for t in fig.texts] == ["whole picture", "bicubic\n28.42 dB", "HR\nreference"]
    assert len(fig.axes[0].patches) == 2  # the outline, dark around light
    assert _render(fig)[0, 0].tolist() == [255, 255, 255]
    other = show.grid(images, crop=(0, 0, 10, 10), context=_noise(10, 15))
    assert len(other.axes) == 3


def test_grid_refuses_bad_arguments() -> None:
    images = {"a": _noise(8, 8)}
    for crop in [(0, 0, 9, 8), (-1, 0, 4, 4), (0, 0, 0, 4), (0, 5, 4, 4)]:
        with pytest.raises(ValueError, match="leaves the picture"):
            show.grid(images, crop=crop)
    with pytest.raises(ValueError, match="top, left, height, width"):
        show.grid(images, crop=(0, 0, 4))  # type: ignore[arg-type]
    for bad in (0, -1, 1.5):
        with pytest.raises(ValueError, match="whole number"):
            show.grid(images, zoom=bad)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="whole number"):
            show.grid(images, columns=bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="empty"):
        show.grid({})
    with pytest.raises(ValueError, match="context"):
        show.grid(images, context="b")
    with pytest.raises(ValueError, match="scores"):
        show.grid(images, scores={"b": 1.0})


def test_figures_are_closed_so_that_a_notebook_shows_them_once() -> None:
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    show.grid({"a": _noise(8, 8)})
    show.filters(torch.randn(4, 1, 3, 3))
    assert plt.get_fignums() == before


# ── curves ────────────────────────────────────────────────────────────────────────────────────────────

LOG = [
    {"step": 0, "loss": 1.0, "psnr": 20.0, "seconds": 0.0},
    {"step": 10, "loss": 0.5},
    {"step": 20, "psnr": 29.0},
]


def test_curves_skip_entries_without_the_quantity() -> None:
    ax = show.curves(LOG, baseline=28.42).axes[0]
    assert ax.lines[0].get_xdata().tolist() == [0, 20]  # type: ignore[union-attr]
    assert ax.lines[0].get_ydata().tolist() == [20.0, 29.0]  # type: ignore[union-attr]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("training step", "PSNR (dB)")
    assert [t.get_text() for t in ax.texts] == ["bicubic 28.42"]


def test_curves_of_several_runs_and_lines() -> None:
    ax = show.curves({"L1": LOG, "MSE": LOG}, y="loss", baseline={"a": 0.1, "b": 0.2}, log_y=True).axes[0]
    legend = ax.get_legend()
    assert legend is not None
    assert [t.get_text() for t in legend.get_texts()] == ["L1", "MSE"]
    assert [t.get_text() for t in ax.texts] == ["a 0.10", "b 0.20"]
    assert ax.get_yscale() == "log"
    colours = [str(line.get_color()) for line in ax.lines[:2]]
    assert colours == [show.PALETTE["blue"], show.PALETTE["vermilion"]]


def test_curves_say_what_is_missing() -> None:
    with pytest.raises(ValueError, match="'ssim'"):
        show.curves(LOG, y="ssim")
    with pytest.raises(ValueError, match="L1"):
        show.curves({"L1": []})
    with pytest.raises(ValueError, match="empty"):
        show.curves({})


# ── maps ──────────────────────────────────────────────────────────────────────────────────────────────


def test_difference_is_in_grey_levels() -> None:
    a, b = torch.full((1, 1, 6, 6), 110 / 255), torch.full((1, 1, 6, 6), 100 / 255)
    fig = show.difference({"a": a, "b": b}, b, gain=8)
    first, second = (ax.images[0] for ax in fig.axes[:2])
    assert np.unique(first.get_array()).tolist() == [10.0]
    assert np.unique(second.get_array()).tolist() == [0.0]
    assert first.get_clim() == (-255 / 8, 255 / 8)
    absolute = show.difference(b, a, signed=False).axes[0].images[0]
    assert np.unique(absolute.get_array()).tolist() == [10.0]
    assert absolute.get_clim() == (0, 255 / 8)


def test_difference_refuses_other_sizes_and_gains() -> None:
    with pytest.raises(ValueError, match="SRCNN is 4×4, b 8×8"):
        show.difference({"SRCNN": torch.zeros(1, 1, 4, 4)}, torch.zeros(1, 1, 8, 8))
    with pytest.raises(ValueError, match="gain"):
        show.difference(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8), gain=0)
    with pytest.raises(ValueError, match="empty"):
        show.difference({}, torch.zeros(1, 1, 8, 8))


def test_filters_are_symmetric_and_sorted() -> None:
    weight = torch.stack([torch.full((1, 3, 3), v) for v in (0.1, -0.4, 0.2)])
    shown = show.filters(weight, columns=3).axes[0].images[0]
    tiles = np.ma.filled(shown.get_array(), np.nan)
    assert tiles.shape == (3, 11)
    np.testing.assert_allclose(tiles[1, [1, 5, 9]], [-0.4, 0.2, 0.1], rtol=1e-6)
    np.testing.assert_allclose(shown.get_clim(), (-0.4, 0.4), rtol=1e-6)
    kept = np.ma.filled(show.filters(weight, order="index").axes[0].images[0].get_array(), np.nan)
    np.testing.assert_allclose(kept[1, [1, 5, 9]], [0.1, -0.4, 0.2], rtol=1e-6)


def test_filters_refuse_bad_weights() -> None:
    with pytest.raises(ValueError, match="n, 1, k, k"):
        show.filters(torch.zeros(8, 3, 5, 5))
    with pytest.raises(ValueError, match="NaN"):
        show.filters(torch.full((2, 1, 3, 3), float("nan")))
    with pytest.raises(ValueError, match="order"):
        show.filters(torch.zeros(2, 1, 3, 3), order="size")  # type: ignore[arg-type]


def test_features_choose_channels_and_scale() -> None:
    maps = torch.arange(5.0)[None, :, None, None].expand(1, 5, 6, 6)
    fig = show.features(maps, channels=[4, 1])
    assert [float(ax.images[0].get_array().max()) for ax in fig.axes[:2]] == [4.0, 1.0]  # type: ignore[union-attr]
    assert [t.get_text() for t in fig.texts] == ["4", "1"]
    assert fig.axes[0].images[0].get_clim() == (0, 4)
    assert show.features(maps - 2).axes[0].images[0].get_clim() == (-2, 2)
    assert show.features(torch.zeros(1, 2, 4, 4)).axes[0].images[0].get_clim() == (0, 1)


def test_features_refuse_bad_maps() -> None:
    for bad in (torch.zeros(2, 3, 4, 4), torch.zeros(3, 4, 4)):
        with pytest.raises(ValueError, match="1, n, H, W"):
            show.features(bad)
    for channels in ([5], [-1], []):
        with pytest.raises(ValueError, match="channels"):
            show.features(torch.zeros(1, 3, 4, 4), channels=channels)
    with pytest.raises(ValueError, match="NaN"):
        show.features(torch.full((1, 1, 4, 4), float("nan")))


@pytest.mark.parametrize("side", [64, 65])
def test_spectrum_finds_a_wave(side: int) -> None:
    wave = 0.5 + 0.5 * torch.cos(torch.arange(side) * 2 * torch.pi * 16 / side)
    shown = show.spectrum(wave.expand(1, 1, side, side)).axes[0].images[0]
    level = np.asarray(shown.get_array())
    row, column = np.unravel_index(level.argmax(), level.shape)
    low_x, high_x, high_y, low_y = shown.get_extent()
    frequency = low_x + (column + 0.5) / side * (high_x - low_x)
    assert abs(abs(frequency) - 16 / side) < 1e-6
    assert abs(low_y + (row + 0.5) / side * (high_y - low_y)) < 1e-6
    assert level.max() == pytest.approx(0, abs=0.3), "a wave through all of 0..255 is 0 dB"


def test_spectrum_refuses_small_pictures() -> None:
    with pytest.raises(ValueError, match="8 × 8"):
        show.spectrum({"LR": torch.zeros(1, 1, 7, 20)})


def test_style_is_white_and_colour_blind_safe() -> None:
    import matplotlib as mpl

    with mpl.rc_context():
        show.style()
        assert mpl.rcParams["figure.facecolor"] == mpl.rcParams["savefig.facecolor"] == "white"
        assert mpl.rcParams["figure.dpi"] == 100
        assert set(mpl.rcParams["axes.prop_cycle"].by_key()["color"]) <= set(show.PALETTE.values())


# ── loupe ─────────────────────────────────────────────────────────────────────────────────────────────


class _Checker(HTMLParser):
    """Every tag that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.images.append(dict(attrs))
        elif tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _parse(html: str) -> _Checker:
    checker = _Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker


def test_loupe_is_well_formed_and_asks_no_other_host(tmp_path: Path) -> None:
    title = 'A "quote" & <b>'
    loupe = show.loupe({title: _noise(6, 6), "HR": _noise(12, 12)}, title=title, name="x-1_y")
    for html in (loupe._repr_html_(), loupe.save(tmp_path / "page.html").read_text(encoding="utf-8")):
        images = _parse(html).images
        assert [i["alt"] for i in images] == [title, "HR"]
        assert [(i["width"], i["height"]) for i in images] == [("12", "12")] * 2
        assert [i["data-factor"] for i in images] == ["2", "1"]
        assert not re.search(r"https?://|//cdn|<link|@import|url\(", html)
    assert repr(loupe) == f"Loupe(2 pictures of 12×12, zoom 4: {title}, HR)"


def _embedded(loupe: show.Loupe) -> list[np.ndarray]:
    files = [base64.b64decode(str(i["src"]).split(",")[1]) for i in _parse(loupe.html).images]
    return [np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in files]


def test_loupe_embeds_the_exact_pixels() -> None:
    lr, hr, grey = _noise(8, 12), _noise(24, 36, seed=1), _noise(24, 36, channels=1, seed=2)
    small, large, luma_only = _embedded(show.loupe({"LR": lr, "HR": hr, "Y": grey}, crop=(3, 6, 9, 12)))
    assert (small == pixels(lr)[1:4, 2:6]).all()
    assert (large == pixels(hr)[3:12, 6:18]).all()
    assert (luma_only == pixels(grey)[3:12, 6:18]).all()
    cut, _ = _embedded(show.loupe({"LR": lr, "HR": hr}, crop=(4, 7, 9, 12)))
    assert (cut == pixels(lr).repeat(3, 0).repeat(3, 1)[4:13, 7:19]).all()


def test_loupe_without_webp_uses_png(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("srlib.show._fragment.features.check", lambda _: False)
    loupe = show.loupe({"HR": _noise(8, 8)}, mode="one")
    assert "data:image/png;base64," in loupe.html
    assert (_embedded(loupe)[0] == pixels(_noise(8, 8))).all()


def test_loupe_of_four_pictures_stays_small() -> None:
    hr = datasets.photo("coffee")[..., :240, :240]
    lr = degrade.bicubic_down(hr, 3)
    bicubic = degrade.bicubic_up(lr, 3)
    sr = bicubic + 0.3 * (hr - bicubic)  # as detailed as a good network's output
    loupe = show.loupe({"LR": lr, "bicubic": bicubic, "SRCNN": sr, "HR": hr})
    assert len(loupe.html) < 400_000


def test_loupe_is_the_same_text_each_time() -> None:
    images = {"a": _noise(8, 8), "b": _noise(8, 8, seed=1)}
    assert show.loupe(images).html == show.loupe(images).html


def test_loupe_refuses_bad_arguments() -> None:
    images = {"a": _noise(8, 8), "b": _noise(8, 8)}
    for zoom in (0, 17, 2.5):
        with pytest.raises(ValueError, match="zoom"):
            show.loupe(images, zoom=zoom)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="mode"):
        show.loupe(images, mode="swipe")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="there is one"):
        show.loupe({"a": _noise(8, 8)}, mode="split")
    with pytest.raises(ValueError, match="name"):
        show.loupe(images, name="a=b")
    with pytest.raises(ValueError, match="center"):
        show.loupe(images, center=(9, 2))
    with pytest.raises(ValueError, match="leaves the picture"):
        show.loupe(images, crop=(0, 0, 9, 9))
    with pytest.raises(ValueError, match="empty"):
        show.loupe({})
    with pytest.raises(ValueError, match="NaN"):
        show.loupe({"a": torch.full((1, 3, 8, 8), float("nan"))})
