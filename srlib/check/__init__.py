"""Exercises that answer back.

`check("1.2", my_function)` tries an answer by its behaviour and says what is right or, in words, what is wrong with
it. The exercises of a chapter stand in their own file (`ch01.py`, …), each as one function under `@exercise`: it
receives the answer, and raises `Wrong` with a helpful sentence or returns the praise. To add one, write such a
function.
"""

from __future__ import annotations

import pkgutil
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

__all__ = ["Feedback", "Wrong", "check", "exercise", "exercises", "hint"]


class Wrong(Exception):
    """Raised by an exercise's function: one sentence that tells the learner what to look at."""


@dataclass(frozen=True)
class Feedback:
    """What `check` says: `passed`, and a sentence. Shown as “✔ …” or “✘ …”; true in an `if` when passed."""

    name: str
    passed: bool
    message: str

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        text = f"{'✔' if self.passed else '✘'} Exercise {self.name}: {self.message}"
        return "\n".join(textwrap.wrap(text, 88, subsequent_indent="  ", break_long_words=False))


@dataclass(frozen=True)
class _Exercise:
    judge: Callable[[Any], str]
    hints: tuple[str, ...]


_EXERCISES: dict[str, _Exercise] = {}


def exercise(name: str, *hints: str) -> Callable[[Callable[[Any], str]], Callable[[Any], str]]:
    """Register the judge of exercise `name` ("chapter.number") with its ladder of hints, the vaguest first."""

    def register(judge: Callable[[Any], str]) -> Callable[[Any], str]:
        if name in _EXERCISES:
            raise ValueError(f"exercise {name} is defined twice")
        _EXERCISES[name] = _Exercise(judge, hints)
        return judge

    return register


def exercises() -> list[str]:
    """The names of all exercises, in order."""
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("ch"):
            import_module(f"srlib.check.{module.name}")  # registers its exercises
    return sorted(_EXERCISES, key=lambda name: [int(part) for part in name.split(".")])


def _find(name: str) -> _Exercise:
    if name not in _EXERCISES and name not in exercises():
        raise ValueError(f"there is no exercise {name!r}; there are {', '.join(exercises())}")
    return _EXERCISES[name]


def check(name: str, answer: Any) -> Feedback:
    """Try an answer: a number, a string, a tensor or a function, as the exercise asks.

    Args:
        name: "1.2" is the second exercise of chapter 1.
        answer: what was asked for; `...` or None stands for “not answered yet”.

    Returns:
        A `Feedback` that prints itself. An answer that raises an exception is wrong, and the message quotes it.

    Raises:
        ValueError: there is no such exercise.
    """
    found = _find(name)
    if answer is None or answer is ...:
        return Feedback(name, False, "there is no answer yet; put yours in place of the dots.")
    try:
        return Feedback(name, True, found.judge(answer))
    except Wrong as wrong:
        return Feedback(name, False, str(wrong))
    except Exception as error:  # whatever the learner's code does, the lesson goes on
        return Feedback(name, False, f"your answer stopped with {type(error).__name__}: {error}")


def hint(name: str, rung: int = 1) -> str:
    """A rung of the hint ladder of an exercise, 1 is the vaguest; beyond the last rung, the last one."""
    hints = _find(name).hints
    if not hints:
        return "this exercise has no hints."
    return hints[min(max(rung, 1), len(hints)) - 1]
