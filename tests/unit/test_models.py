"""The networks: parameter counts, shapes, gradients, and the forward pass against a naive implementation."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from srlib import degrade, models
from srlib._paths import weights_dir
from srlib.models.srcnn import SRCNN, VARIANTS

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
COUNTS = {"9-1-5": 8_129, "9-3-5": 24_513, "9-5-5": 57_281}


@pytest.mark.parametrize("variant", VARIANTS)
def test_srcnn_has_the_papers_number_of_parameters(variant: str) -> None:
    assert sum(p.numel() for p in models.create("srcnn", 3, variant).parameters()) == COUNTS[variant]


def naive_layer(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """A convolution as the definition says: an inner product at each pixel, the edge pixel repeated outside."""
    n, _, k, _ = weight.shape
    r = k // 2
    padded = np.pad(x, ((0, 0), (r, r), (r, r)), mode="edge")
    out = np.empty((n, *x.shape[1:]))
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            out[:, i, j] = (weight * padded[None, :, i : i + k, j : j + k]).sum((1, 2, 3)) + bias
    return out


@pytest.mark.parametrize("variant", VARIANTS)
def test_srcnn_forward_agrees_with_the_naive_one(variant: str) -> None:
    torch.manual_seed(0)
    model = models.create("srcnn", 2, variant).double()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.1)
    lr = torch.rand(1, 1, 6, 5, dtype=torch.float64)
    x = degrade.imresize(lr, 2)[0].numpy()
    w = {k: v.numpy() for k, v in model.state_dict().items()}
    x = np.maximum(naive_layer(x, w["conv1.weight"], w["conv1.bias"]), 0)
    x = np.maximum(naive_layer(x, w["conv2.weight"], w["conv2.bias"]), 0)
    x = naive_layer(x, w["conv3.weight"], w["conv3.bias"])
    with torch.no_grad():
        assert np.abs(model(lr)[0].numpy() - x).max() < 1e-10
        single = model.float()(lr.float())[0].numpy()
    assert np.abs(single - x).max() < 1e-5 * max(1.0, np.abs(x).max())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", sorted(models.MODELS))
def test_every_model_enlarges_forward_and_backward(name: str, scale: int, dtype: torch.dtype, device: str) -> None:
    model = models.create(name, scale).to(device)
    assert (model.scale, model.channels) == (scale, models.MODELS[name].channels)
    x = torch.rand(2, int(model.channels), 7, 5, device=device, requires_grad=True)  # type: ignore[arg-type]
    with torch.autocast(device, dtype, enabled=dtype == torch.bfloat16):
        y = model(x)
    assert (y.shape, y.dtype) == ((2, model.channels, 7 * scale, 5 * scale), torch.float32)
    torch.autograd.backward(y.square().mean())
    for tensor in (x, *model.parameters()):
        assert tensor.grad is not None
        assert bool(torch.isfinite(tensor.grad).all())
    assert x.grad is not None
    assert float(x.grad.abs().sum()) > 0
    model(x[..., :1, :1])  # one pixel is a picture, too


@pytest.mark.parametrize("name", [n for n, row in models.MODELS.items() if row.upsampled])
def test_upsampled_input_skips_the_bicubic_step_only(name: str) -> None:
    model, x = models.create(name, 3).eval(), torch.rand(1, 1, 9, 8)
    assert torch.equal(model(x), model(degrade.bicubic_up(x, 3), upsampled=True))


@pytest.mark.parametrize("name", sorted(models.MODELS))
def test_overlap_is_as_far_as_the_network_sees(name: str) -> None:
    model = models.create(name, 3)
    for p in model.parameters():
        torch.nn.init.constant_(p, 0.01)  # positive everywhere: no ReLU hides a connection
    size, centre, reach = 41, 20, int(model.overlap)  # type: ignore[arg-type]
    x = torch.rand(1, int(model.channels), size, size, requires_grad=True)  # type: ignore[arg-type]
    torch.autograd.backward(model(x)[..., centre * 3 : centre * 3 + 3, centre * 3 : centre * 3 + 3].sum())
    assert x.grad is not None
    seen = x.grad.abs().sum((0, 1)).nonzero()
    farthest = int((seen - centre).abs().max())
    assert reach - 1 <= farthest <= reach


def test_names_scales_and_variants_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match=r"no model 'srnn'; there are bicubic, srcnn"):
        models.create("srnn", 3)
    with pytest.raises(ValueError, match="whole number from 2"):
        models.create("srcnn", 1)
    with pytest.raises(ValueError, match="whole number from 2"):
        models.create("bicubic", 1)
    with pytest.raises(ValueError, match="no variant '9-9-9'; it has 9-5-5"):
        models.create("srcnn", 3, "9-9-9")
    with pytest.raises(ValueError, match="variant"):
        SRCNN(3, "3-1-5")
    with pytest.raises(ValueError, match="no weights ship for srcnn 9-3-5 ×4; there are"):
        models.load_pretrained("srcnn", 4, "9-3-5")
    with pytest.raises(ValueError, match="luma"):
        models.create("srcnn", 3)(torch.rand(1, 3, 4, 4))


def test_weights_that_are_damaged_or_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "junk.safetensors").write_bytes(b"\x80\x04junk")
    with pytest.raises(ValueError, match="not a safetensors file"):
        models.load_weights(models.create("srcnn", 3), tmp_path / "junk.safetensors")
    save_file(models.create("srcnn", 3, "9-1-5").state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="do not fit SRCNN"):
        models.load_weights(models.create("srcnn", 3, "9-5-5"), tmp_path / "other.safetensors")
    with pytest.raises(FileNotFoundError, match=r"none\.safetensors"):
        models.load_weights(models.create("srcnn", 3), tmp_path / "none.safetensors")


SHIPPED = sorted(weights_dir().glob("*.safetensors"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_each_shipped_file_is_what_its_card_says(path: Path) -> None:
    card = json.loads(path.with_suffix(".json").read_text("utf-8"))
    assert card["sha256"] == sha256(path.read_bytes()).hexdigest()
    for key in ("recipe", "steps", "seconds", "device", "training_set", "commit", "scores"):
        assert card[key]
    recipe = card["recipe"]
    assert path.stem == f"{recipe['model']}_{recipe['variant']}_x{recipe['scale']}"
    assert card["steps"] == recipe["steps"]
    model = models.load_pretrained(recipe["model"], recipe["scale"], recipe["variant"])
    assert not model.training
    assert models.card(recipe["model"], recipe["scale"], recipe["variant"]) == card


def test_something_ships() -> None:
    assert SHIPPED
