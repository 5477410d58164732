"""Usual answers to the exercises of “Pitfalls, by symptom”, right and wrong, and what the judges call them.

That the stubs fail and the folded solutions pass is tested for all chapters in `test_exercises.py`.
"""

from __future__ import annotations

import pytest
from answers import assert_called_by_name, judged

PRELUDE = """
import copy
import random
import torch
from torch import nn
from torch.nn import functional as F
from srlib import degrade, metrics
from srlib.checkpoint import EMA
from srlib.image import from_uint8, to_uint8

def measure(lr=degrade.bicubic_down, truth=lambda hr, y: hr, peak=1, border=True):
    def score(network, hr, scale):
        low = lr(hr, scale)
        with torch.no_grad():
            sr = network(low)
        error = sr - truth(hr, degrade.bicubic_up(low, scale))
        if border:
            error = error[..., scale:-scale, scale:-scale]
        return 10 * torch.log10(peak**2 / error.square().mean())
    return score

def through_bytes(network, hr, scale):
    low = from_uint8(degrade.imresize(to_uint8(hr), 1 / scale))
    with torch.no_grad():
        sr = from_uint8(to_uint8(network(low)))
    return metrics.psnr(sr, hr, shave=scale).item()

corner = lambda hr, scale: hr[..., ::scale, ::scale]
input_ = lambda hr, y: y

def update(mix, names="state_dict", buffers=None):
    @torch.no_grad()
    def step(average, network, decay):
        if names == "parameters":
            for old, new in zip(average.parameters(), network.parameters()):
                old.copy_(mix(old, new, decay))
        else:
            new = network.state_dict()
            for name, old in average.state_dict().items():
                old.copy_(mix(old, new[name], decay) if old.is_floating_point() else new[name])
        if buffers:
            for old, new in zip(average.buffers(), network.buffers()):
                old.copy_(buffers(new))
    return step

right = lambda old, new, decay: decay * old + (1 - decay) * new

def as_in_the_package(average, network, decay):
    kept = EMA(average, decay)
    kept.model, kept.updates = average, 10**6
    kept.update(network)

def loss(adversarial, weight=1e-3, no_content_gradient=False, no_game_gradient=False):
    def value(sr, hr, features, discriminator):
        if no_content_gradient:
            with torch.no_grad():
                content = F.mse_loss(features(sr), features(hr))
        else:
            content = F.mse_loss(features(sr), features(hr).detach())
        return content + weight * adversarial(discriminator(sr.detach() if no_game_gradient else sr))
    return value

bce = lambda z: F.binary_cross_entropy_with_logits(z, torch.ones_like(z))

def drawn(steps):
    def augment(lr, hr):
        for low, high in steps:
            if random.random() < 0.5:
                lr, hr = low(lr), high(hr)
        return lr, hr
    return augment

same = lambda x: x
flip, flop = lambda x: x.flip(3), lambda x: x.flip(2)
swap, turn = lambda x: x.transpose(2, 3), lambda x: x.rot90(1, (2, 3))
half = lambda x: x.rot90(2, (2, 3))
"""

RIGHT = [
    ("9.1", "measure()"),
    ("9.1", "through_bytes"),
    ("9.2", "update(right)"),
    ("9.2", "update(right, 'parameters', buffers=lambda new: new)"),
    ("9.2", "as_in_the_package"),
    ("9.3", "loss(bce)"),
    ("9.3", "loss(lambda z: F.softplus(-z).mean())"),
    ("9.3", "loss(lambda z: -F.logsigmoid(z).mean())"),
    ("9.4", "drawn([(flip, flip), (flop, flop), (swap, swap)])"),
    ("9.4", "drawn([(turn, turn), (half, half), (flip, flip)])"),
]

# A part of the sentence that names each mistake.
WRONG = [
    ("9.1", "measure(corner, input_, 255)", "3 mistakes are left"),
    ("9.1", "measure(corner, input_)", "2 mistakes are left"),
    ("9.1", "measure(truth=input_)", "Where is the truth?"),
    ("9.1", "measure(corner)", "off the middle"),
    ("9.1", "measure(peak=255)", "the peak says"),
    ("9.1", "measure(border=False)", "border of 3 pixels"),
    ("9.1", "lambda network, hr, scale: 30.0", "neither the right score"),
    ("9.1", "lambda network, hr, scale: 'thirty'", "one number"),
    ("9.2", "update(lambda old, new, decay: right(new, old, decay), 'parameters')", "only 0.10"),
    ("9.2", "update(right, 'parameters')", "statistics of its first day"),
    ("9.2", "update(right, 'parameters', buffers=torch.zeros_like)", "neither averaged nor copied"),
    ("9.2", "update(lambda old, new, decay: new)", "plain copy"),
    ("9.2", "update(lambda old, new, decay: old)", "has not moved"),
    ("9.2", "update(lambda old, new, decay: old + new)", "are not decay"),
    ("9.2", "lambda average, network, decay: network.requires_grad_(False)[0].weight.zero_()", "being trained"),
    ("9.3", "loss(lambda z: torch.log(1 - torch.sigmoid(z)).mean())", "is flat"),
    ("9.3", "loss(lambda z: -torch.log(torch.sigmoid(z)).mean())", "stays finite"),
    ("9.3", "loss(lambda z: F.softplus(z).mean())", "label 1"),
    ("9.3", "loss(bce, weight=1)", "0.001 is asked for"),
    ("9.3", "loss(bce, weight=0)", "is right."),
    ("9.3", "loss(bce, no_content_gradient=True)", "content's gradient does not arrive"),
    ("9.3", "loss(bce, no_game_gradient=True)", "adversarial gradient does not arrive"),
    ("9.3", "lambda *a: loss(bce)(*a).detach()", "no gradient at all"),
    ("9.3", "lambda *a: 0.5", "tensor with one number"),
    ("9.4", "drawn([(flip, flip), (flop, same), (swap, swap)])", "mirrored against each other"),
    ("9.4", "drawn([(flip, flip), (flop, flop), (swap, turn)])", "mirrored against each other"),
    ("9.4", "drawn([(half, same)])", "half turn"),
    ("9.4", "drawn([(turn, same)])", "not turned alike"),
    ("9.4", "drawn([(flip, flip), (flop, flop)])", "only 4 of the eight"),
    ("9.4", "lambda lr, hr: (lr, hr)", "only 1 of the eight"),
    ("9.4", "lambda lr, hr: (lr + 0.1, hr)", "LR is no longer"),
    ("9.4", "lambda lr, hr: (lr, hr * 2)", "HR is no longer"),
    ("9.4", "lambda lr, hr: lr", "two things"),
]


@pytest.mark.parametrize(("name", "text"), RIGHT)
def test_more_than_one_answer_is_right(name: str, text: str) -> None:
    feedback = judged(name, text, PRELUDE)
    assert feedback, feedback


@pytest.mark.parametrize(("name", "text", "words"), WRONG)
def test_a_usual_mistake_is_called_by_its_name(name: str, text: str, words: str) -> None:
    assert_called_by_name(name, text, words, PRELUDE)
