"""Judges of the exercises of chapter 6, “SRGAN: plausible instead of average”.

Each judge tries an answer by what it does. Where the answer is one of the usual mistakes, it names the mistake.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srlib.check import Wrong, exercise
from srlib.check._answers import as_function, as_tensor, same, seeded


def _number(out: object, what: str = "the loss") -> Tensor:
    """What the learner's function returned, if it is one number in a tensor; it may be infinite."""
    if out is None or out is ...:
        raise Wrong("the function returns nothing yet; put your code in place of the dots.")
    if not isinstance(out, Tensor):
        raise Wrong(f"{what} must be a tensor with one number, so that it has a gradient, not {type(out).__name__}.")
    if out.numel() != 1:
        raise Wrong(f"{what} must be one number, the mean over all; this has shape {tuple(out.shape)}.")
    return out.reshape(())


@contextlib.contextmanager
def _without_bce() -> Iterator[None]:
    """PyTorch's own cross-entropies end the attempt."""
    forbidden = mock.Mock(
        side_effect=Wrong("the function calls PyTorch's cross-entropy, which is what it should build.")
    )
    with contextlib.ExitStack() as stack:
        for place in (F, torch):
            for name in ("binary_cross_entropy_with_logits", "binary_cross_entropy"):
                if hasattr(place, name):
                    stack.enter_context(mock.patch.object(place, name, forbidden))
        yield


@exercise(
    "6.1",
    "Write the two cases down: −log σ(z) for a real picture, −log(1 − σ(z)) for a made one. Then get rid of σ.",
    "−log σ(z) is log(1 + exp(−z)), and −log(1 − σ(z)) is log(1 + exp(z)). exp(200) is too large for 32 bits: take out "
    "the larger of 0 and z first, log(1 + exp(z)) = max(z, 0) + log(1 + exp(−|z|)).",
    "For a target t between the two: max(z, 0) − t·z + log(1 + exp(−|z|)), and the mean of it. "
    "torch.log1p and torch.clamp do it.",
)
def cross_entropy(answer: object) -> str:
    """BCE from logits, finite for any of them."""
    function = as_function(answer)
    logits = 3 * torch.randn(12, 1, generator=seeded())
    targets = (torch.arange(12).view(12, 1) % 2).float()
    each = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    with _without_bce():
        got = _number(function(logits.clone(), targets.clone()))
    probabilities = torch.sigmoid(logits)
    for mistake, words in {
        float(each.sum()): "that is the sum over the pictures; the mean is wanted.",
        float(-each.mean()): "the sign is wrong: a loss is minus the logarithm.",
        float(
            F.binary_cross_entropy_with_logits(logits, 1 - targets)
        ): "real and made are exchanged: target 1 is real.",
        float(
            (-targets * torch.log(probabilities)).mean()
        ): "only the real pictures count in it; the made ones are lost.",
        float(F.binary_cross_entropy_with_logits(probabilities, targets)): "the sigmoid has been applied twice.",
        float((probabilities - targets).square().mean()): "that is the squared error of the probabilities.",
    }.items():
        if abs(float(got) - mistake) < 1e-5:
            raise Wrong(words)
    if not abs(float(got) - float(each.mean())) < 1e-4:
        raise Wrong(f"for moderate logits you give {float(got):.4f}, and it is {float(each.mean()):.4f}.")
    for z, t in ((200.0, 1.0), (200.0, 0.0), (-200.0, 1.0), (-200.0, 0.0), (0.5, 1.0)):
        logit = torch.tensor([[z]], requires_grad=True)
        with _without_bce():
            loss = _number(function(logit, torch.tensor([[t]])))
        right = float(F.binary_cross_entropy_with_logits(logit.detach(), torch.tensor([[t]])))
        value, kind = float(loss.detach()), "real" if t else "made"
        if not bool(torch.isfinite(loss)):
            raise Wrong(f"for the logit {z:g} and a {kind} picture the loss is {value:.0f}; it is {right:.1f}.")
        if abs(value - right) > 1e-3 * max(1.0, right):
            raise Wrong(
                f"for the logit {z:g} and a {kind} picture you give {value:.2f}, and it is {right:.2f}. A "
                "probability that is clipped away from 0 and 1 is finite, but wrong, and its slope is zero."
            )
        if not loss.requires_grad:
            raise Wrong("the loss has no gradient: the logits must reach it without .item(), .detach() or no_grad().")
        (slope,) = torch.autograd.grad(loss, logit)
        wanted = float(torch.sigmoid(logit.detach())) - t
        if not bool(torch.isfinite(slope).all()):
            raise Wrong(f"the loss is right, but its slope at the logit {z:g} is not a number.")
        if abs(float(slope) - wanted) > 1e-3:
            raise Wrong(
                f"the loss is right; its slope at the logit {z:g} is {float(slope):.3f} instead of {wanted:.3f}."
            )
    return "right, and finite for any logit. Its slope is σ(z) − t: as simple as a loss can be."


@exercise(
    "6.2",
    "In evaluation mode batch norm is y·a + c for each map, with a = γ / √(variance + ε). What is c?",
    "y is the convolution, w∗x + b. So a·(w∗x + b − mean) + β is (a·w)∗x + (a·(b − mean) + β).",
    "a has one number for each output map, the first axis of the weights: weight * a.view(-1, 1, 1, 1).",
)
def folding(answer: object) -> str:
    """A convolution's weights and bias with the batch norm after it folded in."""
    function = as_function(answer)
    g = seeded()
    for n_out, n_in, eps in ((5, 3, 1e-5), (4, 4, 0.1)):
        weight, bias = torch.randn(n_out, n_in, 3, 3, generator=g), torch.randn(n_out, generator=g)
        gamma, beta, mean = (torch.randn(n_out, generator=g) for _ in range(3))
        variance = 0.2 + torch.rand(n_out, generator=g)
        out = function(*(v.clone() for v in (weight, bias, gamma, beta, mean, variance)), eps)
        if out is None or out is ...:
            raise Wrong("the function returns nothing yet; put your code in place of the dots.")
        if not isinstance(out, tuple | list) or len(out) != 2:
            raise Wrong("the function must return two things, the new weights and the new biases.")
        new, shift = as_tensor(out[0], tuple(weight.shape)), as_tensor(out[1], (n_out,))
        a = gamma / torch.sqrt(variance + eps)
        if same(new, weight * a.view(-1, 1, 1, 1)) and same(shift, beta + a * (bias - mean)):
            continue
        for factor, words in (
            (gamma / variance.sqrt(), "ε is missing: it stands under the root, beside the variance."),
            (gamma / (variance + eps), "the root is missing: it is the standard deviation that is divided by."),
            (1 / torch.sqrt(variance + eps), "γ is missing from the weights."),
        ):
            if same(new, weight * factor.view(-1, 1, 1, 1)):
                raise Wrong(words)
        if n_in == n_out and same(new, weight * a.view(1, -1, 1, 1)):
            raise Wrong("each factor belongs to an output map, the first axis of the weights, not to an input map.")
        if not same(new, weight * a.view(-1, 1, 1, 1)):
            raise Wrong("the weights are not γ / √(variance + ε) times what they were, output map by output map.")
        for mistake, words in (
            (beta - a * mean, "the weights are right; the convolution's own bias is lost on the way."),
            (beta + a * bias, "the weights are right; the mean has to be taken off."),
            (a * (bias - mean), "the weights are right; β is missing."),
            (beta + bias - mean, "the weights are right; bias and mean have to be scaled like the weights."),
            (beta + bias - a * mean, "the weights are right; the convolution's bias has to be scaled, too."),
        ):
            if same(shift, mistake):
                raise Wrong(words)
        raise Wrong("the weights are right, the biases are not.")
    return "right. The network that ships is folded like this before it is timed or exported."


@exercise(
    "6.3",
    "Each pixel can be treated alone. What is the best answer at one pixel if the truths there are 0, 0.2 and 1?",
    "The squared error is least for the mean, with probabilities as weights; the absolute error for the median: the "
    "value at which half of the probability lies below.",
    "At each pixel, sort the values, add up their probabilities in that order, and take the first value at which the "
    "sum reaches 1/2: values.sort(0), probabilities[order].cumsum(0), gather.",
)
def best_answers(answer: object) -> str:
    """The pictures of least expected squared and least expected absolute error."""
    function = as_function(answer)
    g = seeded()
    for k, n in ((3, 40), (6, 25)):
        truths, weights = torch.rand(k, n, generator=g), torch.rand(k, generator=g) + 0.1
        weights = weights / weights.sum()
        out = function(truths.clone(), weights.clone())
        if out is None or out is ...:
            raise Wrong("the function returns nothing yet; put your code in place of the dots.")
        if not isinstance(out, tuple | list) or len(out) != 2:
            raise Wrong("the function must return two pictures, for the squared and for the absolute error.")
        squared, absolute = as_tensor(out[0], (n,)), as_tensor(out[1], (n,))
        mean = weights @ truths
        if same(squared, truths.mean(0)):
            raise Wrong("the first picture is the plain mean; a truth that is more likely has to count more.")
        if same(absolute, mean) and same(squared, mean):
            raise Wrong("the first is right. The mean is not best for the absolute error: one far truth pulls at it.")
        if not same(squared, mean):
            raise Wrong("the first picture is not the one with the least expected squared error.")

        def expected(x: Tensor, truths: Tensor = truths, weights: Tensor = weights) -> float:
            return float((weights @ (truths - x).abs()).mean())

        values, order = truths.sort(0)
        first = (weights[order].cumsum(0) >= 0.5 - 1e-6).float().argmax(0)
        least = expected(values.gather(0, first[None])[0])
        if expected(absolute) <= least + 1e-5:
            continue
        if same(absolute, truths.median(0).values):
            raise Wrong("the second picture is the plain median; the probabilities have to count.")
        if same(absolute, truths[weights.argmax()]):
            raise Wrong(
                "the second picture is the likeliest truth as a whole; at each pixel another value may be better."
            )
        raise Wrong(
            f"the second picture has an expected absolute error of {expected(absolute):.4f}; {least:.4f} can be had."
        )
    return "right. MSE answers with the mean, L1 with the median: neither of them need look like any truth."


@exercise(
    "6.4",
    "Print loss.requires_grad, then the gradient at sr. Which line is it that a gradient cannot pass?",
    "There are two such lines. .item() and torch.tensor keep the number and forget where it came from, and "
    "requires_grad=True only silences the message. And a rounded number does not change when its input changes a "
    "little: its slope is zero.",
    "Append F.mse_loss(a, b) itself and return torch.stack(parts).mean(). Leave out round and clamp: a picture is made "
    "of bytes when it is saved, not while it is learned.",
)
def content(answer: object) -> str:
    """A content loss over the stages of a frozen network, with a gradient that reaches the picture."""
    function = as_function(answer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.ReLU()) for a, b in ((3, 6), (6, 8))
        ).requires_grad_(False)
    hr = torch.rand(1, 3, 9, 9, generator=seeded())
    sr = (hr + 0.3 * torch.randn(hr.shape, generator=seeded())).requires_grad_()  # some of it outside [0, 1]
    loss = _number(function(stages, sr, hr.clone()))
    right, clipped = _mean_of_stages(stages, sr, hr), _mean_of_stages(stages, sr.clamp(0, 1), hr)
    if not loss.requires_grad or loss.grad_fn is None:
        raise Wrong("the loss is a number without a history: no gradient reaches the picture. Which line forgets it?")
    (slope,) = torch.autograd.grad(loss, sr, allow_unused=True)
    if slope is None:
        raise Wrong("the loss has a gradient, but not to sr; on the way from sr the history is lost.")
    if not bool(slope.abs().sum() > 0):
        raise Wrong("a gradient arrives at the picture, and it is zero everywhere: some step has no slope.")
    if abs(float(loss.detach() - clipped.detach())) < 1e-6 and abs(float(right.detach() - clipped.detach())) > 1e-5:
        raise Wrong("a pixel outside [0, 1] has no gradient here, so nothing will ever bring it back: do not clip.")
    if abs(float(loss.detach() - len(stages) * right.detach())) < 1e-6:
        raise Wrong("that is the sum over the stages; their mean is wanted, as in the code.")
    if abs(float(loss.detach() - right.detach())) > 1e-5:
        raise Wrong(f"the loss is {float(loss.detach()):.4f}; the mean over the stages is {float(right.detach()):.4f}.")
    (wanted,) = torch.autograd.grad(right, sr)
    if not torch.allclose(slope, wanted, atol=1e-6):
        raise Wrong("the number is right, but a part of its gradient is lost.")
    return "right. The number was the same all the time; only a gradient shows whether it teaches anything."


def _mean_of_stages(stages: nn.ModuleList, sr: Tensor, hr: Tensor) -> Tensor:
    parts = []
    for stage in stages:
        sr, hr = stage(sr), stage(hr)
        parts.append(F.mse_loss(sr, hr))
    return torch.stack(parts).mean()
