"""Usual mistakes in the exercises of chapter 5 are called by their names."""

from __future__ import annotations

import pytest
from answers import assert_called_by_name

TOOLS = """
import math
import torch
from torch import nn
from srlib import degrade

def step(limit, clip=nn.utils.clip_grad_value_, zero=True):
    def update(network, optimiser, loss, theta):
        if zero:
            optimiser.zero_grad()
        loss.backward()
        clip(network.parameters(), limit(theta, optimiser))
        optimiser.step()
    return update

def now(optimiser):
    return optimiser.param_groups[0]["lr"]

def small_and_large(hr, s):
    return degrade.bicubic_up(degrade.bicubic_down(hr, s), s)

def batch(order, residual=lambda hr, seen: hr - seen):
    def make(hr, scales):
        seen = order(hr, scales)
        return seen, residual(hr, seen)
    return make

def groups(hr, scales):
    return torch.cat([small_and_large(g, s) for g, s in zip(hr.chunk(len(scales)), scales)])

def in_turns(hr, scales):
    return torch.cat([small_and_large(hr[k : k + 1], scales[k % len(scales)]) for k in range(len(hr))])

def side(measure=torch.abs, answer=lambda reach: 2 * reach + 1):
    def effective(network, y, share):
        y = y.clone().requires_grad_()
        middle = y.shape[-1] // 2
        slope = measure(torch.autograd.grad(network(y)[0, 0, middle, middle], y)[0][0, 0])
        for reach in range(middle + 1):
            window = slice(middle - reach, middle + reach + 1)
            if slope[window, window].sum() >= share * slope.sum():
                return answer(reach)
    return effective
"""

MISTAKES: list[tuple[str, str, str]] = [
    ("5.1", "lambda window, scale: math.ceil((window - 1) / 2)", "each LR pixel is 3"),
    ("5.1", "lambda window, scale: (window * scale - 1) / 2", "half a layer"),
    ("5.1", "lambda window, scale: (window * scale - 1) // 2", "one too few"),
    ("5.1", "lambda window, scale: window * scale // 2 + 1", "too many"),
    ("5.1", "lambda window, scale: math.ceil(window * scale / 2)", "one too many"),
    ("5.1", "lambda window, scale: window * scale - 1", "grows by two"),
    ("5.1", "lambda window, scale: 3", "too few: 3 layers see 7 of the 27"),
    ("5.1", "lambda window, scale: [3]", "must return a number"),
    ("5.1", "lambda window, scale: math.inf", "returns inf"),
    ("5.2", "lambda side, channels, a: 2 / (side**2 * channels)", "the variance"),
    ("5.2", "lambda side, channels, a: math.sqrt(2 / (side**2 * channels))", "plain ReLU"),
    ("5.2", "lambda side, channels, a: math.sqrt(2 / (side**2 * channels) / (1 + a))", "its square by a²"),
    ("5.2", "lambda side, channels, a: math.sqrt(2 / (side**2 * channels)) / (1 - min(a, 0.9))", "squares are added"),
    ("5.2", "lambda side, channels, a: math.sqrt(1 / (side**2 * channels))", "without any ReLU"),
    ("5.2", "lambda side, channels, a: math.sqrt(2 / (side**2 * (1 + a**2)))", "over all maps"),
    ("5.2", "lambda side, channels, a: math.sqrt(2 / (channels * (1 + a**2)))", "places of each map"),
    ("5.2", "lambda side, channels, a: math.sqrt(2 / (side * channels * (1 + a**2)))", "not side·channels"),
    ("5.2", "lambda side, channels, a: math.sqrt(1 / (3 * side**2 * channels))", "PyTorch's default"),
    ("5.2", "lambda side, channels, a: 0.01", "twenty layers by"),
    ("5.3", "step(lambda theta, o: theta / o.defaults['lr'])", "first rate"),
    ("5.3", "step(lambda theta, o: theta)", "±theta;"),
    ("5.3", "step(lambda theta, o: theta * now(o))", "theta times the rate"),
    ("5.3", "step(lambda theta, o: theta / now(o), nn.utils.clip_grad_norm_)", "clip each by itself"),
    ("5.3", "step(lambda theta, o: 0.4, nn.utils.clip_grad_norm_)", "moves by"),
    ("5.3", "step(lambda theta, o: theta / now(o), zero=False)", "old gradient"),
    ("5.3", "step(lambda theta, o: 1e9)", "nothing is clipped"),
    ("5.3", "lambda network, optimiser, loss, theta: loss.backward()", "no weight moves"),
    ("5.4", "lambda hr, scales: groups(hr, scales)", "two tensors"),
    ("5.4", "batch(lambda hr, scales: hr)", "HR itself"),
    ("5.4", "batch(lambda hr, scales: small_and_large(hr, scales[0]))", "same scale"),
    ("5.4", "batch(lambda hr, scales: groups(hr, scales[::-1]))", "opposite order"),
    (
        "5.4",
        "batch(in_turns)",
        "take turns",
    ),
    ("5.4", "batch(lambda hr, scales: hr * 0.5)", "bicubic's picture"),
    ("5.4", "lambda hr, scales: (degrade.bicubic_down(hr, 2), hr)", "is wanted"),
    ("5.4", "batch(groups, lambda hr, seen: hr)", "the second tensor is HR"),
    ("5.4", "batch(groups, lambda hr, seen: seen - hr)", "wrong sign"),
    ("5.4", "batch(groups, lambda hr, seen: (hr - seen).abs())", "does not give HR"),
    ("5.5", "side(answer=lambda reach: reach)", "reach to one side"),
    ("5.5", "side(answer=lambda reach: 2 * reach)", "odd side"),
    ("5.5", "side(lambda slope: slope)", "opposite sign"),
    ("5.5", "side(torch.square)", "squares"),
    ("5.5", "lambda network, y, share: y.shape[-1]", "whole picture"),
    ("5.5", "lambda network, y, share: 11", "all that is seen"),
    ("5.5", "lambda network, y, share: 15", "around the middle"),
]


@pytest.mark.parametrize(("name", "answer", "words"), MISTAKES, ids=[f"{m[0]}-{m[2]}" for m in MISTAKES])
def test_a_usual_mistake_is_called_by_its_name(name: str, answer: str, words: str) -> None:
    assert_called_by_name(name, answer, words, TOOLS)
