"""Turn finished training runs into shipped weights: `python -m tools.ship runs/NAME …`.

For each run the averaged weights go to `srlib/weights/`, beside them the card with their SHA-256 and their scores
(measured here, protocol A), the training log to `data/logs/`, and the weights on the way, where they were kept, to
`data/moments/`. Run `python -m tools.ledger` afterwards.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

from srlib import models
from srlib._paths import data_dir, weights_dir
from srlib.checkpoint import write_atomically
from srlib.evaluate import benchmark

SETS = ("set5", "set14", "bundled:test")


def ship(run: Path) -> str:
    """Copy one run into the package; returns the name of its weights."""
    card = json.loads((run / "card.json").read_text("utf-8"))
    recipe = card["recipe"]
    if card["steps"] != recipe["steps"]:
        raise ValueError(f"{run} stopped at step {card['steps']} of {recipe['steps']}; finish it with --resume")
    scales = "".join(map(str, recipe["scales"] or [recipe["scale"]]))
    name = f"{recipe['model']}_{recipe['variant']}_x{scales}"
    weights = run / "model.safetensors"
    model = models.load_weights(models.create(recipe["model"], recipe["scale"], recipe["variant"]), weights)
    scores = {}
    for data in SETS:
        result = benchmark(model, data, recipe["scale"], "A", device="cpu")
        scores[data] = {"protocol": "A", "psnr": round(result.psnr, 4), "ssim": round(result.ssim, 5)}
    card |= {"sha256": hashlib.sha256(weights.read_bytes()).hexdigest(), "scores": scores}

    (data_dir() / "logs").mkdir(exist_ok=True)
    shutil.copyfile(run / "log.jsonl", data_dir() / "logs" / f"{name}.jsonl")
    shutil.copyfile(weights, weights_dir() / f"{name}.safetensors")
    moments = data_dir() / "moments" / f"{name}.safetensors"
    moments.unlink(missing_ok=True)  # those of other weights
    if (run / "moments.safetensors").is_file():
        moments.parent.mkdir(exist_ok=True)
        shutil.copyfile(run / "moments.safetensors", moments)
    text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
    write_atomically(weights_dir() / f"{name}.json", lambda path: path.write_text(text, "utf-8"))
    return f"{name}: " + ", ".join(f"{data} {score['psnr']:.2f} dB" for data, score in scores.items())


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
