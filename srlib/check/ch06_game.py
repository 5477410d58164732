"""The judge of exercise 6.5, the step of a game of two networks; the other exercises of chapter 6 are in `ch06`.

The answer plays two rounds with two very small networks, and so does the step as it should be: all weights must agree.
When they do not, the usual mistakes are played, too, until one of them agrees.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srlib.check import Wrong, exercise
from srlib.check._answers import as_function, seeded

Step = Callable[..., object]


def _reference(
    generator: nn.Module, discriminator: nn.Module, g: torch.optim.Optimizer, d: torch.optim.Optimizer,
    lr: Tensor, hr: Tensor, weight: float = 1e-3, saturating: bool = False, swapped: bool = False, half: bool = False,
) -> None:  # fmt: skip
    """The step as asked for, and with the mistakes that a judge wants to recognise."""
    sr = generator(lr)
    real, fake = discriminator(hr), discriminator(sr.detach())
    if swapped:
        real, fake = -real, -fake
    loss = F.softplus(-real).mean() + F.softplus(fake).mean()
    d.zero_grad()
    loss = loss / 2 if half else loss
    loss.backward()  # type: ignore[no-untyped-call]
    d.step()
    judged = discriminator(sr)
    adversarial = -F.softplus(judged).mean() if saturating else F.softplus(-judged).mean()
    g.zero_grad()
    perceptual = F.mse_loss(sr, hr) + weight * adversarial
    perceptual.backward()  # type: ignore[no-untyped-call]
    g.step()


def _played(step: Step, rounds: int = 2) -> tuple[Tensor, Tensor]:
    """All weights of generator and discriminator after some rounds; the same start for each."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2)).double()
        discriminator = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(4 * 64, 1)
        ).double()
    hr = torch.rand(4, 3, 8, 8, generator=seeded(), dtype=torch.float64)
    optimisers = [torch.optim.SGD(network.parameters(), lr=0.5) for network in (generator, discriminator)]
    for _ in range(rounds):
        step(generator, discriminator, *optimisers, F.avg_pool2d(hr, 2), hr)
    flat = [torch.cat([p.detach().flatten() for p in n.parameters()]) for n in (generator, discriminator)]
    return flat[0], flat[1]


def _equal(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).abs().max() < 1e-9)


@exercise(
    "6.5",
    "Two halves, each with its own loss, zero_grad, backward and step. What must not move in each half?",
    "The discriminator learns from discriminator(hr) and discriminator(sr.detach()). Then ask it again about sr, not "
    "detached, for the generator's loss.",
    "Call d_optimiser.zero_grad() right before the discriminator's backward: the generator's backward leaves gradients "
    "in the discriminator, and they must not be used in the next step.",
)
def step_of_the_game(answer: object) -> str:
    """One step of both players."""
    function = as_function(answer)
    start, right = _played(lambda *_: None), _played(_reference)
    got = _played(lambda *players: function(*players))
    moved = [not _equal(before, after) for before, after in zip(start, got, strict=True)]
    if not any(moved):
        raise Wrong("neither network has moved; each needs a loss, zero_grad, backward and a step of its optimiser.")
    for name, has in zip(("generator", "discriminator"), moved, strict=True):
        if not has:
            raise Wrong(f"the {name} has not moved; its optimiser needs a backward and a step.")
    if all(_equal(a, b) for a, b in zip(got, right, strict=True)):
        return "right. srlib.gan has the same step, with a sampler and averaged weights around it."
    mistakes: tuple[tuple[dict[str, object], str], ...] = (
        ({"swapped": True}, "the discriminator learns the opposite: HR is real, its target is 1, and SR's is 0."),
        ({"saturating": True}, "the generator uses the saturating form, log(1 − D); −log D is wanted."),
        ({"weight": 1.0}, "the adversarial loss needs its weight, 10⁻³."),
        ({"weight": 0.0}, "the adversarial loss does not reach the generator: is sr detached in its half, too?"),
        (
            {"weight": -1e-3},
            "the generator is rewarded for being found out: its target is 1, as if its picture were real.",
        ),
        ({"half": True}, "the discriminator's loss is the sum of both parts here, not their mean."),
    )
    for changes, words in mistakes:
        other = _played(lambda *players, changes=changes: _reference(*players, **changes))
        if all(_equal(a, b) for a, b in zip(got, other, strict=True)):
            raise Wrong(words)
    once, first = _played(lambda *players: function(*players), rounds=1), _played(_reference, rounds=1)
    if all(_equal(a, b) for a, b in zip(once, first, strict=True)):
        raise Wrong("the first step is right and the second is not: gradients of the step before are still there.")
    if _equal(once[1], first[1]):
        raise Wrong("the discriminator's half is right; the generator's loss is MSE + 10⁻³ times −log D(SR).")
    if _equal(once[0], first[0]):
        raise Wrong("the generator's half is right; the discriminator's is not.")
    if _equal(once[1], _played(_generator_first, rounds=1)[1]):
        raise Wrong("the generator has moved first; the discriminator learns first, from the picture as it was.")
    raise Wrong("both networks move, but not as they should; look at one half at a time.")


def _generator_first(
    generator: nn.Module, discriminator: nn.Module, g: torch.optim.Optimizer, d: torch.optim.Optimizer,
    lr: Tensor, hr: Tensor,
) -> None:  # fmt: skip
    sr = generator(lr)
    g.zero_grad()
    perceptual = F.mse_loss(sr, hr) + 1e-3 * F.softplus(-discriminator(sr)).mean()
    perceptual.backward()  # type: ignore[no-untyped-call]
    g.step()
    d.zero_grad()
    loss = F.softplus(-discriminator(hr)).mean() + F.softplus(discriminator(generator(lr).detach())).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    d.step()
