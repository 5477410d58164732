"""Any picture: tiles equal the whole, memory stays bounded, nothing of the file is lost."""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

import srlib
from srlib import datasets, degrade, image, models
from srlib.upscaling import fill_hidden, super_resolve, tiles, upscale, upscale_file


@pytest.mark.parametrize("tile", [1, 7, 16, 33, 1000])
def test_tiles_cover_every_pixel_once_and_see_far_enough(tile: int) -> None:
    height, width, scale, overlap = 30, 41, 3, 5
    seen = torch.zeros(height * scale, width * scale, dtype=torch.int)
    for piece in tiles(height, width, scale, tile, overlap):
        seen[piece.place] += 1
        for axis, size in ((0, height), (1, width)):
            shown, kept, place = piece.seen[axis], piece.kept[axis], piece.place[axis]
            assert shown.start * scale + kept.start == place.start
            assert kept.stop - kept.start == place.stop - place.start
            assert shown.start == 0 or shown.start * scale + overlap * scale <= place.start
            assert shown.stop == size or shown.stop * scale - overlap * scale >= place.stop
    assert bool((seen == 1).all())


def _shipped() -> list[tuple[str, int, str, int]]:
    """Each model, scale and variant that comes with weights, or needs none, and sides of tiles to try it with.

    Deep networks see far, so that small tiles of them take long: `test_models` has those, with fewer maps.
    """
    found = []
    for name, row in models.MODELS.items():
        for scale, variant in product((2, 3, 4), row.variants):
            try:
                if name != "bicubic":
                    models.weights_path(name, scale, variant)
            except ValueError:
                continue
            tiles = (5, 16, 29) if name in ("bicubic", "srcnn", "espcn") else (29,)
            found += [(name, scale, variant, tile) for tile in tiles]
    return found


@pytest.mark.parametrize(("name", "scale", "variant", "tile"), _shipped())
def test_the_tiled_picture_equals_the_whole_one(name: str, scale: int, variant: str, tile: int) -> None:
    model = models.load_pretrained(name, scale, variant)
    shallow = name in ("bicubic", "srcnn", "espcn")
    lr = datasets.photo("chelsea")[..., 50 : 98 if shallow else 74, 100:180]
    whole = super_resolve(model, lr)
    tiled = upscale(lr, model, scale, tile=tile, device="cpu")
    # The sums are the same but for the order in which a library adds up differently shaped tiles; deep networks add
    # more often. A byte may differ only where that order decides: where the float lies on a half.
    nearly = 2e-6 if shallow else 1e-5
    assert float((tiled - whole).abs().max()) < nearly
    other = image.to_uint8(tiled) != image.to_uint8(whole)
    on_a_half = ((whole * 255) % 1 - 0.5).abs() < 255 * nearly
    assert not bool((other & ~on_a_half).any())


def test_what_comes_back_is_of_the_kind_that_went_in(tmp_path: Path) -> None:
    x = datasets.photo("coffee")[..., :20, :30]
    array = image.as_array(x)
    image.save(x, tmp_path / "a.png")
    tensor = srlib.upscale(x, model="bicubic", scale=2)
    assert torch.equal(srlib.upscale(tmp_path / "a.png", model="bicubic", scale=2), tensor)
    assert np.array_equal(srlib.upscale(array, model="bicubic", scale=2), image.as_array(tensor))
    picture = srlib.upscale(Image.fromarray(array), model="bicubic", scale=2)
    assert picture.size == (60, 40)
    assert np.array_equal(np.asarray(picture), image.as_array(tensor))
    grey = srlib.upscale(array[..., 0], model="srcnn", scale=3)
    assert grey.shape == (60, 90)
    luma = srlib.upscale(image.rgb_to_y(x), model="srcnn", scale=3)
    assert luma.shape == (1, 1, 60, 90)


def test_a_luma_network_leaves_chroma_to_bicubic() -> None:
    x = datasets.photo("coffee")[..., 100:130, 100:140]
    model = models.load_pretrained("srcnn", 3)
    sr = super_resolve(model, x)
    with torch.no_grad():
        y = model(image.rgb_to_y(x))
    chroma = degrade.bicubic_up(image.rgb_to_ycbcr(x)[:, 1:], 3)
    want = image.ycbcr_to_rgb(torch.cat([y, chroma], 1)).clamp(0, 1)
    assert torch.allclose(sr, want, atol=1e-6)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (torch.rand(3, 4, 4), r"\(1, 3, h, w\)"),
        (torch.rand(2, 3, 4, 4), r"\(1, 3, h, w\)"),
        (torch.full((1, 3, 4, 4), float("nan")), "NaN"),
        (np.zeros((4, 4, 4), np.uint8), "array picture"),
        (np.zeros((4, 4, 3), np.float32), "array picture"),
        (Image.new("RGBA", (4, 4)), "mode L or RGB, not RGBA"),
    ],
)
def test_what_is_no_picture(x: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        upscale(x, "bicubic", 2)  # type: ignore[arg-type]


def test_scales_models_and_devices_that_are_not_there() -> None:
    x = torch.rand(1, 3, 8, 8)
    with pytest.raises(ValueError, match="no weights ship for srcnn 9-5-5 ×7"):
        upscale(x, "srcnn", 7)
    with pytest.raises(ValueError, match="enlarges ×3, but scale=2"):
        upscale(x, models.create("srcnn", 3), 2)
    with pytest.raises(ValueError, match="no device 'gpu'"):
        upscale(x, "bicubic", 2, device="gpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no CUDA GPU"):
            upscale(x, "bicubic", 2, device="cuda")
    with pytest.raises(ValueError, match="at least 1 LR pixel"):
        upscale(x, "bicubic", 2, tile=0)


def test_a_file_keeps_orientation_profile_transparency_and_grey(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "maker"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = Image.fromarray(image.as_array(datasets.photo("chelsea")[..., :40, :60]))
    photo.save(tmp_path / "a.jpg", exif=exif, icc_profile=profile)
    upscale_file(tmp_path / "a.jpg", tmp_path / "b.jpg", "srcnn", 3)
    with Image.open(tmp_path / "b.jpg") as big:
        assert big.size == (120, 180)  # upright
        assert big.info["icc_profile"] == profile
        assert big.getexif().get(0x0112) is None
        assert big.getexif()[0x010F] == "maker"
    Image.new("RGBA", (12, 12), (255, 0, 0, 128)).save(tmp_path / "red.png")
    upscale_file(tmp_path / "red.png", tmp_path / "red3.png", "bicubic", 3)
    with Image.open(tmp_path / "red3.png") as big:
        assert big.getcolors() == [(36 * 36, (255, 0, 0, 128))]  # no white mixed in
    photo.putalpha(128)
    photo.save(tmp_path / "alpha.png")
    upscale_file(tmp_path / "alpha.png", tmp_path / "alpha3.png", "srcnn", 3)
    with Image.open(tmp_path / "alpha3.png") as big:
        assert big.mode == "RGBA"
        assert big.getpixel((5, 5))[3] == 128  # type: ignore[index]
    photo.convert("L").save(tmp_path / "grey.png")
    for name in ("srcnn", "bicubic"):
        upscale_file(tmp_path / "grey.png", tmp_path / "grey3.png", name, 3)
        with Image.open(tmp_path / "grey3.png") as big:
            assert (big.mode, big.size) == ("L", (180, 120))


MEASURE = """
import resource, sys
from srlib.cli import main
status = main(["upscale", sys.argv[1], "-o", sys.argv[2], "--model", "bicubic", "--scale", "3"])
print(status, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_twelve_megapixels_stay_under_two_gigabytes(tmp_path: Path) -> None:
    """108 megapixels out, with the tiling that every model uses; SRCNN's own tile adds a constant, measured below."""
    row = np.linspace(0, 255, 4000, dtype=np.uint8)
    photo = np.broadcast_to(row[None, :, None], (3000, 4000, 3)).copy()
    Image.fromarray(photo).save(tmp_path / "large.jpg")
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "large.jpg"), str(tmp_path / "huge.jpg")],
        capture_output=True,
        text=True,
        check=True,
    )
    status, megabytes = run.stdout.split()[-2:]
    assert status == "0"
    assert float(megabytes) < 2000
    assert "108.0/108.0 megapixels" in run.stderr  # progress was shown
    with Image.open(tmp_path / "huge.jpg") as huge:
        assert huge.size == (12000, 9000)


def test_a_tile_of_srcnn_needs_little_memory() -> None:
    code = (
        "import resource, torch; from srlib import upscale\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "upscale(torch.rand(1, 3, 300, 300), 'srcnn', 3, device='cpu')\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 500


def test_a_bad_target_is_found_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image.save(torch.rand(1, 3, 8, 8), tmp_path / "a.png")
    monkeypatch.setattr("srlib.upscaling.upscale_into", lambda *args, **options: pytest.fail("work was done"))
    for target, words in (("b.xyz", "no image format"), ("none/b.png", "no folder"), (".", "no image format")):
        with pytest.raises((ValueError, OSError), match=words):
            upscale_file(tmp_path / "a.png", tmp_path / target, "bicubic", 2)


def test_a_borrowed_network_comes_back_as_it_was() -> None:
    model = models.create("srcnn", 3).train()
    upscale(torch.rand(1, 3, 6, 6), model, 3)
    assert model.training
    bare = torch.nn.Identity()
    bare.scale, bare.channels = 3, 3  # type: ignore[assignment]
    with pytest.raises(ValueError, match="no attribute `overlap`"):
        upscale(torch.rand(1, 3, 6, 6), bare, 3)


def _cut_out(hidden: int) -> Image.Image:
    """An orange square, soft at its rim, in the middle of nothing; what is hidden has one grey."""
    pixels = np.full((24, 24, 4), hidden, np.uint8)
    pixels[..., 3] = 0
    pixels[7:17, 7:17] = (240, 120, 20, 128)
    pixels[8:16, 8:16, 3] = 255
    return Image.fromarray(pixels, "RGBA")


@pytest.mark.parametrize(("model", "scale"), [("bicubic", 4), ("espcn", 2), ("srcnn", 3)])
def test_what_is_hidden_does_not_reach_the_rim_of_a_cut_out(tmp_path: Path, model: str, scale: int) -> None:
    results = []
    for hidden in (0, 255):
        _cut_out(hidden).save(tmp_path / "cut.png")
        upscale_file(tmp_path / "cut.png", tmp_path / "large.png", model, scale)
        with Image.open(tmp_path / "large.png") as large:
            results.append(np.asarray(large).astype(int))
    black, white = results
    visible = black[..., 3] > 0
    assert np.array_equal(black[..., 3], white[..., 3])
    assert np.abs(black - white)[visible].max() <= 1
    assert np.abs(black[visible][:, :3] - (240, 120, 20)).max() < 12  # the colour of the square, no dark rim


def test_a_transparent_picture_lies_on_white_where_the_file_cannot_hold_it(tmp_path: Path) -> None:
    Image.new("RGBA", (16, 16), (0, 0, 0, 0)).save(tmp_path / "nothing.png")
    for ending in ("jpg", "bmp"):
        upscale_file(tmp_path / "nothing.png", tmp_path / f"large.{ending}", "bicubic", 2)
        with Image.open(tmp_path / f"large.{ending}") as large:
            assert large.convert("RGB").getcolors() == [(32 * 32, (255, 255, 255))]
    _cut_out(0).save(tmp_path / "cut.png")
    upscale_file(tmp_path / "cut.png", tmp_path / "cut.jpg", "espcn", 2)
    seen = srlib.load(tmp_path / "cut.png")  # laid on white, too
    upscale_file(tmp_path / "cut.png", tmp_path / "large.tif", "espcn", 2)
    assert float((srlib.load(tmp_path / "cut.jpg") - upscale(seen, "espcn", 2)).abs().mean()) < 0.02


def test_hidden_colours_come_from_what_is_near() -> None:
    rgb, alpha = torch.zeros(1, 3, 5, 9), torch.zeros(1, 1, 5, 9)
    rgb[..., :2], alpha[..., :2] = 0.25, 1.0
    rgb[..., 8], alpha[..., 8] = 1.0, 0.5
    filled = fill_hidden(rgb, alpha)
    assert torch.equal(filled[..., :2], rgb[..., :2])
    assert torch.equal(filled[..., 8], rgb[..., 8])
    assert torch.allclose(filled[..., 2], torch.tensor(0.25))
    assert bool((filled >= 0.25 - 1e-6).all())
    assert torch.equal(fill_hidden(rgb, torch.zeros_like(alpha)), rgb)


def test_a_format_that_is_too_small_is_told_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (6000, 2)).save(tmp_path / "long.png")
    monkeypatch.setattr("srlib.upscaling.upscale_into", lambda *args, **options: pytest.fail("work was done"))
    with pytest.raises(ValueError, match="WEBP holds at most 16,383 pixels a side"):
        upscale_file(tmp_path / "long.png", tmp_path / "long.webp", "bicubic", 3)
