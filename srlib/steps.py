"""One step of training: a batch in, weights moved.

Read `Trainer.advance`, then `rate_at` and `clip_gradients`. `srlib.train` repeats it and keeps the books; `srlib.gan`
has the step of two players.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from srlib import losses, models
from srlib.checkpoint import EMA
from srlib.devices import Speed, has_bfloat16
from srlib.distributed import Group
from srlib.patches import Batch, MixedSampler, PatchSampler
from srlib.recipes import Recipe


def rate_at(step: int, recipe: Recipe) -> float:
    """The learning rate of a step (from 0): half a cosine, or drops to a tenth, times a linear rise over `warmup`."""
    rise = min(1.0, (step + 1) / max(1, recipe.warmup))
    if recipe.schedule == "step":
        return recipe.learning_rate * rise * 0.1 ** (step * (recipe.drops + 1) // recipe.steps)
    fall = 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
    return recipe.learning_rate * rise * (recipe.final + (1 - recipe.final) * fall)


def optimiser_for(model: nn.Module, recipe: Recipe, fused: bool, factor: float = 1.0) -> torch.optim.Optimizer:
    """Adam or SGD as the recipe says; each group of parameters has a `factor` on the scheduled learning rate."""
    *_, last = (m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear))
    ending = {id(p) for p in last.parameters()}
    groups = [{"params": [p for p in model.parameters() if id(p) not in ending], "factor": factor}]
    groups.append({"params": list(last.parameters()), "factor": factor * recipe.last_layer})
    one_kernel = True if fused else None  # None is PyTorch's default, False a loop over the layers
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, momentum=0.9, weight_decay=recipe.weight_decay, fused=one_kernel)
    return torch.optim.Adam(groups, weight_decay=recipe.weight_decay, fused=one_kernel)


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
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True  # patches never change their size: try which algorithm is fastest
        self.fused = self.speed.fused and self.device.type in ("cpu", "cuda")
        row, variant = models.entry(recipe.model, recipe.variant)
        if recipe.scales and not row.upsampled:
            raise ValueError(
                f"{recipe.model} has one scale built in; only a network for enlarged pictures can mix several"
            )
        self.upsampled = row.upsampled
        self.sampler = self._sampler(pictures)
        with torch.random.fork_rng(devices=[]):  # leave the caller's random numbers alone
            torch.manual_seed(recipe.seed)
            model = row.build(scale=recipe.scale, variant=variant)
            if recipe.start != "ours":
                model.reset_parameters(recipe.start)  # type: ignore[operator]
        self.model, self.forward = self.ready(model)
        self.ema = EMA(self.model, recipe.ema)
        loss = losses.build(recipe.loss, vgg)
        self.loss: Callable[[Tensor, Tensor], Tensor] = loss.to(self.device) if isinstance(loss, nn.Module) else loss
        self.optimiser = optimiser_for(self.model, recipe, self.fused)

    def ready(self, model: nn.Module) -> tuple[nn.Module, Callable[..., Any]]:
        """The network on its device, and how to call it: together with the other processes, and compiled."""
        model = model.to(self.device)
        if self.speed.channels_last:
            model = model.to(memory_format=torch.channels_last)
        call: nn.Module = model
        if self.group.world > 1:
            if self.device.type == "cuda":  # over the whole batch, as one process would; gloo cannot
                call = model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
            devices = [self.device.index] if self.device.type == "cuda" else None
            call = nn.parallel.DistributedDataParallel(model, device_ids=devices)
        return model, torch.compile(call, mode=self.speed.compile) if self.speed.compile else call

    def _sampler(self, pictures: Sequence[Tensor]) -> PatchSampler | MixedSampler:
        recipe = self.recipe
        how: dict[str, Any] = {
            "degradation": recipe.degradation,
            "device": self.device,
            "seed": recipe.seed,
            "part": self.group.part,
        }
        if recipe.scales:
            return MixedSampler(pictures, recipe.scales, recipe.patch, recipe.batch, **how)
        return PatchSampler(pictures, recipe.scale, recipe.patch, recipe.batch, upsampled=self.upsampled, **how)

    def start_step(self) -> float:
        """Set the learning rate of this step in every group of every optimiser; returns it."""
        rate = rate_at(self.step, self.recipe)
        for optimiser in self.optimisers():
            for group in optimiser.param_groups:
                group["lr"] = rate * group["factor"]
        return rate

    def optimisers(self) -> list[torch.optim.Optimizer]:
        """All optimisers, in a fixed order."""
        return [self.optimiser]

    def super_resolve(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """SR and HR of a batch without the border that the recipe leaves out, float32."""
        keep = slice(self.recipe.border, self.recipe.patch - self.recipe.border)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            sr = self.forward(batch.lr, upsampled=True) if self.upsampled else self.forward(batch.lr)
        return sr[..., keep, keep].float(), batch.hr[..., keep, keep]

    def content(self, sr: Tensor, hr: Tensor) -> Tensor:
        """The recipe's loss, and total variation where it has a weight."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            loss = self.loss(sr, hr)
        if self.recipe.total_variation:
            loss = loss + self.recipe.total_variation * losses.total_variation(sr)
        return loss

    def advance(self) -> dict[str, Tensor]:
        """One optimiser step; returns the loss, still on the device: reading it there would make a GPU wait."""
        rate = self.start_step()
        sr, hr = self.super_resolve(self.sampler.next())
        loss = self.content(sr, hr)
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
            for group in optimiser.param_groups:
                group["fused"] = True if self.fused else None
        self.sampler.load_state_dict(state["sampler"])
