"""Draw the README's picture, `book/_static/comparison.png`, from the shipped weights; `python -m tools.picture`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

import srlib
from srlib import datasets, degrade, image, show
from srlib.metrics import PROTOCOLS

TARGET = Path(__file__).resolve().parent.parent / "book" / "_static" / "comparison.png"
CROP = (84, 132, 84, 105)  # top, left, height, width: the cat's eye and whiskers


def main() -> int:
    """Measure, draw, write."""
    show.style()
    hr = degrade.mod_crop(image.to_uint8(datasets.photo("chelsea")), 3)
    lr = image.from_uint8(degrade.imresize(hr, 1 / 3, border="mirror"))
    pictures: dict[str, torch.Tensor] = {"LR": lr}
    scores: dict[str, float] = {}
    for title, model in (("bicubic", "bicubic"), ("SRCNN 9-5-5", "srcnn")):
        pictures[title] = srlib.upscale(lr, model=model, scale=3, device="cpu")
        scores[title] = PROTOCOLS["A"].score(pictures[title], image.from_uint8(hr), 3)[0]
    pictures["HR"] = image.from_uint8(hr)
    figure = show.grid(pictures, crop=CROP, zoom=3, columns=4, scores=scores)
    figure.savefig(TARGET)
    print(f"{TARGET.name}: " + ", ".join(f"{title} {score:.2f} dB" for title, score in scores.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
