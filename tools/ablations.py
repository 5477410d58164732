"""What one decision is worth: short trainings that differ in one thing, over several seeds.

A study is a base recipe and a table of changes to it. `python -m tools.ablations srcnn` trains every row on the
bundled photographs, scores it on the test photographs, and writes `data/ablations/srcnn.json`, which the chapter
prints. On one core the srcnn and espcn studies take a quarter of an hour each, the srgan study half an hour, the vdsr
study most of an hour. The srgan study needs VGG-19's weights (`--vgg`). Read `STUDIES`, then `measure`.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from srlib import datasets, degrade, evaluate, losses, models, recipes, train
from srlib._paths import commit
from srlib.checkpoint import write_atomically
from srlib.devices import device_name, has_bfloat16
from srlib.recipes import GanRecipe, Recipe

FOLDER = Path(__file__).resolve().parent.parent / "data" / "ablations"
SEEDS = (0, 1, 2)
TEST = "bundled:test"
PROTOCOL = "A"


@dataclass(frozen=True)
class Row:
    """One change: `changes` to the recipe, and `prepare` for what a recipe cannot say."""

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[train.Trainer], None] | None = None


def _he_start(trainer: train.Trainer) -> None:
    """He's variance in each layer and biases zero: the usual start, in place of the network's start at bicubic."""
    generator = torch.Generator().manual_seed(trainer.recipe.seed)
    with torch.no_grad():
        for name, parameter in trainer.model.named_parameters():
            parameter.zero_()
            if name.endswith("weight"):
                gain = 1.0 if name.startswith("conv3") else 2.0
                parameter.normal_(std=(gain / parameter[0].numel()) ** 0.5, generator=generator)
    trainer.ema.model.load_state_dict(trainer.model.state_dict())


_SRCNN = recipes.get("srcnn", scale=3, budget="quick").but(steps=500)
# The authors' rate, 1e-4, multiplies half the squared error summed over a patch of 21×21 pixels; ours multiplies its
# mean over the patch.
_AUTHORS_RATE = 1e-4 * 21**2 / 2
_SGD = {"optimiser": "sgd", "learning_rate": _AUTHORS_RATE, "final": 1.0, "warmup": 1}
_PAPERS_ESPCN = {"optimiser": "sgd", "start": "paper", "last_layer": 0.1, "clip": 0.0}
_PAPERS_VDSR = {"optimiser": "sgd", "learning_rate": 0.1, "theta": 0.001, "weight_decay": 1e-4, "start": "paper"}
_ESPCN = recipes.get("espcn", scale=3, budget="quick").but(steps=1500)
# Nine patches can be shared by three scales.
_VDSR = recipes.get("vdsr", scale=3, budget="quick").but(steps=150, batch=9)
# All rows of one seed go on from the same small SRResNet, trained with MSE.
_SRRESNET = recipes.get("srresnet", scale=4, budget="quick")
_SRGAN = recipes.get("srgan", scale=4, budget="quick").but(steps=150, learning_rate=1e-4, ema=0.98)

STUDIES: dict[str, tuple[Recipe, tuple[Row, ...]]] = {
    "srcnn": (
        _SRCNN,
        (
            Row("9-1-5"),
            Row("9-3-5", {"variant": "9-3-5"}),
            Row("9-5-5", {"variant": "9-5-5"}),
            Row("L1 loss", {"loss": "l1"}),
            Row("border left out of the loss", {"border": 6}),
            Row("last weights instead of averaged ones", {"ema": 0.0}),
            Row("constant learning rate", {"final": 1.0}),
            Row("He's start", prepare=_he_start),
            Row("He's start, 9-5-5", {"variant": "9-5-5"}, _he_start),
            Row("start from N(0, 0.001)", {"start": "paper"}),
            Row("SGD with momentum", _SGD),
            Row("SGD and N(0, 0.001), as the authors", {**_SGD, "start": "paper", "last_layer": 0.1}),
        ),
    ),
    "espcn": (
        _ESPCN,
        (
            Row("tanh"),
            Row("ReLU", {"variant": "relu"}),
            Row("start at noise, the same in every phase", {"start": "icnr"}),
            Row("start at noise", {"start": "paper"}),
            Row("ReLU, start at noise", {"variant": "relu", "start": "paper"}),
            Row("gradient not clipped", {"clip": 0.0}),
            Row("L1 loss", {"loss": "l1"}),
            Row("last weights instead of averaged ones", {"ema": 0.0}),
            Row("SGD with momentum at 0.01, start at noise", {**_PAPERS_ESPCN, "learning_rate": 1e-2}),
            Row("SGD with momentum at 0.1, start at noise", {**_PAPERS_ESPCN, "learning_rate": 1e-1}),
        ),
    ),
    "vdsr": (
        _VDSR,
        (
            Row("20 layers"),
            Row("10 layers", {"variant": "10"}),
            Row("5 layers", {"variant": "5"}),
            Row("20 layers without the residual", {"variant": "20-plain"}),
            Row("5 layers without the residual", {"variant": "5-plain"}),
            Row("a third of the learning rate", {"learning_rate": _VDSR.learning_rate / 3}),
            Row("three times the learning rate", {"learning_rate": _VDSR.learning_rate * 3}),
            Row("×2, ×3 and ×4 together", {"scales": (2, 3, 4)}),
            Row("He's start", {"start": "paper"}),
            Row("SGD at 0.1, clipped as in the paper, He's start", _PAPERS_VDSR),
        ),
    ),
    "srgan": (
        _SRGAN,
        (
            Row("MSE", {"adversarial": 0.0}),
            Row("MSE + GAN"),
            Row("MSE + GAN, a tenth of the weight", {"adversarial": 1e-4}),
            Row("VGG22", {"loss": "vgg22", "adversarial": 0.0}),
            Row("VGG22 + GAN", {"loss": "vgg22", "adversarial": 0.1}),
            Row("VGG22 + GAN, a tenth of the weight", {"loss": "vgg22", "adversarial": 0.01}),
            Row("VGG22 + GAN + variation", {"loss": "vgg22", "adversarial": 0.1, "total_variation": 4.0}),
        ),
    ),
}


def measure(
    recipe: Recipe, row: Row, seed: int, pictures: list[torch.Tensor], folder: Path, vgg: str | None = None
) -> dict[str, float]:
    """Train once; returns `psnr` in dB on the test photographs, and for a game what `detail` says, too.

    `folder` keeps the generators that games start from, one a seed.
    """
    changed = recipe.but(**row.changes, seed=seed)
    trainer: train.Trainer
    if isinstance(changed, GanRecipe):
        start = folder / str(seed) / "model.safetensors"
        if not start.exists():
            train.fit(_SRRESNET.but(seed=seed), "bundled", start.parent, device="cpu", progress=False)
        trainer = train.GanTrainer(changed, pictures, torch.device("cpu"), vgg=vgg, generator=start)
    else:
        trainer = train.Trainer(changed, pictures, torch.device("cpu"))
    if row.prepare is not None:
        row.prepare(trainer)
    for _ in range(changed.steps):
        trainer.advance()
    model = trainer.ema.model
    result = {"psnr": evaluate.benchmark(model, TEST, changed.scale, PROTOCOL, device="cpu").psnr}
    if isinstance(changed, GanRecipe):
        result |= detail(model, changed.scale, vgg)
    return result


def detail(model: torch.nn.Module, scale: int, vgg: str | None) -> dict[str, float]:
    """Total variation as a share of HR's, and distance by VGG-19's conv2_2, means over the test photographs."""
    content = losses.ContentLoss("conv2_2", vgg)
    variation, distance = [], []
    for photo in datasets.photos("test").values():
        hr = degrade.mod_crop(photo, scale)
        with torch.no_grad():
            sr = model.eval()(degrade.bicubic_down(hr, scale)).clamp(0, 1)
            distance.append(float(content(sr, hr)))
        variation.append(float(losses.total_variation(sr) / losses.total_variation(hr)))
    return {"variation": statistics.mean(variation), "vgg22": statistics.mean(distance)}


def study(name: str, only: str | None = None, folder: Path = FOLDER, vgg: str | None = None) -> Path:
    """Run one study, or one row of it into the file that is there; the file is written after every row."""
    recipe, rows = STUDIES[name]
    order = [row.name for row in rows]
    path = folder / f"{name}.json"
    known = json.loads(path.read_text("utf-8"))["rows"] if only else []
    channels = models.entry(recipe.model)[0].channels
    pictures = train.read_training_set("bundled", channels=channels).kept
    bicubic = evaluate.benchmark("bicubic", TEST, recipe.scale, PROTOCOL, device="cpu").psnr
    game = isinstance(recipe, GanRecipe)
    more = "; variation: total variation as a share of HR's; vgg22: distance at VGG-19's conv2_2" if game else ""
    result: dict[str, Any] = {
        "what": f"mean PSNR on {TEST} minus bicubic's, in dB, protocol {PROTOCOL}, after a short training" + more,
        "recipe": recipe.as_dict(),
        "seeds": list(SEEDS),
        "data": "bundled",
        "test": TEST,
        "protocol": PROTOCOL,
        "bicubic_db": round(bicubic, 4),
        "device": device_name(torch.device("cpu")),
        "precision": "bfloat16" if has_bfloat16(torch.device("cpu")) else "float32",
        "torch": torch.__version__,
        "commit": commit(),
        "rows": [row for row in known if row["name"] in order and row["name"] != only],
    }
    with tempfile.TemporaryDirectory() as starts:
        for row in rows:
            if only not in (None, row.name):
                continue
            scores = [measure(recipe, row, seed, pictures, Path(starts), vgg) for seed in SEEDS]
            gains = [score.pop("psnr") - bicubic for score in scores]
            if not all(map(math.isfinite, gains)):
                raise FloatingPointError(f"{row.name} diverged: {gains}")
            result["rows"].append(
                {
                    "name": row.name,
                    "changes": dict(row.changes),
                    "gain_db": [round(gain, 4) for gain in gains],
                    "mean_db": round(statistics.mean(gains), 4),
                    "spread_db": round(statistics.stdev(gains), 4),
                    **{key: [round(score[key], 4) for score in scores] for key in scores[0]},
                }
            )
            result["rows"].sort(key=lambda entry: order.index(entry["name"]))
            print(f"{row.name:<40} {statistics.mean(gains):+7.3f} ± {statistics.stdev(gains):.3f} dB", flush=True)
            text = json.dumps(result, indent=1) + "\n"
            write_atomically(path, lambda temporary, text=text: temporary.write_text(text, "utf-8"))  # type: ignore[misc]
    return path


def main() -> None:
    """`python -m tools.ablations srcnn [--row "L1 loss"]`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=sorted(STUDIES))
    parser.add_argument("--row", help="measure this row only, and put it into the file that is there")
    parser.add_argument("--vgg", help="VGG-19's weights for srgan: a safetensors file, or torchvision")
    options = parser.parse_args()
    if options.study == "srgan" and options.vgg is None:
        parser.error("the srgan study looks through VGG-19: --vgg FILE, or --vgg torchvision to download its weights")
    torch.set_num_threads(1)  # a sum over several threads may round differently from run to run
    study(options.study, options.row, vgg=options.vgg)


if __name__ == "__main__":
    main()
