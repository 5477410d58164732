"""The step of two players: the discriminator learns to tell, the generator learns not to be told.

C. Ledig et al., “Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network”, CVPR 2017,
§2.2. Read `GanTrainer.advance`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from srlib import losses, models
from srlib.checkpoint import EMA
from srlib.devices import Speed
from srlib.distributed import Group
from srlib.models.srgan import Discriminator
from srlib.recipes import GanRecipe
from srlib.steps import Trainer, clip_gradients, optimiser_for


class _Pair(nn.Module):
    """Both questions of a step in one call, as processes that train together and CUDA graphs want it.

    Real and fake pictures pass one after the other, so that batch norm does not mix them.
    """

    def __init__(self, discriminator: nn.Module) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        return self.discriminator(real), self.discriminator(fake)


class GanTrainer(Trainer):
    """Generator and discriminator, one step each in turn (k = 1); arguments and attributes as for `Trainer`.

    Args:
        generator: weights to start from, a file or None for fresh ones.

    Attributes:
        discriminator: the second player; its optimiser is `discriminator_optimiser`.
    """

    recipe: GanRecipe

    def __init__(
        self,
        recipe: GanRecipe,
        pictures: Sequence[Tensor],
        device: torch.device | Group,
        speed: Speed | None = None,
        vgg: str | os.PathLike[str] | None = None,
        generator: str | Path | None = None,
    ) -> None:
        super().__init__(recipe, pictures, device, speed, vgg)
        if generator is not None:
            models.load_weights(self.model, generator).train()
            self.ema = EMA(self.model, recipe.ema)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed + 1)
            discriminator = Discriminator(recipe.patch)
        pair, self.judge = self.ready(_Pair(discriminator))
        assert isinstance(pair, _Pair)
        self.discriminator = pair.discriminator
        self.discriminator_optimiser = optimiser_for(
            self.discriminator, recipe.but(last_layer=1.0), self.fused, recipe.discriminator_rate
        )

    def optimisers(self) -> list[torch.optim.Optimizer]:
        """The generator's and the discriminator's."""
        return [self.optimiser, self.discriminator_optimiser]

    def advance(self) -> dict[str, Tensor]:
        """One step of the discriminator, then one of the generator.

        Returns the parts of the loss and what the discriminator believes: `d_real` and `d_fake` are the mean of D(x)
        and D(G(z)), its probability that a picture is real. Both near 1/2: it cannot tell. Near 1 and 0: it wins.
        """
        rate = self.start_step()
        sr, hr = self.super_resolve(self.sampler.next())

        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            real, fake = self.judge(hr, sr.detach())  # detached: this step is not the generator's
        against = losses.discriminator_adversarial(real, fake)
        self.discriminator_optimiser.zero_grad(set_to_none=True)
        against.backward()  # type: ignore[no-untyped-call]
        clip_gradients(self.discriminator, self.recipe, rate)
        self.discriminator_optimiser.step()

        content = self.content(sr, hr)
        loss = content
        if self.recipe.adversarial:
            self.discriminator.requires_grad_(False)  # the gradient goes through it, not into it
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
                judged = self.discriminator(sr)
            adversarial = losses.generator_adversarial(judged)
            self.discriminator.requires_grad_(True)
            loss = content + self.recipe.adversarial * adversarial  # eq. 3
        else:
            adversarial = torch.zeros_like(content)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        clip_gradients(self.model, self.recipe, rate)
        self.optimiser.step()
        self.ema.update(self.model)
        self.step += 1
        parts = {"loss": loss, "content": content, "adversarial": adversarial, "discriminator": against}
        parts |= {"d_real": real.sigmoid().mean(), "d_fake": fake.sigmoid().mean()}
        return {name: part.detach() for name, part in parts.items()}

    def is_finite(self) -> bool:
        """Whether every weight of both players is a number."""
        return super().is_finite() and all(bool(torch.isfinite(p).all()) for p in self.discriminator.parameters())

    def state(self) -> dict[str, Any]:
        """Everything that decides how training goes on, the discriminator too."""
        return super().state() | {"discriminator": self.discriminator.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state()`."""
        self.discriminator.load_state_dict(state["discriminator"])
        super().restore(state)
