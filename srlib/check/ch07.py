"""Judges of the exercises of chapter 7, “Comparing”.

Each judge tries an answer by what it does. Where the answer is one of the usual mistakes, it names the mistake. The
stopwatch of exercise 7.3 is judged in `ch07_clock`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from srlib import datasets, degrade
from srlib.check import Wrong, exercise
from srlib.check._answers import as_function, seeded


def as_number(out: object) -> float:
    """One finite number out of what the learner's function returned."""
    if out is None or out is ...:
        raise Wrong("the function returns nothing yet; put your code in place of the dots.")
    if isinstance(out, Tensor):
        if out.numel() != 1:
            raise Wrong(f"the function must return one number, not a tensor of shape {tuple(out.shape)}.")
        out = out.item()
    if isinstance(out, bool) or not isinstance(out, int | float):
        raise Wrong(f"the function must return a number, not {type(out).__name__}.")
    if not math.isfinite(out):
        raise Wrong(f"the function returns {out}.")
    return float(out)


Prices = Mapping[str, tuple[float, ...]]

_TABLES: tuple[Prices, ...] = (
    {"a": (1.0, 5.0), "b": (2.0, 3.0), "c": (3.0, 4.0), "d": (4.0, 1.0), "e": (5.0, 1.0)},
    {"small": (1.0, 9.0, 3.0), "quick": (3.0, 2.0, 8.0), "good": (9.0, 8.0, 1.0), "poor": (9.0, 9.0, 9.0)},
    {"one": (2.0, 2.0, 2.0), "twin": (2.0, 2.0, 2.0), "worse": (2.0, 3.0, 2.0)},
    {"middle": (3.0, 3.0), "left": (1.0, 5.0), "right": (5.0, 1.0)},
    {"alone": (7.0,)},
)


def _beats(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    pairs = list(zip(a, b, strict=True))
    return all(x <= y for x, y in pairs) and any(x < y for x, y in pairs)


def _unbeaten(table: Prices, beats: Callable[[tuple[float, ...], tuple[float, ...]], bool] = _beats) -> set[str]:
    others = {name: [other for key, other in table.items() if key != name] for name in table}
    return {name for name, own in table.items() if not any(beats(other, own) for other in others[name])}


@exercise(
    "7.1",
    "Take one pair of names first. When is the one of no use beside the other?",
    "a beats b if all(x <= y for x, y in zip(a, b)) and any(x < y for x, y in zip(a, b)). The any matters for twins.",
    "Keep the names that no other beats: {name for name, own in table.items() if not any(beats(other, own) for other "
    "in table.values())}.",
)
def front(answer: object) -> str:
    """The names that nobody beats, for any number of prices."""
    function = as_function(answer)
    for table in _TABLES:
        out = function(dict(table))
        if out is None or out is ...:
            raise Wrong("the function returns nothing yet; put your code in place of the dots.")
        if isinstance(out, str) or not isinstance(out, set | frozenset | list | tuple):
            raise Wrong(f"the function must return a set of names, not {type(out).__name__}.")
        if strange := [name for name in out if name not in table]:
            raise Wrong(f"{strange[0]!r} is no name of the table; the front is a set of names, not of prices.")
        found, right = set(out), _unbeaten(table)
        if found == right:
            continue
        reverse = {name: tuple(-price for price in own) for name, own in table.items()}
        if found == _unbeaten(reverse):
            raise Wrong("this is the other end: the prices are costs, and smaller is better.")
        if found == _unbeaten(table, lambda a, b: all(x <= y for x, y in zip(a, b, strict=True))) and found < right:
            raise Wrong(
                "two names with the same prices throw each other out; to beat, one must be better in something."
            )
        if found == _unbeaten(table, lambda a, b: all(x < y for x, y in zip(a, b, strict=True))):
            raise Wrong("too many stay: who is equal in one price and better in another beats, too.")
        if found == {name for name, own in table.items() if any(p == min(c) for p, c in _columns(own, table))}:
            raise Wrong("the best in each single price are not all: one that is second everywhere may be unbeaten.")
        if found == _unbeaten({name: own[:2] for name, own in table.items()}):
            raise Wrong("only the first two prices are looked at; there may be any number of them.")
        what = "throws out" if right - found else "keeps"
        names = ", ".join(sorted(right - found or found - right))
        raise Wrong(f"for the table {dict(table)} your front {what} {names}.")
    return "the front, in any number of measures. With more of them more names stay: somebody is good at something."


def _columns(own: tuple[float, ...], table: Prices) -> Iterator[tuple[float, tuple[float, ...]]]:
    return zip(own, zip(*table.values(), strict=True), strict=True)


@exercise(
    "7.2",
    "How does the standard error of a mean shrink with the number of pictures? How wide is the interval, in standard "
    "errors?",
    "The interval is 2 · 1.96 · s / √n wide. Set that equal to `width` and solve for n.",
    "n = (2 · 1.96 · s / width)², rounded up, with s from statistics.stdev, which divides by one less than the number.",
)
def how_many(answer: object) -> str:
    """ceil((2 · 1.96 · s / width)²), with the sample's standard deviation."""
    function = as_function(answer)
    for differences, width in (
        ([0.31, 0.12, 0.55, 0.02, 0.27], 0.1),
        ([1.4, -0.6, 0.9, 0.3, 2.2, -0.4], 0.5),
        ([0.2, 0.25, 0.3], 0.02),
    ):
        value = as_number(function(list(differences), width))
        n, s = len(differences), statistics.stdev(differences)

        def need(s: float, width: float = width) -> float:
            return (2 * 1.96 * s / width) ** 2

        exact = need(s)
        right = math.ceil(exact)
        if value == right:
            continue
        population = statistics.pstdev(differences)
        usual = {
            exact / 4: "that is for mean ± width; the whole interval, from end to end, may be `width` wide.",
            math.sqrt(
                exact
            ): "the width falls with the square root of the number, so the number grows with the square.",
            need(population): "s is the sample's standard deviation: divide by one less than the number of pictures.",
            need(s**2): "that is with the variance in the place of the standard deviation.",
            need(
                s / math.sqrt(n)
            ): "s must not be divided by the root of the pictures you have: that is their standard error already.",
            n * exact: "this is the number of pictures times those you have; n is asked for, not the factor times it.",
        }
        if abs(value - exact) < 1 and value != right:
            raise Wrong(f"{value:g} is {exact:.2f}, not rounded up to a whole number of pictures.")
        for mistake, words in usual.items():
            if abs(value - mistake) < 1.01:
                raise Wrong(f"for {differences} and {width} you give {value:g}: {words}")
        raise Wrong(f"for {differences} and a width of {width} dB it takes {right} pictures, not {value:g}.")
    if as_number(function([0.1, 0.1, 0.1], 0.1)) < 1:
        raise Wrong("when all differences are equal, one picture is still needed.")
    return "the width shrinks with the root: for a tenth of it you need a hundred times as many pictures."


def _mixtures() -> Iterator[tuple[Tensor, Tensor, Tensor, float, str]]:
    """Pairs of pictures with their HR, a budget in dB, and what is special about them."""
    hr = datasets.photo("astronaut")[..., 60:108, 180:228].double()
    soft = degrade.bicubic_up(degrade.bicubic_down(hr, 3), 3)
    grain = torch.randn(hr.shape, generator=seeded(), dtype=hr.dtype)
    yield soft, soft + 0.08 * grain, hr, 0.5, ""
    yield soft, soft + 0.08 * grain, hr, 2.0, ""
    yield soft, hr + 0.05 * grain, hr, 0.3, "where b makes a better at first"
    yield soft, hr, hr, 0.5, "where b is HR itself, so all of it is allowed"
    yield soft, soft + 1e-4 * grain, hr, 1.0, "where b hardly differs, so all of it is allowed"


def _largest(a: Tensor, b: Tensor, hr: Tensor, allowed: float) -> float:
    """The largest share of b, to a thousandth, whose mean squared error is at most `allowed`."""
    shares = torch.linspace(0, 1, 1001, dtype=torch.float64)
    error, step = a - hr, b - a
    mse = error.square().mean() + 2 * shares * (error * step).mean() + shares**2 * step.square().mean()
    return float(shares[mse <= allowed * (1 + 1e-9)].max())


@exercise(
    "7.4",
    "How does the mean squared error of the mixture depend on the share? Write it down for one pixel first.",
    "`loss` dB less PSNR is a mean squared error that is 10 ** (loss / 10) times as large. The largest share may lie "
    "beyond a stretch where the mixture is better than a.",
    "MSE(t) = mean(e²) + 2 t mean(e·d) + t² mean(d²), with e = a − hr and d = b − a. Take the larger root of MSE(t) = "
    "mean(e²) · 10 ** (loss / 10), and keep it between 0 and 1. Trying a hundred shares will do, too.",
)
def budget(answer: object) -> str:
    """The largest share of b whose PSNR is at most `loss` dB below that of a."""
    function = as_function(answer)
    for a, b, hr, loss, special in _mixtures():
        value = as_number(function(a.clone().float(), b.clone().float(), hr.clone().float(), loss))
        if not -0.011 <= value <= 1.011:
            raise Wrong(f"a share lies between 0 and 1, not at {value:.3g}.")
        mse = float((a - hr).square().mean())
        right = _largest(a, b, hr, mse * 10 ** (loss / 10))
        if abs(value - right) < 0.011:
            continue
        usual = {
            1 - right: "that is the share of a; the one of b is wanted.",
            _largest(a, b, hr, mse * 10 ** (loss / 20)): "10 ** (loss / 20) goes with the root of the MSE; PSNR is "
            "10 · log10 of the MSE.",
            _largest(a, b, hr, mse * (1 + loss)): "decibels are no shares: `loss` dB are a factor of "
            "10 ** (loss / 10) on the MSE.",
            loss / max(1e-9, _db(b, hr, mse)): "PSNR does not fall in a straight line from a to b.",
        }
        for mistake, words in usual.items():
            if 0.0 <= mistake <= 1.0 and abs(value - mistake) < 0.011:
                raise Wrong(f"for {loss} dB you give {value:.2f}: {words}")
        if value < 0.02:
            raise Wrong(
                f"you give {value:.2f}, which is allowed; look for the largest share that is, here {right:.2f}."
            )
        got = 10 * math.log10(float(((1 - value) * a + value * b - hr).square().mean()) / mse)
        raise Wrong(
            f"for a budget of {loss} dB you give {value:.3f}{' ' + special if special else ''}; that mixture is "
            f"{abs(got):.2f} dB {'below' if got > 0 else 'above'} a, and the largest share is {right:.2f}."
        )
    return "right, also where the mixture is better than a before it gets worse. A parabola is all there is to it."


def _db(b: Tensor, hr: Tensor, mse: float) -> float:
    """How many dB b lies below a picture of that mean squared error."""
    return 10 * math.log10(max(1e-12, float((b - hr).square().mean())) / mse)


_FAULTS: dict[str, Callable[[Tensor], Tensor]] = {
    "fine": lambda x: x,
    "bgr": lambda x: x.flip(1),
    "range": lambda x: x * 219 / 255 + 16 / 255,
    "shift": lambda x: x.roll((1, 1), (2, 3)),
}


@exercise(
    "7.5",
    "What would help a picture with that illness? Try it, and see whether it helps.",
    "Four repairs: leave it, flip(1), stretch 16..235 to 0..255, roll((-1, -1), (2, 3)). Which leaves the smallest "
    "error against HR?",
    "Put the repairs into a dictionary with “fine” first, compute the mean squared error after each, and return "
    "min(errors, key=errors.get). Among equals min takes the first.",
)
def doctor(answer: object) -> str:
    """The one of four faults whose repair brings SR nearest to HR."""
    function = as_function(answer)
    for name, grey in (("coffee", False), ("chelsea", False), ("coins", True)):
        hr = datasets.photo(name)[..., 60:156, 120:216]
        sr = degrade.bicubic_up(degrade.bicubic_down(hr, 3), 3).clamp(0, 1)
        for fault, spoil in _FAULTS.items():
            if grey and fault == "bgr":
                continue  # nobody can see that
            out = function(spoil(sr).clamp(0, 1), hr.clone())
            if out is None or out is ...:
                raise Wrong("the function returns nothing yet; put your code in place of the dots.")
            if not isinstance(out, str) or out not in _FAULTS:
                raise Wrong(f"a diagnosis is one of {', '.join(_FAULTS)}, not {out!r}.")
            if out == fault:
                continue
            if grey and out == "bgr":
                raise Wrong("a grey picture has three equal channels: exchanging two is no illness. Ask “fine” first.")
            if fault == "fine":
                raise Wrong(
                    f"a picture that is only a little soft was taken for {out!r}. Is “fine” among what you try?"
                )
            if out == "fine":
                raise Wrong(f"{fault!r} was overlooked. Did you repair the picture in that direction?")
            raise Wrong(f"{fault!r} was taken for {out!r}.")
    return "all patients recognised, the grey one included. Who tries the repair needs no theory of the illness."
