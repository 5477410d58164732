"""Timing several ways of doing the same thing, fairly.

A machine gets warmer, slower, busier while it is measured. So the contenders take turns in short blocks, in changing
order, and drift meets all of them alike. What is reported is the median of the blocks, with the quartiles for the
spread. Read `alternate`.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.machine import rounded

BLOCK = 1.0  # seconds; long against a step, short against the drift of a machine
ROUNDS = 3  # at least


class Contender(Protocol):
    """Something that can be timed."""

    name: str

    def block(self, times: int) -> float:
        """Do it `times` times; returns the seconds, until the device has finished."""


@dataclass(frozen=True)
class Timing:
    """Seconds for doing it once, one number a block."""

    blocks: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """The median of the blocks."""
        return statistics.median(self.blocks)

    def rates(self, amount: float) -> dict[str, Any]:
        """`amount` a second: the median of the blocks, the lower and upper quartile, and how many blocks there were."""
        low, middle, high = statistics.quantiles((amount / s for s in self.blocks), n=4, method="inclusive")
        return {"median": rounded(middle), "low": rounded(low), "high": rounded(high), "blocks": len(self.blocks)}


def alternate(contenders: Sequence[Contender], seconds: float, block: float = BLOCK) -> dict[str, Timing]:
    """Time all contenders, about `seconds` each, in turns of blocks of about `block` seconds.

    Before that each is warmed up until it has run for half a block: the first calls start workers, choose algorithms
    and compile.
    """
    block = min(block, seconds / ROUNDS)
    times: dict[str, int] = {}
    lengths: list[float] = []
    for contender in contenders:
        contender.block(1)
        once, count = contender.block(1), 1
        while once * count < block / 2:
            count = max(count + 1, round(block / 2 / once))
            once = contender.block(count) / count
        times[contender.name] = max(1, round(block / once))
        lengths.append(once * times[contender.name])
    rounds = max(ROUNDS, round(seconds * len(lengths) / sum(lengths)))
    taken: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        for contender in contenders if number % 2 == 0 else reversed(contenders):
            n = times[contender.name]
            taken[contender.name].append(contender.block(n) / n)
    return {name: Timing(tuple(values)) for name, values in taken.items()}
