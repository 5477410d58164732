"""One step of training: a batch in, weights moved, for one network (`Trainer`) and for two players (`GanTrainer`).

Read `Trainer.advance`, then `GanTrainer.advance`, then `rate_at`. `srlib.train` repeats them and keeps the books.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from srlib import losses, models
from srlib.checkpoint import EMA
from srlib.devices import Speed, has_bfloat16
from srlib.distributed import Group
from srlib.models.srgan import Discriminator
from srlib.patches import Batch, MixedSampler, PatchSampler
from srlib.recipes import GanRecipe, Recipe


def rate_at(step: int, recipe: Recipe) -> float:
    """The learning rate of a step (from 0): a linear rise over `warmup`, then half a cosine, or drops to a tenth."""
    rise = min(1.0, (step + 1) / max(1, recipe.warmup))
    if recipe.schedule == "step":
        return recipe.learning_rate * rise * 0.1 ** (step * (recipe.drops + 1) // recipe.steps)
    fall = 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
    return recipe.learning_rate * rise * (recipe.final + (1 - recipe.final) * fall)


def optimiser_for(model: nn.Module, recipe: Recipe, fused: bool, rate: float = 1.0) -> torch.optim.Optimizer:
    """Adam or SGD as the recipe says; each group of parameters has a `factor` on the scheduled learning rate."""
    *_, last = (m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear))
    ending = {id(p) for p in last.parameters()}
    groups = [{"params": [p for p in model.parameters() if id(p) not in ending], "factor": rate}]
    groups.append({"params": list(last.parameters()), "factor": rate * recipe.last_layer})
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, momentum=0.9, weight_decay=recipe.weight_decay, fused=fused)
    return torch.optim.Adam(groups, weight_decay=recipe.weight_decay, fused=fused)


def clip_gradients(model: nn.Module, recipe: Recipe, rate: float) -> None:
    """Bound the gradient: its norm by `clip`, or each of its numbers by ±theta/rate (VDSR §3.2).

    The second bounds how far a step can go, rate · gradient ≤ theta, whatever the rate: while the rate is high it cuts
    hard, and it lets go as the rate falls.
    """
    if recipe.theta:
        nn.utils.clip_grad_value_(model.parameters(), recipe.theta / rate)
    if recipe.clip:
        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)


class Trainer:
    """A network in training: its data, optimiser, averaged weights, and the step that moves them on.

    Args:
        recipe: every number.
        pictures: uint8 `(1, C, H, W)` each, with the channels that the network takes.
        device: where to train, or the `Group` of processes that train together.
        speed: what makes it fast on this device.
        vgg: weights of VGG-19 for a content loss; see `srlib.losses.build`.

    Attributes:
        step: optimiser steps done.
        model, ema: the network, and the moving average that is scored and saved.
    """

    def __init__(
        self,
        recipe: Recipe,
        pictures: Sequence[Tensor],
        device: torch.device | Group,
        speed: Speed | None = None,
        vgg: str | os.PathLike[str] | None = None,
    ) -> None:
        self.group = device if isinstance(device, Group) else Group(0, 1, device)
        self.recipe, self.device, self.step = recipe, self.group.device, 0
        self.speed = speed or Speed()
        self.bfloat16 = has_bfloat16(self.device) if self.speed.bfloat16 is None else self.speed.bfloat16
        self.fused = self.speed.fused and self.device.type in ("cpu", "cuda")
        row, variant = models.entry(recipe.model, recipe.variant)
        if recipe.scales and not row.upsampled:
            raise ValueError(
                f"{recipe.model} has one scale built in; only a network for enlarged pictures can mix several"
            )
        with torch.random.fork_rng(devices=[]):  # leave the caller's random numbers alone
            torch.manual_seed(recipe.seed)
            model = row.build(scale=recipe.scale, variant=variant)
            if recipe.start != "ours":
                model.reset_parameters(recipe.start)  # type: ignore[operator]
        self.model, self.forward = self._ready(model, self.speed.compile)
        self.ema = EMA(self.model, recipe.ema)
        self.upsampled = row.upsampled
        self.sampler = self._sampler(pictures)
        loss = losses.build(recipe.loss, vgg)
        self.loss: Callable[[Tensor, Tensor], Tensor] = loss.to(self.device) if isinstance(loss, nn.Module) else loss
        self.optimiser = optimiser_for(self.model, recipe, self.fused)

    def _ready(self, model: nn.Module, compiled: str) -> tuple[nn.Module, Callable[..., Tensor]]:
        """The network on its device, and how to call it: together with the other processes, and compiled."""
        model = model.to(self.device)
        if self.speed.channels_last:
            model = model.to(memory_format=torch.channels_last)
        call: nn.Module = model
        if self.group.world > 1:
            if self.device.type == "cuda":  # over the whole batch, as one process would; gloo cannot
                call = model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
            devices = [self.device.index] if self.device.type == "cuda" else None
            # Buffers are batch norm's: the same everywhere already, and a second call must not overwrite them.
            call = nn.parallel.DistributedDataParallel(model, device_ids=devices, broadcast_buffers=False)
        return model, torch.compile(call, mode=compiled) if compiled else call

    def _sampler(self, pictures: Sequence[Tensor]) -> PatchSampler | MixedSampler:
        recipe = self.recipe
        if recipe.scales:
            return MixedSampler(
                pictures,
                recipe.scales,
                recipe.patch,
                recipe.batch,
                degradation=recipe.degradation,
                device=self.device,
                seed=recipe.seed,
                part=self.group.part,
            )
        return PatchSampler(
            pictures,
            recipe.scale,
            recipe.patch,
            recipe.batch,
            upsampled=self.upsampled,
            degradation=recipe.degradation,
            device=self.device,
            seed=recipe.seed,
            part=self.group.part,
        )

    def _start_step(self) -> float:
        """Set the learning rate of this step in every group of every optimiser; returns it."""
        rate = rate_at(self.step, self.recipe)
        for optimiser in self.optimisers():
            for group in optimiser.param_groups:
                group["lr"] = rate * group["factor"]
        return rate

    def optimisers(self) -> list[torch.optim.Optimizer]:
        """All optimisers, in a fixed order."""
        return [self.optimiser]

    def _super_resolve(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """SR and HR of a batch without the border that the recipe leaves out, float32."""
        keep = slice(self.recipe.border, self.recipe.patch - self.recipe.border)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            sr = self.forward(batch.lr, upsampled=True) if self.upsampled else self.forward(batch.lr)
        return sr[..., keep, keep].float(), batch.hr[..., keep, keep]

    def _content(self, sr: Tensor, hr: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            loss = self.loss(sr, hr)
        if self.recipe.total_variation:
            loss = loss + self.recipe.total_variation * losses.total_variation(sr)
        return loss

    def advance(self) -> dict[str, Tensor]:
        """One optimiser step; returns the loss, still on the device: reading it there would make a GPU wait."""
        rate = self._start_step()
        sr, hr = self._super_resolve(self.sampler.next())
        loss = self._content(sr, hr)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        clip_gradients(self.model, self.recipe, rate)
        self.optimiser.step()
        self.ema.update(self.model)
        self.step += 1
        return {"loss": loss.detach()}

    def is_finite(self) -> bool:
        """Whether every weight is a number."""
        return all(bool(torch.isfinite(p).all()) for p in self.model.parameters())

    def state(self) -> dict[str, Any]:
        """Everything that decides how training goes on."""
        return {
            "recipe": self.recipe.as_dict(),
            "step": self.step,
            "model": self.model.state_dict(),
            "ema": self.ema.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers()],
            "sampler": self.sampler.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state()`."""
        self.step = self.ema.updates = state["step"]
        self.model.load_state_dict(state["model"])
        self.ema.model.load_state_dict(state["ema"])
        for optimiser, content in zip(self.optimisers(), state["optimisers"], strict=True):
            optimiser.load_state_dict(content)
        self.sampler.load_state_dict(state["sampler"])


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
        # Not compiled: called twice before one backward pass, which CUDA graphs do not allow.
        self.discriminator, self.judge = self._ready(discriminator, "")
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
        rate = self._start_step()
        sr, hr = self._super_resolve(self.sampler.next())

        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            real, fake = self.judge(hr), self.judge(sr.detach())  # detached: this step is not the generator's
        against = losses.discriminator_adversarial(real, fake)
        self.discriminator_optimiser.zero_grad(set_to_none=True)
        against.backward()  # type: ignore[no-untyped-call]
        self.discriminator_optimiser.step()

        content = self._content(sr, hr)
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

    def state(self) -> dict[str, Any]:
        """Everything that decides how training goes on, the discriminator too."""
        return super().state() | {"discriminator": self.discriminator.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state()`."""
        self.discriminator.load_state_dict(state["discriminator"])
        super().restore(state)
