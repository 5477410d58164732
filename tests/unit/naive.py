"""Layers written out in numpy straight from their definitions, and networks made of them: slow, and easy to check.

Nothing here uses torch but to read weights. `(N, C, H, W)` float64 throughout.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Array = NDArray[np.float64]


def array(x: torch.Tensor) -> Array:
    """A tensor as float64."""
    return np.asarray(x.detach().cpu().double().numpy())


def convolution(x: Array, layer: nn.Conv2d, border: str = "constant") -> Array:
    """At each pixel the inner product of the k×k pixels around it with each filter, plus the filter's bias.

    `border` is numpy's word for what lies outside the picture: "constant" is zero, "edge" repeats.
    """
    weight, k, step = array(layer.weight), layer.kernel_size[0], layer.stride[0]
    r = k // 2
    padded = np.pad(x, ((0, 0), (0, 0), (r, r), (r, r)), mode=border)  # type: ignore[call-overload]
    n, _, height, width = x.shape
    out = np.empty((n, len(weight), -(-height // step), -(-width // step)))
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            seen = padded[:, :, i * step : i * step + k, j * step : j * step + k]
            out[:, :, i, j] = seen.reshape(n, -1) @ weight.reshape(len(weight), -1).T
    return out if layer.bias is None else out + array(layer.bias)[:, None, None]


def batch_norm(x: Array, layer: nn.BatchNorm2d, training: bool) -> Array:
    """Each channel to mean 0 and variance 1, then scaled and shifted.

    Mean and variance are those of the batch in training, else those that training remembered.
    """
    mean = x.mean((0, 2, 3)) if training else array(layer.running_mean)  # type: ignore[arg-type]
    variance = ((x - mean[:, None, None]) ** 2).mean((0, 2, 3)) if training else array(layer.running_var)  # type: ignore[arg-type]
    scale = array(layer.weight) / np.sqrt(variance + layer.eps)
    return (x - mean[:, None, None]) * scale[:, None, None] + array(layer.bias)[:, None, None]


def leaky(x: Array, slope: float) -> Array:
    """x above zero, slope·x below: ReLU with 0, LeakyReLU with 0.2, PReLU with a learned number."""
    return np.where(x > 0, x, slope * x)


def max_pool(x: Array) -> Array:
    """The largest of each 2×2 block; an odd row or column at the end is dropped."""
    n, c, h, w = x.shape
    largest: Array = x[:, :, : h // 2 * 2, : w // 2 * 2].reshape(n, c, h // 2, 2, w // 2, 2).max((3, 5))
    return largest


def sub_pixel(x: Array, r: int) -> Array:
    """Pixel (y, x) of channel c comes from place (y // r, x // r) of channel c·r² + r·(y mod r) + x mod r."""
    n, channels, h, w = x.shape
    out = np.empty((n, channels // r**2, h * r, w * r))
    for c, y, z in np.ndindex(out.shape[1:]):
        out[:, c, y, z] = x[:, c * r**2 + r * (y % r) + z % r, y // r, z // r]
    return out


def slope(layer: nn.Module) -> float:
    """The one number that a PReLU learns."""
    assert isinstance(layer, nn.PReLU)
    assert layer.weight.numel() == 1
    return layer.weight.item()


def sequence(x: Array, layers: nn.Sequential, training: bool = False) -> Array:
    """Layers one after the other."""
    for layer in layers:
        match layer:
            case nn.Conv2d():
                x = convolution(x, layer)
            case nn.BatchNorm2d():
                x = batch_norm(x, layer, training)
            case nn.Linear():
                x = x @ array(layer.weight).T + array(layer.bias)
            case nn.PReLU():
                x = leaky(x, slope(layer))
            case nn.LeakyReLU():
                x = leaky(x, layer.negative_slope)
            case nn.ReLU():
                x = leaky(x, 0.0)
            case nn.MaxPool2d():
                x = max_pool(x)
            case nn.PixelShuffle():
                x = sub_pixel(x, layer.upscale_factor)
            case _:
                raise TypeError(layer)
    return x


def randomise(model: nn.Module, seed: int = 0) -> nn.Module:
    """Random numbers in every weight, bias, slope and running statistic, of a size at which signals stay near one."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                tensor.data.uniform_(0.5, 1.5, generator=generator)  # type: ignore[union-attr]
            for tensor in (module.bias, module.running_mean):
                tensor.data.normal_(0, 0.3, generator=generator)  # type: ignore[union-attr]
        elif isinstance(module, nn.Conv2d | nn.Linear):
            module.weight.data.normal_(0, (1.5 / module.weight[0].numel()) ** 0.5, generator=generator)
            if module.bias is not None:
                module.bias.data.normal_(0, 0.1, generator=generator)
        elif isinstance(module, nn.PReLU):
            module.weight.data.uniform_(0.05, 0.5, generator=generator)
    return model
