"""Where the arithmetic happens: picking a device, naming it, and what makes training fast on it."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch


def pick_device(device: str | torch.device = "auto") -> torch.device:
    """`"auto"` is CUDA, else Apple's MPS, else the CPU; anything else is taken by its word.

    Raises ValueError for a device that PyTorch does not know or that is not there.

    >>> pick_device("cpu")
    device(type='cpu')
    """
    if str(device) == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"there is no device {device!r}; use auto, cpu, cuda, cuda:1 or mps") from error
    if place.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("device 'cuda' was asked for, but PyTorch finds no CUDA GPU here; use auto or cpu")
    if place.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError("device 'mps' was asked for, but PyTorch finds no Apple GPU here; use auto or cpu")
    return place


@cache
def _cpu_info() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text("utf-8", errors="replace") if path.exists() else ""


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is fast there: on CUDA from Ampere on, on a CPU only with AVX512-BF16 or AMX instructions."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and any(flag in _cpu_info() for flag in ("avx512_bf16", "amx_bf16"))


@dataclass(frozen=True)
class Speed:
    """What makes a training step fast. None of it changes what is learnt, beyond rounding.

    `benchmarks/training.py` measures each of them on the device at hand; the training page shows what it found.

    Attributes:
        bfloat16: convolutions in bfloat16, except the last one. None: where the device is fast at it.
        channels_last: pixels in memory with their channels side by side, as the fast convolutions want them.
        fused: one kernel for the whole optimiser step.
        compile: "" for none, or a mode of `torch.compile`: "default", or "reduce-overhead", which records the
            network's passes as CUDA graphs. Takes up to a minute at the start, and a C++ compiler on a CPU.
    """

    bfloat16: bool | None = None
    channels_last: bool = True
    fused: bool = True
    compile: str = ""

    def __post_init__(self) -> None:
        modes = ("", "default", "reduce-overhead")
        if self.compile not in modes:
            raise ValueError(f"compile is one of {', '.join(repr(m) for m in modes)}, not {self.compile!r}")


def device_name(device: torch.device) -> str:
    """What a card or a table says of the machine, such as “NVIDIA H100 80GB HBM3” or “AMD EPYC, 2 threads”."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    models = [line.split(":", 1)[1].strip() for line in _cpu_info().splitlines() if line.startswith("model name")]
    name = models[0] if models else platform.processor() or platform.machine()
    return f"{name}, {torch.get_num_threads()} thread{'s' if torch.get_num_threads() > 1 else ''}"
