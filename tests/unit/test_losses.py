"""The losses: values against closed forms and naive ones, gradients where they belong, mistakes that others make."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from naive import Array, array, randomise, sequence
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from srlib import datasets, degrade, losses
from srlib.losses import ContentLoss, vgg19_features
from srlib.models.srgan import Discriminator, SRResNet

LAYERS = list(losses.CONTENT_LAYERS.values())


def _photo(name: str = "chelsea", size: int = 64) -> Tensor:
    return datasets.photo(name)[..., 100 : 100 + size, 150 : 150 + size]


def _content(layer: str, weights: Path | None = None) -> ContentLoss:
    torch.manual_seed(0)
    return ContentLoss(layer, weights, reference=[_photo(), _photo("coffee")])


@pytest.fixture(scope="module")
def content() -> dict[str, ContentLoss]:
    """VGG22 and VGG54 on random weights."""
    return {layer: _content(layer) for layer in LAYERS}


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of random weights up to conv2_2, as torchvision names them."""
    path = tmp_path_factory.mktemp("vgg") / "vgg.safetensors"
    torch.manual_seed(1)
    features = vgg19_features("conv2_2")
    save_file({f"features.{key}": value for key, value in features.state_dict().items()}, path)
    return path


# ---- pixels


def test_pixel_losses_have_their_closed_forms() -> None:
    sr, hr = torch.rand(2, 3, 5, 4), torch.rand(2, 3, 5, 4)
    d = array(sr) - array(hr)
    want = {"mse": (d**2).mean(), "l1": np.abs(d).mean(), "charbonnier": np.sqrt(d**2 + 1e-6).mean()}
    assert set(want) == set(losses.PIXEL_LOSSES)
    for name, value in want.items():
        assert math.isclose(float(losses.build(name)(sr, hr)), value, rel_tol=1e-5)
    assert math.isclose(float(losses.charbonnier(sr, sr)), 1e-3, rel_tol=1e-5)  # its least
    assert math.isclose(float(losses.charbonnier(sr, sr + 0.5)), math.sqrt(0.25 + 1e-6), rel_tol=1e-5)


def test_charbonnier_has_a_gradient_where_both_are_equal() -> None:
    x = torch.rand(1, 1, 3, 3, requires_grad=True)
    torch.autograd.backward(losses.charbonnier(x, x.detach()))
    assert x.grad is not None
    assert not bool(x.grad.any())  # zero, and no NaN from the root


def test_total_variation_of_a_ramp_is_its_slopes() -> None:
    rows, columns = torch.arange(6.0)[:, None], torch.arange(9.0)
    ramp = (0.02 * rows - 0.03 * columns).expand(2, 3, 6, 9)
    assert math.isclose(float(losses.total_variation(ramp)), 0.02 + 0.03, rel_tol=1e-5)
    assert float(losses.total_variation(torch.full((1, 3, 4, 5), 0.7))) == 0


# ---- adversarial

LOGITS = [0.0, 0.3, -2.0, 7.0, -20.0, 100.0, -100.0]


def minus_log_sigmoid(x: Array) -> Array:
    return np.asarray(np.logaddexp(0, -x))


def test_adversarial_losses_are_the_papers_formulas() -> None:
    fake, real = torch.tensor(LOGITS)[:, None], torch.tensor(LOGITS[::-1])[:, None] / 2
    f, r = array(fake), array(real)
    assert math.isclose(float(losses.generator_adversarial(fake)), minus_log_sigmoid(f).mean(), rel_tol=1e-5)
    want = minus_log_sigmoid(r).mean() + minus_log_sigmoid(-f).mean()  # log(1 - sigmoid(x)) = log sigmoid(-x)
    assert math.isclose(float(losses.discriminator_adversarial(real, fake)), want, rel_tol=1e-5)
    modest = 1 / (1 + np.exp(-f[:4]))
    assert math.isclose(float(losses.generator_adversarial(fake[:4])), -np.log(modest).mean(), rel_tol=1e-5)


def test_a_discriminator_at_chance_costs_two_logarithms_of_two() -> None:
    nothing = torch.zeros(4, 1)
    assert math.isclose(float(losses.discriminator_adversarial(nothing, nothing)), 2 * math.log(2), rel_tol=1e-6)
    assert math.isclose(float(losses.generator_adversarial(nothing)), math.log(2), rel_tol=1e-6)


def test_sigmoid_before_bce_extreme_logits_keep_loss_and_gradient() -> None:
    """After a sigmoid in float32, -100 is 0, its logarithm infinite (or cut off), and its gradient gone."""
    for logit in (-100.0, 100.0):
        fake = torch.full((1, 1), logit, requires_grad=True)
        loss = losses.generator_adversarial(fake)
        torch.autograd.backward(loss)
        assert math.isclose(float(loss.detach()), max(0.0, -logit), abs_tol=1e-6)
        assert fake.grad is not None
        assert math.isclose(float(fake.grad), -1.0 if logit < 0 else 0.0, abs_tol=1e-6)
        wrong = losses.discriminator_adversarial(torch.tensor([[-logit]]), torch.tensor([[logit]]))
        assert math.isclose(float(wrong), 200.0 if logit > 0 else 0.0, abs_tol=1e-4)


# ---- VGG-19


def test_vgg16_or_another_depth_the_layers_are_those_of_the_paper() -> None:
    """φ(i, j) is the j-th convolution before the i-th pooling, after its activation."""
    from torchvision.models.vgg import cfgs, make_layers

    with torch.device("meta"):
        whole = make_layers(cfgs["E"])
    for layer, depth, convolutions, count in (("conv2_2", 9, 4, 260_160), ("conv5_4", 36, 16, 20_024_384)):
        features = vgg19_features(layer)
        assert [type(m) for m in features] == [type(m) for m in whole[:depth]]
        assert sum(isinstance(m, nn.Conv2d) for m in features) == convolutions
        assert sum(isinstance(m, nn.MaxPool2d) for m in features) == int(layer[4]) - 1
        assert isinstance(whole[depth], nn.MaxPool2d)
        assert sum(p.numel() for p in features.parameters()) == count
        wanted = whole[:depth].state_dict()
        assert {k: v.shape for k, v in features.state_dict().items()} == {k: v.shape for k, v in wanted.items()}
    assert isinstance(whole[35], nn.ReLU)  # features.35 is after the activation, 34 before it


@pytest.mark.parametrize("layer", LAYERS)
def test_layer_before_its_activation_features_are_never_negative(content: dict[str, ContentLoss], layer: str) -> None:
    maps = content[layer].maps(_photo())
    assert float(maps.min()) == 0
    assert 0.01 < float((maps == 0).float().mean()) < 0.99


@pytest.mark.parametrize("layer", LAYERS)
def test_vgg_input_not_normalised_content_loss_equals_the_naive_one(
    content: dict[str, ContentLoss], layer: str
) -> None:
    loss = content[layer]
    mean, std = np.reshape([0.485, 0.456, 0.406], (3, 1, 1)), np.reshape([0.229, 0.224, 0.225], (3, 1, 1))
    sr, hr = torch.rand(1, 3, 16, 18), torch.rand(1, 3, 16, 18)
    maps = [sequence((array(x) - mean) / std, loss.features) for x in (sr, hr)]
    assert np.abs(array(loss.maps(hr)) - maps[1]).max() < 1e-5 * max(1.0, np.abs(maps[1]).max())
    want = loss.scale * ((maps[0] - maps[1]) ** 2).mean()
    assert math.isclose(float(loss(sr, hr)), want, rel_tol=1e-4)
    assert float(loss(hr, hr)) == 0
    raw = sequence(array(hr), loss.features)
    assert np.abs(raw - maps[1]).max() > 0.05 * maps[1].max()  # leaving it out would have been seen


@pytest.mark.parametrize("layer", LAYERS)
def test_scale_makes_the_mean_feature_one(content: dict[str, ContentLoss], layer: str) -> None:
    loss = content[layer]
    means = [float(loss.maps(_photo(name)).mean()) * loss.scale**0.5 for name in ("chelsea", "coffee")]
    assert math.isclose(sum(means) / 2, 1, rel_tol=1e-5)


def test_too_weak_a_constant_the_scale_does_not_depend_on_who_trained_the_network(
    vgg_file: Path, tmp_path: Path
) -> None:
    weights = load_file(vgg_file)
    for key in ("features.7.weight", "features.7.bias"):
        weights[key] = weights[key] * 7
    save_file(weights, tmp_path / "times7.safetensors")
    one, seven = _content("conv2_2", vgg_file), _content("conv2_2", tmp_path / "times7.safetensors")
    assert math.isclose(one.scale / seven.scale, 49, rel_tol=1e-5)
    sr, hr = torch.rand(2, 3, 20, 20), torch.rand(2, 3, 20, 20)
    assert math.isclose(float(one(sr, hr)), float(seven(sr, hr)), rel_tol=1e-5)


def test_vgg_in_training_mode_it_stays_frozen_and_in_eval_mode(content: dict[str, ContentLoss]) -> None:
    loss = content["conv2_2"]
    nn.Sequential(loss).train()
    loss.train()
    assert not any(m.training for m in loss.modules())
    assert not any(p.requires_grad for p in loss.parameters())


# ---- gradients


def _adversarial(sr: Tensor, hr: Tensor) -> Tensor:
    discriminator = randomise(Discriminator(16)).eval().requires_grad_(False)
    return losses.generator_adversarial(discriminator(sr))


KINDS = [*losses.NAMES, "adversarial", "total variation"]


@pytest.mark.parametrize("kind", KINDS)
def test_content_loss_without_gradient_every_loss_reaches_every_weight(
    content: dict[str, ContentLoss], kind: str
) -> None:
    """A loss wrapped into a new tensor, `torch.Tensor([loss])`, is a number without a past: nothing would learn."""
    generator = SRResNet(4, "b4", n=8)
    randomise(generator).eval()  # in training mode, biases before batch norm rightly have no gradient
    hr = _photo(size=16).repeat(2, 1, 1, 1).requires_grad_()
    loss: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        **losses.PIXEL_LOSSES,
        **{name: content[layer] for name, layer in losses.CONTENT_LAYERS.items()},
        "adversarial": _adversarial,
        "total variation": lambda sr, hr: losses.total_variation(sr),
    }
    value = loss[kind](generator(degrade.bicubic_down(hr.detach(), 4)), hr)
    assert value.shape == ()
    torch.autograd.backward(value)
    for name, p in generator.named_parameters():
        assert p.grad is not None, name
        assert bool(torch.isfinite(p.grad).all()), name
        assert float(p.grad.abs().max()) > 0, name
    if kind not in losses.PIXEL_LOSSES:
        assert hr.grad is None
    assert all(p.grad is None for vgg in content.values() for p in vgg.parameters())


@pytest.mark.parametrize("layer", LAYERS)
def test_random_vgg_the_signal_does_not_fade(content: dict[str, ContentLoss], layer: str) -> None:
    a, b = _photo().requires_grad_(), _photo("coffee")
    loss = content[layer](a, b)
    torch.autograd.backward(loss)
    assert a.grad is not None
    assert 0.01 < float(loss.detach()) < 100
    assert float(a.grad.abs().mean()) > 1e-8


# ---- the real weights


def test_the_real_vgg_has_features_of_mean_one() -> None:
    path = Path(os.environ.get("SRLIB_DATA_MIRROR", "none")).parent / "weights" / "vgg19_conv3_1.safetensors"
    if not path.is_file():
        pytest.skip(f"there are no weights of VGG-19 at {path}")
    loss = ContentLoss("conv2_2", path)  # scaled by the bundled photographs
    for name in ("chelsea", "coffee"):
        hr = _photo(name, 144)
        assert 0.4 < float(loss.maps(hr).mean()) * loss.scale**0.5 < 2
        costs = [float(loss(degrade.bicubic_up(degrade.bicubic_down(hr, s), s), hr)) for s in (2, 3, 4)]
        assert 0.1 < costs[0] < costs[1] < costs[2] < 8
    with pytest.raises(ValueError, match=r"lacks features\.12\.weight, which VGG-19 up to conv5_4 needs"):
        losses.build("vgg54", path)


# ---- what is asked for wrongly


def test_losses_and_layers_that_do_not_exist(vgg_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no loss 'vgg'; there are mse, l1, charbonnier, vgg22, vgg54"):
        losses.build("vgg")
    with pytest.raises(ValueError, match=r"no layer 'conv2_3'; it has conv1_1, .*conv5_4"):
        vgg19_features("conv2_3")
    for name in losses.CONTENT_LAYERS:
        with pytest.raises(ValueError, match="a content loss needs the ImageNet weights"):
            losses.build(name)
    with pytest.raises(FileNotFoundError, match=r"no such VGG-19 weights: .*none\.safetensors"):
        losses.build("vgg22", tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match=r"lacks features\.10\.weight, .* up to conv3_1 needs; it ends before"):
        vgg19_features("conv3_1", vgg_file)


def test_files_that_are_damaged_or_of_another_network(vgg_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "vgg.safetensors"
    path.write_bytes(vgg_file.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="is not a safetensors file"):
        losses.build("vgg22", path)
    weights = load_file(vgg_file)
    save_file(weights | {"features.0.weight": torch.rand(64, 1, 3, 3)}, path)
    with pytest.raises(ValueError, match=r"(?s)of another network than VGG-19: .*\[64, 1, 3, 3\]"):
        losses.build("vgg22", path)
    for number in (0.0, math.nan):
        save_file({key: torch.full_like(value, number) for key, value in weights.items()}, path)
        with pytest.raises(ValueError, match="features at conv2_2 have mean .* cannot be right"):
            _content("conv2_2", path)


def test_a_content_loss_looks_at_colour(content: dict[str, ContentLoss]) -> None:
    with pytest.raises(ValueError, match=r"looks at RGB \(N, 3, H, W\), not \(1, 1, 16, 16\); luma needs a pixel loss"):
        content["conv2_2"](torch.rand(1, 1, 16, 16), torch.rand(1, 1, 16, 16))


def test_weights_of_torchvision_and_torchvision_missing(vgg_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import VGG19_Weights

    weights = load_file(vgg_file)
    monkeypatch.setattr(VGG19_Weights, "get_state_dict", lambda self, check_hash: weights)
    assert torch.equal(vgg19_features("conv2_2", "torchvision")[0].weight, weights["features.0.weight"])  # type: ignore[arg-type]
    assert losses.describe_vgg("torchvision") == "torchvision IMAGENET1K_V1"
    assert losses.describe_vgg(vgg_file).startswith("sha256 ")
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(ImportError, match="pip install torchvision"):
        vgg19_features("conv2_2")
