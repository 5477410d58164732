"""The blind test: crops of the bundled test photographs, enlarged ×4 by everything that ships.

A place is a crop of a photograph; one picture holds it as each method gives it, side by side. Read `PLACES`, then
`build`. The networks see more than the crop, so that it looks as it does in the whole photograph.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import built
import torch
from PIL import Image
from torch import Tensor, nn

from srlib import datasets, degrade, metrics, models
from srlib.image import as_array, from_uint8, to_uint8
from srlib.upscaling import super_resolve

SCALE = 4
NAMES = {
    "bicubic": "bicubic",
    "srcnn": "SRCNN",
    "espcn": "ESPCN",
    "vdsr": "VDSR",
    "srresnet": "SRResNet",
    "srgan": "SRGAN",
}
CROP = 120  # pixels of HR, a multiple of the scale
AROUND = 16  # LR pixels around the crop that the networks see: more than VDSR's 7; SRResNet's 40 change hardly a byte

#: photograph, top and left of the crop in HR pixels (multiples of the scale), and what is to be seen there
PLACES = (
    ("astronaut", 60, 160, "A woman's face"),
    ("astronaut", 332, 116, "A round badge"),
    ("chelsea", 64, 116, "A cat's eye"),
    ("chelsea", 152, 172, "A cat's nose and fur"),
    ("coffee", 48, 180, "The rim of a cup"),
    ("coffee", 224, 312, "A spoon on a saucer"),
    ("coins", 56, 196, "A coin with a head"),
    ("coins", 164, 52, "Worn coins"),
    ("temple", 60, 148, "A roof of tiles"),
    ("temple", 196, 200, "Pillars and a roof"),
)


def shipped() -> dict[str, nn.Module]:
    """Bicubic, and every network whose weights for ×4 ship, from old to new."""
    found = {}
    for name in NAMES:
        try:
            found[name] = models.load_pretrained(name, SCALE)
        except ValueError:  # says that there are none
            continue
    return found


def _around(top: int, length: int, whole: int) -> tuple[int, int]:
    """First and last pixel of LR that is seen of one axis."""
    return max(0, top // SCALE - AROUND), min(whole // SCALE, (top + length) // SCALE + AROUND)


@torch.inference_mode()
def _crops(networks: dict[str, nn.Module], hr: Tensor, top: int, left: int) -> dict[str, Tensor]:
    """The crop (1, 3, CROP, CROP) as each method gives it, as bytes in [0, 1]."""
    rows, columns = _around(top, CROP, hr.shape[-2]), _around(left, CROP, hr.shape[-1])
    lr = from_uint8(degrade.imresize(to_uint8(hr), 1 / SCALE))[..., slice(*rows), slice(*columns)]
    y, x = top - rows[0] * SCALE, left - columns[0] * SCALE
    whole = {name: super_resolve(network, lr) for name, network in networks.items()}
    return {name: from_uint8(to_uint8(sr[..., y : y + CROP, x : x + CROP])) for name, sr in whole.items()}


def _make(folder: Path, networks: dict[str, nn.Module]) -> dict[str, Any]:
    places = []
    for number, (photo, top, left, what) in enumerate(PLACES):
        hr = degrade.mod_crop(datasets.photo(photo), SCALE)
        crops = _crops(networks, hr, top, left)
        truth = hr[..., top : top + CROP, left : left + CROP]
        # luma as protocol A compares it; nothing is shaved, since the crop's edge is no border
        rule = metrics.PROTOCOLS["A"]
        scores = {
            name: round(metrics.psnr(rule.luma(sr.double()), rule.luma(truth.double())).item(), 3)
            for name, sr in crops.items()
        }
        strip = Image.fromarray(as_array(torch.cat(list(crops.values()), dim=3)))
        strip.save(folder / f"place-{number}.webp", lossless=True, quality=90, method=6)
        card = datasets.card(photo)
        places.append(
            {
                "file": f"place-{number}.webp",
                "what": what,
                "credit": f"{what}. Photograph: {card.author}, {card.licence}.",
                "psnr": scores,
            }
        )
    return {"scale": SCALE, "crop": CROP, "names": {name: NAMES[name] for name in networks}, "places": places}


def build(cache: Path) -> dict[str, Any]:
    """What is known of all places; their pictures lie in `cache/x4/`. `key` names this set of pictures."""
    networks = shipped()
    weights = [models.weights_path(name, SCALE) for name in networks if name != "bicubic"]
    photographs = [datasets.card(name).path for name in datasets.bundled("test")]
    key = built.key_of([*weights, *photographs, Path(__file__)], *networks)
    return built.kept(cache / f"x{SCALE}", key, lambda folder: _make(folder, networks))
