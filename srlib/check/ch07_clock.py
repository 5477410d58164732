"""Judge of exercise 7.3: a stopwatch, tried on machines with one trouble each.

The machines are counted, not waited for: a job moves their clock on, so that the judge is quick and always the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from srlib.check import Wrong, exercise
from srlib.check._answers import as_function
from srlib.check.ch07 import as_number


class _Machine:
    """A computer whose time is counted, not waited for: slow at first calls, with hiccups, and ever warmer."""

    def __init__(self, *, first: float = 1.0, hiccup: float = 1.0, drift: float = 0.0) -> None:
        self.now, self.first, self.hiccup, self.drift = 0.0, first, hiccup, drift
        self.calls: dict[str, int] = {}

    def clock(self) -> float:
        return self.now

    def job(self, name: str, seconds: float) -> Callable[[], None]:
        self.calls[name] = 0

        def work() -> None:
            self.calls[name] += 1
            slow = self.first if self.calls[name] == 1 else self.hiccup if self.calls[name] == 4 else 1.0
            self.now += seconds * slow * (1 + self.drift * self.now)

        return work


def _measured(function: Callable[..., Any], machine: _Machine) -> dict[str, float]:
    """What the learner's function says of three jobs, two of them equal, on that machine."""
    jobs = {"a": machine.job("a", 0.1), "b": machine.job("b", 0.1), "c": machine.job("c", 0.2)}
    out = function(dict(jobs), machine.clock)
    if out is None or out is ...:
        raise Wrong("the function returns nothing yet; put your code in place of the dots.")
    if not isinstance(out, dict) or set(out) != set(jobs):
        raise Wrong("the function must return a dictionary with a number of seconds for each job.")
    if not all(machine.calls.values()):
        raise Wrong("a job was never done.")
    return {name: as_number(value) for name, value in out.items()}


@exercise(
    "7.3",
    "Give it two jobs that are the same. What differs between the first and the second, apart from the job?",
    "Print every single time: the first of each job is long, some are very long, and all grow while the machine warms "
    "up. Each of the three needs a cure of its own.",
    "Do every job once before the clock starts. Then, in each round, time every job once, one after the other. Return "
    "the median of each.",
)
def stopwatch(answer: object) -> str:
    """Warm-up left out, in turns, medians."""
    function = as_function(answer)
    calm = _Machine()
    plain = _measured(function, calm)
    if abs(plain["a"] - 0.1) > 0.005 or abs(plain["c"] - 0.2) > 0.01:
        raise Wrong(
            f"on a machine without any trouble, jobs of 0.1 s and 0.2 s come out as {plain['a']:.3g} s and "
            f"{plain['c']:.3g} s. Seconds for doing a job once are wanted."
        )
    if min(calm.calls.values()) < 4:
        raise Wrong(f"each job was done {min(calm.calls.values())} time(s); the rounds are there to be used.")
    warm = _measured(function, _Machine(first=30.0))
    if max(warm["a"], warm["b"]) > 0.11:
        raise Wrong("the first call of a job, which loads and compiles, is counted. Do each job once beforehand.")
    jerky = _measured(function, _Machine(hiccup=20.0))
    if max(jerky["a"], jerky["b"]) > 0.11:
        raise Wrong("one call in which the machine was busy elsewhere spoils the result: that is what a median is for.")
    if min(jerky["a"], jerky["b"]) < 0.09:
        raise Wrong("a job comes out quicker than it is.")
    drifting = _measured(function, _Machine(drift=0.3))
    if abs(drifting["b"] / drifting["a"] - 1) > 0.1:
        raise Wrong(
            f"the machine gets slower while you measure, and two copies of one job differ by "
            f"{abs(drifting['b'] / drifting['a'] - 1):.0%}: measure them in turns, not one after the other."
        )
    return "warmed up, in turns, medians: two copies of one job now take the same time on a machine that grows tired."
