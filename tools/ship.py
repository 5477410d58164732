"""Turn finished training runs into shipped weights: `python -m tools.ship runs/NAME …`.

For each run the averaged weights go to `srlib/weights/`, as float16 where that scores the same, beside them the card
with their SHA-256 and their scores (measured here, protocol A), the training log to `data/logs/`, and the weights on
the way, where they were kept, to `data/moments/`. Run `python -m tools.ledger` afterwards.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from srlib import models
from srlib._paths import data_dir, weights_dir
from srlib.checkpoint import write_atomically
from srlib.evaluate import benchmark

SETS = ("set5", "set14", "bundled:test")
SAME_DB = 0.002  # float16 may cost so much on no set


def score(recipe: dict[str, Any], weights: Path) -> dict[str, dict[str, Any]]:
    """What a file of weights scores on every set under protocol A."""
    model = models.load_weights(models.create(recipe["model"], recipe["scale"], recipe["variant"]), weights)
    results = {data: benchmark(model, data, recipe["scale"], "A", device="cpu") for data in SETS}
    return {
        data: {"protocol": "A", "psnr": round(result.psnr, 4), "ssim": round(result.ssim, 5)}
        for data, result in results.items()
    }


def halve(weights: Path, target: Path) -> None:
    """The same weights as float16; whole numbers, such as batch norm's count of batches, stay as they are."""
    tensors = load_file(weights)
    save_file({key: t.half() if t.is_floating_point() else t for key, t in tensors.items()}, target)


def ship(run: Path) -> str:
    """Copy one run into the package; returns the name of its weights."""
    card = json.loads((run / "card.json").read_text("utf-8"))
    recipe = card["recipe"]
    if card["steps"] != recipe["steps"]:
        raise ValueError(f"{run} stopped at step {card['steps']} of {recipe['steps']}; finish it with --resume")
    scales = "".join(map(str, recipe["scales"] or [recipe["scale"]]))
    name = f"{recipe['model']}_{recipe['variant']}_x{scales}"
    weights = run / "model.safetensors"
    scores, numbers = score(recipe, weights), "float32"
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "half.safetensors"
        halve(weights, small)
        halved = score(recipe, small)
        if all(abs(halved[data]["psnr"] - scores[data]["psnr"]) <= SAME_DB for data in SETS):
            weights, scores, numbers = small, halved, "float16"
        content = weights.read_bytes()
    card |= {"sha256": hashlib.sha256(content).hexdigest(), "numbers": numbers, "scores": scores}

    (data_dir() / "logs").mkdir(exist_ok=True)
    shutil.copyfile(run / "log.jsonl", data_dir() / "logs" / f"{name}.jsonl")
    write_atomically(weights_dir() / f"{name}.safetensors", lambda path: path.write_bytes(content))
    moments = data_dir() / "moments" / f"{name}.safetensors"
    moments.unlink(missing_ok=True)  # those of other weights
    if (run / "moments.safetensors").is_file():
        moments.parent.mkdir(exist_ok=True)
        shutil.copyfile(run / "moments.safetensors", moments)
    text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
    write_atomically(weights_dir() / f"{name}.json", lambda path: path.write_text(text, "utf-8"))
    return f"{name}, {numbers}: " + ", ".join(f"{data} {entry['psnr']:.2f} dB" for data, entry in scores.items())


def main(runs: list[str]) -> int:
    """Ship each run; exit status 2 when none is named."""
    if not runs:
        print(__doc__, file=sys.stderr)
        return 2
    for run in runs:
        print(ship(Path(run)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
