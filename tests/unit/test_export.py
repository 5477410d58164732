"""ONNX: the same numbers as PyTorch, for every network, at every size."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import srlib
from srlib import models
from srlib.cli import main
from srlib.degrade import bicubic_up
from srlib.export import contents, to_onnx
from srlib.models.bicubic import BicubicConv

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

# The smallest variant of each class; what a larger one has more of is layers of the same kind.
SMALL = {"bicubic": "", "srcnn": "9-1-5", "espcn": "tanh", "vdsr": "5", "srresnet": "b4"}
# What browsers run fast, and nothing else: no arithmetic on shapes, no loops, no resampling by other rules than ours.
PLAIN = {"Conv", "Relu", "Tanh", "PRelu", "Add", "Div", "Pad", "DepthToSpace"}


def nudged(name: str, scale: int, variant: str) -> nn.Module:
    """A network in which no bias is zero and no batch norm does nothing."""
    torch.manual_seed(scale)
    network = models.create(name, scale, variant)
    with torch.no_grad():
        for tensor in network.parameters():
            tensor += 0.02 * torch.randn_like(tensor)
        for key, tensor in network.named_buffers():
            if "running" in key:
                tensor += 0.2 * torch.rand_like(tensor)
    return network


def run(path: Path, lr: Tensor) -> Tensor:
    (sr,) = onnxruntime.InferenceSession(str(path)).run(None, {"lr": lr.numpy()})
    return torch.from_numpy(sr)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", SMALL)
def test_every_network_gives_the_same_under_onnxruntime(name: str, scale: int, tmp_path: Path) -> None:
    network = nudged(name, scale, SMALL[name]).train()
    state = {key: value.clone() for key, value in network.state_dict().items()}
    path = to_onnx(network, tmp_path / "a.onnx")
    assert network.training  # the network is left as it was
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    network.eval()
    channels = int(network.channels)  # type: ignore[arg-type]
    for n, height, width in ((1, 1, 1), (1, 7, 1), (3, 13, 22), (2, 30, 17)):
        lr = torch.rand(n, channels, height, width)
        with torch.no_grad():
            want = network(lr)
        sr = run(path, lr)
        assert sr.shape == (n, channels, height * scale, width * scale)
        assert float((sr - want).abs().max()) <= 1e-4
    found = contents(path)
    assert set(found.operators) <= PLAIN
    assert (found.metadata["model"], found.metadata["variant"]) == (name, SMALL[name])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 5, 9), (1, 2, 16, 1)])
@pytest.mark.parametrize("scale", range(2, 9))
def test_bicubic_as_a_convolution_is_bicubic(scale: int, shape: tuple[int, ...]) -> None:
    x = torch.rand(shape)
    assert float((BicubicConv(scale, shape[1])(x) - bicubic_up(x, scale)).abs().max()) <= 1e-6
    exact = BicubicConv(scale, shape[1]).double()(x.double())
    assert float((exact - bicubic_up(x.double(), scale)).abs().max()) <= 1e-6


def test_bicubic_as_a_convolution_can_look_to_the_side() -> None:
    ramp = torch.arange(20.0).expand(1, 1, 6, 20)
    for scale, shift in ((2, 0.125), (3, 0.5), (4, -0.5)):
        at = (torch.arange(20 * scale) + 0.5) / scale - 0.5 + shift
        assert torch.allclose(BicubicConv(scale, shift=shift)(ramp)[0, 0, 9, 9:-9], at[9:-9], atol=1e-5)
    with pytest.raises(ValueError, match="shift must lie between"):
        BicubicConv(2, shift=0.6)
    with pytest.raises(ValueError, match="whole number from 2 on"):
        BicubicConv(1)


@pytest.fixture(scope="module")
def espcn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return to_onnx(models.create("espcn", 3), tmp_path_factory.mktemp("onnx") / "espcn.onnx")


def test_the_file_says_what_it_is(espcn: Path) -> None:
    found = contents(espcn)
    difference = found.metadata.pop("difference")
    assert re.fullmatch(r"\d\.\de-0\d", difference)
    assert float(difference) <= 1e-4
    assert found.metadata == {
        "model": "espcn",
        "variant": "tanh",
        "scale": "3",
        "channels": "1",
        "overlap": "4",
        "srlib": srlib.__version__,
        "input": "lr: (N, 1, h, w) float32, BT.601 luma in [16, 235]/255",
        "output": "sr: (N, 1, 3·h, 3·w) float32, the same range, not clipped",
    }
    assert found.operators == {"Conv": 3, "Tanh": 2, "DepthToSpace": 1}
    assert found.bytes == espcn.stat().st_size < 100_000


def test_the_file_has_free_sizes_and_no_paths_of_this_machine(espcn: Path) -> None:
    proto = onnx.load(espcn)
    (lr,), (sr,) = proto.graph.input, proto.graph.output
    assert (lr.name, sr.name) == ("lr", "sr")
    free = [dim.dim_param or dim.dim_value for dim in lr.type.tensor_type.shape.dim]
    assert free == ["batch", 1, "height", "width"]
    assert (proto.opset_import[0].version, len(proto.opset_import), len(proto.functions)) == (18, 1, 0)
    data = espcn.read_bytes()
    assert str(Path(srlib.__file__).parent).encode() not in data
    assert b"pkg.torch" not in data


def test_a_newer_opset_and_a_name(tmp_path: Path) -> None:
    path = to_onnx(models.create("bicubic", 2), tmp_path / "a.onnx", name="cubic", opset=20)
    assert onnx.load(path).opset_import[0].version == 20
    assert contents(path).metadata["model"] == "cubic"
    assert contents(path).metadata["input"] == "lr: (N, 3, h, w) float32, RGB in [0, 1]"


class Other(nn.Module):
    """A reader's own network; `wrong` makes it another one when it is traced."""

    scale, channels, overlap = 2, 3, 1

    def __init__(self, wrong: bool = False) -> None:
        super().__init__()
        self.conv, self.wrong = nn.Conv2d(3, 12, 3, padding=1), wrong

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.pixel_shuffle(self.conv(x), 2)
        return x + 0.001 if self.wrong and torch.compiler.is_exporting() else x


def test_a_network_of_ones_own(tmp_path: Path) -> None:
    assert contents(to_onnx(Other(), tmp_path / "a.onnx")).metadata["model"] == "Other"


def test_a_file_that_differs_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"an older one")
    with pytest.raises(RuntimeError, match=r"differs from PyTorch by 1\.0e-03, more than 1e-04"):
        to_onnx(Other(wrong=True), tmp_path / "a.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == b"an older one"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("network", "name", "opset", "words"),
    [
        (Other(), "a.pt", 18, "called something.onnx, not a.pt"),
        (Other(), "a.onnx", 17, "opset must be 18 or later, not 17"),
        (
            nn.Conv2d(1, 1, 1),
            "a.onnx",
            18,
            "Conv2d is not a network of this package: it has no scale, channels, overlap",
        ),
    ],
)
def test_what_cannot_be_exported(network: nn.Module, name: str, opset: int, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        to_onnx(network, tmp_path / name, opset=opset)
    assert list(tmp_path.iterdir()) == []


def test_without_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "onnxruntime", None)
        path = to_onnx(models.create("bicubic", 2), tmp_path / "a.onnx")
        assert contents(path).metadata["difference"] == "not measured"
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ImportError, match="pip install onnx onnxscript"):
        to_onnx(models.create("bicubic", 2), tmp_path / "b.onnx")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["export", "--model", "bicubic", "--scale", "2"]
    Path("bicubic_x2.onnx").write_bytes(b"an older one")
    assert main(command) == 2
    assert "pass --force" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "bicubic_x2.onnx (2 kB; 1 Pad, 1 Conv, 1 DepthToSpace)"
    assert re.fullmatch(r"largest difference from PyTorch: \d\.\de-0\d", lines[1])
    assert main([*command, "-o", "a.txt"]) == 2
    assert capsys.readouterr().err == "srlib export: an ONNX file is called something.onnx, not a.txt\n"
    assert main(["export", "--model", "srcnn", "--scale", "9"]) == 2
    assert "no weights ship" in capsys.readouterr().err


def test_the_command_takes_weights_and_a_variant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from srlib.checkpoint import save_weights

    network = nudged("espcn", 2, "relu").eval()
    save_weights(network, tmp_path / "model.safetensors")
    (tmp_path / "card.json").write_text(json.dumps({"recipe": {"model": "espcn", "variant": "relu"}}))
    command = ["export", "--model", "espcn", "--scale", "2", "--weights", str(tmp_path / "model.safetensors")]
    assert main([*command, "-o", str(tmp_path / "a.onnx")]) == 0
    assert "3 Conv, 2 Relu, 1 DepthToSpace" in capsys.readouterr().out
    lr = torch.rand(1, 1, 8, 8)
    with torch.no_grad():
        assert np.allclose(run(tmp_path / "a.onnx", lr), network(lr), atol=1e-4)
