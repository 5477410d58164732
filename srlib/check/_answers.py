"""What the judges ask of any answer before they look at what it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from srlib.check import Wrong

CLOSE = 1e-4  # of a value in [0, 1]: far below half a grey level, far above rounding in float32


def seeded() -> torch.Generator:
    """The same random numbers for every attempt."""
    return torch.Generator().manual_seed(0)


def as_function(answer: object) -> Callable[..., Any]:
    """The answer, if it can be called."""
    if not callable(answer):
        raise Wrong(f"the answer must be a function, not {type(answer).__name__}.")
    return answer


def as_tensor(out: object, shape: tuple[int, ...]) -> Tensor:
    """What the learner's function returned, if it is a finite tensor of that shape."""
    if out is None or out is ...:
        raise Wrong("the function returns nothing yet; put your code in place of the dots.")
    if not isinstance(out, Tensor):
        raise Wrong(f"the function must return a tensor, not {type(out).__name__}.")
    if tuple(out.shape) != shape:
        raise Wrong(f"the function returns shape {tuple(out.shape)}; {shape} is wanted.")
    if not bool(torch.isfinite(out).all()):
        raise Wrong("the function returns NaN or infinity.")
    return out.detach()


def same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors differ by rounding only."""
    return bool((a - b).abs().max() < CLOSE)
