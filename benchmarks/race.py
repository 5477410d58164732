"""How long a training takes until it is worth something: seconds until test photographs are a little above bicubic.

Images a second are not the whole story: bfloat16 might learn less from each. So the loops train until they reach the
same score. The clock runs while they train; snapshots of the weights are taken on the way and scored while it stands
still. Read `seconds_to`.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from benchmarks.machine import rounded, synchronise
from srlib import datasets, models
from srlib.image import rgb_to_y, to_uint8
from srlib.recipes import Recipe
from srlib.training_set import validate

GAIN = 0.3  # dB above bicubic
EVERY = 10  # steps between two snapshots
SNAPSHOTS = 50  # kept at most before they are scored
SEEDS = (0, 1, 2)
CENTRE = 160  # pixels of each side of a test photograph that are scored: enough to tell, and quick on any machine


def photographs(channels: int) -> list[Tensor]:
    """The centres of the bundled test photographs, uint8 `(1, channels, 160, 160)`; nothing is trained on them."""
    found = []
    for rgb in datasets.photos("test").values():
        top, left = ((side - CENTRE) // 2 for side in rgb.shape[-2:])
        centre = rgb[..., top : top + CENTRE, left : left + CENTRE]
        found.append(to_uint8(rgb_to_y(centre) if channels == 1 else centre))
    return found


class Runner(Protocol):
    """A loop that can be run step by step."""

    model: nn.Module

    def steps(self) -> Iterator[None]:
        """One step at each `next`."""

    def close(self) -> None:
        """Give back what it holds."""


def seconds_to(
    target: float, runner: Runner, recipe: Recipe, pictures: Sequence[Tensor], device: torch.device, limit: float
) -> tuple[float, int] | None:
    """Seconds and steps until the network being trained scores `target` dB on `pictures`.

    None when `limit` seconds or the recipe's steps have not been enough. The first step is not timed: it starts the
    workers. Scoring stops the clock, but not the workers, which fill their store meanwhile; that is in favour of the
    conventional loops.
    """
    stream, judge = runner.steps(), copy.deepcopy(runner.model).eval()
    next(stream)
    done, seconds = 1, 0.0
    while seconds < limit and done + EVERY <= recipe.steps:
        synchronise(device)
        begin, stretch = time.perf_counter(), max(1.0, seconds / 2)
        snapshots: list[tuple[float, int, dict[str, Tensor]]] = []
        elapsed = 0.0
        while elapsed < stretch and len(snapshots) < SNAPSHOTS and done + EVERY <= recipe.steps:
            for _ in range(EVERY):
                next(stream)
            done += EVERY
            state = {key: value.clone() for key, value in runner.model.state_dict().items()}
            synchronise(device)
            elapsed = time.perf_counter() - begin
            snapshots.append((seconds + elapsed, done, state))
        seconds += elapsed
        for at, step, state in snapshots:
            judge.load_state_dict(state)
            if validate(judge, pictures, recipe.scale, device) >= target:
                return at, step
    return None


def run(
    makers: Mapping[str, Callable[[Recipe], Runner]],
    recipe: Recipe,
    device: torch.device,
    limit: float,
) -> dict[str, Any]:
    """Every loop, with every seed, to `GAIN` dB above bicubic; the seeds change weights and patches."""
    pictures = photographs(models.entry(recipe.model)[0].channels)
    bicubic = validate(models.create("bicubic", recipe.scale), pictures, recipe.scale, device)
    loops = []
    for name, make in makers.items():
        reached = []
        for seed in SEEDS:
            seeded = recipe.but(seed=seed)
            runner = make(seeded)
            found = seconds_to(bicubic + GAIN, runner, seeded, pictures, device, limit)
            runner.close()
            if found is None:
                break
            reached.append(found)
        whole = len(reached) == len(SEEDS)
        seconds, steps = ([number[i] for number in reached] for i in (0, 1))
        loops.append(
            {
                "name": name,
                "seconds": rounded(statistics.median(seconds)) if whole else None,
                "steps": statistics.median(steps) if whole else None,
                "all_seconds": [rounded(value) for value in seconds],
            }
        )
    about = {"variant": recipe.variant, "batch": recipe.batch, "patch": recipe.patch, "gain_db": GAIN}
    return about | {"bicubic_db": round(bicubic, 3), "limit_s": limit, "loops": loops}
