"""Judges of the exercises of chapter 2, “Measuring”.

Each judge tries an answer by what it does. Where the answer is one of the usual mistakes, it names the mistake.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from srlib import datasets, degrade, lab, metrics
from srlib.check import Wrong, exercise
from srlib.image import rgb_to_y


def _call(function: object, *arguments: object) -> object:
    """What the learner's function returns; `Wrong` when there is no function, or nothing comes back."""
    if not callable(function):
        raise Wrong(f"the answer must be a function, not {type(function).__name__}.")
    out: object = function(*arguments)
    if out is None or out is ...:
        raise Wrong("the function returns nothing yet; put your code in place of the dots.")
    return out


def _number(value: object) -> float:
    """One number out of a number or a tensor with one element."""
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise Wrong(f"one number is wanted, not a tensor of shape {tuple(value.shape)}.")
        return float(value.item())
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Wrong(f"one number is wanted, not {type(value).__name__}.")
    return float(value)


def _pair() -> tuple[Tensor, Tensor]:
    """A bicubic SR (floats, a little outside [0, 1]) and its HR, 96 × 90 pixels of a photograph."""
    hr = datasets.photo("astronaut")[..., 60:156, 180:270]
    return degrade.bicubic_up(degrade.bicubic_down(hr, 3), 3), hr


def _near(value: float, other: float, tolerance: float = 5e-4) -> bool:
    return abs(value - other) < tolerance or (math.isinf(value) and value == other)


@exercise(
    "2.1",
    "Four errors, four squares, their mean. Then the logarithm, once.",
    "The squares are 9, 16, 0 and 25. The values run from 0 to 255, so the peak is 255.",
    "The MSE is 12.5, and PSNR = 10 · log10(65025 / 12.5).",
)
def psnr_with_a_pencil(answer: object) -> str:
    """Errors 3, −4, 0, 5: MSE 12.5, 37.16 dB."""
    value = _number(answer)
    peak = 255.0**2
    usual = {
        10 * math.log10(1 / 12.5): "that is with peak 1, but these values run from 0 to 255.",
        10 * math.log10(peak / 50): "that is with the sum of the squares; the M in MSE is for mean.",
        10 * math.log(peak / 12.5): "that is with the natural logarithm; the decibel takes the logarithm to base 10.",
        20 * math.log10(peak / 12.5): "20 · log10 goes with the root of the MSE, 10 · log10 with the MSE.",
        10 * math.log10(255 / 12.5): "the peak is squared, as the error is.",
        20 * math.log10(255 / 3): "that is with the mean of the absolute errors; PSNR wants their squares.",
    }
    for wrong, why in usual.items():
        if _near(value, wrong, 0.02):
            raise Wrong(why)
    if _near(value, 12.5):
        raise Wrong("12.5 is the MSE. One step is left.")
    right = 10 * math.log10(peak / 12.5)
    if value in (round(right), round(right, 1)):
        raise Wrong(f"{value:g} dB is right, but rounded too much. Two decimals, please.")
    if not _near(value, right, 0.02):
        raise Wrong(f"{value:g} dB is not the PSNR of these patches. Write down the four squares first.")
    return "MSE 12.5, PSNR 37.16 dB."


@exercise(
    "2.2",
    "Write the two PSNR values with the same peak and subtract. What is left of the peak?",
    "The difference of 0.5 dB is 10 · log10(MSE before / MSE after).",
    "MSE after / MSE before = 10 ** (−0.05). How many percent is that below 1?",
)
def half_a_decibel(answer: object) -> str:
    """0.5 dB more PSNR is 10.9 % less MSE."""
    value = _number(answer)
    right = 100 * (1 - 10**-0.05)
    if _near(-value, right, 0.06):
        raise Wrong("the size is right, the sign is not: “lower by” is a positive number here.")
    if value == round(right):
        raise Wrong(f"{value:g} % is right, but rounded too much. One decimal, please.")
    if _near(value, 100 * (1 - 10**-0.025), 0.06):
        raise Wrong("that is by how much the root of the MSE falls. The MSE itself falls by more.")
    if _near(value, 100 * (10**0.05 - 1), 0.06):
        raise Wrong("that is by how much the old MSE is above the new one. Start from the old one.")
    if _near(value, 100 * 10**-0.05, 0.06):
        raise Wrong("that is what is left of the MSE. By how much did it fall?")
    if _near(value, right / 100, 2e-3):
        raise Wrong("right as a fraction; in percent, please.")
    if not _near(value, right, 0.06):
        raise Wrong(f"{value:g} % is not it. Subtract the two logarithms first.")
    return f"{right:.1f} % less squared error, and {100 * (1 - 10**-0.025):.1f} % less of a typical error."


@exercise(
    "2.3",
    "The formula is in the section on luma. Which numbers go in, and which must come out?",
    "x[:, 0:1] is the red channel with its axis kept. The three weights add up to 219.",
    "y = (16 + 65.481 · r + 128.553 · g + 24.966 · b) / 255, with r, g and b from x[:, 0:1], x[:, 1:2] and x[:, 2:3].",
)
def luma(answer: object) -> str:
    """`(N, 3, H, W)` RGB in [0, 1] to `(N, 1, H, W)` BT.601 luma in [16, 235] / 255."""
    x = torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    out = _call(answer, x.clone())
    if not isinstance(out, Tensor):
        raise Wrong(f"the function must return a tensor, not {type(out).__name__}.")
    if tuple(out.shape) != (2, 1, 5, 4):
        raise Wrong(f"for {tuple(x.shape)} the shape must be (2, 1, 5, 4), not {tuple(out.shape)}.")
    right = rgb_to_y(x)

    def close(other: Tensor) -> bool:
        return bool(torch.allclose(out.double(), other.double(), atol=1e-4))

    if close(right * 255):
        raise Wrong("these are grey levels from 16 to 235; srlib keeps pictures in [0, 1], so divide by 255.")
    if close(right - 16 / 255):
        raise Wrong("the offset is missing: black must come out as 16 / 255.")
    if close((right - 16 / 255) * 255 / 219):
        raise Wrong("this is luma in full range, 0 to 255. In studio range black is 16 and white 235.")
    if close(rgb_to_y(x.flip(1))):
        raise Wrong("red and blue are swapped. Green should weigh most, blue least.")
    if close(x.mean(dim=1, keepdim=True)):
        raise Wrong("this is the mean of the three channels. The eye does not weigh them equally.")
    if not close(right):
        black, white = (float(_number(_call(answer, torch.full((1, 3, 1, 1), v)))) * 255 for v in (0.0, 1.0))
        raise Wrong(f"black comes out as {black:.1f} and white as {white:.1f} of 255; 16 and 235 are wanted.")
    return "black is 16, white is 235, and the two random pictures agree with srlib.image.rgb_to_y."


@exercise(
    "2.4",
    "There are two faults. Try two bytes first: what is torch.tensor([3], dtype=torch.uint8) - 5?",
    "A byte cannot be negative and cannot exceed 255: differences and squares wrap around without an error. "
    "For the other fault, look at what x[0:-0] returns.",
    "Turn both pictures into floats before you subtract. Cut with [shave : height - shave], which also works for 0.",
)
def byte_psnr(answer: object) -> str:
    """PSNR of two uint8 pictures; the broken one wraps around and leaves nothing with `shave=0`."""
    sr, hr = (torch.floor(x.clamp(0, 1) * 255 + 0.5).to(torch.uint8) for x in _pair())
    for shave in (3, 0):
        right = metrics.psnr(sr.double() / 255, hr.double() / 255, shave=shave).item()
        value = _number(_call(answer, sr, hr, shave))
        if math.isnan(value):
            raise Wrong(f"with shave={shave} the score is nan: the mean of nothing. What does x[0:-0] leave?")
        if _near(value, right, 0.01):
            continue
        wrapped = (sr - hr).float().square().mean().item()
        if _near(value, 10 * math.log10(255**2 / wrapped), 0.3):
            raise Wrong("the difference still wraps around: 3 − 5 is 254 in bytes. Leave bytes before you subtract.")
        if value > right:
            raise Wrong(f"{value:.2f} dB is too good: the true score is {right:.2f} dB. What happens to large errors?")
        raise Wrong(f"with shave={shave} it gives {value:.2f} dB; the true score is {right:.2f} dB.")
    return "floats before the subtraction, and a border of 0 leaves the whole picture."


@exercise(
    "2.5",
    "Go through protocol A word by word: SR to bytes, Y, Y rounded, border off, PSNR.",
    "metrics.round_to_byte clips and rounds; srlib.image.rgb_to_y makes luma. HR is made of bytes already.",
    "y = metrics.round_to_byte(rgb_to_y(metrics.round_to_byte(sr).double())), the same for hr, then "
    "metrics.psnr(y_sr, y_hr, shave=scale).",
)
def protocol_a(answer: object) -> str:
    """A function of (sr, hr, scale) that gives protocol A's PSNR."""
    sr, hr = _pair()
    sr = (sr + 0.0015).float()  # so that it matters whether SR is rounded
    right = metrics.PROTOCOLS["A"].score(sr, hr, 3)[0]
    value = _number(_call(answer, sr.clone(), hr.clone(), 3))
    if _near(value, right):
        for scale in (2, 4):
            if not _near(_number(_call(answer, sr, hr, scale)), metrics.PROTOCOLS["A"].score(sr, hr, scale)[0]):
                raise Wrong(f"right for scale 3, but not for scale {scale}: the border depends on the scale.")
        return f"{right:.2f} dB on the judge's picture, as srlib.metrics.PROTOCOLS['A'] says."
    rounded = metrics.round_to_byte(sr.double())
    y_sr, y_hr = rgb_to_y(rounded), rgb_to_y(hr.double())
    usual = {
        "Y is not rounded: this is protocol B.": metrics.PROTOCOLS["B"].score(sr, hr, 3)[0],
        "the border is still there.": metrics.psnr(metrics.round_to_byte(y_sr), metrics.round_to_byte(y_hr)).item(),
        "this compares RGB; protocol A compares luma.": metrics.psnr(rounded, hr.double(), shave=3).item(),
        "this compares RGB, and SR is not rounded.": metrics.psnr(sr, hr, shave=3).item(),
        "Y is rounded, but SR was not rounded to bytes before.": metrics.psnr(
            metrics.round_to_byte(rgb_to_y(sr.double())), metrics.round_to_byte(y_hr), shave=3
        ).item(),
        "nothing is rounded.": metrics.psnr(rgb_to_y(sr.double()), y_hr, shave=3).item(),
    }
    why = min(usual, key=lambda text: abs(usual[text] - value))
    if _near(value, usual[why], 2e-4):
        raise Wrong(why)
    raise Wrong(f"{value:.3f} dB instead of {right:.3f} dB on the judge's picture.")


def _uniform_ssim(x: Tensor, y: Tensor, correction: float) -> float:
    mu_x, mu_y = F.avg_pool2d(x, 7, 1), F.avg_pool2d(y, 7, 1)
    var_x = correction * (F.avg_pool2d(x * x, 7, 1) - mu_x**2)
    var_y = correction * (F.avg_pool2d(y * y, 7, 1) - mu_y**2)
    cov = correction * (F.avg_pool2d(x * y, 7, 1) - mu_x * mu_y)
    c1, c2 = 0.01**2, 0.03**2
    score = (2 * mu_x * mu_y + c1) * (2 * cov + c2) / ((mu_x**2 + mu_y**2 + c1) * (var_x + var_y + c2))
    return float(score.mean())


@exercise(
    "2.6",
    "Only the window changes: what was a weighted mean over 11 × 11 pixels becomes a plain mean over 7 × 7.",
    "F.avg_pool2d(x, 7, stride=1) is that mean at every place where the window fits.",
    "For the sample variance and covariance, multiply by 49 / 48 what you get as mean of squares minus squared mean.",
)
def ssim_with_a_plain_window(answer: object) -> str:
    """SSIM with a uniform 7 × 7 window and sample covariance: scikit-image's default."""
    x, y = (rgb_to_y(picture.double()) for picture in _pair())
    right = _uniform_ssim(x, y, 49 / 48)
    value = _number(_call(answer, x.clone(), y.clone()))
    if _near(value, metrics.ssim(x, y).item(), 1e-6):
        raise Wrong("this is Wang's SSIM with the Gaussian window still in it.")
    if _near(value, _uniform_ssim(x, y, 1.0), 1e-6):
        raise Wrong("the window is right. The variances and the covariance divide by 49; divide by 48 instead.")
    if not _near(value, right, 1e-6):
        raise Wrong(f"{value:.5f} instead of {right:.5f} on the judge's picture.")
    return f"{right:.4f} where Wang's window gives {metrics.ssim(x, y).item():.4f}: same pictures, same formula."


_REPORTS = (
    (lab.Setup(resize="no antialiasing"), 1),
    (lab.Setup(colour="Y, full range"), 1),
    (lab.Setup(colour="RGB", size="resize HR"), 2),
)


@exercise(
    "2.7",
    "How far is each score from protocol A's? Which choices can move it that far, and in that direction?",
    "Loop over lab.setups() and keep those with len(setup.changes()) == 1 whose lab.score rounds to the report. "
    "For the third, allow two changes.",
    "The first is about shrinking, the second about the range of Y. The third compares RGB, which alone would put it "
    "lower: something else pushed it up again.",
)
def detective(answer: object) -> str:
    """Three setups that explain three reported scores of bicubic ×4 on `temple`."""
    if not isinstance(answer, Sequence) or isinstance(answer, str) or len(answer) != len(_REPORTS):
        raise Wrong("a list of three lab.Setup is wanted, one for each report.")
    photo = datasets.photo("temple")
    for number, (setup, (truth, most)) in enumerate(zip(answer, _REPORTS, strict=True), 1):
        if setup is None or setup is ...:
            raise Wrong(f"report {number} has no setup yet.")
        if not isinstance(setup, lab.Setup):
            raise Wrong(f"report {number}: a lab.Setup is wanted, not {type(setup).__name__}.")
        report, value = (round(lab.score(photo, 4, one), 2) for one in (truth, setup))
        if report != value:
            raise Wrong(f"report {number}: your setup gives {value:.2f} dB, the report says {report:.2f} dB.")
        if len(setup.changes()) > most:
            raise Wrong(f"report {number}: the score fits, but {most} change is enough to explain it.")
    return "three scores, three explanations, and not one network involved."
