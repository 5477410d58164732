"""The machine that a benchmark runs on: its name, what it can do at most, and the file that its results go to.

A speed says little by itself. So every run also measures the two limits of the device: how fast it multiplies large
matrices, and how fast it copies memory. Read `describe`, `limits`, `write`.
"""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from srlib._paths import commit
from srlib.checkpoint import write_atomically
from srlib.devices import device_name, has_bfloat16

FOLDER = Path(__file__).resolve().parent.parent / "data" / "benchmarks"


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that it was told; a CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def describe(device: torch.device) -> dict[str, Any]:
    """What a result has to say of the machine; no date, so that a repeated run differs in numbers only."""
    return {
        "device": device_name(device),
        "type": device.type,
        "cores": cores(),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "commit": commit(),
    }


def slug(name: str) -> str:
    """A device's name as part of a file's name.

    >>> slug("NVIDIA H100 80GB HBM3")
    'nvidia-h100-80gb-hbm3'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _best(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """The shortest time of one call: a limit is what the device does when nothing disturbs it."""
    best, spent = float("inf"), 0.0
    while spent < seconds:
        synchronise(device)
        begin = time.perf_counter()
        work()
        synchronise(device)
        last = time.perf_counter() - begin
        best, spent = min(best, last), spent + last
    return best


def matmul_rate(device: torch.device, precision: str, size: int, seconds: float) -> float:
    """Multiply-adds a second of a `size`³ matrix product in "float32", "tf32" or "bfloat16"."""
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(a)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        torch.mm(a, b, out=out)
        return size**3 / _best(lambda: torch.mm(a, b, out=out), device, seconds)
    finally:
        torch.set_float32_matmul_precision(before)


def copy_rate(device: torch.device, megabytes: int, seconds: float) -> float:
    """Bytes a second that a copy within the device's memory moves, read and written bytes counted."""
    source = torch.ones(megabytes * 2**20, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    return 2 * source.numel() / _best(lambda: target.copy_(source), device, seconds)


def limits(device: torch.device, seconds: float = 1.0) -> dict[str, float]:
    """Tera-multiply-adds a second by precision, and gigabytes a second of a copy; `seconds` for each of them.

    "tf32" is what CUDA's convolutions use for float32 unless they are told not to.
    """
    large = device.type != "cpu"
    names = ["float32"] + ["tf32"] * (device.type == "cuda") + ["bfloat16"] * has_bfloat16(device)
    found = {name: matmul_rate(device, name, 8192 if large else 2048, seconds) / 1e12 for name in names}
    found["copy_gb_per_s"] = copy_rate(device, 1024 if large else 256, seconds) / 1e9
    return {name: rounded(value) for name, value in found.items()}


def rounded(value: float) -> float:
    """Four significant digits: more than any of these measurements repeats.

    >>> rounded(1234.567)
    1235.0
    """
    return float(f"{value:.4g}")


def peak_memory() -> int:
    """Bytes of memory that this process has held at most.

    Not `getrusage` on Linux: there a process starts with the peak of the one that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text("utf-8"), re.M)
        if found:
            return int(found[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def path_for(kind: str, device: torch.device) -> Path:
    """`data/benchmarks/{training,inference}_{device}.json`."""
    return FOLDER / f"{kind}_{slug(device_name(device))}.json"


def read(path: Path, machine: dict[str, Any], settings: dict[str, Any]) -> list[dict[str, Any]]:
    """The results in `path` if this machine, code and settings made them, so that a run may add to them; else none."""
    if not path.is_file():
        return []
    known = json.loads(path.read_text("utf-8"))
    same = known.get("machine") == machine and known.get("settings") == settings
    results: list[dict[str, Any]] = known["results"] if same else []
    return results


def write(path: Path, machine: dict[str, Any], settings: dict[str, Any], results: list[dict[str, Any]]) -> None:
    """One result file, whole or not at all."""
    text = json.dumps({"machine": machine, "settings": settings, "results": results}, indent=1) + "\n"
    write_atomically(path, lambda temporary: temporary.write_text(text, "utf-8"))
