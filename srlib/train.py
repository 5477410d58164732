"""The training loop.

Read `fit` from top to bottom, then `Trainer`: data, network, optimiser, and one step. `loss_of` is the place to
change for another loss, `srlib.models.MODELS` for another network, `data=` for other photographs, and a recipe for
every number.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srlib import datasets, models
from srlib._paths import commit
from srlib.checkpoint import EMA, Checkpoint, append_line, read_log, save_weights, write_atomically
from srlib.degrade import imresize, mod_crop
from srlib.devices import device_name, has_bfloat16, pick_device
from srlib.image import load, rgb_to_y, to_uint8
from srlib.metrics import psnr
from srlib.patches import PatchSampler
from srlib.recipes import Recipe

HOLD_OUT = 20  # one picture in twenty validates and is never trained on


@dataclass(frozen=True)
class Result:
    """What `fit` returns: the averaged network (eval mode, on the CPU), its log, seconds of training, and folder."""

    model: nn.Module
    log: list[dict[str, Any]]
    seconds: float
    path: Path


def loss_of(name: str, sr: Tensor, hr: Tensor) -> Tensor:
    """The pixel losses: mean square error, mean absolute error, and Charbonnier's sqrt(x² + 1e-6)."""
    if name == "mse":
        return F.mse_loss(sr, hr)
    if name == "l1":
        return F.l1_loss(sr, hr)
    if name == "charbonnier":
        return torch.sqrt((sr - hr).square() + 1e-6).mean()
    raise ValueError(f"there is no loss {name!r}; there are mse, l1, charbonnier")


def rate_at(step: int, recipe: Recipe) -> float:
    """The learning rate of a step (from 0): a linear rise over `warmup`, then half a cosine down to `final`."""
    rise = min(1.0, (step + 1) / max(1, recipe.warmup))
    fall = 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
    return recipe.learning_rate * rise * (recipe.final + (1 - recipe.final) * fall)


@torch.no_grad()
def validate(model: nn.Module, pictures: Sequence[Tensor], scale: int, device: torch.device) -> float:
    """Mean PSNR in dB over uint8 `pictures` (1, C, H, W), LR made by MATLAB's bicubic, shave = scale."""
    scores = []
    for picture in pictures:
        hr = mod_crop(picture, scale).to(device)
        lr = imresize(hr, 1 / scale).float() / 255
        scores.append(float(psnr(model(lr).clamp(0, 1), hr.float() / 255, shave=scale)))
    return sum(scores) / len(scores)


@dataclass(frozen=True)
class TrainingSet:
    """Pictures as bytes, `(1, C, H, W)` each: those to learn from, those held out to validate, and a record of both."""

    kept: list[Tensor]
    held: list[Tensor]
    record: dict[str, Any]


def read_training_set(data: str, channels: int, scale: int | None = None, patch: int = 1) -> TrainingSet:
    """Decode the pictures of `data` ("bundled", "t91,bsds500", a folder) as luma or RGB; hold out one in twenty.

    Of fewer than twenty pictures the last one is held out; a single picture does both, and the record says so.
    Pictures smaller than `patch` are left out. `scale` is for sets that come as HR and LR pairs.
    """
    parts = ["bundled:train" if part.strip() == "bundled" else part for part in data.split(",")]
    samples = datasets.images(",".join(parts), scale)
    pictures: list[tuple[str, Tensor]] = []
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(sample.path.read_bytes())
        rgb = load(sample.path)
        if min(rgb.shape[-2:]) >= patch:
            pictures.append((sample.name, to_uint8(rgb_to_y(rgb) if channels == 1 else rgb)))
    if not pictures:
        raise ValueError(
            f"none of the {len(samples)} pictures of {data} has {patch}×{patch} pixels; use a smaller patch"
        )
    every = min(HOLD_OUT, len(pictures))
    held = [picture for _, picture in pictures[every - 1 :: every]]
    names = [name for name, _ in pictures[every - 1 :: every]]
    kept = [picture for i, (_, picture) in enumerate(pictures, start=1) if i % every] or held
    record = {
        "data": data,
        "pictures": len(kept),
        "held_out": names,
        "sha256_of_all_files": digest.hexdigest(),
    }
    return TrainingSet(kept, held, record)


class Trainer:
    """A network in training: its data, optimiser, averaged weights, and the step that moves them on.

    Attributes:
        step: optimiser steps done.
        model, ema: the network, and the moving average that is scored and saved.
    """

    def __init__(self, recipe: Recipe, pictures: Sequence[Tensor], device: torch.device) -> None:
        self.recipe, self.device, self.step = recipe, device, 0
        row, variant = models.entry(recipe.model, recipe.variant)
        with torch.random.fork_rng(devices=[]):  # leave the caller's random numbers alone
            torch.manual_seed(recipe.seed)
            model = row.build(scale=recipe.scale, variant=variant)
        self.model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = EMA(self.model, recipe.ema)
        self.upsampled = row.upsampled
        self.sampler = PatchSampler(
            pictures,
            recipe.scale,
            recipe.patch,
            recipe.batch,
            upsampled=row.upsampled,
            device=device,
            seed=recipe.seed,
        )
        self.optimiser = torch.optim.Adam(self.model.parameters(), fused=device.type != "mps")
        self.bfloat16 = has_bfloat16(device)

    def advance(self) -> Tensor:
        """One optimiser step; returns the loss, still on the device."""
        recipe = self.recipe
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.step, recipe)
        lr, hr = self.sampler.next()
        keep = slice(recipe.border, recipe.patch - recipe.border)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            sr = self.model(lr, upsampled=True) if self.upsampled else self.model(lr)
        loss = loss_of(recipe.loss, sr[..., keep, keep].float(), hr[..., keep, keep])
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if recipe.clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip)
        self.optimiser.step()
        self.ema.update(self.model)
        self.step += 1
        return loss.detach()

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
            "optimiser": self.optimiser.state_dict(),
            "sampler": self.sampler.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state()`."""
        self.step = self.ema.updates = state["step"]
        self.model.load_state_dict(state["model"])
        self.ema.model.load_state_dict(state["ema"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.sampler.load_state_dict(state["sampler"])


def fit(
    recipe: Recipe,
    data: str | os.PathLike[str] = "bundled",
    out: str | os.PathLike[str] = "runs/latest",
    *,
    device: str = "auto",
    resume: bool = False,
    progress: bool = True,
) -> Result:
    """Train one network as `recipe` says, validate on pictures held out of `data`, and keep everything in `out`.

    Args:
        recipe: from `srlib.recipes`.
        data: "bundled", names such as "t91,bsds500", or a folder of images.
        out: receives `checkpoint.pt`, `log.jsonl`, `model.safetensors` (averaged weights) and `card.json`.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        resume: go on from `out/checkpoint.pt` where there is one; on a CPU to the same bits as without the stop.
        progress: draw a bar with patches/s, loss and PSNR.

    Raises:
        ValueError: `out` holds a run and `resume` is False, or the run there had another recipe or other data.
        FloatingPointError: the loss or a weight is NaN or infinite; the last good checkpoint stays and is named.
    """
    from tqdm.auto import tqdm

    data, folder, place = str(data), Path(out), pick_device(device)
    checkpoint, log = Checkpoint(folder / "checkpoint.pt"), folder / "log.jsonl"
    if checkpoint.path.exists() and not resume:
        raise ValueError(f"{folder} holds a run already: pass resume=True to go on with it, or choose another folder")
    folder.mkdir(parents=True, exist_ok=True)

    pictures = read_training_set(data, models.entry(recipe.model)[0].channels, recipe.scale, recipe.patch)
    made = {"device": device_name(place), "torch": str(torch.__version__), "commit": commit()}
    trainer = Trainer(recipe, pictures.kept, place)
    seconds, score = 0.0, math.nan
    if checkpoint.path.exists():
        state = checkpoint.load(recipe.as_dict(), pictures.record)
        trainer.restore(state)
        seconds, score = state["seconds"], state["psnr"]
        made = state["made"] if trainer.step >= recipe.steps else made  # where it was trained, not looked at again
    known = [entry for entry in read_log(log) if entry["step"] <= trainer.step] if log.exists() else []
    lines = "".join(json.dumps(entry) + "\n" for entry in known)
    write_atomically(log, lambda path: path.write_text(lines, "utf-8"))  # lines after the checkpoint are done again

    total, since, started = torch.zeros((), device=place), trainer.step, time.perf_counter() - seconds
    bar = tqdm(total=recipe.steps, initial=trainer.step, disable=not progress, unit="step", mininterval=1.0)
    while trainer.step < recipe.steps:
        total += trainer.advance()  # stays on the device: reading it at every step would make a GPU wait
        bar.update()
        if trainer.step % recipe.validate and trainer.step < recipe.steps:
            continue
        mean = float(total) / (trainer.step - since)
        if not (math.isfinite(mean) and trainer.is_finite()):
            good = f"the last good checkpoint is {checkpoint.path}" if checkpoint.path.exists() else "none was saved"
            raise FloatingPointError(
                f"training diverged between steps {since} and {trainer.step} (mean loss {mean}); {good}"
            )
        seconds = time.perf_counter() - started
        score = validate(trainer.ema.model, pictures.held, recipe.scale, place)
        rate = trainer.optimiser.param_groups[0]["lr"]
        entry = {
            "step": trainer.step,
            "loss": mean,
            "psnr": score,
            "learning_rate": rate,
            "seconds": round(seconds, 3),
        }
        append_line(log, entry)
        checkpoint.save(
            trainer.state() | {"seconds": seconds, "psnr": score, "training_set": pictures.record, "made": made}
        )
        bar.set_postfix_str(f"{trainer.step * recipe.batch / seconds:.0f} patches/s, {mean:.2e}, {score:.2f} dB")
        total.zero_()
        since = trainer.step
    bar.close()

    save_weights(trainer.ema.model, folder / "model.safetensors")
    card = {
        "model": recipe.model,
        "recipe": recipe.as_dict(),
        "steps": trainer.step,
        "seconds": round(seconds, 1),
        **made,
        "training_set": pictures.record,
        "validation_psnr_db": score,
    }
    write_atomically(folder / "card.json", lambda path: path.write_text(json.dumps(card, indent=1) + "\n", "utf-8"))
    return Result(trainer.ema.model.cpu(), read_log(log), seconds, folder)
