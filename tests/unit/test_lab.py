"""The lab of chapter 2: its default is protocol A, each choice does what its name says, the fast table is right."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image

from srlib import datasets, evaluate, lab
from srlib.check import check
from srlib.degrade import imresize, mod_crop
from srlib.image import as_array, from_uint8, rgb_to_y, to_uint8
from srlib.lab import Setup
from srlib.metrics import PROTOCOLS, psnr

PHOTO = datasets.photo("chelsea")[..., :100, :121]


@pytest.fixture(scope="module")
def table() -> dict[Setup, float]:
    return lab.every([PHOTO], 3)


@pytest.mark.parametrize(("rounding", "protocol"), [("bytes, rounded Y", "A"), ("bytes, unrounded Y", "B")])
def test_the_default_is_protocol_a_and_one_change_makes_b(rounding: str, protocol: str) -> None:
    for one in evaluate.benchmark("bicubic", "bundled:test", scale=3, protocol=protocol).per_image:
        ours = lab.score(datasets.photo(one.name), 3, Setup(rounding=rounding))
        assert math.isclose(ours, one.psnr, abs_tol=1e-4), one.name


def test_every_setup_is_there_once_and_protocol_a_first(table: dict[Setup, float]) -> None:
    assert len(table) == math.prod(map(len, lab.CHOICES.values())) == 270
    assert next(iter(table)) == Setup()
    assert Setup().changes() == {}


def test_the_table_agrees_with_single_scores(table: dict[Setup, float]) -> None:
    generator = torch.Generator().manual_seed(0)
    setups = list(table)
    for index in torch.randperm(len(setups), generator=generator)[:24].tolist():
        assert math.isclose(table[setups[index]], lab.score(PHOTO, 3, setups[index]), abs_tol=1e-4), setups[index]


def test_the_table_is_a_mean_over_pictures() -> None:
    other = datasets.photo("coffee")[..., :90, :90]
    both = lab.every([PHOTO, other], 3)[Setup()]
    assert math.isclose(both, (lab.score(PHOTO, 3) + lab.score(other, 3)) / 2, abs_tol=1e-4)


def test_one_at_a_time(table: dict[Setup, float]) -> None:
    effects = lab.one_at_a_time(table)
    assert len(effects) == sum(len(options) - 1 for options in lab.CHOICES.values()) == 11
    assert all(len(setup.changes()) == 1 for setup in effects)
    setup = Setup(colour="RGB")
    assert effects[setup] == table[setup] - table[Setup()]


def test_studio_range_is_worth_one_decibel_and_a_third(table: dict[Setup, float]) -> None:
    full, studio = (Setup(colour=name, rounding="nothing rounded") for name in ("Y, full range", "Y, studio range"))
    assert math.isclose(table[studio] - table[full], 20 * math.log10(255 / 219), abs_tol=1e-6)


def test_grey_pictures_score_the_same_in_rgb_and_in_full_range() -> None:
    grey = PHOTO[:, 1:2].expand(-1, 3, -1, -1)
    rgb, full = (
        lab.score(grey, 3, Setup(colour=name, rounding="nothing rounded")) for name in ("RGB", "Y, full range")
    )
    assert math.isclose(rgb, full, abs_tol=1e-3)


def test_shave() -> None:
    sr, hr = lab.enlarge(PHOTO, 3)
    for name, pixels in (("nothing shaved", 0), ("scale", 3), ("scale + 6", 9)):
        rule = PROTOCOLS["A"]
        right = psnr(rule.luma(sr.double()), rule.luma(hr.double()), shave=pixels).item()
        assert math.isclose(lab.compare(sr, hr, 3, Setup(shave=name)), right, abs_tol=1e-9)


@pytest.mark.parametrize("resize", lab.CHOICES["resize"])
def test_bytes_are_bytes_and_floats_are_not(resize: str) -> None:
    for rounding in lab.CHOICES["rounding"]:
        sr, hr = lab.enlarge(PHOTO, 3, Setup(resize=resize, rounding=rounding))
        assert sr.shape == hr.shape == (1, 3, 99, 120)
        whole = torch.allclose(sr * 255, (sr * 255).round(), atol=1e-3)
        assert whole == (rounding != "nothing rounded")


def test_resizers_are_the_libraries_they_are_named_after() -> None:
    hr = mod_crop(PHOTO, 3)
    image = Image.fromarray(as_array(hr))
    small = image.resize((40, 33), Image.Resampling.BICUBIC).resize((120, 99), Image.Resampling.BICUBIC)
    assert np.array_equal(as_array(lab.enlarge(PHOTO, 3, Setup(resize="Pillow"))[0]), np.array(small))
    for name, kernel in (("MATLAB", "bicubic"), ("bilinear", "bilinear")):
        lr = imresize(to_uint8(hr), 1 / 3, border="mirror", kernel=kernel)
        sr = from_uint8(imresize(lr, 3, border="mirror", kernel=kernel))
        assert torch.equal(lab.enlarge(PHOTO, 3, Setup(resize=name))[0], sr)
    # without antialiasing, a third of the size is every third pixel
    lr = hr[..., 1::3, 1::3]
    sr = torch.nn.functional.interpolate(lr, scale_factor=3, mode="bicubic")
    assert torch.allclose(
        lab.enlarge(PHOTO, 3, Setup(resize="no antialiasing", rounding="nothing rounded"))[0], sr.clamp(0, 1)
    )


def test_resizing_hr_changes_nothing_where_it_fits_and_inflates_where_it_does_not() -> None:
    resized = Setup(size="resize HR")
    fitting = mod_crop(PHOTO, 3)
    assert lab.score(fitting, 3, resized) == lab.score(fitting, 3)
    assert lab.score(PHOTO, 3, resized) > lab.score(PHOTO, 3) + 0.1
    assert lab.enlarge(PHOTO, 3, resized)[1].shape == (1, 3, 99, 120)


def test_full_range_is_black_to_white() -> None:
    black_and_white = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    assert torch.allclose(
        lab._plane(black_and_white, "Y, full range", "nothing rounded").flatten(), torch.tensor([0.0, 1.0]).double()
    )
    assert torch.equal(lab._plane(PHOTO, "Y, studio range", "nothing rounded"), rgb_to_y(PHOTO.double()))


@pytest.mark.parametrize("wrong", [{"colour": "HSV"}, {"shave": "3"}, {"resize": "cubic"}, {"size": ""}])
def test_a_choice_that_does_not_exist_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="must be one of"):
        Setup(**wrong)


def test_only_one_rgb_picture_is_taken() -> None:
    with pytest.raises(ValueError, match=r"\(1, 3, H, W\)"):
        lab.enlarge(PHOTO[:, :1], 3)


def test_only_bookkeeping_moves_the_score_less_than_everything(table: dict[Setup, float]) -> None:
    def span(scores: list[float]) -> float:
        return max(scores) - min(scores)

    bicubic = {setup: value for setup, value in table.items() if setup.resize != "bilinear"}
    books = [value for setup, value in bicubic.items() if (setup.resize, setup.size) == ("MATLAB", "crop HR")]
    assert (len(bicubic), len(books)) == (216, 27)
    assert 1 < span(books) < span(list(bicubic.values())) <= span(list(table.values()))


@pytest.mark.parametrize(
    ("name", "answer", "says"),
    [
        ("2.1", 37.16, "✔"),
        ("2.1", 37.2, "rounded too much"),
        ("2.1", 37, "rounded too much"),
        ("2.2", 10.9, "✔"),
        ("2.2", 11, "rounded too much"),
        ("2.2", -10.87, "sign"),
        ("2.2", 0.11, "in percent"),
        ("2.2", 12.2, "old MSE"),
    ],
)
def test_judges_tell_a_rounded_answer_from_a_wrong_one(name: str, answer: float, says: str) -> None:
    assert says in str(check(name, answer))
