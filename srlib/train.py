"""Training from start to finish: `fit` for one network, `fit_gan` for a generator and its discriminator.

Read `fit`, then `_run`, the loop that both share: steps, validation, log, checkpoint, resume. What a step does stands
in `srlib.steps`, and for two players in `srlib.gan`. For another loss change `srlib.losses.PIXEL_LOSSES`, for another
network `srlib.models.MODELS`, for other photographs `data=`, and for every number the recipe.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from srlib import losses, models
from srlib._paths import commit
from srlib._weights import fitting, owners
from srlib.checkpoint import Album, Checkpoint, append_line, read_log, save_weights, write_atomically
from srlib.devices import Speed, device_name
from srlib.distributed import Group, joined
from srlib.gan import GanTrainer
from srlib.recipes import GanRecipe, Recipe
from srlib.steps import Trainer, rate_at
from srlib.training_set import TrainingSet, read_training_set, validate

__all__ = [
    "GanTrainer", "Result", "Trainer", "TrainingSet", "fit", "fit_gan", "rate_at", "read_training_set", "validate",
]  # fmt: skip


@dataclass(frozen=True)
class Result:
    """What `fit` returns: the averaged network (eval mode, on the CPU), its log, seconds of training, and folder."""

    model: nn.Module
    log: list[dict[str, Any]]
    seconds: float
    path: Path


def fit(
    recipe: Recipe,
    data: str | os.PathLike[str] = "bundled",
    out: str | os.PathLike[str] = "runs/latest",
    *,
    device: str = "auto",
    resume: bool = False,
    progress: bool = True,
    tensorboard: bool = False,
    speed: Speed | None = None,
    vgg: str | os.PathLike[str] | None = None,
    moments: int = 0,
) -> Result:
    """Train one network as `recipe` says, validate on pictures held out of `data`, and keep everything in `out`.

    Started by `torchrun`, all processes train together; the first one writes.

    Args:
        recipe: from `srlib.recipes`.
        data: "bundled", names such as "t91,bsds500", or a folder of images.
        out: receives `checkpoint.pt`, `log.jsonl`, `model.safetensors` (averaged weights) and `card.json`.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        resume: go on from `out/checkpoint.pt` where there is one; on a CPU to the same bits as without the stop.
        progress: draw a bar with images/s, loss and PSNR.
        tensorboard: write the log for TensorBoard, too, into `out/tensorboard`.
        speed: bfloat16, memory format, fused optimiser, `torch.compile`; None picks what is fast on the device.
        vgg: weights of VGG-19 for a content loss: a safetensors file, or "torchvision".
        moments: how many times (at most) to keep the averaged weights on the way, at steps that grow like 1, 2, 4 …,
            in `out/moments.safetensors`: for looking at a network while it learns. `read_moments` reads them.

    Raises:
        ValueError: `out` holds a run and `resume` is False, or the run there had another recipe or other data.
        FloatingPointError: the loss or a weight is NaN or infinite; the last good checkpoint stays and is named.

    Warns:
        UserWarning: pictures are left out because a patch does not fit into them.
    """
    Album(Path(out), recipe.steps, moments)  # a wrong number is told before the pictures are read
    if isinstance(recipe, GanRecipe):
        raise ValueError(f"the {recipe.model} recipe needs a discriminator: train it with fit_gan")

    def trainer(pictures: TrainingSet, group: Group) -> Trainer:
        return Trainer(recipe, pictures.kept, group, speed, vgg)

    extra = {} if vgg is None else {"vgg": losses.describe_vgg(vgg)}
    with joined(device) as group:
        return _run(trainer, recipe, str(data), Path(out), group, resume, progress, tensorboard, extra, moments)


def fit_gan(
    recipe: GanRecipe,
    data: str | os.PathLike[str] = "bundled",
    out: str | os.PathLike[str] = "runs/latest",
    *,
    generator: str | os.PathLike[str] | None = None,
    scratch: bool = False,
    device: str = "auto",
    resume: bool = False,
    progress: bool = True,
    tensorboard: bool = False,
    speed: Speed | None = None,
    vgg: str | os.PathLike[str] | None = None,
) -> Result:
    """Train a generator against a discriminator; arguments and errors as for `fit`, and these:

    Args:
        generator: the weights of the SRResNet to start from; None takes those that ship.
        scratch: start from fresh weights instead, which the paper advises against (§3.2) and a lesson shows.

    The log has the parts of the loss and the curves of D(x) and D(G(z)) as `d_real` and `d_fake`. Validation is by
    PSNR, which falls while the pictures get sharper: it shows that something happens, not that it gets better.
    """
    if not isinstance(recipe, GanRecipe):
        raise ValueError(f"the {recipe.model} recipe has no second player: train it with fit")
    if scratch and generator is not None:
        raise ValueError("--scratch starts from fresh weights, and --generator names others: give one of the two")
    start = None if scratch else _generator_weights(recipe, generator)
    extra = {"generator": f"sha256 {hashlib.sha256(start.read_bytes()).hexdigest()}" if start else "scratch"}
    extra |= {} if vgg is None else {"vgg": losses.describe_vgg(vgg)}

    def trainer(pictures: TrainingSet, group: Group) -> GanTrainer:
        return GanTrainer(recipe, pictures.kept, group, speed, vgg, start)

    with joined(device) as group:
        return _run(trainer, recipe, str(data), Path(out), group, resume, progress, tensorboard, extra)


def _generator_weights(recipe: GanRecipe, generator: str | os.PathLike[str] | None) -> Path:
    if generator is not None:
        _must_fit(recipe, Path(generator))
        return Path(generator)
    try:
        return models.weights_path("srresnet", recipe.scale, recipe.variant)
    except ValueError as error:
        raise ValueError(
            f"{error}. Train srresnet {recipe.variant} ×{recipe.scale} first and name its model.safetensors as "
            "generator (--generator), or start from scratch (--scratch)"
        ) from error


def _must_fit(recipe: GanRecipe, generator: Path) -> None:
    """Told before the pictures are read, and with the name of the network that the file belongs to."""
    if not generator.is_file():
        raise FileNotFoundError(f"no such weights of a generator: {generator}")
    try:
        models.load_weights(models.create(recipe.model, recipe.scale, recipe.variant), generator)
    except ValueError as error:
        if not isinstance(error.__cause__, RuntimeError):
            raise  # it is no safetensors file
        size = f"{recipe.variant} ×{recipe.scale}"
        raise ValueError(
            f"{recipe.model} {size} starts with weights of srresnet {size}; those in {generator} are of "
            f"{owners(fitting(generator))}"
        ) from error


def _run(
    make: Callable[[TrainingSet, Group], Trainer],
    recipe: Recipe,
    data: str,
    folder: Path,
    group: Group,
    resume: bool,
    progress: bool,
    tensorboard: bool,
    extra: dict[str, Any],
    moments: int = 0,
) -> Result:
    """The loop: step, and every `recipe.validate` steps validate, log, save."""
    from tqdm.auto import tqdm

    checkpoint, log = Checkpoint(folder / "checkpoint.pt"), folder / "log.jsonl"
    here = group.from_first(checkpoint.path.exists())
    if here and not resume:
        raise ValueError(
            f"{folder} holds a run already: pass resume=True (--resume) to go on with it, or choose another folder"
        )
    pictures = read_training_set(data, models.entry(recipe.model)[0].channels, recipe.scale, recipe.patch)
    record = pictures.record | extra
    if group.from_first(record) != record:
        raise ValueError(f"process {group.rank} has other pictures or starting weights than the first one: {record}")
    if group.is_first:
        _say_what_is_too_small(pictures, recipe.patch)
    made = {"device": device_name(group.device), "torch": str(torch.__version__), "commit": commit()}
    if group.world > 1:
        made["device"] = f"{group.world} × {made['device']}"
    trainer = make(pictures, group)
    bfloat16 = trainer.bfloat16
    made["precision"] = "bfloat16" if bfloat16 else "float32"
    held = pictures.held
    del pictures  # the trainer has its own copy, on the device
    seconds, score = 0.0, math.nan
    if here:
        state = group.from_first(checkpoint.load(recipe.as_dict(), record) if group.is_first else {})
        trainer.restore(state)
        seconds, score = state["seconds"], state["psnr"]
        made = state["made"] if trainer.step >= recipe.steps else made  # where it was trained, not looked at again

    album = Album(folder / "moments.safetensors", recipe.steps, moments if group.is_first else 0)
    album.resume(trainer.step)
    album.look(trainer.ema.model, trainer.step)
    with _books(log, trainer.step, tensorboard, group.is_first) as write:
        totals: dict[str, torch.Tensor] = {}
        since, started = trainer.step, time.perf_counter() - seconds
        bar = tqdm(
            total=recipe.steps,
            initial=trainer.step,
            disable=not (progress and group.is_first),
            unit="step",
            mininterval=1.0,
        )
        while trainer.step < recipe.steps:
            for name, value in trainer.advance().items():
                totals[name] = totals[name] + value if name in totals else value
            bar.update()
            album.look(trainer.ema.model, trainer.step)
            if trainer.step % recipe.validate and trainer.step < recipe.steps:
                continue
            mean = group.mean(torch.stack(list(totals.values()))) / (trainer.step - since)
            if group.is_first:  # the others wait for it at their next step
                means = dict(zip(totals, mean.tolist(), strict=True))
                _stop_if_diverged(trainer, means["loss"], since, checkpoint)
                seconds = time.perf_counter() - started
                score = validate(trainer.ema.model, held, recipe.scale, group.device, recipe.degradation, bfloat16)
                rate = trainer.optimiser.param_groups[0]["lr"]
                write(
                    {"step": trainer.step, **means, "psnr": score, "learning_rate": rate, "seconds": round(seconds, 3)}
                )
                kept = {"seconds": seconds, "psnr": score, "training_set": record, "made": made}
                album.save()  # before the checkpoint: a step that is done again is looked at again
                checkpoint.save(trainer.state() | kept)
                speed = trainer.step * recipe.batch / seconds
                bar.set_postfix_str(f"{speed:.0f} images/s, {means['loss']:.2e}, {score:.2f} dB")
            totals, since = {}, trainer.step
        bar.close()

    if group.is_first:
        save_weights(trainer.ema.model, folder / "model.safetensors")
        card = {
            "model": recipe.model,
            "recipe": recipe.as_dict(),
            "steps": trainer.step,
            "seconds": round(seconds, 1),
            **made,
            **extra,
            "training_set": {key: value for key, value in record.items() if key not in extra},
            "validation_psnr_db": score,
            "validation_bicubic_db": validate(
                models.create("bicubic", recipe.scale), held, recipe.scale, group.device, recipe.degradation
            ),
        }
        write_atomically(folder / "card.json", lambda path: path.write_text(json.dumps(card, indent=1) + "\n", "utf-8"))
    group.from_first(None)  # the others wait until the files are there: the next network may start from them
    return Result(trainer.ema.model.cpu(), read_log(log) if group.is_first else [], seconds, folder)


def _say_what_is_too_small(pictures: TrainingSet, patch: int) -> None:
    if not (names := pictures.too_small):
        return
    shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    warnings.warn(
        f"{len(names)} picture{'s are' if len(names) > 1 else ' is'} left out, too small for a patch of "
        f"{patch}×{patch} pixels: {shown}",
        stacklevel=4,  # who called fit or fit_gan
    )


def _stop_if_diverged(trainer: Trainer, mean: float, since: int, checkpoint: Checkpoint) -> None:
    if math.isfinite(mean) and trainer.is_finite():
        return
    good = f"the last good checkpoint is {checkpoint.path}" if checkpoint.path.exists() else "none was saved"
    raise FloatingPointError(
        f"training diverged between steps {since} and {trainer.step} (mean loss {mean}); {good}. "
        "A lower learning rate or a clipped gradient (recipe.clip), in another folder, is the usual cure"
    )


@contextmanager
def _books(log: Path, step: int, tensorboard: bool, first: bool) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A function that writes an entry to the log and, if asked for, to TensorBoard; only the first process gets one.

    Lines of a log that are younger than the checkpoint at `step` are taken out: these steps are done again.
    """
    if not first:
        yield lambda entry: None
        return
    if tensorboard:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError("tensorboard=True needs the package tensorboard: pip install tensorboard") from error
    log.parent.mkdir(parents=True, exist_ok=True)
    known = [entry for entry in read_log(log) if entry["step"] <= step] if log.exists() else []
    lines = "".join(json.dumps(entry) + "\n" for entry in known)
    write_atomically(log, lambda path: path.write_text(lines, "utf-8"))
    if not tensorboard:
        yield lambda entry: append_line(log, entry)
        return

    def write(entry: dict[str, Any]) -> None:
        append_line(log, entry)
        for name, value in entry.items():
            if name != "step":
                writer.add_scalar(name, value, entry["step"])

    with SummaryWriter(str(log.parent / "tensorboard"), purge_step=step + 1) as writer:
        yield write
