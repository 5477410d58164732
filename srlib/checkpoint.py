"""What a training run keeps: averaged weights, and a checkpoint from which it goes on to the same bits.

A checkpoint is written under another name and then renamed, so that a killed run leaves either the old or the new
one. It holds tensors and plain numbers only and is read with `weights_only=True`: it cannot run code.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn


class EMA:
    """Exponential moving average of a network's weights: `average ← decay·average + (1 - decay)·weights`.

    The decay starts low, min(decay, (1 + n) / (10 + n)) at update n, so that the first random weights are forgotten
    quickly. `decay=0` follows the weights exactly.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take one step towards the weights of `model`."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        new, old = model.state_dict(), self.model.state_dict()
        numbers = [key for key, value in old.items() if value.is_floating_point()]
        # All tensors at once: on a GPU one kernel instead of hundreds.
        torch._foreach_lerp_([old[key] for key in numbers], [new[key] for key in numbers], 1 - decay)
        for key in old.keys() - numbers:  # such as batch norm's count of batches
            old[key].copy_(new[key])


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write(temporary path)` and rename the result to `path`; nothing stays behind when it fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())  # on the disk before the old file goes: a power cut leaves one of the two
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


class Checkpoint:
    """The state of a run in one file: networks, averaged weights, optimiser, sampler, step, seconds and recipe."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, state: dict[str, Any]) -> None:
        """Write `state` (tensors, numbers, strings, lists and dicts of them) atomically."""
        write_atomically(self.path, lambda temporary: torch.save(state, temporary))

    def load(self, recipe: dict[str, Any], training_set: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read the state back; ValueError when it is damaged or belongs to another recipe or other pictures."""
        try:
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise ValueError(f"{self.path} is not a readable checkpoint: {str(error).splitlines()[0]}") from error
        if not (isinstance(state, dict) and isinstance(state.get("recipe"), dict)):
            raise ValueError(f"{self.path} is not a readable checkpoint: it holds no recipe")
        for what, wanted in (("recipe", recipe), ("training_set", training_set or {})):
            then = state.get(what, {})
            other = [f"{k} was {then.get(k)!r} and is now {v!r}" for k, v in wanted.items() if then.get(k) != v]
            if other:
                name = "recipe" if what == "recipe" else "training set"
                raise ValueError(
                    f"{self.path} belongs to another {name}: {'; '.join(other)}; choose another out folder"
                )
        return state


def append_line(path: Path, entry: dict[str, Any]) -> None:
    """Add one entry to a JSON-lines log."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def read_log(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """A training log as a list of dicts, one for each validation; a last line cut short by a full disk is left out."""
    entries = []
    for line in Path(path).read_text("utf-8").splitlines():
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return entries


def save_weights(model: nn.Module, path: Path) -> None:
    """Write a network's weights as safetensors, atomically."""
    from safetensors.torch import save_file

    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    write_atomically(path, lambda temporary: save_file(tensors, temporary))


class Album:
    """Copies of a network while it learns, at up to `count` steps from 0 to `steps` that grow by the same factor.

    One file holds them all, in float16 (half the size, and too little to see): tensor `name` of step 50 is
    `50/name`. A run that is resumed goes on with the file that is there.
    """

    def __init__(self, path: Path, steps: int, count: int) -> None:
        if count == 1 or count < 0:
            raise ValueError(f"moments is 0, or at least 2 for the start and the end, not {count}")
        self.path = path
        growth = steps ** (1 / max(1, count - 2))
        self.steps = {0, steps, *(round(growth**k) for k in range(count - 1 if count > 2 else 0))} if count else set()
        self.pages: dict[str, torch.Tensor] = {}

    def resume(self, step: int) -> None:
        """Take over from the file what a run that is at `step` had seen; a new run, at step 0, takes nothing."""
        if step and self.steps and self.path.is_file():
            from safetensors.torch import load_file

            seen = {key: value for key, value in load_file(self.path).items() if int(key.partition("/")[0]) <= step}
            self.pages = {key: value for key, value in seen.items() if int(key.partition("/")[0]) in self.steps}

    def look(self, model: nn.Module, step: int) -> None:
        """Keep the weights if `step` is one of the moments."""
        if step in self.steps:
            for name, value in model.state_dict().items():
                dtype = torch.float16 if value.is_floating_point() else value.dtype  # batch norm counts its batches
                self.pages[f"{step}/{name}"] = value.detach().to("cpu", dtype, copy=True).contiguous()

    def save(self) -> None:
        """Write all that was kept so far, whole or not at all."""
        if self.pages:
            from safetensors.torch import save_file

            write_atomically(self.path, lambda temporary: save_file(self.pages, temporary))


def read_moments(path: str | os.PathLike[str]) -> dict[int, dict[str, torch.Tensor]]:
    """What an `Album` kept: the float32 weights of a network by step, in order, as `load_state_dict` takes them."""
    from safetensors.torch import load_file

    found: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in load_file(path).items():
        step, _, name = key.partition("/")
        found.setdefault(int(step), {})[name] = value.float() if value.is_floating_point() else value
    return dict(sorted(found.items()))
