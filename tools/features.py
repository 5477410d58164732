"""Record what VGG-19 sees in the test photographs: `python -m tools.features WEIGHTS`.

A chapter can neither download the weights of VGG-19 nor ship them, and yet shows its features. So they are computed
here, once, for the networks that ship, and kept small: feature maps of two crops as bytes in
`data/features/vgg19.npz`, distances and the protocol in `data/features/vgg19.json`. Run it again when the weights of
SRResNet or SRGAN have changed; a test says so. WEIGHTS is a safetensors file with torchvision's key names, up to
conv3_1 at least, or `torchvision`. It takes a minute or two on two cores. Read `LAYERS`, `views`, then `record`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from srlib import datasets, degrade, losses, models
from srlib._paths import data_dir
from srlib.checkpoint import write_atomically
from srlib.image import from_uint8, to_uint8
from srlib.metrics import round_to_byte
from srlib.upscaling import super_resolve

SCALE = 4
LAYERS = ("conv1_2", "conv2_2", "conv3_1")
SHOWN = ("conv1_2", "conv2_2")  # whose maps are kept
NETWORKS = ("srresnet", "srgan")
CROPS = {"astronaut": (92, 184, 80, 80), "temple": (100, 190, 80, 80)}  # top, left, height, width in HR pixels
MAPS = 4  # kept of each layer


class Eye:
    """VGG-19 up to the last of `LAYERS`, asked for all of them in one pass."""

    def __init__(self, weights: str) -> None:
        self.losses = {layer: losses.ContentLoss(layer, weights) for layer in LAYERS}

    @torch.no_grad()
    def look(self, x: Tensor) -> dict[str, Tensor]:
        """The feature maps `(1, C, h, w)` of a picture `(1, 3, H, W)` in [0, 1], by layer, of mean about 1."""
        deepest = self.losses[LAYERS[-1]]
        ends = {len(loss.features) - 1: layer for layer, loss in self.losses.items()}
        maps, y = {}, (x - deepest.mean) / deepest.std  # type: ignore[operator]
        for place, module in enumerate(deepest.features):
            y = module(y)
            if place in ends:
                layer = ends[place]
                maps[layer] = y * self.losses[layer].scale ** 0.5
        return maps


def views(name: str) -> dict[str, Tensor]:
    """One photograph as HR, bicubic, and by the networks that ship; `(1, 3, H, W)` of whole grey levels."""
    hr = degrade.mod_crop(datasets.photo(name), SCALE)
    lr = degrade.imresize(to_uint8(hr), 1 / SCALE)
    found = {"hr": hr, "bicubic": from_uint8(degrade.imresize(lr, SCALE))}
    for network in NETWORKS:
        sr = super_resolve(models.load_pretrained(network, SCALE), from_uint8(lr))
        found[network] = round_to_byte(sr)
    return found


def distortions(hr: Tensor, bicubic: Tensor) -> dict[str, Tensor]:
    """Four pictures that all have the mean square error of bicubic; not clipped, or the error would change."""
    lost = bicubic - hr
    size = lost.square().mean().sqrt()
    noise = torch.randn(hr.shape, generator=torch.Generator().manual_seed(0))
    return {
        "detail lost": bicubic,
        "detail doubled": hr - lost,
        "noise": hr + noise * size / noise.square().mean().sqrt(),
        "brightness": hr + size,
    }


def choose(maps: Tensor, count: int = MAPS) -> list[int]:
    """The channels of `(1, C, h, w)` with the most contrast, none of them nearly the same as one chosen before."""
    flat = maps[0].flatten(1)
    flat = flat - flat.mean(1, keepdim=True)
    unit = F.normalize(flat, dim=1)
    chosen: list[int] = []
    for channel in flat.norm(dim=1).argsort(descending=True).tolist():
        if all(abs(float(unit[channel] @ unit[other])) < 0.6 for other in chosen):
            chosen.append(channel)
        if len(chosen) == count:
            break
    return sorted(chosen)


def as_bytes(x: Tensor, largest: float) -> NDArray[np.uint8]:
    """Values from 0 to `largest` as 0..255."""
    quantised: NDArray[np.uint8] = (x / max(largest, 1e-12) * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    return quantised


def keep_maps(
    name: str, seen: dict[str, dict[str, Tensor]], layer: str, arrays: dict[str, NDArray[np.uint8]]
) -> dict[str, Any]:
    """Put a layer's maps of one crop, and the distance of each picture from HR at each place, into `arrays`."""
    top, left, height, width = CROPS[name]
    step = 2 ** (int(layer[4]) - 1)  # each pooling before the block halves the maps
    cut = (slice(top // step, (top + height) // step), slice(left // step, (left + width) // step))
    crops = {view: maps[layer][(..., *cut)] for view, maps in seen.items()}
    channels = choose(crops["hr"])
    largest = [max(float(maps[0, c].max()) for maps in crops.values()) for c in channels]
    for view, maps in crops.items():
        kept = [as_bytes(maps[0, c], top) for c, top in zip(channels, largest, strict=True)]
        arrays[f"{name}/{layer}/{view}"] = np.stack(kept)
    distances = {view: (maps - crops["hr"]).norm(dim=1)[0] for view, maps in crops.items() if view != "hr"}
    farthest = max(float(distance.max()) for distance in distances.values())
    for view, distance in distances.items():
        arrays[f"{name}/{layer}/distance/{view}"] = as_bytes(distance, farthest)
    return {"channels": channels, "largest": [round(x, 4) for x in largest], "farthest": round(farthest, 4)}


def record(weights: str, names: list[str] | None = None) -> tuple[dict[str, Any], dict[str, NDArray[np.uint8]]]:
    """What goes into the two files; `names` are the photographs, by default the bundled test ones."""
    eye = Eye(weights)
    arrays: dict[str, NDArray[np.uint8]] = {}
    content: dict[str, Any] = {
        "what": "VGG-19's features of the bundled test photographs: maps of two crops, and distances from HR",
        "protocol": "scale 4; LR by MATLAB's bicubic, rounded to bytes; every picture rounded to bytes; RGB in [0, 1], "
        "normalised as for ImageNet; features after ReLU, multiplied by one number a layer so that their mean over the "
        "bundled training photographs is 1; content is the mean over channels and places of the squared difference; "
        "distortions are not clipped",
        "vgg": losses.describe_vgg(weights),
        "networks": {network: models.card(network, SCALE)["sha256"] for network in NETWORKS},
        "layers": list(LAYERS),
        "crops": {},
        "photographs": {},
    }
    for name in names or datasets.bundled("test"):
        pictures = views(name)
        seen = {view: eye.look(x) for view, x in pictures.items()}
        rows = {view: _distance(pictures, seen, view) for view in pictures if view != "hr"}
        others = distortions(pictures["hr"], pictures["bicubic"])
        equal = {
            kind: _distance({**pictures, kind: x}, {"hr": seen["hr"], kind: eye.look(x)}, kind)
            for kind, x in others.items()
        }
        content["photographs"][name] = {"pairs": rows, "same_error": equal}
        if name in CROPS:
            crop = {layer: keep_maps(name, seen, layer, arrays) for layer in SHOWN}
            content["crops"][name] = {"crop": list(CROPS[name]), "layers": crop}
    return content, arrays


def _distance(pictures: dict[str, Tensor], seen: dict[str, dict[str, Tensor]], view: str) -> dict[str, float]:
    """Mean square error, and the content loss at each layer, of one picture against HR."""
    row = {"mse": float((pictures[view] - pictures["hr"]).square().mean())}
    row |= {layer: float((seen[view][layer] - seen["hr"][layer]).square().mean()) for layer in LAYERS}
    return {key: float(f"{value:.5g}") for key, value in row.items()}


def write(content: dict[str, Any], arrays: dict[str, NDArray[np.uint8]], folder: Path) -> None:
    """Both files, each whole or not at all."""
    text = json.dumps(content, indent=1) + "\n"

    def pack(path: Path) -> None:
        with path.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    write_atomically(folder / "vgg19.npz", pack)
    write_atomically(folder / "vgg19.json", lambda path: path.write_text(text, "utf-8"))


def main() -> None:
    """`python -m tools.features WEIGHTS`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", help="a safetensors file, or torchvision")
    parser.add_argument("--out", type=Path, default=data_dir() / "features")
    options = parser.parse_args()
    content, arrays = record(options.weights)
    write(content, arrays, options.out)
    for name, found in content["photographs"].items():
        values = ", ".join(f"{view} {row['conv2_2']:.2f}" for view, row in found["pairs"].items())
        print(f"{name:<12} content at conv2_2: {values}")


if __name__ == "__main__":
    main()
