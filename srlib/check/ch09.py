"""Judges of the exercises of “Pitfalls, by symptom”: four programs that run, and are wrong.

Each judge tries an answer by what it does. Where one of the mistakes is left, it names the symptom and asks for the
cause, rather than give the cause away.
"""

from __future__ import annotations

import copy
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srlib import datasets, degrade, models
from srlib.check import Wrong, exercise
from srlib.check._answers import as_function, as_tensor, seeded
from srlib.image import from_uint8, rgb_to_y, to_uint8

State = dict[str, Tensor]


def _decibels(sr: Tensor, truth: Tensor, peak: float, shave: int) -> float:
    height, width = truth.shape[-2:]
    inside = (..., slice(shave, height - shave), slice(shave, width - shave))
    return float(10 * torch.log10(peak**2 / (sr[inside] - truth[inside]).square().mean()))


def _number(value: object) -> float:
    if value is None or value is ...:
        raise Wrong("the function returns nothing yet.")
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Wrong(f"the function must return one number, not {type(value).__name__}.")
    return float(value)


@exercise(
    "9.1",
    "Three questions: what is compared with what, where do the pixels of LR come from, and what is the largest value?",
    "An untrained network is nearly bicubic. With what must SR be compared, if it then gets the best score of all? And "
    "which pixel of a 3×3 block does `[::3]` take?",
    "Compare SR with hr, make LR with degrade.bicubic_down(hr, scale), and take the peak of pictures in [0, 1], 1.",
)
def measure(answer: object) -> str:
    """PSNR of a network on one luma picture, LR by bicubic, without a border as wide as the scale."""
    function = as_function(answer)
    for scale in (3, 2):
        network = models.load_pretrained("espcn", scale)
        hr = rgb_to_y(datasets.photo("astronaut")[..., 60:156, 180:270])
        hr = from_uint8(to_uint8(hr))
        value = _number(function(network, hr.clone(), scale))
        sources = {
            "": degrade.bicubic_down(hr, scale),
            "LR is made of single pixels of HR, off the middle of their blocks, with nothing against aliasing.": hr[
                ..., ::scale, ::scale
            ],
        }
        targets = ("", "SR is compared with the enlarged input. Where is the truth?")
        peaks = ("", "the values run from 0 to 1, and the peak says that they run to 255.")
        borders = ("", f"the border of {scale} pixels is still there.")
        found: list[tuple[int, str]] = []
        for (low, lr), target, peak, border in product(sources.items(), targets, peaks, borders):
            with torch.no_grad():
                sr = network(lr)
            truth = degrade.bicubic_up(lr, scale) if target else hr
            other = _decibels(sr, truth, 255.0 if peak else 1.0, 0 if border else scale)
            mistakes = [mistake for mistake in (peak, target, low, border) if mistake]
            if abs(value - other) < 0.05:
                left = f"{len(mistakes)} mistakes are left. One: " if len(mistakes) > 1 else ""
                found.append((len(mistakes), left + (mistakes or [""])[0]))
        if not found:
            raise Wrong(f"{value:.2f} dB at ×{scale} is neither the right score nor one of the usual wrong ones.")
        count, message = min(found)
        if count:
            raise Wrong(message)
    return "LR as in training, SR against HR, and a peak that fits the range."


def _pair_of_networks() -> tuple[nn.Module, nn.Module]:
    """Two small networks with batch norm, different in every number."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 3))
        average = copy.deepcopy(network)
        network(torch.rand(8, 1, 8, 8) * 3)  # moves the running statistics
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.rand_like(parameter))
    return average, network


def _mixed(now: State, old: State, new: State, names: list[str], share: float) -> bool:
    """Whether each of these tensors is `share` of the old one and the rest of the new one."""
    return all(torch.allclose(now[name], torch.lerp(new[name], old[name], share), atol=1e-6) for name in names)


@exercise(
    "9.2",
    "With a decay of 0.999, how much of the old average should be left after one step? And what does batch norm keep "
    "that is no parameter?",
    "`parameters()` are what an optimiser moves. The running mean and variance of batch norm are `buffers()`; "
    "`state_dict()` has both.",
    "For each name in average.state_dict(): old.lerp_(new[name], 1 - decay) if it is a float, else "
    "old.copy_(new[name]).",
)
def moving_average(answer: object) -> str:
    """One step of an exponential moving average of a whole network, in place."""
    function = as_function(answer)
    for decay in (0.9, 0.75):
        average, network = _pair_of_networks()
        old, new = copy.deepcopy(average.state_dict()), copy.deepcopy(network.state_dict())
        function(average, network, decay)
        now = average.state_dict()
        if any(not torch.equal(value, new[name]) for name, value in network.state_dict().items()):
            raise Wrong("the function changes the network that is being trained.")
        weights = [name for name, _ in average.named_parameters()]
        if _mixed(now, old, new, weights, 1):
            raise Wrong("the average has not moved; the function has to change it in place.")
        if _mixed(now, old, new, weights, 0):
            raise Wrong("the average is a plain copy of the network.")
        if _mixed(now, old, new, weights, 1 - decay):
            raise Wrong(f"with a decay of {decay}, only {1 - decay:.2f} of the old average is left after one step.")
        if not _mixed(now, old, new, weights, decay):
            raise Wrong("the parameters are not decay · average + (1 − decay) · network.")
        statistics = ["1.running_mean", "1.running_var"]
        if _mixed(now, old, new, statistics, 1):
            raise Wrong("the parameters are right. In eval mode batch norm still uses the statistics of its first day.")
        if not any(_mixed(now, old, new, statistics, share) for share in (decay, 0)):
            raise Wrong("batch norm's running statistics are neither averaged nor copied.")
    return "right: what is left of the old is the decay, and batch norm takes its statistics along."


class _Judge(nn.Module):
    """A discriminator that is as sure as it is told: its logit is `sure` plus the mean of the picture."""

    def __init__(self, sure: float) -> None:
        super().__init__()
        self.sure = sure

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(1, 2, 3)).unsqueeze(1) + self.sure


@exercise(
    "9.3",
    "What does no_grad() do to the gradient of the picture? And how steep is log(1 − D) where D is nearly 0?",
    "Only the features of HR may be made without a gradient. The adversarial loss of the paper is −log D(SR).",
    "content = F.mse_loss(features(sr), target); the adversarial part is "
    "F.binary_cross_entropy_with_logits(logit, torch.ones_like(logit)).",
)
def generator_loss(answer: object) -> str:
    """Content of frozen features, plus a thousandth of −log D, with a gradient from both and finite for any logit."""
    function = as_function(answer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        features = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3)).requires_grad_(False)
    random = seeded()
    pictures, hr = torch.rand(2, 3, 12, 12, generator=random), torch.rand(2, 3, 12, 12, generator=random)
    for sure in (0.0, -12.0, -200.0, 200.0):
        sr = pictures.clone().requires_grad_()
        logit = _Judge(sure)(sr)
        content = F.mse_loss(features(sr), features(hr))
        right = content + 1e-3 * F.softplus(-logit).mean()
        (gradient,) = torch.autograd.grad(right, sr, retain_graph=True)
        loss = function(sr, hr.clone(), features, _Judge(sure))
        if loss is None or loss is ...:
            raise Wrong("the function returns nothing yet.")
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            raise Wrong("the loss must be a tensor with one number.")
        if not loss.requires_grad:
            raise Wrong("the loss has no gradient at all.")
        value = loss.detach().double().sum()
        if not bool(torch.isfinite(value)):
            raise Wrong(f"for a logit of {sure:.0f} the loss is {value:.0f}. Which function of a logit stays finite?")
        flat = content - 1e-3 * F.softplus(logit).mean()  # 0.001 · log(1 − D)
        fooled = content + 1e-3 * F.softplus(logit).mean()
        if sure == 0 and torch.isclose(value, flat.double(), rtol=1e-5):
            raise Wrong(
                "log(1 − D) is flat where the discriminator is sure of a fake: nothing is learned from it there."
            )
        if sure == 0 and torch.isclose(value, fooled.double(), rtol=1e-5):
            raise Wrong("the generator is rewarded for being recognised: its answer should be judged real, label 1.")
        if sure == 0 and torch.isclose(value, (content + F.softplus(-logit).mean()).double(), rtol=1e-5):
            raise Wrong("the adversarial part has its whole weight; 0.001 is asked for.")
        if not torch.isclose(value, right.double(), rtol=1e-4):
            raise Wrong(f"for a logit of about {sure:.0f} the loss is {value:.5f}; {right.item():.5f} is right.")
        (theirs,) = torch.autograd.grad(loss.sum(), sr, allow_unused=True)
        (alone,) = torch.autograd.grad(content, sr)
        if theirs is None or not torch.allclose(theirs, gradient, rtol=1e-3, atol=1e-9):
            if theirs is not None and torch.allclose(theirs, gradient - alone, rtol=1e-3, atol=1e-9):
                raise Wrong("the value is right, but the content's gradient does not arrive at the picture.")
            if theirs is not None and torch.allclose(theirs, alone, rtol=1e-3, atol=1e-9):
                raise Wrong("the value is right, but the adversarial gradient does not arrive at the picture.")
            raise Wrong(f"for a logit of about {sure:.0f} the value is right, and the gradient is not.")
    return "right: both gradients arrive, also from a discriminator that is sure, and nothing overflows."


def _symmetries(x: Tensor) -> list[Tensor]:
    """The eight symmetries of a square picture: turned by 0, 90, 180 and 270 degrees, then the same mirrored."""
    turned = [x.rot90(k, (2, 3)) for k in range(4)]
    return turned + [y.flip(3) for y in turned]


def _which(x: Tensor, original: Tensor) -> int | None:
    equal = [k for k, y in enumerate(_symmetries(original)) if torch.allclose(x, y, atol=1e-6)]
    return equal[0] if equal else None


@exercise(
    "9.4",
    "Take a pair that you can check by eye, such as one bright corner, and look at both pictures after each step.",
    "What happens to LR must happen to HR. A quarter turn is a transposition *and* a reflection.",
    "In the second step flip hr as well; in the third transpose both.",
)
def augment(answer: object) -> str:
    """The same one of eight symmetries for LR and HR, each of them possible."""
    function = as_function(answer)
    scale, random = 3, seeded()
    hr = torch.rand(1, 1, 12, 12, generator=random)
    lr = torch.rand(1, 1, 4, 4, generator=random)
    seen: set[int] = set()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(200):
            out = function(lr.clone(), hr.clone())
            if out is None or out is ...:
                raise Wrong("the function returns nothing yet.")
            if not isinstance(out, tuple | list) or len(out) != 2:
                raise Wrong("the function must return two things, LR and HR.")
            low, high = as_tensor(out[0], (1, 1, 4, 4)), as_tensor(out[1], (1, 1, 4 * scale, 4 * scale))
            first, second = _which(low, lr), _which(high, hr)
            if first is None or second is None:
                raise Wrong(f"{'LR' if first is None else 'HR'} is no longer the picture, mirrored or turned.")
            if first != second:
                if second in (_which(low.flip(side), lr) for side in (2, 3)):
                    raise Wrong("LR and HR are mirrored against each other.")
                if _which(low.rot90(2, (2, 3)), lr) == second:
                    raise Wrong("LR and HR are turned by a half turn against each other.")
                raise Wrong("LR and HR are not turned alike: a quarter turn is no transposition.")
            seen.add(first)
    if len(seen) < 8:
        raise Wrong(f"in 200 calls only {len(seen)} of the eight symmetries came up.")
    return "right: all eight came up, and LR is HR, shrunk, in each of them."
