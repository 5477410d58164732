"""SRCNN, ESPCN and VDSR: counted, compared with naive ones, and free of the mistakes that others make."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from naive import Array, array, convolution, leaky, randomise, sub_pixel
from torch import Tensor, nn
from torch.nn import functional as F

from srlib import datasets, degrade, image, metrics, models
from srlib.models.espcn import ESPCN, periodic_shuffle, same_in_every_phase
from srlib.models.srcnn import SRCNN
from srlib.models.srgan import SRResNet
from srlib.models.vdsr import VDSR

# The papers' networks, weights and biases counted by hand from the layers.
COUNTS = [
    ("srcnn", "9-1-5", 3, 8_129),
    ("srcnn", "9-3-5", 3, 24_513),
    ("srcnn", "9-5-5", 3, 57_281),
    ("espcn", "tanh", 2, 21_284),
    ("espcn", "tanh", 3, 22_729),
    ("espcn", "tanh", 4, 24_752),
    ("vdsr", "20", 2, 665_921),
    ("vdsr", "20-plain", 4, 665_921),
    ("srresnet", "b16", 4, 1_549_462),
    ("srgan", "b16", 4, 1_549_462),
    ("bicubic", "", 4, 0),
]


@pytest.mark.parametrize(("name", "variant", "scale", "count"), COUNTS)
def test_number_of_parameters(name: str, variant: str, scale: int, count: int) -> None:
    assert sum(p.numel() for p in models.create(name, scale, variant).parameters()) == count


# ---- forward passes from their definitions


def srcnn(model: SRCNN, lr: Tensor) -> Array:
    x = array(degrade.imresize(lr, model.scale))
    x = leaky(convolution(x, model.conv1, "edge"), 0)
    x = leaky(convolution(x, model.conv2, "edge"), 0)
    return convolution(x, model.conv3, "edge")


def espcn(model: ESPCN, lr: Tensor) -> Array:
    def activation(x: Array) -> Array:
        return np.tanh(x) if model.variant == "tanh" else np.maximum(x, 0)

    x = activation(convolution(array(lr), model.conv1))
    x = activation(convolution(x, model.conv2))
    return sub_pixel(convolution(x, model.conv3), model.scale)


def vdsr(model: VDSR, lr: Tensor) -> Array:
    x = array(degrade.imresize(lr, model.scale))
    r = x
    for number, layer in enumerate(model.layers, start=1):
        assert isinstance(layer, nn.Conv2d)
        r = convolution(r, layer)
        if number < len(model.layers):
            r = leaky(r, 0)
    return r if model.variant.endswith("plain") else x + r


NAIVE = {"srcnn": srcnn, "espcn": espcn, "vdsr": vdsr}
CASES = [(name, variant) for name in NAIVE for variant in models.MODELS[name].variants]


@pytest.mark.parametrize(("name", "variant"), CASES)
@pytest.mark.parametrize("scale", [2, 3])
def test_forward_agrees_with_the_naive_one(name: str, variant: str, scale: int) -> None:
    model = randomise(models.create(name, scale, variant)).double()
    lr = torch.rand(2, 1, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(scale))
    want = NAIVE[name](model, lr)  # type: ignore[operator]
    with torch.no_grad():
        assert np.abs(array(model(lr)) - want).max() < 1e-10
        single = array(model.float()(lr.float()))
    assert want.std() > 0.03  # the comparison is not one of zeros
    assert np.abs(single - want).max() < 1e-5 * max(1.0, np.abs(want).max())


# ---- the sub-pixel layer


@pytest.mark.parametrize(("channels", "r"), [(1, 2), (1, 3), (1, 4), (3, 2), (64, 2)])
def test_periodic_shuffle_is_pixel_shuffle_and_depth_to_space(channels: int, r: int) -> None:
    x = torch.rand(2, channels * r * r, 3, 5)
    y = periodic_shuffle(x, r)
    assert torch.equal(y, F.pixel_shuffle(x, r))
    assert np.array_equal(array(y), sub_pixel(array(x), r))
    # ONNX's DepthToSpace, mode CRD, as its specification writes it.
    blocks = np.reshape(array(x), (2, channels, r, r, 3, 5))
    assert np.array_equal(array(y), np.transpose(blocks, (0, 1, 4, 2, 5, 3)).reshape(2, channels, 3 * r, 5 * r))
    assert torch.equal(F.pixel_unshuffle(y, r), x)  # nothing is computed, so nothing is lost


def test_the_paper_counts_colours_in_another_order() -> None:
    """Eq. 4 reads channel C·r·mod(y, r) + C·mod(x, r) + c; PyTorch reads c·r² + r·mod(y, r) + mod(x, r)."""
    colours, r = 3, 2
    x = np.random.default_rng(0).random((1, colours * r * r, 2, 3))
    paper = np.empty((1, colours, 4, 6))
    for c, i, j in np.ndindex(paper.shape[1:]):
        paper[0, c, i, j] = x[0, colours * r * (i % r) + colours * (j % r) + c, i // r, j // r]
    assert not np.array_equal(sub_pixel(x, r), paper)
    ours = x.reshape(1, r * r, colours, 2, 3).swapaxes(1, 2).reshape(x.shape)  # the channels in PyTorch's order
    assert np.array_equal(array(periodic_shuffle(torch.from_numpy(ours), r)), paper)


def test_channels_that_make_no_blocks() -> None:
    with pytest.raises(ValueError, match="6 channels cannot be dealt to blocks of 2×2"):
        periodic_shuffle(torch.rand(1, 6, 2, 2), 2)


@pytest.mark.parametrize("variant", ["tanh", "relu"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_checkerboard_an_untrained_espcn_has_equal_phases(variant: str, scale: int) -> None:
    model, x = ESPCN(scale, variant), torch.rand(1, 1, 6, 7)
    model.reset_parameters("icnr")
    with torch.no_grad():
        phases = F.pixel_unshuffle(model(x), scale)
        assert float(phases.std()) > 0.01
        assert torch.allclose(phases, phases[:, :1].expand_as(phases), atol=1e-6)
        model.reset_parameters("paper")
        phases = F.pixel_unshuffle(model(x), scale)
        assert not torch.allclose(phases, phases[:, :1].expand_as(phases), rtol=0.01, atol=0)


def test_same_in_every_phase_keeps_channels_apart() -> None:
    weight = torch.empty(2 * 9, 4, 3, 3)
    same_in_every_phase(weight, 3, std=1.0)
    assert torch.equal(weight, weight[::9].repeat_interleave(9, 0))
    assert not torch.equal(weight[0], weight[9])
    assert abs(float(weight[::9].std()) - 1) < 0.3


# ---- where training starts


def _start(model: nn.Module, scale: int) -> float:
    """How many dB the untrained network is above bicubic on a photograph."""
    hr = datasets.photo("chelsea")[..., 40:136, 100:196]
    hr = image.rgb_to_y(hr) if model.channels == 1 else hr
    lr = degrade.imresize(hr, 1 / scale)
    with torch.no_grad():
        ours = metrics.psnr(model(lr), hr, shave=scale)
    return float(ours - metrics.psnr(degrade.bicubic_up(lr, scale), hr, shave=scale))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_training_starts_near_bicubic(scale: int) -> None:
    for seed, variant in enumerate(("20", "10", "5", "5")):
        torch.manual_seed(seed)
        assert abs(_start(VDSR(scale, variant), scale)) < 0.1
    for seed, variant in enumerate(("9-5-5", "9-3-5", "9-1-5")):
        torch.manual_seed(seed)
        assert abs(_start(SRCNN(scale, variant), scale)) < 1.5  # more noise, on purpose: it has no residual to add
    for seed, variant in enumerate(("tanh", "relu")):
        torch.manual_seed(seed)
        assert abs(_start(ESPCN(scale, variant), scale)) < 0.4
    torch.manual_seed(0)
    model = SRResNet(scale, "b16" if scale == 4 else "b4")
    assert abs(_start(model, scale)) < 0.3  # batch norm with the statistics of this picture
    assert abs(_start(model.eval(), scale)) < 0.3
    model.reset_parameters("paper")
    assert _start(model, scale) < -5


@pytest.mark.parametrize("start", ["ours", "paper"])
@pytest.mark.parametrize("name", [name for name in models.MODELS if name != "bicubic"])
def test_every_start_is_finite_and_starts_again(name: str, start: str) -> None:
    for variant in models.MODELS[name].variants:
        model = randomise(models.create(name, 2, variant))
        for p in model.parameters():
            p.data.mul_(1e20)
        model.reset_parameters(start)  # type: ignore[operator]
        x = torch.rand(2, int(model.channels), 6, 5)  # type: ignore[arg-type]
        with torch.no_grad():
            y = model(x)  # in training mode, since what batch norm remembers is another matter
        assert bool(torch.isfinite(y).all())
        assert float(y.abs().max()) < 100
    with pytest.raises(ValueError, match="start must be ours.* or paper, not 'best'"):
        model.reset_parameters("best")  # type: ignore[operator]


# ---- mistakes that re-implementations make


@pytest.mark.parametrize("variant", models.MODELS["vdsr"].variants)
def test_missing_residual_vdsr_adds_its_input(variant: str) -> None:
    model, x = VDSR(3, variant), torch.rand(1, 1, 5, 4)
    for p in model.parameters():
        nn.init.zeros_(p)
    up = degrade.bicubic_up(x, 3)
    assert torch.equal(model(x), torch.zeros_like(up) if variant.endswith("plain") else up)


@pytest.mark.parametrize("name", ["srcnn", "espcn", "vdsr"])
def test_missing_bias_every_convolution_has_one(name: str) -> None:
    convolutions = [m for m in models.create(name, 2).modules() if isinstance(m, nn.Conv2d)]
    assert all(layer.bias is not None for layer in convolutions)
    if name == "vdsr":
        assert sum(layer.weight.numel() for layer in convolutions) == 664_704  # what is counted without biases


@pytest.mark.parametrize("name", ["srcnn", "espcn", "vdsr", "srresnet"])
@pytest.mark.parametrize("value", [-3.0, 3.0])
def test_activation_after_the_last_layer_there_is_none(name: str, value: float) -> None:
    """Neither a tanh nor a ReLU nor a clamp: what lies outside [0, 1] still has a gradient to come back by."""
    model = randomise(models.create(name, 2)).eval()
    *_, last = (m for m in model.modules() if isinstance(m, nn.Conv2d))
    nn.init.zeros_(last.weight)
    assert last.bias is not None
    nn.init.constant_(last.bias, value)
    x = torch.zeros(1, int(model.channels), 3, 3)  # type: ignore[arg-type]
    want = (value + 1) / 2 if name == "srresnet" else value
    assert torch.allclose(model(x), torch.tensor(want), atol=1e-6)


def test_enlarging_first_espcn_and_srresnet_work_on_the_small_picture() -> None:
    """Both would be slow as SRCNN if they enlarged first; of SRResNet only the last layers see the large picture."""
    for name, at_lr in (("espcn", 3), ("srresnet", 1 + 32 + 1 + 1)):
        model = models.create(name, 4)
        sizes: list[tuple[int, ...]] = []

        def look(_: nn.Module, x: object, y: Tensor, sizes: list[tuple[int, ...]] = sizes) -> None:
            sizes.append(tuple(y.shape[2:]))

        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(look)
        model(torch.rand(1, int(model.channels), 5, 6))  # type: ignore[arg-type]
        assert sizes == [(5, 6)] * at_lr + ([(10, 12), (20, 24)] if name == "srresnet" else [])
