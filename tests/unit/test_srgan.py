"""SRResNet and the discriminator: against naive ones in numpy, batch norm folded, mistakes that others make."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from naive import Array, array, convolution, leaky, randomise, sequence, slope
from torch import nn

from srlib import models
from srlib.models.srgan import Discriminator, ResidualBlock, SRResNet, fold_batch_norm


def test_number_of_parameters_of_the_discriminator() -> None:
    with torch.device("meta"):  # counted, not filled
        assert sum(p.numel() for p in Discriminator(96).parameters()) == 23_563_649
    # From the layers: eight convolutions, the first with biases; seven batch norms; two dense layers.
    widths = [3, 64, 64, 128, 128, 256, 256, 512, 512]
    filters = sum(9 * a * b for a, b in pairwise(widths)) + 64
    norms = 2 * sum(widths[2:])
    assert filters + norms + (512 * 6 * 6 + 1) * 1024 + 1024 + 1 == 23_563_649


# ---- forward passes from their definitions


def naive_generator(model: SRResNet, lr: torch.Tensor, training: bool) -> Array:
    first = sequence(array(lr), model.head)
    x = first
    for block in model.body:
        assert isinstance(block, ResidualBlock)
        branch = nn.Sequential(block.conv1, block.norm1, block.activation, block.conv2, block.norm2)
        x = x + sequence(x, branch, training)
    x = first + sequence(x, model.tail, training)
    for stage in range(0, len(model.enlarge), 3):
        assert isinstance(model.enlarge[stage], nn.Conv2d)
        x = sequence(x, model.enlarge[stage : stage + 2])
        x = leaky(x, slope(model.enlarge[stage + 2]))
    return (convolution(x, model.last) + 1) / 2


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("scale", "variant", "n"), [(2, "b4", 64), (3, "b4", 8), (4, "b4", 64), (4, "b16", 8)])
def test_generator_agrees_with_the_naive_one(scale: int, variant: str, n: int, training: bool) -> None:
    model = SRResNet(scale, variant, n)
    randomise(model).double().train(training)
    lr = torch.rand(2, 3, 4, 3, dtype=torch.float64)
    want = naive_generator(model, lr, training)
    with torch.no_grad():
        assert np.abs(array(model(lr)) - want).max() < 1e-10 * np.abs(want).max()
        single = array(randomise(SRResNet(scale, variant, n)).train(training)(lr.float()))
    assert want.std() > 0.1
    assert np.abs(single - want).max() < 1e-5 * max(1.0, np.abs(want).max())


@pytest.mark.parametrize("training", [False, True])
def test_discriminator_agrees_with_the_naive_one(training: bool) -> None:
    model = Discriminator(16)
    randomise(model).train(training)
    x = torch.rand(3, 3, 16, 16)
    want = sequence(2 * array(x) - 1, model.features, training).reshape(3, -1)
    want = sequence(want, model.dense)
    with torch.no_grad():
        single = array(model(x))
        model.load_state_dict(randomise(Discriminator(16)).state_dict())  # training has moved the running statistics
        assert np.abs(array(model.double()(x.double())) - want).max() < 1e-10 * max(1.0, np.abs(want).max())
    assert want.shape == (3, 1)
    assert want.std() > 0.01
    assert np.abs(single - want).max() < 1e-5 * max(1.0, np.abs(want).max())


# ---- batch norm


@pytest.mark.parametrize(("scale", "variant"), [(2, "b4"), (3, "b4"), (4, "b16")])
def test_folded_network_is_the_same_without_batch_norm(scale: int, variant: str) -> None:
    model = SRResNet(scale, variant)
    randomise(model).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    folded = fold_batch_norm(model)
    assert model.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    assert not any(m.training for m in folded.modules())
    assert (folded.scale, folded.overlap, folded.variant) == (scale, model.overlap, variant)
    x = torch.rand(2, 3, 7, 6)
    with torch.no_grad():
        want = model.eval()(x)
        assert float((folded(x) - want).abs().max()) < 1e-5 * max(1.0, float(want.abs().max()))
        assert not torch.equal(model.train()(x), want)  # the statistics were worth folding


def test_only_an_srresnet_with_batch_norms_can_be_folded() -> None:
    folded = fold_batch_norm(SRResNet(2, "b4", 4))
    with pytest.raises(ValueError, match="not SRResNet without them"):
        fold_batch_norm(folded)
    with pytest.raises(ValueError, match="not VDSR without them"):
        fold_batch_norm(models.create("vdsr", 2, "5"))  # type: ignore[arg-type]


def test_colour_shift_in_eval_mode_a_picture_does_not_depend_on_its_neighbours() -> None:
    model, x = SRResNet(2, "b4", 8), torch.rand(3, 3, 6, 5)
    randomise(model).eval()
    remembered = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.no_grad():
        together = model(x)
        assert torch.allclose(model(x[1:2]), together[1:2], atol=1e-5)
    assert all(torch.equal(remembered[key], value) for key, value in model.state_dict().items())
    with torch.no_grad():
        assert not torch.allclose(model.train()(x[1:2]), together[1:2], atol=1e-2)


# ---- mistakes that re-implementations make


def test_batch_norm_in_the_discriminators_first_layer_there_is_none() -> None:
    kinds = [type(layer).__name__ for layer in Discriminator(16).features]
    block = ["Conv2d", "BatchNorm2d", "LeakyReLU"]
    assert kinds == ["Conv2d", "LeakyReLU", *block * 7]


def test_discriminator_halves_when_it_doubles() -> None:
    convolutions = [m for m in Discriminator(16).modules() if isinstance(m, nn.Conv2d)]
    found = [f"k{m.kernel_size[0]}n{m.out_channels}s{m.stride[0]}" for m in convolutions]
    assert found == [f"k3n{n}s{s}" for n in (64, 128, 256, 512) for s in (1, 2)]  # figure 4
    assert [m.bias is not None for m in convolutions] == [True] + [False] * 7
    assert {m.negative_slope for m in Discriminator(16).modules() if isinstance(m, nn.LeakyReLU)} == {0.2}


def test_sigmoid_in_the_discriminator_it_returns_logits() -> None:
    model = Discriminator(16)
    last = model.dense[-1]
    assert isinstance(last, nn.Linear)
    for value in (-40.0, 40.0):
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, value)
        assert model(torch.rand(2, 3, 16, 16)).tolist() == [[value], [value]]


def test_generator_keeps_biases_and_one_slope_a_layer() -> None:
    """1,549,462 is the count with both; without biases before batch norm or with a slope a map it would differ."""
    model = SRResNet(4)
    assert all(m.bias is not None for m in model.modules() if isinstance(m, nn.Conv2d))
    slopes = [m for m in model.modules() if isinstance(m, nn.PReLU)]
    assert len(slopes) == 1 + 16 + 2
    assert all(m.weight.numel() == 1 for m in slopes)


def test_bias_before_batch_norm_learns_nothing() -> None:
    model = SRResNet(2, "b4", 8)
    randomise(model).train()
    torch.autograd.backward(model(torch.rand(2, 3, 6, 6)).square().mean())
    for block in model.body:
        assert isinstance(block, ResidualBlock)
        for layer in (block.conv1, block.conv2):
            assert layer.bias is not None
            assert layer.bias.grad is not None
            assert layer.weight.grad is not None
            assert float(layer.bias.grad.abs().max()) < 1e-5 * float(layer.weight.grad.abs().max())


@pytest.mark.parametrize("patch", [0, 8, 40, -16, 96.0, "96"])
def test_patches_that_cannot_be_halved_four_times(patch: int) -> None:
    with pytest.raises(ValueError, match="patch must be a multiple of 16"):
        Discriminator(patch)


def test_pictures_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"judges \(N, 3, 32, 32\), not \(1, 3, 16, 16\)"):
        Discriminator(32)(torch.rand(1, 3, 16, 16))
    with pytest.raises(ValueError, match=r"works on RGB \(N, 3, h, w\), not \(1, 1, 4, 4\)"):
        SRResNet(2, "b4")(torch.rand(1, 1, 4, 4))


@pytest.mark.parametrize("scale", [1, 8, 4.0, "4"])
def test_scales_that_srresnet_does_not_have(scale: int) -> None:
    with pytest.raises(ValueError, match="×2, ×3 or ×4"):
        SRResNet(scale)
