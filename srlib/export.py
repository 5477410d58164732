"""A network as an ONNX file, for the browser and for other programs.

Read `to_onnx`; `_as_graph` says what is put in a better shape first. The file takes pictures of any size, and says in
its metadata what it is and how far it was from PyTorch when it was written.
"""

from __future__ import annotations

import copy
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

import srlib
from srlib.checkpoint import write_atomically
from srlib.models import MODELS
from srlib.models.bicubic import Bicubic, BicubicConv
from srlib.models.srcnn import SRCNN
from srlib.models.srgan import SRResNet, fold_batch_norm
from srlib.models.vdsr import VDSR

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 18  # the oldest that PyTorch's exporter writes by itself; browsers have had it since 2023
TOLERANCE = 1e-4  # of 0..1: a fortieth of a grey level
SIZES = ((1, 9, 14), (2, 16, 5))  # (N, h, w) at which the file is compared with PyTorch


class _AfterBicubic(nn.Module):
    """A network that works on the bicubic enlargement, with the enlargement before it."""

    def __init__(self, network: SRCNN | VDSR) -> None:
        super().__init__()
        self.enlarge = BicubicConv(network.scale, network.channels)
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.network(self.enlarge(x), upsampled=True)
        return out


def _as_graph(network: nn.Module) -> nn.Module:
    """The same function in plain operators: batch norms folded, bicubic as a convolution."""
    if isinstance(network, SRResNet):
        network = fold_batch_norm(network)
    elif isinstance(network, Bicubic):
        network = BicubicConv(network.scale, network.channels)
    elif isinstance(network, SRCNN | VDSR):
        network = _AfterBicubic(network)
    return network.eval()


def _trace(network: nn.Module, channels: int, opset: int) -> ModelProto:
    """The graph that PyTorch's exporter makes, without its notes, in which the paths of this machine stand."""
    dim = torch.export.Dim
    program = torch.onnx.export(
        network,
        (torch.rand(2, channels, 12, 14),),
        input_names=["lr"],
        output_names=["sr"],
        dynamic_shapes=({0: dim("batch"), 2: dim("height"), 3: dim("width")},),
        opset_version=opset,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    proto: ModelProto = program.model_proto
    graph = proto.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer, *graph.value_info):
        del part.metadata_props[:]
        part.doc_string = ""
    return proto


@torch.inference_mode()
def _difference(file: bytes, network: nn.Module, channels: int) -> float | None:
    """The largest difference between the file under onnxruntime and `network`; None where onnxruntime is missing."""
    try:
        import onnxruntime  # type: ignore[import-untyped]  # it has no annotations
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    differences = []
    for n, height, width in SIZES:
        lr = torch.rand(n, channels, height, width, generator=generator)
        sr = torch.from_numpy(session.run(["sr"], {"lr": lr.numpy()})[0])
        differences.append(float((sr - network(lr)).abs().max()))
    return max(differences)


def to_onnx(model: nn.Module, path: str | os.PathLike[str], *, name: str | None = None, opset: int = OPSET) -> Path:
    """Write a network as ONNX: input `lr` `(N, C, h, w)` float32, output `sr` `(N, C, h·scale, w·scale)`.

    N, h and w are free. C and the range are the network's: luma in [16, 235]/255 for C = 1, RGB in [0, 1] for C = 3;
    `sr` is not clipped. SRCNN and VDSR hold their bicubic enlargement, SRResNet has its batch norms folded. The graph
    is checked by `onnx.checker` and compared with PyTorch under onnxruntime (where that is installed) before the file
    appears. Metadata: model, variant, scale, channels, overlap (how many LR pixels away an output pixel sees: what
    tiles need), srlib, input, output, difference.

    Args:
        model: a network; it is left as it is.
        path: a name ending in .onnx.
        name: what the metadata calls the model (default: the first row of `models.MODELS` that fits).
        opset: version of the operators, 18 or later.

    Returns:
        The path.

    Raises:
        ValueError: another ending, an opset that PyTorch cannot write, or a module that lacks `scale`, `channels` or
            `overlap`.
        RuntimeError: the file's output differs from PyTorch's by more than 1e-4; nothing is written.
        ImportError: onnx or onnxscript is missing.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise ValueError(f"an ONNX file is called something.onnx, not {path.name}")
    if opset < OPSET:
        raise ValueError(f"opset must be {OPSET} or later, not {opset}")
    missing = [attribute for attribute in ("scale", "channels", "overlap") if not hasattr(model, attribute)]
    if missing:
        raise ValueError(f"{type(model).__name__} is not a network of this package: it has no {', '.join(missing)}")
    try:
        import onnx
        import onnxscript  # noqa: F401  (the exporter needs it and would say so less clearly)
    except ImportError as error:
        raise ImportError("export needs the packages onnx and onnxscript: pip install onnx onnxscript") from error

    network = copy.deepcopy(model).cpu().float().eval()
    scale, channels = int(network.scale), int(network.channels)  # type: ignore[arg-type]
    proto = _trace(_as_graph(network), channels, opset)
    if proto.opset_import[0].version != opset:  # it only logs that it kept its own
        raise ValueError(f"PyTorch {torch.__version__} cannot write opset {opset}; leave it at {OPSET}")
    onnx.checker.check_model(proto, full_check=True)
    difference = _difference(proto.SerializeToString(), network, channels)
    if difference is not None and not difference <= TOLERANCE:
        raise RuntimeError(f"the graph differs from PyTorch by {difference:.1e}, more than {TOLERANCE:.0e}")
    metadata = {
        "model": name or next((key for key, row in MODELS.items() if row.build is type(model)), type(model).__name__),
        "variant": getattr(network, "variant", ""),
        "scale": scale,
        "channels": channels,
        "overlap": network.overlap,
        "srlib": srlib.__version__,
        "input": f"lr: (N, {channels}, h, w) float32, {_RANGE[channels]}",
        "output": f"sr: (N, {channels}, {scale}·h, {scale}·w) float32, the same range, not clipped",
        "difference": "not measured" if difference is None else f"{difference:.1e}",
    }
    onnx.helper.set_model_props(proto, {key: str(value) for key, value in metadata.items()})
    write_atomically(path, lambda temporary: temporary.write_bytes(proto.SerializeToString()))
    return path


_RANGE = {1: "BT.601 luma in [16, 235]/255", 3: "RGB in [0, 1]"}


@dataclass(frozen=True)
class Contents:
    """What stands in an ONNX file: size in bytes, how often it uses each operator, metadata."""

    bytes: int
    operators: dict[str, int]
    metadata: dict[str, str]


def contents(path: str | os.PathLike[str]) -> Contents:
    """Look into a file that `to_onnx` wrote."""
    import onnx

    proto = onnx.load(path)
    operators = Counter(node.op_type for node in proto.graph.node)
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    return Contents(Path(path).stat().st_size, dict(operators.most_common()), metadata)
