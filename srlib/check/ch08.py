"""Judges of the exercises of chapter 8, “Your photo”.

Each judge tries an answer by what it does. Where the answer is one of the usual mistakes, it names the mistake.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional as F

from srlib import degrade
from srlib.check import Wrong, exercise
from srlib.check._answers import as_function, as_tensor, seeded
from srlib.image import from_uint8, to_uint8

NOTHING = "the function returns nothing yet; put your code in place of the dots."


def _as_pillow_turns(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    picture = Image.fromarray(pixels)
    exif = picture.getexif()
    exif[0x0112] = orientation
    return np.asarray(ImageOps.exif_transpose(picture))


@exercise(
    "8.1",
    "Orientations from 5 on exchange rows and columns. Which do not? Those are flips: of rows, of columns, or of both.",
    "Transpose first (pixels.swapaxes(0, 1)) from 5 on. Then 3, 4, 7 and 8 still need their rows turned round.",
    "After the transposition, rows are turned round (pixels[::-1]) for 3, 4, 7, 8 and columns (pixels[:, ::-1]) for 2, "
    "3, 6, 7.",
)
def orientation(answer: object) -> str:
    """A stored array `(h, w, 3)` and its EXIF orientation to the upright array."""
    function = as_function(answer)
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    for number in range(1, 9):
        right = _as_pillow_turns(pixels, number)
        out = function(pixels.copy(), number)
        if out is None or out is ...:
            raise Wrong(NOTHING)
        if not isinstance(out, np.ndarray):
            raise Wrong(f"the function must return an array, not {type(out).__name__}.")
        if np.array_equal(out, right):
            continue
        opposite = {6: 8, 8: 6, 5: 7, 7: 5}.get(number)
        if opposite and np.array_equal(out, _as_pillow_turns(pixels, opposite)):
            raise Wrong(f"orientation {number} comes out as {opposite} should: the quarter turn goes the other way.")
        if number > 1 and np.array_equal(out, pixels):
            raise Wrong(f"orientation {number} comes out as it was stored.")
        if out.shape != right.shape:
            raise Wrong(f"orientation {number} of {pixels.shape} gives {out.shape}; {right.shape} is wanted.")
        if out.shape == right.shape and np.array_equal(np.sort(out, axis=None), np.sort(right, axis=None)):
            raise Wrong(f"orientation {number}: all pixels are there, but not in their places.")
        raise Wrong(f"orientation {number}: pixels have changed; they should only change their places.")
    return "right, for all eight. A program that skips this shows a phone's pictures lying on their side."


@exercise(
    "8.2",
    "How does the work grow when a picture gets twice as high and twice as wide?",
    "Count pixels: height times width. Then find the line seconds = start + slope · pixels that fits best.",
    "np.polyfit(pixels, seconds, 1) gives the slope and the start of that line.",
)
def foretell(answer: object) -> str:
    """A function that fits a line to timings of pieces and foretells another size."""
    function = as_function(answer)
    for start, slope, wobble in ((0.0, 2e-6, 0.0), (0.3, 1e-6, 0.0), (0.5, 4e-7, 0.02)):
        sizes = [(100, 100), (120, 300), (400, 200), (300, 400)]
        pixels = np.array([h * w for h, w in sizes])
        seconds = start + slope * pixels + wobble * np.array([1, -1, -1, 1])
        large = (3000, 4000)
        fitted, from_zero = np.polyfit(pixels, seconds, 1), float((pixels * seconds).sum() / (pixels**2).sum())
        right = float(np.polyval(fitted, large[0] * large[1]))
        answered = function(list(sizes), [float(s) for s in seconds], large)
        if answered is None or answered is ...:
            raise Wrong(NOTHING)
        if not isinstance(answered, int | float | np.floating):
            raise Wrong(f"the function must return a number of seconds, not {type(answered).__name__}.")
        out = float(answered)
        if abs(out - right) < 0.005 * right:
            continue
        sides = np.sqrt(pixels)
        by_side = float(np.polyval(np.polyfit(sides, seconds, 1), np.sqrt(large[0] * large[1])))
        heights = [h for h, _ in sizes]
        by_height = float(np.polyval(np.polyfit(heights, seconds, 1), large[0]))
        shares = seconds / pixels
        proportions = [float(share * large[0] * large[1]) for share in (*shares, shares.mean())] + [
            from_zero * large[0] * large[1]
        ]
        if any(abs(out - value) < 0.005 * value for value in (by_side, by_height)):
            raise Wrong("the work grows with the area of a picture, not with its side.")
        if any(abs(out - value) < 0.005 * value for value in proportions):
            raise Wrong(
                f"you give {out:.1f} s, and the line through all timings gives {right:.1f} s: what a call costs even "
                "for a small picture must not be multiplied. The line need not go through zero."
            )
        ends = [np.polyfit(pixels[list(two)], seconds[list(two)], 1) for two in ((0, -1), (0, 1), (-2, -1))]
        if any(abs(out - float(np.polyval(end, large[0] * large[1]))) < 0.005 * abs(out) for end in ends):
            raise Wrong("a line through two of the timings; the clock wobbles, so let all of them decide.")
        raise Wrong(f"you give {out:.2f} s for 12 megapixels, the line that fits best gives {right:.2f} s.")
    return "right. Large pieces decide the slope, small ones the start; a single one cannot tell them apart."


def _alike(a: Tensor, b: Tensor) -> bool:
    """Whether two pictures are the same but for rounding, once they are clipped."""
    return float((a.clamp(0, 1) - b.clamp(0, 1)).abs().max()) < 1e-3


def _laid_on(rgb: Tensor, alpha: Tensor, ground: float) -> Tensor:
    return rgb * alpha + (1 - alpha) * ground


@exercise(
    "8.3",
    "Lay the result on white, by hand, for one pixel of the rim: colours times alpha, plus 1 − alpha. Which number is "
    "too small?",
    "The colours are multiplied by alpha inside the function, and once more by whoever shows the picture. The second "
    "mistake is in the last line.",
    "Divide the enlarged colours by the enlarged alpha (clamp it from below, for there are zeros), and return the "
    "enlarged alpha itself, clipped to [0, 1].",
)
def cut_out(answer: object) -> str:
    """Colours and transparency, enlarged so that the result, laid on any background, is the enlarged picture on it."""
    function = as_function(answer)
    ramp = torch.linspace(0, 1, 14).view(1, 1, 1, 14)
    for scale, hidden in ((2, 0.0), (3, 1.0)):
        rows = torch.arange(12.0).view(1, 1, 12, 1)
        distance = ((rows - 5.5) ** 2 + (14 * ramp - 7) ** 2).sqrt()
        alpha = ((5 - distance) / 1.5).clamp(0, 1)  # a disc with a rim of a pixel and a half
        rgb = torch.cat([0.9 - 0.1 * ramp, 0.5 + 0.1 * ramp, 0.3 + 0 * ramp], 1).expand(1, 3, 12, 14)
        rgb = torch.where(alpha > 0, rgb, torch.full((), hidden))
        out = function(rgb.clone(), alpha.clone(), scale)
        if out is None or out is ...:
            raise Wrong(NOTHING)
        if not isinstance(out, tuple | list) or len(out) != 2:
            raise Wrong("the function must return two things, the colours and the transparency.")
        colours = as_tensor(out[0], (1, 3, 12 * scale, 14 * scale))
        opacity = as_tensor(out[1], (1, 1, 12 * scale, 14 * scale))
        if float(opacity.min()) < -1e-4 or float(opacity.max()) > 1 + 1e-4:
            raise Wrong("the transparency leaves [0, 1]; bicubic overshoots, so clip it.")
        soft = degrade.bicubic_up(alpha, scale).clamp(0, 1)
        if bool(((opacity == 0) | (opacity == 1)).all()):
            raise Wrong("the transparency is 0 or 1 everywhere: the rim is a staircase. Keep the soft one.")
        if float((opacity - soft).abs().max()) > 0.02:
            raise Wrong("the transparency is not the enlarged one.")
        rim = (soft > 0.2) & (soft < 0.8)
        for ground in (1.0, 0.0, 0.5):
            right = degrade.bicubic_up(_laid_on(rgb, alpha, ground), scale).clamp(0, 1)
            wrong = (_laid_on(colours, opacity, ground) - right).abs()
            if float(wrong.max()) < 0.055:  # where alpha overshoots 1 and is clipped, a right answer is off by 0.035
                continue
            darker = float((_laid_on(colours, opacity, ground) - right)[rim.expand_as(right)].mean())
            if _alike(colours, degrade.bicubic_up(rgb * alpha, scale)):
                raise Wrong(
                    f"laid on {'white' if ground == 1 else 'grey'}, the rim is {-255 * darker:.0f} grey levels "
                    "too dark: the colours are still multiplied by alpha, and are multiplied again when they are shown."
                )
            if _alike(colours, degrade.bicubic_up(rgb, scale)):
                raise Wrong("what is hidden mixes into the rim: it must be kept out before the picture is enlarged.")
            off = 255 * float(wrong.max())
            raise Wrong(f"laid on a ground of {ground:g}, the result is off by up to {off:.0f} grey levels.")
    return "right: it can be laid on any page. Programs call colours that are multiplied already “premultiplied”."


def _details(x: Tensor, scale: int) -> Tensor:
    """What LR cannot see of a picture, roughly."""
    return x - degrade.bicubic_up(degrade.bicubic_down(x, scale), scale)


@exercise(
    "8.4",
    "Begin with `wish` itself. What does LR say is missing from it?",
    "lr - degrade.bicubic_down(out, scale) is missing, at LR's size. Enlarge it and add it. Once is not enough.",
    "Repeat `out = (out + degrade.bicubic_up(missing, scale)).clamp(0, 1)` a hundred times.",
)
def forge(answer: object) -> str:
    """A picture like `wish` that shrinks to `lr`."""
    function = as_function(answer)
    for scale, side in ((2, 12), (4, 8)):
        noise = torch.rand(1, 1, side, side, generator=seeded())
        lr = from_uint8(to_uint8(0.35 + 0.3 * F.avg_pool2d(noise, 3, 1, 1)))
        across = torch.arange(side * scale).remainder(2).float()
        wish = (0.35 + 0.3 * across).expand(1, 1, side * scale, -1).contiguous()  # stripes of one pixel
        out = as_tensor(function(lr.clone(), wish.clone(), scale), tuple(wish.shape))
        if float(out.min()) < -1e-3 or float(out.max()) > 1 + 1e-3:
            raise Wrong("values leave [0, 1], which a file would cut off: clip inside the loop.")
        again = degrade.bicubic_down(from_uint8(to_uint8(out)), scale)
        off = 255 * float((again - lr).abs().max())
        details, wanted = _details(out, scale), _details(wish, scale)
        alike = float((details * wanted).sum() / (details.norm() * wanted.norm()).clamp(min=1e-9))
        strength = float(details.norm() / wanted.norm())
        if torch.equal(out, wish):
            raise Wrong(f"this is the wish itself; shrunk, it is off by {off:.0f} grey levels from LR.")
        if off > 1.0:
            if off > 255 * float((degrade.bicubic_down(wish, scale) - lr).abs().max()) + 1:
                raise Wrong(f"shrunk, it is off by {off:.0f} grey levels, more than the wish was: is the sign right?")
            raise Wrong(f"shrunk, it is off from LR by {off:.1f} grey levels; go on for some more rounds.")
        if alike < 0.5:
            raise Wrong("it agrees with LR, but it does not look like the wish: begin with the wish.")
        if alike < 0.8 or strength < 0.6:
            raise Wrong(f"it agrees with LR, but of the wish's detail only {100 * strength * alike:.0f} % are left.")
    return "right: two different pictures, one LR. Whoever shows you an enlarged picture has chosen one of many."
