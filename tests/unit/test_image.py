"""Files to tensors and back: every mode, every kind of damage, nothing half-written."""

from __future__ import annotations

import errno
import io
import math
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from srlib import image
from srlib.image import ImageError

RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def put(path: Path, picture: Image.Image, **options: Any) -> Path:
    picture.save(path, **options)
    return path


def bytes_of(x: torch.Tensor) -> np.ndarray:
    return image.as_array(x)


def test_rgb_survives_exactly(tmp_path: Path) -> None:
    x = image.load(put(tmp_path / "a.png", Image.fromarray(RGB)))
    assert (x.shape, x.dtype) == ((1, 3, 6, 9), torch.float32)
    assert np.array_equal(bytes_of(x), RGB)
    assert np.array_equal(bytes_of(image.load(image.save(x, tmp_path / "b.png"))), RGB)


def test_grey_one_bit_and_palette(tmp_path: Path) -> None:
    grey = Image.fromarray(RGB[..., 0])
    x = image.load(put(tmp_path / "grey.png", grey))
    assert np.array_equal(bytes_of(x), np.stack([RGB[..., 0]] * 3, 2))
    assert image.read(tmp_path / "grey.png").grey
    x = image.load(put(tmp_path / "one.png", grey.convert("1")))
    assert set(bytes_of(x).flatten()) <= {0, 255}
    flat = Image.fromarray(RGB).quantize(200)
    x = image.load(put(tmp_path / "palette.png", flat))
    assert np.array_equal(bytes_of(x), np.asarray(flat.convert("RGB")))


def test_transparency_is_laid_on_white_by_load_and_kept_apart_by_read(tmp_path: Path) -> None:
    alpha = np.full((6, 9), 255, np.uint8)
    alpha[:, :4] = 0
    alpha[:, 4] = 128
    rgba = np.dstack([RGB, alpha])
    path = put(tmp_path / "rgba.png", Image.fromarray(rgba))
    picture, laid = image.read(path), image.load(path)
    assert np.array_equal(bytes_of(picture.rgb), RGB)
    assert picture.alpha is not None
    assert np.array_equal(bytes_of(picture.alpha), alpha)
    assert (bytes_of(laid)[:, :4] == 255).all()
    assert np.array_equal(bytes_of(laid)[:, 5:], RGB[:, 5:])
    white = Image.new("RGBA", (9, 6), "white")
    white.alpha_composite(Image.fromarray(rgba))
    assert np.abs(bytes_of(laid).astype(int) - np.asarray(white)[..., :3].astype(int)).max() <= 1
    for name in ("again.png", "again.tif"):
        with Image.open(image.save(picture.rgb, tmp_path / name, like=picture)) as again:
            assert np.array_equal(np.asarray(again), rgba)
    la = image.read(put(tmp_path / "la.png", Image.fromarray(rgba).convert("LA")))
    assert la.grey
    assert la.alpha is not None
    with Image.open(image.save(la.rgb[:, :1], tmp_path / "la2.png", like=la)) as again:
        assert again.mode == "LA"
    see_through = Image.fromarray(RGB).quantize(8)
    assert image.read(put(tmp_path / "p.png", see_through, transparency=0)).alpha is not None


def test_the_first_picture_of_a_file_that_holds_several_without_moving(tmp_path: Path) -> None:
    def several(name: str, **options: Any) -> Path:
        more = [Image.fromarray(255 - RGB)]
        return put(tmp_path / name, Image.fromarray(RGB), save_all=True, append_images=more, **options)

    tiff, mpo = several("pages.tif"), several("phone.jpg", format="MPO", quality=100)
    assert np.array_equal(bytes_of(image.load(tiff)), RGB)
    assert np.array_equal(bytes_of(image.load(tiff, frame=1)), 255 - RGB)
    assert np.abs(bytes_of(image.load(mpo)).astype(int) - RGB).mean() < 60  # JPEG on noise, but not the negative


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
@pytest.mark.parametrize("ending", ["tif", "png", "jpg", "webp"])
def test_a_tiff_can_become_a_larger_picture_of_any_format(tmp_path: Path, compression: str, ending: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "maker"
    picture = image.read(put(tmp_path / "a.tif", Image.fromarray(RGB), compression=compression, exif=exif))
    large = picture.rgb.repeat_interleave(2, 2).repeat_interleave(2, 3)
    with Image.open(image.save(large, tmp_path / f"b.{ending}", like=picture)) as saved:
        saved.load()
        assert saved.size == (18, 12)
        if ending != "tif":
            assert saved.getexif()[0x010F] == "maker"
            assert 0x0100 not in saved.getexif()  # the width of the old file


def test_sixteen_bits_are_all_used(tmp_path: Path) -> None:
    deep = np.array([[0, 1, 65535], [256, 257, 32768]], np.uint16)
    x = image.load(put(tmp_path / "deep.png", Image.fromarray(deep)))
    assert torch.equal(x[0, 0], torch.from_numpy(deep.astype(np.float32) / 65535))
    assert torch.equal(x[:, :1], x[:, 2:])
    x = image.load(put(tmp_path / "deep.tif", Image.fromarray(deep)))
    assert x.max() == 1


def test_cmyk_with_and_without_a_profile(tmp_path: Path) -> None:
    cmyk = Image.fromarray(RGB).convert("CMYK")
    x = image.load(put(tmp_path / "plain.tif", cmyk))
    assert np.array_equal(bytes_of(x), np.asarray(cmyk.convert("RGB")))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = image.read(put(tmp_path / "wrong.tif", cmyk, icc_profile=srgb))  # an RGB profile: cannot be applied
    assert np.array_equal(bytes_of(picture.rgb), np.asarray(cmyk.convert("RGB")))
    assert picture.icc_profile is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_and_reset(tmp_path: Path, orientation: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "maker"
    path = put(tmp_path / "turned.png", Image.fromarray(RGB), exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    picture = image.read(path)
    assert np.array_equal(bytes_of(picture.rgb), upright)
    saved = image.save(picture.rgb, tmp_path / "again.jpg", like=picture)
    with Image.open(saved) as again:
        assert again.getexif().get(0x0112) is None
        assert again.getexif()[0x010F] == "maker"
        assert again.size == (upright.shape[1], upright.shape[0])


def test_colour_profile_is_kept(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = image.read(put(tmp_path / "a.png", Image.fromarray(RGB), icc_profile=profile))
    with Image.open(image.save(picture.rgb, tmp_path / "b.jpg", like=picture)) as saved:
        assert saved.info["icc_profile"] == profile


def test_animation_asks_for_a_frame(tmp_path: Path) -> None:
    frames = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    path = put(tmp_path / "a.png", frames[0], save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match=r"animated \(2 frames\).*frame=0"):
        image.load(path)
    assert np.array_equal(bytes_of(image.load(path, frame=1)), 255 - RGB)
    with pytest.raises(ImageError, match="frames 0 to 1"):
        image.load(path, frame=2)
    with pytest.raises(ImageError, match="frame 0 only"):
        image.load(put(tmp_path / "still.png", Image.fromarray(RGB)), frame=1)


def test_damaged_files(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("this is no image")
    (tmp_path / "empty.png").touch()
    big = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for name in ("whole.png", "whole.jpg"):
        whole = put(tmp_path / name, Image.fromarray(big)).read_bytes()
        (tmp_path / f"cut{name[-4:]}").write_bytes(whole[: len(whole) // 2])
    for name, words in {
        "text.png": "not an image",
        "empty.png": "not an image",
        "cut.png": "damaged or truncated",
        "cut.jpg": "damaged or truncated",
    }.items():
        with pytest.raises(ImageError, match=words):
            image.load(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"nothing\.png"):
        image.load(tmp_path / "nothing.png")
    with pytest.raises(ImageError, match="folder"):
        image.load(tmp_path)


def test_decompression_bomb(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(data)
    with pytest.raises(ImageError, match=r"179 megapixels.*bomb"):
        image.load(tmp_path / "bomb.png")


def test_one_pixel(tmp_path: Path) -> None:
    x = image.load(put(tmp_path / "one.png", Image.fromarray(RGB[:1, :1])))
    assert x.shape == (1, 3, 1, 1)


@pytest.mark.parametrize(
    ("x", "name", "words"),
    [
        (torch.full((1, 3, 4, 4), math.nan), "a.png", "NaN"),
        (torch.full((1, 3, 4, 4), math.inf), "a.png", "infinite"),
        (torch.rand(2, 3, 4, 4), "a.png", "one picture"),
        (torch.rand(1, 2, 4, 4), "a.png", "one picture"),
        (torch.rand(1, 3, 0, 4), "a.png", "one picture"),
        (torch.rand(1, 3, 4, 4), "a.txt", "no image format"),
        (torch.rand(1, 3, 4, 4), "a", "no image format"),
    ],
)
def test_what_cannot_be_saved_leaves_nothing(tmp_path: Path, x: torch.Tensor, name: str, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        image.save(x, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = image.save(torch.zeros(1, 3, 4, 4), tmp_path / "a.png")
    before = target.read_bytes()

    def full(self: Image.Image, file: io.BufferedWriter, *args: object, **options: object) -> None:
        file.write(b"half a picture")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match=r"cannot write .*a\.png: No space left"):
        image.save(torch.ones(1, 3, 4, 4), target)
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


def test_an_unwritable_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "a.png", tmp_path / "no folder" / "a.png"):
        with pytest.raises(OSError, match="cannot write"):
            image.save(torch.ones(1, 3, 4, 4), place)


def test_saved_files_have_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    saved = image.save(torch.ones(1, 1, 4, 4), tmp_path / "a.webp")
    assert saved.stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_colour_conversions_are_matlabs_and_invert() -> None:
    corners = torch.tensor([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    x = corners.T.reshape(1, 3, 1, 5)
    y = image.rgb_to_ycbcr(x) * 255
    # rgb2ycbcr of MATLAB on uint8 black, white, red, green, blue
    want = [[16, 235, 81, 145, 41], [128, 128, 90, 54, 240], [128, 128, 240, 34, 110]]
    assert y.round().reshape(3, 5).tolist() == want
    assert torch.allclose(image.rgb_to_y(x) * 255, y[:, :1])
    assert torch.allclose(image.ycbcr_to_rgb(y / 255), x, atol=1e-12)


@pytest.mark.parametrize("function", [image.rgb_to_y, image.rgb_to_ycbcr, image.ycbcr_to_rgb])
def test_colour_conversions_want_three_floating_channels(function: Callable[[torch.Tensor], torch.Tensor]) -> None:
    for bad in (torch.rand(1, 1, 4, 4), torch.rand(3, 4, 4), torch.ones(1, 3, 4, 4, dtype=torch.uint8)):
        with pytest.raises(ValueError, match=r"\(N, 3, H, W\)"):
            function(bad)


def test_bytes_round_half_up() -> None:
    x = torch.tensor([0.5 / 255, 1.5 / 255, 2.4999 / 255, -3.0, 9.0], dtype=torch.float64)
    assert image.to_uint8(x).tolist() == [1, 2, 2, 0, 255]
    assert image.to_uint8(torch.ones(1, dtype=torch.bfloat16)).item() == 255
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(image.to_uint8(image.from_uint8(every)), every)
