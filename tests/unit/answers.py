"""Answers to exercises as a reader types them: text, evaluated in a room of its own."""

from __future__ import annotations

from typing import Any

from srlib.check import Feedback, check


def judged(exercise: str, answer: str, tools: str) -> Feedback:
    """What `check` says of the expression `answer`, which may use what the source text `tools` defines."""
    room: dict[str, Any] = {}
    exec(tools, room)
    return check(exercise, eval(answer, room))


def assert_called_by_name(exercise: str, answer: str, words: str, tools: str) -> None:
    """The answer is refused, and the message has the words that name its mistake."""
    feedback = judged(exercise, answer, tools)
    assert not feedback, f"{answer} was accepted"
    assert words in feedback.message, feedback
