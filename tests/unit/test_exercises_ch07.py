"""Usual mistakes in the exercises of chapter 7, and a part of the sentence that names each."""

from __future__ import annotations

import pytest
from answers import assert_called_by_name, judged

TOOLS = """
import math
import statistics
import torch


def front(beats):
    return lambda table: {
        name for name, own in table.items() if not any(beats(o, own) for key, o in table.items() if key != name)
    }


def pairs(a, b):
    return list(zip(a, b))


def needed(s, factor=2 * 1.96, rounding=math.ceil):
    return lambda d, width: rounding((factor * s(d) / width) ** 2)


def in_turns(summary, first=True, rounds=7):
    def measure(jobs, clock):
        if first:
            for job in jobs.values():
                job()
        times = {name: [] for name in jobs}
        for _ in range(rounds):
            for name, job in jobs.items():
                start = clock()
                job()
                times[name].append(clock() - start)
        return {name: summary(values) for name, values in times.items()}
    return measure


def one_by_one(summary):
    def measure(jobs, clock):
        result = {}
        for name, job in jobs.items():
            job()
            times = []
            for _ in range(7):
                start = clock()
                job()
                times.append(clock() - start)
            result[name] = summary(times)
        return result
    return measure


def search(allowed, pick=max):
    def share(a, b, hr, loss):
        mse = lambda t: float(((1 - t) * a + t * b - hr).double().square().mean())
        return pick([k / 500 for k in range(501) if mse(k / 500) <= allowed(mse(0), loss) * (1 + 1e-9)])
    return share


right_budget = lambda mse, loss: mse * 10 ** (loss / 10)


def straight(a, b, hr, loss):
    db = lambda x: -10 * math.log10(max(1e-12, float((x - hr).double().square().mean())))
    return min(1.0, max(0.0, loss / max(1e-9, db(a) - db(b))))


def doctor(**repairs):
    def diagnose(sr, hr):
        errors = {name: float((repair(sr) - hr)[..., 2:-2, 2:-2].square().mean()) for name, repair in repairs.items()}
        return min(errors, key=errors.get)
    return diagnose


fine = {"fine": lambda x: x}
bgr = {"bgr": lambda x: x.flip(1)}
stretch = {"range": lambda x: (x - 16 / 255) * 255 / 219}
shift = {"shift": lambda x: x.roll((-1, -1), (2, 3))}
"""

MISTAKES: list[tuple[str, str, str]] = [
    ("7.1", "lambda table: None", "nothing yet"),
    ("7.1", "lambda table: min(table)", "a set of names"),
    ("7.1", "lambda table: set(table.values())", "no name of the table"),
    ("7.1", "lambda table: set(table)", "keeps"),
    ("7.1", "front(lambda a, b: all(x >= y for x, y in pairs(a, b)) and a != b)", "the other end"),
    ("7.1", "front(lambda a, b: all(x <= y for x, y in pairs(a, b)))", "throw each other out"),
    ("7.1", "front(lambda a, b: all(x < y for x, y in pairs(a, b)))", "too many stay"),
    (
        "7.1",
        "lambda t: {n for n, own in t.items() if any(p == min(c) for p, c in pairs(own, zip(*t.values())))}",
        "second everywhere",
    ),
    (
        "7.1",
        "front(lambda a, b: all(x <= y for x, y in pairs(a[:2], b[:2])) and a[:2] != b[:2])",
        "first two prices",
    ),
    ("7.2", "lambda d, width: 'many'", "must return a number"),
    ("7.2", "lambda d, width: float('nan')", "returns nan"),
    ("7.2", "needed(statistics.stdev, 1.96)", "from end to end"),
    ("7.2", "needed(statistics.pstdev)", "one less"),
    ("7.2", "needed(statistics.variance)", "variance"),
    ("7.2", "needed(statistics.stdev, rounding=math.floor)", "rounded up"),
    ("7.2", "lambda d, width: math.ceil(2 * 1.96 * statistics.stdev(d) / width)", "square root"),
    ("7.2", "needed(lambda d: statistics.stdev(d) / len(d) ** 0.5)", "standard error already"),
    ("7.2", "lambda d, width: len(d) * (2 * 1.96 * statistics.stdev(d) / width) ** 2", "not the factor"),
    ("7.2", "lambda d, width: 30", "it takes"),
    ("7.2", "needed(statistics.stdev)", "still needed"),
    ("7.3", "lambda jobs, clock: {name: 0.1 for name in jobs}", "never done"),
    ("7.3", "lambda jobs, clock: [job() for job in jobs.values()]", "a dictionary"),
    ("7.3", "in_turns(sum)", "doing a job once"),
    ("7.3", "in_turns(statistics.median, rounds=1)", "rounds are there"),
    ("7.3", "in_turns(statistics.mean, first=False)", "first call"),
    ("7.3", "in_turns(statistics.mean)", "median"),
    ("7.3", "one_by_one(statistics.median)", "in turns"),
    ("7.4", "lambda a, b, hr, loss: 2.0", "between 0 and 1"),
    ("7.4", "lambda *given: 1 - search(right_budget)(*given)", "share of a"),
    ("7.4", "search(lambda mse, loss: mse * 10 ** (loss / 20))", "root of the MSE"),
    ("7.4", "search(lambda mse, loss: mse * (1 + loss))", "no shares"),
    ("7.4", "search(right_budget, min)", "which is allowed"),
    ("7.4", "straight", "straight line"),
    ("7.4", "lambda a, b, hr, loss: 0.05", "the largest share is"),
    ("7.4", "lambda a, b, hr, loss: 0.95", "below a"),
    ("7.5", "lambda sr, hr: 'ill'", "a diagnosis is one of"),
    ("7.5", "doctor(**bgr, **fine, **stretch, **shift)", "grey picture"),
    ("7.5", "doctor(**bgr, **stretch, **shift)", "only a little soft"),
    ("7.5", "doctor(**fine, **bgr, **stretch)", "overlooked"),
    ("7.5", "doctor(**fine, **bgr, **shift, range=lambda x: x * 219 / 255 + 16 / 255)", "was"),
]


@pytest.mark.parametrize(("name", "answer", "words"), MISTAKES, ids=[f"{m[0]}-{m[2]}" for m in MISTAKES])
def test_a_usual_mistake_is_called_by_its_name(name: str, answer: str, words: str) -> None:
    assert_called_by_name(name, answer, words, TOOLS)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("7.1", "front(lambda a, b: all(x <= y for x, y in pairs(a, b)) and a != b)"),
        ("7.2", "lambda d, width: torch.tensor(max(1, needed(statistics.stdev)(d, width)))"),
        ("7.3", "in_turns(statistics.median)"),
        ("7.3", "in_turns(min)"),
        ("7.4", "search(right_budget)"),
        ("7.5", "doctor(**fine, **shift, **bgr, **stretch)"),
    ],
)
def test_another_way_to_be_right_passes(name: str, answer: str) -> None:
    feedback = judged(name, answer, TOOLS)
    assert feedback, feedback
