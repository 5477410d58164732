"""The benchmarks' clock: contenders take turns, one bad block is no result, and a race has an end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks import machine, race, timing, training
from srlib.recipes import Recipe

CPU = torch.device("cpu")
TINY = Recipe("espcn", "quick", 3, "tanh", steps=1000, batch=4, patch=12)


class Clockwork:
    """A contender that takes as long as it is told."""

    def __init__(self, name: str, seconds: float, order: list[str]) -> None:
        self.name, self.seconds, self.order, self.closed = name, seconds, order, False

    def block(self, times: int) -> float:
        self.order.append(self.name)
        return self.seconds * times

    def close(self) -> None:
        self.closed = True


def test_contenders_take_turns_in_changing_order() -> None:
    order: list[str] = []
    taken = timing.alternate([Clockwork("a", 0.3, order), Clockwork("b", 0.01, order)], seconds=5)
    turns = order[-10:]
    assert turns == ["a", "b", "b", "a", "a", "b", "b", "a", "a", "b"]
    assert taken["a"].seconds == pytest.approx(0.3)
    assert taken["b"].rates(2) == {"median": 200.0, "low": 200.0, "high": 200.0, "blocks": len(taken["b"].blocks)}


def test_the_median_is_not_moved_by_one_bad_block() -> None:
    rates = timing.Timing((1.0, 1.0, 1.0, 1.0, 50.0)).rates(10)
    assert rates["median"] == rates["high"] == 10


class Brightening:
    """A network that turns grey into the picture, a little at every step."""

    def __init__(self) -> None:
        self.model = Grey()
        self.closed = False

    def steps(self) -> Iterator[None]:
        while True:
            self.model.level.data += 0.01
            yield

    def close(self) -> None:
        self.closed = True


class Grey(nn.Module):
    scale, channels, overlap = 3, 1, 0

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.level.expand(1, 1, x.shape[2] * 3, x.shape[3] * 3)


def test_the_race_ends_at_the_target_at_the_last_step_or_at_the_limit() -> None:
    white = [torch.full((1, 1, 24, 24), 255, dtype=torch.uint8)]
    found = race.seconds_to(10.0, Brightening(), TINY, white, CPU, limit=20)
    assert found is not None
    assert found[1] == 71  # 1 - 0.01·71 is an error of less than 10 dB below white; 61 is not
    assert found[0] > 0
    assert race.seconds_to(10.0, Brightening(), TINY.but(steps=60), white, CPU, limit=20) is None
    assert race.seconds_to(10.0, Brightening(), TINY, white, CPU, limit=0) is None


def test_the_best_number_of_workers_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 5)
    tried: list[Any] = []

    def make(workers: int) -> Any:
        tried.append(Clockwork(str(workers), abs(workers - 2) + 0.5, []))
        return tried[-1]

    assert training.best_workers(make) == 2
    assert [each.name for each in tried] == ["0", "1", "2", "4"]
    assert all(each.closed for each in tried)
