"""Training speed: the loop of `srlib.train` against the conventional one, and what each of its parts is worth.

`python -m benchmarks.training [--models srcnn,vdsr] [--seconds 10] [--data bundled] [--out FILE]`. For every network,
with its full recipe: images (patches) a second of the conventional loop with files and with pictures in memory, of
ours, and of ours with one part taken away or added; what share of the device's matrix-product rate that is; then the
seconds until test photographs are 0.3 dB above bicubic (`benchmarks.race`). All loops train the same network from
the same start with the same batch, patch, loss and learning rate. Read `loops_for`, then `measure`.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import machine, race, timing
from benchmarks.conventional import Conventional, Pairs, write_pairs
from srlib import losses, models, recipes
from srlib.devices import Speed, has_bfloat16, pick_device
from srlib.recipes import Recipe
from srlib.steps import Trainer
from srlib.training_set import read_training_set

SCALES = {"srcnn": 3, "espcn": 3, "vdsr": 3, "srresnet": 4}
FILES, CACHED, OURS = "PNG files", "pictures in memory", "srlib"
LARGE = 16  # times the batch, where a device may be too fast for the recipe's own


class Engine:
    """`srlib`'s own loop, to be timed."""

    workers = None

    def __init__(self, name: str, recipe: Recipe, pictures: Sequence[Tensor], device: torch.device, speed: Speed):
        self.name, self.recipe, self.device = name, recipe, device
        self.trainer = Trainer(recipe, pictures, device, speed)
        self.model = self.trainer.model

    def steps(self) -> Iterator[None]:
        """One step at each `next`, without end."""
        while True:
            self.trainer.advance()
            yield

    def block(self, times: int) -> float:
        """Seconds that `times` steps take."""
        machine.synchronise(self.device)
        begin = time.perf_counter()
        for _ in range(times):
            self.trainer.advance()
        machine.synchronise(self.device)
        return time.perf_counter() - begin

    def close(self) -> None:
        """Nothing runs besides the loop."""


Loop = Conventional | Engine


def variants(device: torch.device) -> dict[str, Speed]:
    """Our loop with one part changed: without what it has, with what it has not. The last has no part but its data."""
    found = {}
    if has_bfloat16(device):
        found["float32 instead of bfloat16"] = Speed(bfloat16=False)
    found["channels first"] = Speed(channels_last=False)
    found["Adam not fused"] = Speed(fused=False)
    found["torch.compile"] = Speed(compile="default")
    if device.type == "cuda":
        found["torch.compile, CUDA graphs"] = Speed(compile="reduce-overhead")
    found["only the data on the device"] = Speed(bfloat16=False, channels_last=False, fused=False)
    return found


def work(name: str, budget: str) -> Recipe:
    """The recipe of a network; one scale, since the conventional loop has one."""
    return recipes.get(name, SCALES[name], budget).but(scales=())


def macs(recipe: Recipe) -> int:
    """Multiply-adds of training on one patch, forward and backward."""
    row, variant = models.entry(recipe.model, recipe.variant)
    model = row.build(scale=recipe.scale, variant=variant)
    side = recipe.patch if row.upsampled else recipe.patch // recipe.scale
    x = torch.rand(1, row.channels, side, side)
    with FlopCounterMode(display=False) as counter:
        sr = model(x, upsampled=True) if row.upsampled else model(x)
        losses.build(recipe.loss)(sr, torch.zeros_like(sr)).backward()  # type: ignore[no-untyped-call]
    return int(counter.get_total_flops()) // 2


def best_workers(make: Callable[[int], Conventional]) -> int:
    """How many worker processes make the conventional loop fastest here: none, or 1, 2, 4, … up to the cores."""
    seconds: dict[int, float] = {}
    for workers in (0, *(2**k for k in range(9) if 2**k <= machine.cores())):
        loop = make(workers)
        once = loop.block(1)
        times = max(1, round(timing.BLOCK / once))
        seconds[workers] = loop.block(times) / times
        loop.close()
    return min(seconds, key=lambda workers: seconds[workers])


def conventional_loops(
    recipe: Recipe, colours: Sequence[Tensor], device: torch.device, folder: Path
) -> dict[str, Callable[[Recipe], Conventional]]:
    """The two conventional loops, each with its best number of workers, to be made anew for a recipe."""
    row = models.entry(recipe.model)[0]
    files = write_pairs(colours, recipe.scale, folder, upsampled=row.upsampled)
    found: dict[str, Callable[[Recipe], Conventional]] = {}
    for name in (FILES, CACHED):
        options = {"upsampled": row.upsampled, "cached": name == CACHED}
        data = Pairs(files, recipe.scale, recipe.patch, **options, channels=row.channels)

        def make(workers: int, recipe: Recipe = recipe, name: str = name, data: Pairs = data) -> Conventional:
            return Conventional(name, recipe, data, device, workers)

        workers = best_workers(make)
        found[name] = lambda recipe, make=make, workers=workers: make(workers, recipe)  # type: ignore[misc]
    return found


def precision(loop: Loop) -> str:
    """Which of `machine.limits` bounds the loop's convolutions."""
    if isinstance(loop, Engine) and loop.trainer.bfloat16:
        return "bfloat16"
    return "tf32" if loop.device.type == "cuda" and torch.backends.cudnn.allow_tf32 else "float32"


def throughput(
    recipe: Recipe,
    pictures: Sequence[Tensor],
    colours: Sequence[Tensor],
    device: torch.device,
    seconds: float,
    folder: Path,
) -> dict[str, Any]:
    """Images a second of every loop, timed in turns, and their share of what the device can multiply.

    `colours` are the same pictures in RGB, which the conventional loops read.
    """
    limits = machine.limits(device)
    loops: list[Loop] = [make(recipe) for make in conventional_loops(recipe, colours, device, folder).values()]
    loops.append(Engine(OURS, recipe, pictures, device, Speed()))
    left_out = []
    for name, speed in variants(device).items():
        changed = Engine(name, recipe, pictures, device, speed)
        try:
            changed.block(1)
        except Exception as error:  # torch.compile needs a compiler, and raises what that raises
            if not speed.compile:
                raise
            left_out.append({"name": name, "reason": str(error).strip().splitlines()[0][:200]})
            continue
        loops.append(changed)
    if device.type == "cuda":
        large = recipe.but(batch=recipe.batch * LARGE)
        loops.append(Engine(f"{LARGE} times the batch", large, pictures, device, Speed()))
    taken = timing.alternate(loops, seconds)
    each, rows = macs(recipe), []
    for loop in loops:
        batch, limit = loop.recipe.batch, precision(loop)
        kind = "ours" if loop.name == OURS else "variant" if isinstance(loop, Engine) else "conventional"
        rates = taken[loop.name].rates(batch)
        share = rates["median"] * each / 1e12 / limits[limit]
        row = {"name": loop.name, "kind": kind, "batch": batch, "precision": limit, "images_per_s": rates}
        row |= {} if loop.workers is None else {"workers": loop.workers}
        rows.append(row | {"share_of_limit": machine.rounded(share)})
        loop.close()
    return {"gmac_per_image": machine.rounded(each / 1e9), "limits": limits, "loops": rows, "left_out": left_out}


def to_target(
    recipe: Recipe,
    pictures: Sequence[Tensor],
    colours: Sequence[Tensor],
    device: torch.device,
    seconds: float,
    folder: Path,
) -> dict[str, Any]:
    """Seconds until test photographs are `race.GAIN` dB above bicubic, for the conventional loops and ours."""
    makers: dict[str, Callable[[Recipe], Loop]] = dict(conventional_loops(recipe, colours, device, folder))
    makers[OURS] = lambda recipe: Engine(OURS, recipe, pictures, device, Speed())
    return race.run(makers, recipe, device, 6 * seconds)


def measure(name: str, data: str, device: torch.device, seconds: float) -> dict[str, Any]:
    """Everything about one network."""
    torch.backends.cudnn.benchmark = True  # as the repositories do; patches never change their size
    full, quick = work(name, "full"), work(name, "quick")
    pictures = read_training_set(data, models.entry(name)[0].channels, full.scale, full.patch).kept
    colours = read_training_set(data, 3, full.scale, full.patch).kept
    keys = ("model", "variant", "scale", "batch", "patch", "loss")
    result = {key: value for key, value in dataclasses.asdict(full).items() if key in keys}
    with tempfile.TemporaryDirectory() as folder:
        result |= throughput(full, pictures, colours, device, seconds, Path(folder))
        result["target"] = to_target(quick, pictures, colours, device, seconds, Path(folder))
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write after every network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--models", default=",".join(SCALES), help="of these: %(default)s")
    parser.add_argument("--seconds", type=float, default=10.0, help="of timing for every loop (%(default)s)")
    parser.add_argument("--data", default="bundled", help="as for `srlib train` (%(default)s)")
    parser.add_argument("--out", type=Path, help="a file that this machine, code and settings made is added to")
    options = parser.parse_args(arguments)
    names = options.models.split(",")
    if unknown := set(names) - set(SCALES):
        parser.error(f"there is no benchmark of {', '.join(sorted(unknown))}; there are {', '.join(SCALES)}")
    device = pick_device(options.device)
    about, settings = machine.describe(device), {"data": options.data, "seconds": options.seconds}
    path = options.out or machine.path_for("training", device)
    results = machine.read(path, about, settings)
    for name in names:
        result = measure(name, options.data, device, options.seconds)
        kept = [entry for entry in results if entry["model"] != name]
        results = sorted([*kept, result], key=lambda entry: list(SCALES).index(entry["model"]))
        machine.write(path, about, settings, results)
        for loop in result["loops"]:
            rates = loop["images_per_s"]
            print(f"{name:9} {loop['name']:30} {rates['median']:9.1f} images/s ({rates['low']} … {rates['high']})")
        for entry in result["target"]["loops"]:
            print(f"{name:9} {entry['name']:30} to +{race.GAIN} dB: {entry['seconds']} s")
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
