"""Judges of the exercises of chapter 1, “The problem”.

Each judge tries an answer by what it does. Where the answer is one of the usual mistakes, it names the mistake.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from srlib import datasets, degrade, metrics
from srlib.check import Wrong, exercise

HALF_A_GREY_LEVEL = 0.5 / 255


def _run(function: object, *arguments: Tensor | int) -> Tensor:
    """What the learner's function returns, if it is a tensor without NaN."""
    if not callable(function):
        raise Wrong(f"the answer must be a function, not {type(function).__name__}.")
    out = function(*arguments)
    if out is None or out is ...:
        raise Wrong("the function returns nothing yet; put your code in place of the dots.")
    if not isinstance(out, Tensor):
        raise Wrong(f"the function must return a tensor, not {type(out).__name__}.")
    if out.is_floating_point() and not bool(torch.isfinite(out).all()):
        raise Wrong("the function returns NaN or infinity.")
    return out


def _same_shape(out: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(out.shape) != shape:
        raise Wrong(f"the function returns shape {tuple(out.shape)}; {shape} is wanted.")


def _looks_clipped(picture: Tensor) -> bool:
    """Whether values end exactly at 0 or 1, as after `clamp(0, 1)`."""
    smallest, largest = float(picture.min()), float(picture.max())
    return smallest >= 0 and largest <= 1 and (smallest == 0 or largest == 1)


@exercise(
    "1.1",
    "How many cycles of the pattern pass from one kept pixel to the next?",
    "At whole positions, a wave of f cycles per pixel and one of f − 1 cycles have the same samples.",
    "0.8 cycles per LR pixel is above the limit of 0.5. Take away one whole cycle and drop the sign.",
)
def seen_frequency(answer: float) -> str:
    """0.4 cycles per pixel, every second pixel kept: 0.8, which is seen as 0.2."""
    value = float(answer)
    if math.isclose(value, 0.8, abs_tol=1e-6):
        raise Wrong("0.8 is right before it folds, but no grid can show more than 0.5 cycles per pixel.")
    if math.isclose(value, 0.1, abs_tol=1e-6):
        raise Wrong("0.1 counts in HR pixels. In LR pixels, which are twice as wide, it is another number.")
    if math.isclose(value, -0.2, abs_tol=1e-6):
        raise Wrong("nearly: a cosine does not care about the sign, so give the frequency as a positive number.")
    if math.isclose(value, 0.4, abs_tol=1e-6):
        raise Wrong("0.4 is the frequency before shrinking, counted in HR pixels. An LR pixel is two of them wide.")
    if not math.isclose(value, 0.2, abs_tol=1e-6):
        raise Wrong(f"{value:g} is not what the LR pixels show. Count cycles per LR pixel first, then fold.")
    return "0.8 cycles per LR pixel look like 0.2: one stripe in five LR pixels, four times too coarse."


@exercise(
    "1.2",
    "First write down the four distances from the new pixel to its neighbours; they are multiples of 1/4.",
    "The distances are 5/4, 1/4, 3/4 and 7/4. Two of them are below 1 and take the first formula.",
    "W(1/4) = 1.5/64 − 2.5/16 + 1 = 111/128. The other three go the same way, and all four add up to 1.",
)
def weights_for_two(answer: object) -> str:
    """Keys' weights a quarter of a pixel beyond a pixel: (−9, 111, 29, −3) / 128."""
    got = torch.as_tensor(answer, dtype=torch.float64).flatten()
    if got.numel() != 4:
        raise Wrong(f"four weights are wanted, from left to right, not {got.numel()}.")
    distance = torch.tensor([5.0, 1.0, 3.0, 7.0], dtype=torch.float64) / 4
    right = degrade.cubic(distance)

    def close(other: Tensor) -> bool:
        return bool(torch.allclose(got, other, atol=1e-4))

    if close(right):
        return "(−9, 111, 29, −3) / 128. They add up to 1, so a flat picture stays flat."
    if torch.allclose(got, right, atol=6e-3):
        raise Wrong("right, but rounded too much: give fractions, or four decimals.")
    if close(right.flip(0)):
        raise Wrong("the right weights in the wrong order: the pixel a quarter away has the largest one.")
    if close(right * 128):
        raise Wrong("right up to the common factor: divide by 128, so that they add up to 1.")
    if close(degrade.linear(distance)):
        raise Wrong("these are the bilinear weights; bicubic also uses the pixels 5/4 and 7/4 away.")
    sharper = torch.where(
        distance <= 1,
        1.25 * distance**3 - 2.25 * distance**2 + 1,
        -0.75 * (distance**3 - 5 * distance**2 + 8 * distance - 4),
    )
    if close(sharper):
        raise Wrong("these belong to a = −0.75, PyTorch's bicubic without antialiasing; this book has a = −0.5.")
    if abs(float(got.sum()) - 1) > 1e-4:
        raise Wrong(f"your weights add up to {float(got.sum()):.4f}; a flat picture would change its brightness.")
    wrong = int((got - right).abs().argmax())
    raise Wrong(f"weight number {wrong + 1}, at distance {int(distance[wrong] * 4)}/4, is not W of that distance.")


@exercise(
    "1.3",
    "There are two faults. Try the function on a ramp, `torch.arange(30.0).expand(1, 1, 30, 30)`, and on fine stripes.",
    "Where does the centre of LR pixel j lie on the HR axis? For a scale of 3, LR pixel 0 covers HR pixels 0, 1, 2.",
    "`place` needs `(j + 0.5) * scale - 0.5`. And four neighbours cannot keep fine stripes out: stretch the kernel.",
)
def mended_shrink(answer: Callable[[Tensor, int], Tensor]) -> str:
    """Antialiased bicubic down: brightness, then position, then aliasing, then equality with `bicubic_down`."""
    for scale in (3, 2):
        size = 14 * scale
        at = torch.arange(size, dtype=torch.float64)
        inner = slice(4, 10)  # LR pixels whose kernel does not reach the border

        flat = _run(answer, torch.full((1, 1, size, size), 0.5, dtype=torch.float64), scale)
        _same_shape(flat, (1, 1, 14, 14))
        if float((flat - 0.5).abs().max()) > 1e-3:
            raise Wrong("a flat grey picture changes its brightness: the weights of a pixel must add up to 1.")

        ramp = _run(answer, at.expand(1, 1, size, size), scale)[0, 0, 7, inner]
        centre = (torch.arange(14, dtype=torch.float64)[inner] + 0.5) * scale - 0.5
        shift = float((ramp - centre).mean())
        if abs(shift) > 0.01:
            raise Wrong(f"a ramp comes out shifted by {shift:+.2f} HR pixels: where is the centre of an LR pixel?")

        wave = 0.5 + 0.5 * torch.cos(2 * torch.pi * 0.4 * at).expand(1, 1, size, size)
        leak = float((_run(answer, wave, scale)[0, 0, 7, inner] - 0.5).abs().max())
        if leak > 0.05:
            raise Wrong(
                f"brightness and position are right. But stripes of 0.4 cycles per pixel, which scale {scale} cannot "
                f"hold, still swing by {leak:.2f} in LR: that is aliasing."
            )

        photo = degrade.mod_crop(datasets.photo("coins").double(), scale)
        if float((_run(answer, photo, scale) - degrade.bicubic_down(photo, scale)).abs().max()) > 1e-4:
            raise Wrong("no shift and no aliasing, but a photograph differs from bicubic_down; look at the border.")
    return "no shift, no aliasing, and equal to MATLAB's bicubic."


@exercise(
    "1.4",
    "The mean of four numbers stays when one goes up and another goes down by the same amount.",
    "Which pattern of +1 and −1 in a 2×2 block has mean zero? Any of them spans a part of the null space.",
    "Add +40 and −40 in a checkerboard. Bytes have no room below 0: go through `.int()` and back to `torch.uint8`.",
)
def box_twin(answer: Callable[[Tensor], Tensor]) -> str:
    """Another picture of bytes with the same mean in each 2×2 block."""
    slope = torch.linspace(40, 215, 48).expand(1, 1, 32, 48)
    photo = (datasets.photo("camera")[:, :1, 96:160, 200:264] * 175 + 40).floor()
    for hr in (slope.floor().to(torch.uint8), photo.to(torch.uint8)):
        before = hr.clone()
        twin = _run(answer, hr)
        _same_shape(twin, tuple(before.shape))
        if twin.dtype != torch.uint8:
            raise Wrong(f"the twin must hold bytes (torch.uint8), not {twin.dtype}.")
        change = (twin.double() - before.double()).abs().mean()
        if change < 20:
            raise Wrong(f"the twin differs by {float(change):.1f} grey levels on average; 20 are wanted.")
        off = (F.avg_pool2d(twin.double(), 2) - F.avg_pool2d(before.double(), 2)).abs()
        if off.max() > 0:
            share = float((off > 0).double().mean())
            raise Wrong(f"the means of {share:.0%} of the 2×2 blocks have changed, by up to {float(off.max()):g}.")
    return "two pictures, one LR: no method can tell from the LR which of them it was."


@exercise(
    "1.5",
    "Shrink `sr` with `degrade.bicubic_down` and subtract the result from `lr`. That is what is still wrong.",
    "The error is an LR picture. Enlarge it with `degrade.bicubic_up` and add it to `sr`.",
    "Once is not enough, because the enlarged error does not shrink back to itself. Ten rounds are.",
)
def consistent(answer: Callable[[Tensor, Tensor, int], Tensor]) -> str:
    """Back-projection: SR that shrinks to the LR within half a grey level and is closer to HR than bicubic."""
    gains = []
    for name, scale in (("camera", 3), ("coins", 2)):
        hr = degrade.mod_crop(datasets.photo(name)[:, :1].double(), scale)
        lr = degrade.bicubic_down(hr, scale)
        sr = degrade.bicubic_up(lr, scale)
        before = float((degrade.bicubic_down(sr, scale) - lr).abs().max())
        out = _run(answer, sr.clone(), lr.clone(), scale)
        _same_shape(out, tuple(hr.shape))
        off = float((degrade.bicubic_down(out, scale) - lr).abs().max())
        if off > HALF_A_GREY_LEVEL:
            if _looks_clipped(out):
                raise Wrong(
                    "your picture never leaves [0, 1] and touches its ends: it seems to be clipped. Clipping takes "
                    "away overshoot that LR asks for; leave the floats as they are."
                )
            raise Wrong(
                f"shrunk again, your picture of {name} is up to {255 * off:.1f} grey levels away from the LR picture "
                f"(bicubic: {255 * before:.1f}); half a grey level is allowed."
            )
        gains.append(float(metrics.psnr(out, hr)) - float(metrics.psnr(sr, hr)))
        if gains[-1] < 0.1:
            raise Wrong(
                f"it shrinks to the LR picture of {name}, but is not closer to HR than bicubic ({gains[-1]:+.2f} dB): "
                "what you added lies in the null space."
            )
    return f"agrees with LR, and gains {gains[0]:.2f} dB on camera ×3 and {gains[1]:.2f} dB on coins ×2."
