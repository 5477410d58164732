"""Judges of the exercises of chapter 5, “VDSR: twenty layers that learn only what is missing”.

Each judge tries an answer by what it does. Where the answer is one of the usual mistakes, it names the mistake.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srlib.check import Wrong, exercise
from srlib.check._answers import as_function, as_tensor, same, seeded
from srlib.degrade import bicubic_down, bicubic_up


def _number(out: object) -> float:
    """What the learner's function returned, if it is one finite number."""
    if out is None or out is ...:
        raise Wrong("the function returns nothing yet; put your code in place of the dots.")
    if isinstance(out, Tensor) and out.numel() == 1:
        out = out.item()
    if not isinstance(out, int | float):
        raise Wrong(f"the function must return a number, not {type(out).__name__}.")
    if not math.isfinite(out):
        raise Wrong(f"the function returns {out}.")
    return float(out)


@exercise(
    "5.1",
    "First turn the window into pixels of the enlarged picture. What do d layers of 3×3 see there?",
    "d layers see 2·d + 1 pixels. So 2·d + 1 has to be at least window·scale.",
    "d is (window·scale − 1)/2, rounded up: math.ceil.",
)
def depth(answer: object) -> str:
    """A function of window and scale that returns a number of layers."""
    function = as_function(answer)
    for window, scale in ((9, 3), (9, 4), (41, 1), (10, 4), (13, 2), (3, 2)):
        got, side = _number(function(window, scale)), window * scale
        right = math.ceil((side - 1) / 2)
        if got == right:
            continue
        case = f"for {window} LR pixels at ×{scale} you give {got:g}"
        sees = f"{got:g} layers see {2 * got + 1:g} of the {side} pixels of the enlarged picture"
        if got == math.ceil((window - 1) / 2) and scale > 1:
            raise Wrong(f"{case}: that is right for pixels of the enlarged picture; each LR pixel is {scale} of them.")
        if got == (side - 1) / 2:
            raise Wrong(f"{case}: half a layer cannot be built, so round up.")
        if got == math.ceil(side / 2):
            raise Wrong(f"{case}, one too many: the pixel in the middle needs no layer. Try 41 pixels at ×1.")
        if got == right - 1:
            raise Wrong(f"{case}, one too few: {sees}. Rounding down makes the window too small.")
        if got == side or got == side - 1:
            raise Wrong(f"{case}: a layer sees one pixel further on both sides, so the window grows by two.")
        raise Wrong(f"{case}, too {'few' if got < right else 'many'}: {sees}.")
    return "right. What is cheap at ×2 becomes deep at ×4: the window is counted in LR pixels, the layers are not."


@exercise(
    "5.2",
    "Which share of its variance does a leaky ReLU leave in E[x²]? Split it into the positive and the negative half.",
    "E[x²] is (1 + a²)/2 times the variance of the sum. The factor of a layer is n·v·(1 + a²)/2, and it has to be 1.",
    "n = side·side·channels, v = 2/((1 + a²)·n), and the answer is the square root of v.",
)
def leaky(answer: object) -> str:
    """A function of the side of a filter, the number of maps and the slope that returns a standard deviation."""
    function = as_function(answer)
    for side, channels, a in ((3, 64, 0.0), (5, 32, 0.0), (3, 64, 0.2), (3, 16, 0.5), (1, 64, 1.0)):
        got, n = _number(function(side, channels, a)), side * side * channels
        right = math.sqrt(2 / ((1 + a**2) * n))
        if math.isclose(got, right, rel_tol=1e-3):
            continue
        case = f"for {side}×{side} filters on {channels} maps with a = {a:g} you give {got:.4f}"
        mistakes = {
            right**2: "that is the variance; its square root is wanted.",
            math.sqrt(2 / n): "right for a plain ReLU. A leaky one keeps a share of the other half, too.",
            math.sqrt(2 / ((1 + a) * n)): "the negative half is multiplied by a, so its square by a².",
            math.sqrt(1 / n): "this keeps a signal without any ReLU; the ReLU takes a part of it.",
            right * math.sqrt(side): "one output is a sum over side·side·channels products, not side·channels.",
            right * math.sqrt(channels): "one output is a sum over all maps, not over one.",
            right * side: "one output is a sum over side·side places of each map.",
            math.sqrt(1 / (3 * n)): "this is PyTorch's default, with which the gradient vanishes.",
            math.sqrt(2 / (n * (1 - a) ** 2)) if a < 1 else -1.0: "squares are added: 1 + a², not (1 − a)².",
        }
        for mistake, words in mistakes.items():
            if math.isclose(got, mistake, rel_tol=1e-3):
                raise Wrong(f"{case}: {words}")
        factor = got**2 * n * (1 + a**2) / 2
        raise Wrong(f"{case}: a layer would multiply the variance by {factor:.3g}, twenty layers by {factor**20:.1g}.")
    return "right. With a = 1 nothing is cut off, and 1/n is left: a sum of n numbers, each with 1/n of the variance."


def _tiny() -> nn.Linear:
    """One layer of three weights, whose gradient for the loss below is (300, −0.02, 0.001)."""
    layer = nn.Linear(3, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, -0.25, 0.125]]))
    return layer


def _moves(function: Any, rates: tuple[float, ...], theta: float) -> list[Tensor]:
    """By how much the three weights move in one step at each rate, the first rate being the optimiser's own."""
    layer = _tiny()
    optimiser = torch.optim.SGD(layer.parameters(), lr=rates[0])
    moves = []
    for rate in rates:
        optimiser.param_groups[0]["lr"] = rate
        before = layer.weight.detach().clone()
        loss = layer(torch.tensor([[300.0, -0.02, 0.001]])).sum()
        function(layer, optimiser, loss, theta)
        moves.append((layer.weight.detach() - before)[0])
    return moves


@exercise(
    "5.3",
    "When is there a gradient that could be clipped? Print layer.weight.grad before and after each line.",
    "There are two mistakes. One is in the order of the lines; the other is where the rate is read: a schedule writes "
    "it into param_groups.",
    "zero_grad, backward, clip_grad_value_ with theta / optimiser.param_groups[0]['lr'], step.",
)
def clip(answer: object) -> str:
    """One step of SGD whose gradient is clipped to ±theta/rate, number by number."""
    function, theta, rates = as_function(answer), 0.01, (0.1, 0.001)
    gradient = torch.tensor([300.0, -0.02, 0.001])
    moves = _moves(function, rates, theta)
    limits = [theta / rate for rate in rates]

    def are(wanted: list[Tensor]) -> bool:
        return all(torch.allclose(m, -r * w, atol=1e-6) for m, r, w in zip(moves, rates, wanted, strict=True))

    def shortened(lengths: list[float]) -> list[Tensor]:
        return [gradient * min(1.0, length / float(gradient.norm())) for length in lengths]

    if are([gradient.clamp(-limit, limit) for limit in limits]):
        return "right. No weight moves further than theta in a step, and when the rate falls the limit lets go."
    first = gradient.clamp(-limits[0], limits[0])
    if are([first, (first + gradient).clamp(-limits[1], limits[1])]):
        raise Wrong("the first step is right; in the next one the old gradient is still there and is added.")
    if not any(bool(m.any()) for m in moves):
        raise Wrong("no weight moves: is optimiser.step() called when there is a gradient?")
    if are([gradient, gradient]):
        raise Wrong(
            "nothing is clipped: a weight moved by 30 where theta is 0.01. What is there to clip at that moment?"
        )
    if are([first] * 2):
        raise Wrong("the limit stays at what the first rate gave; optimiser.defaults knows nothing of a schedule.")
    if are([gradient.clamp(-theta, theta)] * 2):
        raise Wrong("the gradient is clipped to ±theta; the paper clips to ±theta/rate, so that the step is bounded.")
    if are([gradient.clamp(-theta * rate, theta * rate) for rate in rates]):
        raise Wrong("the limit is theta times the rate; it has to grow when the rate falls.")
    if are(shortened(limits)) or are(shortened([limits[0]] * 2)) or are(shortened([theta] * 2)):
        raise Wrong("the whole gradient is shortened, so small numbers shrink with the large one; clip each by itself.")
    at = ", ".join(f"{float(m.abs().max()):.3g} at rate {rate:g}" for m, rate in zip(moves, rates, strict=True))
    raise Wrong(f"the weight with a gradient of 300 moves by {at}; it should be theta, 0.01, both times.")


@exercise(
    "5.4",
    "hr.chunk(3) cuts a batch into three groups. What does the network see of a patch that was made small and large?",
    "For each group: degrade.bicubic_up(degrade.bicubic_down(group, s), s). Put the groups together with torch.cat.",
    "The second tensor is hr minus the first: what has to be added to what the network sees.",
)
def mixed(answer: object) -> str:
    """What a network for several scales sees of a batch, and the residual that it has to learn."""
    function = as_function(answer)
    for scales, n in (((2, 3, 4), 6), ((2, 4), 2)):
        hr = F.avg_pool2d(torch.rand(n, 1, 26, 26, generator=seeded()), 3, stride=1)  # (n, 1, 24, 24)
        groups = list(hr.chunk(len(scales)))
        right = torch.cat([bicubic_up(bicubic_down(g, s), s) for g, s in zip(groups, scales, strict=True)])
        out = function(hr.clone(), scales)
        if out is None or out is ...:
            raise Wrong("the function returns nothing yet; put your code in place of the dots.")
        if not isinstance(out, tuple | list) or len(out) != 2:
            raise Wrong("the function must return two tensors: what the network sees, and the residual.")
        seen, residual = (as_tensor(part, tuple(hr.shape)) for part in out)
        if not same(seen, right):
            if same(seen, hr):
                raise Wrong("the network sees HR itself; make it small and large again first.")
            if any(same(seen, bicubic_up(bicubic_down(hr, s), s)) for s in scales):
                raise Wrong("every patch has the same scale; each scale gets an equal share of the batch.")
            turns = [bicubic_up(bicubic_down(hr[k : k + 1], scales[k % len(scales)]), scales[k % len(scales)])
                     for k in range(n)]  # fmt: skip
            if same(seen, torch.cat(turns)):
                raise Wrong("the scales take turns from patch to patch; the first patches are all for the first scale.")
            back = [bicubic_up(bicubic_down(g, s), s) for g, s in zip(groups, scales[::-1], strict=True)]
            if same(seen, torch.cat(back)):
                raise Wrong("the scales are in the opposite order: the first patches are for the first scale.")
            raise Wrong(
                "what the network sees is not bicubic's picture: bicubic_down, then bicubic_up, group by group."
            )
        if same(residual, hr):
            raise Wrong("the second tensor is HR; the network has to learn only what is missing.")
        if same(residual, right - hr):
            raise Wrong("the residual has the wrong sign: it is added to what the network sees, and has to give HR.")
        if not same(residual, hr - right):
            raise Wrong("what the network sees plus the residual does not give HR.")
    return "right. The residual of ×4 is larger than that of ×2, so in a sum of squares the hard scale counts for more."


class _Window(nn.Module):
    """A picture times one filter, whose slope is the same everywhere: what it looks at is known."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, y: Tensor) -> Tensor:
        return F.conv2d(y, self.weight[None, None], padding=self.weight.shape[0] // 2)


def _side(slope: Tensor, share: float) -> int:
    """Side of the smallest centred window with at least `share` of the sum of `slope`."""
    middle = slope.shape[0] // 2
    for reach in range(middle + 1):
        window = slice(middle - reach, middle + reach + 1)
        if float(slope[window, window].sum()) >= share * float(slope.sum()):
            return 2 * reach + 1
    return 2 * middle + 1


@exercise(
    "5.5",
    "Ask for the slope of one number, network(y) at the middle, along y: torch.autograd.grad. y has to require it.",
    "Take absolute values. Then grow the window, reach = 0, 1, 2, …, from middle - reach to middle + reach, until it "
    "holds the share.",
    "A window with that reach has a side of 2·reach + 1.",
)
def effective(answer: object) -> str:
    """The side of the smallest window that holds a share of the slope of the middle pixel."""
    function = as_function(answer)
    y = torch.rand(1, 1, 21, 21, generator=seeded())
    far = (torch.arange(11) - 5).abs()
    distance = torch.maximum(far[:, None], far[None, :])  # of each weight from the middle, in rings
    sign = 1 - 2 * ((torch.arange(11)[:, None] + torch.arange(11)) % 2)
    for falls, share in ((0.35, 0.9), (0.7, 0.9), (0.7, 0.5), (0.2, 0.99)):
        weight = falls**distance * sign
        slope = torch.zeros(21, 21)
        slope[5:16, 5:16] = weight
        right = _side(slope.abs(), share)
        got = _number(function(_Window(weight), y.clone(), share))
        if got == right:
            continue
        case = f"for a share of {share:.0%} you give {got:g}, and {right} is right"
        mistakes = {
            float(right // 2): "that is the reach to one side; the side is twice that, and one.",
            float(right + 1): "a window around a pixel has an odd side: 2·reach + 1.",
            float(right - 1): "a window around a pixel has an odd side: 2·reach + 1.",
            float(_side(slope, share)): "slopes of opposite sign cancel in your sum; take absolute values.",
            float(_side(slope.square(), share)): "squares make the middle weigh more; sum the absolute values.",
            float(_side(slope.abs().sum(0).diag(), share)): "add up over both axes: the window is a square.",
            21.0: "that is the side of the whole picture.",
            11.0: "that is all that is seen; the window with a share of the slope is smaller.",
        }
        raise Wrong(
            f"{case}: {mistakes[got]}" if got in mistakes else f"{case}. Does the window lie around the middle?"
        )
    return "right. Try it on the shipped network: what a pixel sees, and what it uses, are two things."
