"""MATLAB's imresize, byte for byte, and the other ways to lose resolution."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from srlib import datasets, degrade, image


def naive_matlab_axis(row: np.ndarray, scale: float, border: str) -> np.ndarray:
    """One row resized by the definition, pixel by pixel; written without a look at srlib.degrade."""

    def k(t: float) -> float:
        t = abs(t)
        if t <= 1:
            return 1.5 * t**3 - 2.5 * t**2 + 1
        return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t <= 2 else 0.0

    shrink = min(scale, 1.0)
    out = []
    for i in range(math.ceil(len(row) * scale - 1e-9)):
        u = (i + 0.5) / scale - 0.5
        reach = 2 / shrink
        places = range(math.floor(u - reach) - 1, math.ceil(u + reach) + 2)
        weights = np.array([k(shrink * (u - j)) for j in places])
        pixels = []
        for j in places:
            if border == "clamp":
                j = min(max(j, 0), len(row) - 1)
            else:
                while not 0 <= j < len(row):
                    j = -j - 1 if j < 0 else 2 * len(row) - 1 - j
            pixels.append(row[j])
        out.append(float(np.dot(weights, pixels) / weights.sum()))
    return np.array(out)


@pytest.mark.parametrize("border", ["clamp", "mirror"])
@pytest.mark.parametrize("scale", [1 / 2, 1 / 3, 1 / 4, 2, 3, 4, 0.7, 1.3])
def test_imresize_follows_the_definition_in_double_precision(scale: float, border: degrade.Border) -> None:
    x = np.random.default_rng(0).random((12, 24))
    want = np.stack([naive_matlab_axis(column, scale, border) for column in x.T], axis=1)
    want = np.stack([naive_matlab_axis(row, scale, border) for row in want])
    got = degrade.imresize(torch.from_numpy(x)[None, None], scale, border=border)
    np.testing.assert_allclose(got[0, 0].numpy(), want, atol=1e-12)


@pytest.mark.parametrize("scale", [1 / 2, 1 / 3, 1 / 4, 2, 3, 4])
def test_imresize_agrees_with_torch_antialias_away_from_the_border(scale: float) -> None:
    x = torch.rand(2, 3, 48, 60, dtype=torch.float64)
    want = F.interpolate(x, scale_factor=scale, mode="bicubic", antialias=True)
    got = degrade.imresize(x, scale)
    edge = 3 if scale < 1 else 12
    assert (got - want)[..., edge:-edge, edge:-edge].abs().max() < 1e-12


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", ["set5", "set14"])
def test_imresize_equals_the_published_lr_files_byte_for_byte(
    name: str, scale: int, benchmark_set: Callable[[str], Path]
) -> None:
    benchmark_set(name)
    samples = datasets.images(name, scale, progress=False)
    assert len(samples) == {"set5": 5, "set14": 14}[name]
    for sample in samples:
        assert sample.lr_path is not None
        hr, lr = (image.to_uint8(image.load(path)) for path in (sample.path, sample.lr_path))
        made = degrade.imresize(hr, 1 / scale, border="clamp")
        assert int((made != lr).sum()) == 0, sample.name


def test_rounding_after_each_axis_is_what_makes_bytes_equal() -> None:
    x = torch.randint(0, 256, (1, 1, 60, 60), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    once = image.to_uint8(degrade.imresize(x.double() / 255, 1 / 3))
    differing = (degrade.imresize(x, 1 / 3) != once).double().mean()
    assert 0.01 < differing < 0.5


def test_imresize_has_a_gradient_that_sums_to_the_number_of_outputs() -> None:
    x = torch.rand(1, 1, 12, 12, dtype=torch.float64, requires_grad=True)
    y = degrade.imresize(x, 1 / 3)
    torch.autograd.backward(y.sum())
    assert x.grad is not None
    assert abs(float(x.grad.sum()) - y.numel()) < 1e-9  # the weights of each output sum to one
    assert torch.autograd.gradcheck(lambda t: degrade.imresize(t, 2), x[..., :3, :3].detach().requires_grad_())
    assert torch.autograd.gradcheck(lambda t: degrade.imresize(t, 0.7), x[..., :5, :5].detach().requires_grad_())


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.uint8])
def test_imresize_keeps_device_and_dtype(device: str, dtype: torch.dtype) -> None:
    x = (torch.rand(2, 3, 24, 36) * 255).to(dtype)
    y = degrade.imresize(x.to(device), 1 / 4)
    assert (y.device.type, y.dtype, y.shape) == (device, dtype, (2, 3, 6, 9))
    error = (y.cpu().double() - degrade.imresize(x, 1 / 4).double()).abs().max()
    assert error <= (0 if dtype == torch.uint8 else 1e-3)


def test_a_tiny_picture_is_smaller_than_the_kernel() -> None:
    one = torch.full((1, 3, 1, 1), 0.25)
    assert torch.allclose(degrade.imresize(one, 4), torch.full((1, 3, 4, 4), 0.25))
    assert torch.allclose(degrade.imresize(torch.full((1, 1, 4, 4), 0.5), 1 / 4), torch.full((1, 1, 1, 1), 0.5))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: degrade.imresize(torch.rand(3, 4, 4), 2), ValueError, "(N, C, H, W)"),
        (lambda: degrade.imresize(torch.rand(1, 1, 0, 4), 2), ValueError, "empty"),
        (lambda: degrade.imresize(torch.rand(1, 1, 4, 4), 0), ValueError, "above 0"),
        (lambda: degrade.imresize(torch.rand(1, 1, 4, 4), math.nan), ValueError, "above 0"),
        (lambda: degrade.imresize(torch.rand(1, 1, 4, 4), 2, kernel="cubic"), ValueError, "bicubic"),
        (lambda: degrade.imresize(torch.rand(1, 1, 4, 4), 2, border="reflect"), ValueError, "mirror"),  # type: ignore[arg-type]
        (lambda: degrade.imresize(torch.ones(1, 1, 4, 4, dtype=torch.int32), 2), TypeError, "uint8"),
        (lambda: degrade.bicubic_down(torch.rand(1, 1, 10, 9), 3), ValueError, "mod_crop"),
        (lambda: degrade.blur_down(torch.rand(1, 1, 10, 9), 3), ValueError, "mod_crop"),
        (lambda: degrade.blur_down(torch.rand(1, 1, 9, 9), 3, sigma=0), ValueError, "sigma"),
        (lambda: degrade.mod_crop(torch.rand(1, 1, 2, 9), 3), ValueError, "smaller than scale"),
        (lambda: degrade.noise(torch.rand(1, 1, 2, 9), -1), ValueError, "negative"),
        (lambda: degrade.jpeg(torch.rand(1, 1, 8, 8), 0), ValueError, "quality"),
    ],
)
def test_bad_arguments_are_named(call: Callable[[], object], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_blur_down_neither_shifts_nor_brightens(scale: int) -> None:
    ramp = torch.arange(12.0 * scale).expand(1, 1, 12 * scale, -1)
    small = degrade.blur_down(ramp, scale)
    centres = (torch.arange(12.0) + 0.5) * scale - 0.5  # a ramp's value at the centre of each LR pixel
    inside = slice(3, -3)  # away from the repeated border
    assert torch.allclose(small[0, 0, 5, inside], centres[inside], atol=1e-3)


def test_noise_has_its_strength_and_repeats() -> None:
    x = torch.full((1, 1, 200, 200), 0.5)
    a, b = (degrade.noise(x, 25, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(a, b)
    assert abs(float((a - x).std()) * 255 - 25) < 0.5


def test_jpeg_loses_more_at_lower_quality() -> None:
    x = datasets.photo("coffee")[..., :128, :128]
    losses = [float((degrade.jpeg(x, q) - x).square().mean()) for q in (95, 50, 10)]
    assert losses == sorted(losses)
    assert losses[0] > 0
    assert degrade.jpeg(x[:, :1], 50).shape == (1, 1, 128, 128)
