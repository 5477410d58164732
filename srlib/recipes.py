"""Every hyper-parameter, in one place: a recipe is one named experiment.

Changing a number means changing a recipe, never the training loop. Three budgets of ours: `quick` runs live in a
chapter (at most 60 s on two CPU cores), `colab` is sized for a free GPU and some minutes or two CPU cores and an hour,
`full` for a good GPU; the card of shipped weights says which of them made it. The fourth, `paper`, is the authors'
recipe as far as they printed it; with fewer steps, `get("vdsr", 2, "paper").but(steps=1000)`, it is what a deviation is
measured against. Read `Recipe`, then one of the functions below it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self, TypeVar

from srlib.losses import NAMES as LOSSES

BUDGETS = ("quick", "colab", "full", "paper")


@dataclass(frozen=True)
class Recipe:
    """What is trained, on how much, and how.

    Attributes:
        model: name in `srlib.models`.
        budget: "quick", "colab", "full" or "paper".
        scale: enlargement factor.
        variant: of the model, such as "9-5-5".
        start: initial weights, "ours", "paper", or "icnr" for ESPCN; see `reset_parameters` of the model.
        scales: factors mixed in each batch, for a network that takes the enlarged picture; empty for `scale` alone.
        degradation: how LR is made, "bicubic" or "blur"; see `srlib.patches`.
        steps: optimiser steps.
        batch: patches a step, of all processes together.
        patch: side of the HR patch in pixels, a multiple of `scale` and of all `scales`.
        border: pixels at each side of a patch left out of the loss, because the network saw an invented border there.
        loss: "mse", "l1", "charbonnier", or the content losses "vgg22" and "vgg54"; see `srlib.losses`.
        total_variation: its weight, added to the loss.
        optimiser: "adam", or "sgd" with momentum 0.9.
        learning_rate: at its highest.
        last_layer: factor on the learning rate of the last layer.
        weight_decay: of the optimiser.
        warmup: steps over which the rate rises from zero.
        schedule: half a "cosine" down to `final`, or "step": `drops` times a tenth, evenly spaced.
        final: share of `learning_rate` left at the end of the cosine.
        drops: see `schedule`.
        ema: decay of the averaged weights that are scored and saved; 0 keeps the last weights.
        clip: largest norm of the gradient, 0 for no limit.
        theta: VDSR's adjustable clipping, each number of the gradient to ±theta / learning rate; 0 for none.
        validate: steps between two validations on the held-out pictures; also between checkpoints.
        seed: of initial weights and patches.
    """

    model: str
    budget: str
    scale: int
    variant: str | None = None
    start: Literal["ours", "paper", "icnr"] = "ours"
    scales: tuple[int, ...] = ()
    degradation: Literal["bicubic", "blur"] = "bicubic"
    steps: int = 1000
    batch: int = 16
    patch: int = 48
    border: int = 0
    loss: str = "mse"
    total_variation: float = 0.0
    optimiser: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 1e-3
    last_layer: float = 1.0
    weight_decay: float = 0.0
    warmup: int = 100
    schedule: Literal["cosine", "step"] = "cosine"
    final: float = 0.01
    drops: int = 0
    ema: float = 0.999
    clip: float = 0.0
    theta: float = 0.0
    validate: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        for scale in (self.scale, *self.scales):
            if scale < 1:
                raise ValueError(f"scale is a whole factor from 1 on, not {scale}")
            if self.patch % scale:
                raise ValueError(f"patch {self.patch} is not a multiple of scale {scale}")
        for name, value, options in (
            ("loss", self.loss, LOSSES),
            ("optimiser", self.optimiser, ("adam", "sgd")),
            ("schedule", self.schedule, ("cosine", "step")),
            ("start", self.start, ("ours", "paper", "icnr")),
            ("degradation", self.degradation, ("bicubic", "blur")),
        ):
            if value not in options:
                raise ValueError(f"there is no {name} {value!r}; there are {', '.join(options)}")
        if self.theta and self.optimiser != "sgd":
            raise ValueError(
                "theta clips to theta / learning rate, which bounds a step of sgd and means nothing to adam"
            )
        if not 0 <= 2 * self.border < self.patch:
            raise ValueError(f"border {self.border} leaves nothing of a patch of {self.patch}")
        for name in ("learning_rate", "last_layer", "total_variation", "weight_decay", "final", "clip", "theta"):
            number = getattr(self, name)
            if not (math.isfinite(number) and number >= 0) or (name == "learning_rate" and number == 0):
                raise ValueError(
                    f"{name} is a finite number, {'above' if name == 'learning_rate' else 'at least'} 0, not {number}"
                )
        if min(self.steps, self.batch, self.validate) < 1:
            raise ValueError(
                f"steps, batch and validate are at least 1, not {self.steps}, {self.batch}, {self.validate}"
            )
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema is a decay from 0 to below 1, not {self.ema}")

    def but(self, **changes: Any) -> Self:
        """The same recipe with some numbers changed: `get("srcnn", scale=3).but(loss="l1")`."""
        return replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """For a card or a checkpoint, as JSON has it."""
        return asdict(self) | {"scales": list(self.scales)}


@dataclass(frozen=True)
class GanRecipe(Recipe):
    """A recipe for two players: `loss` is the generator's content loss, to which the adversarial loss is added.

    Attributes:
        adversarial: weight of the adversarial loss (paper: 1e-3, beside features in units of its own).
        discriminator_rate: the discriminator's learning rate as a share of the generator's (paper: 1).
    """

    adversarial: float = 1e-3
    discriminator_rate: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.patch % 16:
            raise ValueError(
                f"the discriminator halves a patch four times: patch is a multiple of 16, not {self.patch}"
            )
        if self.border or self.scales:
            raise ValueError("the discriminator judges whole patches of one scale: border and scales stay empty")
        if self.adversarial < 0 or self.discriminator_rate <= 0:
            raise ValueError("adversarial is at least 0 and discriminator_rate above 0")


R = TypeVar("R", bound=Recipe)


def _srcnn(budget: str, scale: int, variant: str) -> Recipe:
    """SRCNN with Adam and MSE.

    The authors (their training files): SGD at 1e-4 and a tenth of that in the last layer, weights from N(0, 0.001),
    15 million steps of 128 patches of 33×33 pixels, of which the unpadded 9-1-5 scores the inner 21×21. Their loss
    is half the square error summed over a patch, ours is its mean, so that their rate has to be multiplied by the
    number of pixels over two. Left out of `paper`: their biases learn at a tenth of the rate, and they neither mirror
    nor turn patches. The table of deviations in chapter 3 says what each was measured to be worth.
    """
    lost = {"9-1-5": 6, "9-3-5": 7, "9-5-5": 8}[variant]
    recipe = Recipe("srcnn", budget, scale, variant, patch=60, border=lost)
    if budget == "paper":
        patch = 36 if scale == 4 else 33 // scale * scale  # 33 is a multiple of 3 only
        rate = 1e-4 * (patch - 2 * lost) ** 2 / 2
        return _as_published(recipe, steps=15_000_000, batch=128, patch=patch, learning_rate=rate, last_layer=0.1)
    if budget == "quick":  # small patches with their border in the loss: fewer wasted pixels, and good enough
        patch = {2: 32, 3: 30, 4: 32}[scale]
        return recipe.but(steps=1000, batch=32, patch=patch, border=0, learning_rate=2e-3, validate=50)
    steps = 6000 if budget == "colab" else 8000
    return recipe.but(steps=steps, validate=steps // 40)


def _espcn(budget: str, scale: int, variant: str) -> Recipe:
    """ESPCN with Adam and MSE on bicubic LR.

    The paper: LR by Gaussian blur and subsampling, patches of 17 LR pixels, a rate from 0.01 down to 0.0001 when
    nothing improves, a tenth of it in the last layer. It names neither optimiser nor batch nor number of steps;
    `paper` takes SGD with momentum, 16 and a million. With Adam that rate destroys the network, as was tried. `full`
    gives ReLU three times the rate of tanh: after 6,000 steps at ×3 that was +0.1 dB on the held-out pictures with
    ReLU, and −0.2 dB with tanh.
    """
    recipe = Recipe("espcn", budget, scale, variant, clip=0.05)  # without, 2e-3 throws it off after 1,000 steps
    if budget == "paper":
        recipe = _as_published(recipe, steps=1_000_000, patch=17 * scale, learning_rate=1e-2, last_layer=0.1, drops=2)
        return recipe.but(degradation="blur", clip=0.0)
    if budget == "quick":
        return recipe.but(steps=3000, patch=16 * scale, learning_rate=2e-3, validate=150)
    steps = 20_000 if budget == "colab" else 40_000
    rate = 3e-3 if (budget, variant) == ("full", "relu") else 1e-3
    return recipe.but(steps=steps, patch=24 * scale, learning_rate=rate, validate=steps // 40)


def _vdsr(budget: str, scale: int, variant: str) -> Recipe:
    """VDSR with Adam and MSE, ×2, ×3 and ×4 in one network; quick: one scale, so that a minute is enough.

    The paper: SGD at 0.1, a tenth of it every 20 of 80 epochs (9,960 steps in all) of 64 patches of 41×41, weight
    decay 1e-4, each number of the gradient clipped to ±θ/rate. θ is not printed: with 0.01 most of our network was dead
    after a hundred steps, with 0.001 it learns. Their loss is half the square error summed over a patch, ours its mean;
    while the clipping acts, that changes nothing. 41 is no multiple of any scale, the nearest of all three is 48, and
    66 patches can be shared by three scales.
    """
    recipe = Recipe("vdsr", budget, scale, variant)
    if budget == "paper":
        recipe = _as_published(recipe, steps=9960, batch=66, patch=48, learning_rate=0.1, drops=3)
        return recipe.but(scales=(2, 3, 4), weight_decay=1e-4, theta=0.001)
    if budget == "quick":
        return recipe.but(steps=250, batch=8, patch=36 if scale == 3 else 32, warmup=20, ema=0.98, validate=50)
    recipe = recipe.but(scales=(2, 3, 4), patch=48, clip=0.5)
    if budget == "colab":
        return recipe.but(steps=4500, batch=12, validate=125)
    return recipe.but(steps=30_000, batch=48, validate=750)


def _srresnet(budget: str, scale: int, variant: str) -> Recipe:
    """SRResNet with Adam and MSE.

    The paper: a constant 1e-4, a million steps of 16 patches of 96×96, no averaged weights. Its SRResNet-VGG22 is
    `.but(loss="vgg22", total_variation=2e-8)`. LR is bicubic, as its section on training says (§3.2); another
    sentence (§2) has a Gaussian blur first, which is `.but(degradation="blur")`.
    """
    recipe = Recipe("srresnet", budget, scale, variant, patch=96)
    if budget == "paper":
        return _as_published(recipe, steps=1_000_000, learning_rate=1e-4, optimiser="adam")
    if budget == "quick":
        return recipe.but(steps=250, batch=8, patch=48, warmup=20, ema=0.98, validate=50)
    if budget == "colab":
        return recipe.but(steps=3000, patch=48 if scale == 3 else 64, learning_rate=5e-4, validate=75)
    return recipe.but(steps=100_000, learning_rate=5e-4, validate=2500)


def _srgan(budget: str, scale: int, variant: str) -> GanRecipe:
    """SRGAN from a trained SRResNet: content at VGG-19's conv2_2 (the paper's SRGAN-VGG22) + 0.1 adversarial.

    The paper's 1e-3 stands beside features in units of its own. Ours have a mean of 1 (`srlib.losses.ContentLoss`);
    beside them 1e-3, which `paper` keeps, and 0.03 lost the game (chapter 6). `full` has 0.1 at a rate of 2e-5, and 4
    times total variation: without it, weights from 0.01 to 0.3 left a checkerboard within 300 steps. With it 0.1 leaves
    a faint one, 0.2 a plain one. The shipped weights had 500 steps of patches of 64; these 40,000 were never run.

    `quick` and `colab` take MSE as content: no download. The paper's SRGAN-MSE has it, too, but on pictures in [-1, 1],
    where it is four times as large as on [0, 1]: here the adversarial loss weighs four times as much. The paper: 1e5
    steps at 1e-4, then as many at 1e-5; its main result has `loss="vgg54"`.
    """
    recipe = GanRecipe("srgan", budget, scale, variant, patch=96, learning_rate=1e-4, loss="vgg22", warmup=0)
    if budget == "paper":
        return _as_published(recipe, steps=200_000, learning_rate=1e-4, optimiser="adam", drops=1)
    if budget == "quick":
        return recipe.but(steps=120, batch=8, patch=48, loss="mse", learning_rate=2e-4, final=1.0, ema=0.9, validate=20)
    if budget == "colab":
        patch = 48 if scale == 3 else 64
        return recipe.but(steps=500, patch=patch, loss="mse", schedule="step", drops=1, validate=10)
    recipe = recipe.but(learning_rate=2e-5, adversarial=0.1, total_variation=4.0, schedule="step", drops=1)
    return recipe.but(steps=40_000, validate=1000)


def _as_published(recipe: R, **numbers: Any) -> R:
    """What the papers have in common: no warm-up, no averaged weights, a rate that is constant or falls in steps."""
    plain = {"start": "paper", "optimiser": "sgd", "warmup": 0, "schedule": "step", "ema": 0.0, "validate": 500}
    return recipe.but(**(plain | numbers))


_FAMILIES = (
    (_srcnn, ("9-5-5", "9-3-5", "9-1-5")),
    (_espcn, ("tanh", "relu")),
    (_vdsr, ("20", "10", "5", "20-plain", "10-plain", "5-plain")),
    (_srresnet, ("b16", "b4")),
    (_srgan, ("b16", "b4")),
)

RECIPES: dict[tuple[str, str, int, str], Recipe] = {
    (r.model, r.budget, r.scale, r.variant or ""): r
    for family, variants in _FAMILIES
    for variant in variants
    for scale in (2, 3, 4)
    for budget in BUDGETS
    for r in (family(budget, scale, variant),)
}

# Smaller networks that fit a chapter's time box.
QUICK_VARIANT = {"srcnn": "9-1-5", "srresnet": "b4", "srgan": "b4"}


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
        own = [k for k in RECIPES if k[0] == model]
        options = [", ".join(sorted({str(k[i]) for k in own})) for i in (1, 2, 3)]
        raise ValueError(
            f"there is no {model} recipe with budget {budget!r}, scale {scale} and variant {variant!r}; there are "
            f"budgets {options[0]}, scales {options[1]} and variants {options[2]}"
        )
    return RECIPES[key]
