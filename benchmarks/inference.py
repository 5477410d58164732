"""Speed and memory of enlarging a picture: every network through `srlib`'s own path, beside other tools.

`python -m benchmarks.inference [--device auto] [--scales 2,3,4] [--networks espcn,vdsr] [--seconds 1] [--limit 10]`. A
picture is RGB in the computer's memory before and bytes there afterwards, so a GPU's times include the way there and
back. Peers: OpenCV, Pillow, PyTorch's own `interpolate`, and onnxruntime with the exported networks in the same path.
Networks have random weights, since speed does not depend on them. Read `peers`, then `measure`.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import machine, timing
from srlib import models
from srlib.devices import pick_device
from srlib.image import as_array, to_uint8
from srlib.upscaling import upscale_into

NETWORKS = {
    "bicubic": "",
    "srcnn 9-5-5": "9-5-5",
    "srcnn 9-1-5": "9-1-5",
    "espcn": "tanh",
    "vdsr": "20",
    "srresnet": "b16",
}
SIZES = ((128, 128), (480, 270), (960, 540), (1920, 1080))  # of the output, width and height
BLOCK = 0.3  # seconds
Size = tuple[int, int]


class Upscaler:
    """One way of enlarging one picture, to be timed."""

    def __init__(self, name: str, kind: str, device: torch.device, work: Callable[[], object]) -> None:
        self.name, self.kind, self.device, self.work = name, kind, device, work

    def block(self, times: int) -> float:
        """Seconds for enlarging the picture `times` times."""
        machine.synchronise(self.device)
        begin = time.perf_counter()
        for _ in range(times):
            self.work()
        machine.synchronise(self.device)
        return time.perf_counter() - begin


class Exported(nn.Module):
    """An ONNX file in the place of the network that it was made from."""

    def __init__(self, path: Path, like: nn.Module) -> None:
        super().__init__()
        import onnxruntime  # type: ignore[import-untyped]  # it has no annotations

        self.scale, self.channels, self.overlap = like.scale, like.channels, like.overlap
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def forward(self, x: Tensor) -> Tensor:
        """LR `(N, C, h, w)` to SR `(N, C, h·scale, w·scale)` on the CPU."""
        return torch.from_numpy(self.session.run(["sr"], {"lr": x.numpy()})[0])


def network(name: str, scale: int) -> nn.Module:
    """A network of the table above, in eval mode, laid out as `srlib.upscale` does it."""
    made = models.create(name.partition(" ")[0], scale, NETWORKS[name]).eval()
    return made.to(memory_format=torch.channels_last)


def picture(size: Size, scale: int) -> Tensor:
    """LR `(1, 3, h, w)` in [0, 1] for an output of at most `size`; noise, which no tool can take short cuts with."""
    width, height = (side // scale for side in size)
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


def enlarge(model: nn.Module, lr: Tensor) -> Tensor:
    """`srlib`'s path: tiles, luma and chroma, to bytes."""
    out = torch.empty(1, 3, lr.shape[2] * int(model.scale), lr.shape[3] * int(model.scale), dtype=torch.uint8)  # type: ignore[arg-type]
    return upscale_into(model, lr, out)


def peers(lr: Tensor, scale: int, device: torch.device) -> list[Upscaler]:
    """Other tools' interpolation of the same picture, those that are installed."""
    array = as_array(lr)
    width, height = array.shape[1] * scale, array.shape[0] * scale
    cpu = torch.device("cpu")

    def interpolate() -> Tensor:
        sr = F.interpolate(lr.to(device), scale_factor=scale, mode="bicubic", align_corners=False)
        return to_uint8(sr.clamp(0, 1)).cpu()

    found = [Upscaler("PyTorch interpolate bicubic", "peer", device, interpolate)]
    source = Image.fromarray(array)
    pillow = Image.Resampling.BICUBIC
    found.append(Upscaler("Pillow BICUBIC", "peer", cpu, lambda: np.asarray(source.resize((width, height), pillow))))
    try:
        cv2: Any = importlib.import_module("cv2")
    except ImportError:
        return found
    cv2.setNumThreads(torch.get_num_threads())
    for name, how in (("INTER_CUBIC", cv2.INTER_CUBIC), ("INTER_LANCZOS4", cv2.INTER_LANCZOS4)):

        def resize(how: int = how) -> object:
            return cv2.resize(array, (width, height), interpolation=how)

        found.append(Upscaler(f"OpenCV {name}", "peer", cpu, resize))
    return found


def versions() -> dict[str, str]:
    """Which versions of the peers are compared with."""
    found = {}
    for name in ("PIL", "cv2", "onnxruntime"):
        try:
            found[name] = str(importlib.import_module(name).__version__)
        except ImportError:
            continue
    return found


def exported(networks: dict[str, nn.Module], folder: Path) -> dict[str, nn.Module]:
    """The networks under onnxruntime; none where it, or what exporting needs, is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError:
        return {}
    from srlib.export import to_onnx

    return {
        name: Exported(to_onnx(model, folder / f"{name.replace(' ', '_')}_x{model.scale}.onnx"), model)
        for name, model in networks.items()
    }


def _peak_of(name: str, scale: int, size: Size) -> int:
    """Bytes that enlarging takes beyond the program and the network; for a process of its own."""
    model = network(name, scale)
    enlarge(model, picture((32, 32), scale))  # loads the libraries
    before = machine.peak_memory()
    enlarge(model, picture(size, scale))
    return machine.peak_memory() - before


def peak_memory(name: str, scale: int, size: Size, device: torch.device) -> float:
    """Megabytes that enlarging one picture takes at most: of the GPU's memory, or of a fresh process's."""
    if device.type == "cuda":
        model, lr = network(name, scale).to(device), picture(size, scale)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        enlarge(model, lr)
        return torch.cuda.max_memory_allocated(device) / 1e6
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_peak_of, name, scale, size).result() / 1e6


def measure(
    scale: int, device: torch.device, seconds: float, limit: float, sizes: Sequence[Size], names: Sequence[str]
) -> list[dict[str, Any]]:
    """All rows of one scale, the smallest picture first; what would take longer than `limit` seconds is left out."""
    networks = {name: network(name, scale).to(device) for name in names}
    rows: list[dict[str, Any]] = []
    last: dict[str, float] = {}  # seconds for an output pixel at the size before
    largest: dict[str, Size] = {}
    with tempfile.TemporaryDirectory() as folder:
        graphs = exported({name: network(name, scale) for name in names if name != "bicubic"}, Path(folder))
        for size in sizes:
            lr = picture(size, scale)
            width, height = lr.shape[3] * scale, lr.shape[2] * scale
            ways = peers(lr, scale, device)
            for kind, place, table in (("srlib", device, networks), ("onnxruntime", torch.device("cpu"), graphs)):
                for name, model in table.items():

                    def work(model: nn.Module = model, lr: Tensor = lr) -> Tensor:
                        return enlarge(model, lr)

                    label = name if kind == "srlib" else f"{name}, onnxruntime"
                    ways.append(Upscaler(label, kind, place, work))
            ways = [way for way in ways if last.get(way.name, 0.0) * width * height <= 2 * limit]  # a guess
            ways = [way for way in ways if way.block(1) <= limit]
            taken = timing.alternate(ways, seconds, BLOCK)
            for way in ways:
                once = taken[way.name].seconds
                last[way.name] = once / (width * height)
                row = {"name": way.name, "kind": way.kind, "scale": scale, "sr": [width, height]}
                row |= {"lr": [lr.shape[3], lr.shape[2]], "milliseconds": machine.rounded(once * 1e3)}
                row["megapixels_out_per_s"] = taken[way.name].rates(width * height / 1e6)
                row["megapixels_in_per_s"] = machine.rounded(lr.shape[3] * lr.shape[2] / 1e6 / once)
                rows.append(row)
                if way.kind == "srlib":
                    largest[way.name] = size
    for name, size in largest.items():  # the largest that was not left out
        row = next(row for row in reversed(rows) if row["name"] == name)
        row["peak_megabytes"] = machine.rounded(peak_memory(name, scale, size, device))
    return rows


def ratio(rows: Sequence[dict[str, Any]], fast: str, slow: str, scale: int) -> tuple[float, list[int]] | None:
    """How many times as many pixels a second `fast` makes as `slow`, at the largest size that both did; and that."""
    speeds = {
        (row["name"], tuple(row["sr"])): row["megapixels_out_per_s"]["median"] for row in rows if row["scale"] == scale
    }
    both = [size for (name, size) in speeds if name == slow and (fast, size) in speeds]
    if not both:
        return None
    size = max(both)
    return speeds[fast, size] / speeds[slow, size], list(size)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write after every scale."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--scales", default="2,3,4", help="of these: %(default)s")
    parser.add_argument("--networks", default=",".join(NETWORKS), help="of these: %(default)s")
    parser.add_argument("--seconds", type=float, default=1.0, help="of timing for every row (%(default)s)")
    parser.add_argument("--limit", type=float, default=10.0, help="most seconds for one picture (%(default)s)")
    parser.add_argument("--out", type=Path, help="a file that this machine, code and settings made is added to")
    options = parser.parse_args(arguments)
    scales = [int(scale) for scale in options.scales.split(",")]
    if unknown := set(scales) - {2, 3, 4}:
        parser.error(f"there is no benchmark at scale {', '.join(map(str, sorted(unknown)))}; there are 2, 3, 4")
    names = options.networks.split(",")
    if strange := set(names) - set(NETWORKS):
        parser.error(f"there is no benchmark of {', '.join(sorted(strange))}; there are {', '.join(NETWORKS)}")
    device = pick_device(options.device)
    about = machine.describe(device)
    settings = {"seconds": options.seconds, "limit_s": options.limit, "peers": versions()}
    path = options.out or machine.path_for("inference", device)
    results = machine.read(path, about, settings)
    for scale in scales:
        rows = measure(scale, device, options.seconds, options.limit, SIZES, names)
        done = {row["name"].partition(",")[0] for row in rows}
        results = sorted(
            [*(r for r in results if r["scale"] != scale or r["name"].partition(",")[0] not in done), *rows],
            key=lambda row: row["scale"],
        )
        machine.write(path, about, settings, results)
        for (width, height), group in itertools.groupby(rows, key=lambda row: row["sr"]):
            print(f"×{scale} to {width}×{height}")
            for row in group:
                speed, peak = row["megapixels_out_per_s"]["median"], row.get("peak_megabytes")
                print(f"  {row['name']:32} {speed:9.3f} Mpx/s" + (f", {peak:.0f} MB" if peak is not None else ""))
    found = ratio(results, "espcn", "vdsr", 3)
    if found:
        print(
            f"ESPCN ×3 makes {found[0]:.0f} times as many pixels a second as VDSR ×3 (to {found[1][0]}×{found[1][1]})"
        )
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
