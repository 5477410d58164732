"""The network that a command works with, and what to say when a file of weights belongs to another one.

Read `network`, then `fitting`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from srlib import models


def network(
    model: str, scale: int, variant: str | None = None, weights: str | Path | None = None, *, inference: bool = False
) -> str | nn.Module:
    """What --model, --scale, --variant and --weights name: the name of shipped weights, or a network in eval mode.

    Args:
        model, scale: as for `srlib.models.create`.
        variant: None takes the one in `card.json` beside the weights, else the model's first.
        weights: a safetensors file, or None for those that ship.
        inference: lay the channels of a pixel side by side, as a network that is named gets it: VDSR is then 1.5 times
            as fast on a CPU.

    Raises:
        ValueError: a model, scale or variant that does not exist, or a file that belongs to another network, which
            the message names. FileNotFoundError: there is no such file.
    """
    if not weights and not variant:
        return model
    if not weights:
        found = models.load_pretrained(model, scale, variant)
    else:
        path = Path(weights)
        found = _load(models.create(model, scale, variant or _variant_of_card(model, path)), model, path)
    return found.to(memory_format=torch.channels_last) if inference else found


def _variant_of_card(model: str, weights: Path) -> str | None:
    """What `card.json` beside the weights says, if it is a card and speaks of this network."""
    try:
        recipe: Any = json.loads(weights.with_name("card.json").read_text("utf-8"))["recipe"]
        same = models.MODELS[recipe["model"]].build is models.MODELS[model].build  # as srresnet and srgan have it
        return recipe["variant"] if same and recipe["variant"] in models.MODELS[model].variants else None
    except (OSError, ValueError, LookupError, TypeError):  # no card, or some other file of that name
        return None


def _load(model: nn.Module, name: str, weights: Path) -> nn.Module:
    try:
        return models.load_weights(model, weights)
    except ValueError as error:
        read = isinstance(error.__cause__, RuntimeError)  # else it is no safetensors file
        families = fitting(weights) if read else []
        if not families:
            raise
        raise ValueError(_belongs(model, name, weights, families)) from error


def _belongs(model: nn.Module, name: str, weights: Path, families: list[tuple[str, int | None, str]]) -> str:
    """Which network the file belongs to, and the options that name it."""
    other, scale, variant = min(families, key=lambda family: family[0] != name)  # of the same model, if there is one
    options = [] if other == name else [f"--model {other}"]
    if scale is not None and scale != model.scale:
        options.append(f"--scale {scale}")
    if variant != (models.MODELS[other].variants[0] if other != name else model.variant):
        options.append(f"--variant {variant}")
    asked = " ".join(filter(None, (type(model).__name__, str(model.variant), f"×{model.scale}")))  # bicubic has none
    whose = owners(families)
    return f"the weights in {weights} do not fit {asked}: they are those of {whose}; pass {' '.join(options)}"


def owners(families: list[tuple[str, int | None, str]]) -> str:
    """What `fitting` found, in words: `"srresnet b16 ×4 or srgan b16 ×4"`, or `"another network"`."""
    found = [f"{name} {variant}{f' ×{scale}' if scale else ''}" for name, scale, variant in families]
    return " or ".join(found) or "another network"


def fitting(weights: Path) -> list[tuple[str, int | None, str]]:
    """The (model, scale, variant) whose numbers have the names and shapes of those in a safetensors file.

    The scale is None where it leaves no trace in the weights: SRCNN and VDSR enlarge before their first layer.
    """
    from safetensors import safe_open

    with safe_open(weights, framework="pt") as file:
        shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118  (no mapping)
    found = []
    for name, row in models.MODELS.items():
        for variant in row.variants:
            scales = [
                scale
                for scale in (2, 3, 4)
                if shapes == {k: tuple(v.shape) for k, v in models.create(name, scale, variant).state_dict().items()}
            ]
            if scales:
                found.append((name, scales[0] if len(scales) == 1 else None, variant))
    return found
