"""Every hyper-parameter, in one place: a recipe is one named experiment.

Changing a number means changing a recipe, never the training loop. Three budgets: `quick` runs live in a chapter
(at most 60 s on two CPU cores), `colab` is sized for a free GPU and some minutes, `full` made the shipped weights.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal


@dataclass(frozen=True)
class Recipe:
    """What is trained, on how much, and how. Where the paper did something else, its value is given.

    Attributes:
        model: name in `srlib.models`.
        budget: "quick", "colab" or "full".
        scale: enlargement factor.
        variant: of the model, such as "9-5-5".
        steps: optimiser steps (the SRCNN authors' file: 15 million).
        batch: patches a step (SRCNN: 128).
        patch: side of the HR patch in pixels, a multiple of `scale` (SRCNN: 33).
        border: pixels at each side of a patch left out of the loss, because the network saw an invented border
            there (SRCNN: all that its unpadded convolutions lose, 6 for 9-1-5).
        loss: "mse" (all four papers), "l1" or "charbonnier".
        learning_rate: at its highest, for Adam (SRCNN: SGD with 1e-4, 1e-5 in the last layer).
        warmup: steps over which it rises from zero.
        final: share of `learning_rate` left at the end of the cosine (SRCNN: constant).
        ema: decay of the averaged weights that are scored and saved; 0 keeps the last weights (SRCNN: none).
        clip: largest norm of the gradient, 0 for no limit.
        validate: steps between two validations on the held-out pictures; also between checkpoints.
        seed: of initial weights and patches.
    """

    model: str
    budget: str
    scale: int
    variant: str | None = None
    steps: int = 1000
    batch: int = 16
    patch: int = 48
    border: int = 0
    loss: Literal["mse", "l1", "charbonnier"] = "mse"
    learning_rate: float = 1e-3
    warmup: int = 100
    final: float = 0.01
    ema: float = 0.999
    clip: float = 0.0
    validate: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        if self.scale < 1:
            raise ValueError(f"scale is a whole factor from 1 on, not {self.scale}")
        if self.loss not in ("mse", "l1", "charbonnier"):
            raise ValueError(f"there is no loss {self.loss!r}; there are mse, l1, charbonnier")
        if self.patch % self.scale:
            raise ValueError(f"patch {self.patch} is not a multiple of scale {self.scale}")
        if not 0 <= 2 * self.border < self.patch:
            raise ValueError(f"border {self.border} leaves nothing of a patch of {self.patch}")
        if min(self.steps, self.batch, self.validate) < 1:
            raise ValueError(
                f"steps, batch and validate are at least 1, not {self.steps}, {self.batch}, {self.validate}"
            )
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema is a decay from 0 to below 1, not {self.ema}")

    def but(self, **changes: Any) -> Recipe:
        """The same recipe with some numbers changed: `get("srcnn", scale=3).but(loss="l1")`."""
        return replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """For a card or a checkpoint."""
        return asdict(self)


def _srcnn(budget: str, scale: int, variant: str, steps: int) -> Recipe:
    """SRCNN with Adam and MSE.

    `full` differs from the paper in four ways, each for the sake of time: Adam at 1e-3 with a cosine instead of SGD
    at 1e-4; 8,000 steps of 16 patches instead of 15 million of 128 smaller ones; averaged weights; a start at
    bicubic. The table of deviations in chapter 3 says what of it was measured.
    """
    if budget == "quick":  # small patches with their border in the loss: fewer wasted pixels, and good enough
        patch, border, batch, rate = {2: 32, 3: 30, 4: 32}[scale], 0, 32, 2e-3
    else:
        patch, border, batch, rate = 60, {"9-1-5": 6, "9-3-5": 7, "9-5-5": 8}[variant], 16, 1e-3
    return Recipe(
        model="srcnn",
        budget=budget,
        scale=scale,
        variant=variant,
        steps=steps,
        batch=batch,
        patch=patch,
        border=border,
        learning_rate=rate,
        validate=max(50, steps // 40),
    )


RECIPES: dict[tuple[str, str, int, str], Recipe] = {
    (r.model, r.budget, r.scale, r.variant or ""): r
    for scale in (2, 3, 4)
    for variant in ("9-5-5", "9-3-5", "9-1-5")
    for r in (
        _srcnn("quick", scale, variant, steps=1000),
        _srcnn("colab", scale, variant, steps=6000),
        _srcnn("full", scale, variant, steps=8000),
    )
}

QUICK_VARIANT = {"srcnn": "9-1-5"}  # the 2014 network: a seventh of the work of 9-5-5


def get(model: str, scale: int, budget: str = "quick", variant: str | None = None) -> Recipe:
    """The recipe of a model, scale and budget; ValueError lists what exists.

    Without `variant`, "quick" trains the small one that fits a chapter's time box (SRCNN 9-1-5), the other budgets
    the one that ships (SRCNN 9-5-5).

    >>> get("srcnn", scale=3, budget="full").variant
    '9-5-5'
    """
    names = sorted({key[0] for key in RECIPES})
    if model not in names:
        raise ValueError(f"there is no recipe for {model!r}; there are recipes for {', '.join(names)}")
    if variant is None:
        first = next(key[3] for key in RECIPES if key[0] == model)
        variant = QUICK_VARIANT.get(model, first) if budget == "quick" else first
    key = (model, budget, scale, variant)
    if key not in RECIPES:
        options = sorted({(k[1], k[2], k[3]) for k in RECIPES if k[0] == model})
        raise ValueError(
            f"there is no {model} recipe with budget {budget!r}, scale {scale} and variant {variant!r}; there are "
            + ", ".join(f"{b} ×{s} {v}" for b, s, v in options)
        )
    return RECIPES[key]
