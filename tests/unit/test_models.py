"""Every model of the table: shapes, precision, devices, gradients, reach, tiles, and the weights that ship."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from naive import randomise
from safetensors.torch import save_file
from torch import Tensor, nn

from srlib import degrade, models
from srlib._paths import weights_dir
from srlib.models.bicubic import Bicubic
from srlib.models.espcn import ESPCN
from srlib.models.srcnn import SRCNN
from srlib.models.srgan import SRResNet
from srlib.models.vdsr import VDSR
from srlib.upscaling import upscale

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]

# The same networks with four maps instead of 64: they see as far, in a fraction of the time.
NARROW: dict[str, Callable[[int], nn.Module]] = {
    "bicubic": Bicubic,
    "srcnn": lambda scale: SRCNN(scale, "9-5-5", n1=4, n2=4),
    "espcn": lambda scale: ESPCN(scale, "tanh", n1=4, n2=4),
    "vdsr": lambda scale: VDSR(scale, "20", width=4),
    "srresnet": lambda scale: SRResNet(scale, "b16", n=4),
    "srgan": lambda scale: SRResNet(scale, "b4", n=4),
}


def _picture(model: nn.Module, n: int, height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(n, int(model.channels), height, width, generator=generator)  # type: ignore[arg-type]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", models.MODELS)
def test_every_model_enlarges_forward_and_backward(name: str, scale: int, dtype: torch.dtype, device: str) -> None:
    model = randomise(models.create(name, scale)).eval()  # fresh ones have zeros on purpose, behind which none learns
    assert model.scale == scale
    assert model.channels == models.MODELS[name].channels
    x = _picture(model, 2, 5, 4)
    with torch.no_grad():
        want = model(x)
    model, x = model.to(device), x.to(device).requires_grad_()
    with torch.autocast(device, dtype, enabled=dtype == torch.bfloat16):
        y = model(x)
    assert (y.shape, y.dtype) == ((2, model.channels, 5 * scale, 4 * scale), torch.float32)
    error = (y.detach().cpu() - want).square().mean().sqrt() / want.std()
    assert float(error) < (0.05 if dtype == torch.bfloat16 else 0.005)
    torch.autograd.backward(y.square().mean())
    for key, tensor in (("input", x), *model.named_parameters()):
        assert tensor.grad is not None, key
        assert bool(torch.isfinite(tensor.grad).all()), key
        assert float(tensor.grad.abs().max()) > 0, key
    with torch.no_grad():
        assert model(x[:1, :, :1, :1]).shape == (1, model.channels, scale, scale)  # one pixel is a picture, too


@pytest.mark.parametrize("name", models.MODELS)
def test_bfloat16_rounds_the_features_and_not_the_picture(name: str) -> None:
    """Eight bits would leave bands in a sky: the last layer computes in float32, so neighbours differ by less."""
    model = randomise(NARROW[name](2)).eval()
    x = 0.9 + 0.0001 * _picture(model, 1, 9, 9)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        y = model(x)
    assert not torch.equal(y, y.bfloat16().float())


@pytest.mark.parametrize("name", [name for name, row in models.MODELS.items() if row.upsampled])
def test_upsampled_input_skips_the_bicubic_step_only(name: str) -> None:
    model, x = models.create(name, 3).eval(), torch.rand(1, 1, 9, 8)
    with torch.no_grad():
        assert torch.equal(model(x), model(degrade.bicubic_up(x, 3), upsampled=True))


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", models.MODELS)
def test_overlap_is_as_far_as_the_network_sees(name: str, scale: int) -> None:
    model = NARROW[name](scale).eval()  # in training mode, batch norm sees the whole picture
    assert model.overlap == models.create(name, scale, getattr(model, "variant", None)).overlap
    for p in model.parameters():
        nn.init.constant_(p, 0.1)  # positive everywhere: no ReLU hides a connection
    reach = int(model.overlap)  # type: ignore[arg-type]
    centre = reach + 3
    x = _picture(model, 1, 2 * centre + 1, 2 * centre + 1).requires_grad_()
    block = slice(centre * scale, (centre + 1) * scale)
    torch.autograd.backward(model(x)[..., block, block].double().sum())
    assert x.grad is not None
    seen = x.grad.abs().sum((0, 1)).nonzero()
    farthest = int((seen - centre).abs().max())
    assert reach - 1 <= farthest <= reach


def _spread(model: nn.Module, x: Tensor) -> nn.Module:
    """Random weights whose output lies within [0, 1], so that clipping hides nothing."""
    randomise(model).eval()
    *_, last = (m for m in model.modules() if isinstance(m, nn.Conv2d))
    assert last.bias is not None
    with torch.no_grad():
        shrink = 0.1 / model(x).std()
        last.weight.mul_(shrink)
        last.bias.mul_(shrink)
        last.bias.add_((0.5 - model(x).mean()) * (2 if isinstance(model, SRResNet) else 1))
    return model


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", models.MODELS)
def test_tiles_equal_the_untiled_picture(name: str, scale: int) -> None:
    model = NARROW[name](scale)
    x = _picture(model, 1, 20, 2 * int(model.overlap) + 15)  # type: ignore[arg-type]
    if name != "bicubic":
        _spread(model, x)
    whole, tiled = upscale(x, model, scale, tile=1000), upscale(x, model, scale, tile=9)
    assert float(((whole > 0) & (whole < 1)).float().mean()) > 0.8
    # The same sums, but for the order in which a library adds up differently shaped tiles.
    assert float((tiled - whole).abs().max()) < 1e-5


# ---- what does not exist


def test_names_scales_and_variants_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match=r"no model 'srnn'; there are bicubic, srcnn, espcn, vdsr, srresnet, srgan"):
        models.create("srnn", 3)
    with pytest.raises(ValueError, match="no variant '9-9-9'; it has 9-5-5"):
        models.create("srcnn", 3, "9-9-9")
    with pytest.raises(ValueError, match="bicubic has no variant 'sharp'; it has none, so leave it out"):
        models.load_pretrained("bicubic", 3, "sharp")
    with pytest.raises(ValueError, match="no weights ship for srcnn 9-3-5 ×4; there are"):
        models.load_pretrained("srcnn", 4, "9-3-5")


@pytest.mark.parametrize("name", models.MODELS)
def test_scales_and_channels_that_a_model_does_not_have(name: str) -> None:
    for scale in (1, 0, -2, 2.5, "3", None):
        with pytest.raises(ValueError, match=r"scale must be .*whole number"):
            models.create(name, scale)  # type: ignore[arg-type]
    if name != "bicubic":  # which takes any number of channels
        model = NARROW[name](2)
        luma = model.channels == 1
        with pytest.raises(ValueError, match="luma" if luma else "RGB"):
            model(torch.rand(1, 3 if luma else 1, 4, 4))
        with pytest.raises(ValueError, match=r"luma \(N, 1, h, w\)" if luma else r"RGB \(N, 3, h, w\)"):
            model(torch.rand(int(model.channels), 4, 4))  # type: ignore[arg-type]


@pytest.mark.parametrize("network", [SRCNN, ESPCN, VDSR, SRResNet])
def test_variants_that_a_network_does_not_have(network: type[SRCNN]) -> None:
    with pytest.raises(ValueError, match="variant must be .* not '3-1-5'"):
        network(3, "3-1-5")


# ---- weights


def test_weights_that_are_damaged_or_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "junk.safetensors").write_bytes(b"\x80\x04junk")
    with pytest.raises(ValueError, match="not a safetensors file"):
        models.load_weights(models.create("srcnn", 3), tmp_path / "junk.safetensors")
    save_file(models.create("srcnn", 3, "9-1-5").state_dict(), tmp_path / "other.safetensors")
    for name in ("srcnn", "espcn", "vdsr", "srresnet"):
        model = models.create(name, 3)
        with pytest.raises(ValueError, match=f"do not fit {type(model).__name__} {model.variant}"):
            models.load_weights(model, tmp_path / "other.safetensors")
    with pytest.raises(FileNotFoundError, match=r"none\.safetensors"):
        models.load_weights(models.create("srcnn", 3), tmp_path / "none.safetensors")


@pytest.mark.parametrize("name", list(NARROW)[1:])
def test_weights_come_back_as_they_were_batch_norm_included(name: str, tmp_path: Path) -> None:
    model = randomise(NARROW[name](2)).train()
    x = _picture(model, 2, 6, 5)
    with torch.no_grad():
        model(x)  # batch norm counts a batch
        want = model.eval()(x)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    again = models.load_weights(NARROW[name](2), tmp_path / "model.safetensors")
    assert not again.training
    with torch.no_grad():
        assert torch.equal(again(x), want)


SHIPPED = sorted(weights_dir().glob("*.safetensors"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_each_shipped_file_is_what_its_card_says(path: Path) -> None:
    card = json.loads(path.with_suffix(".json").read_text("utf-8"))
    assert card["sha256"] == sha256(path.read_bytes()).hexdigest()
    for key in ("recipe", "steps", "seconds", "device", "training_set", "commit", "scores"):
        assert card[key]
    recipe = card["recipe"]
    scales = recipe.get("scales") or [recipe["scale"]]  # one network may serve several
    assert path.stem == f"{recipe['model']}_{recipe['variant']}_x{''.join(map(str, scales))}"
    assert card["steps"] == recipe["steps"]
    for scale in scales:
        model = models.load_pretrained(recipe["model"], scale, recipe["variant"])
        assert model.scale == scale
        assert not model.training
        assert models.card(recipe["model"], scale, recipe["variant"]) == card


def test_the_shipped_game_began_with_the_shipped_network() -> None:
    start, game = (models.card(name, 4, "b16") for name in ("srresnet", "srgan"))
    assert game["generator"] == f"sha256 {start['sha256']}"


def test_all_that_ships_learned_from_the_same_files_and_held_out_the_same_of_them() -> None:
    """So nothing was scored, while it was trained, on a picture that it or its start had learned from."""
    cards = [json.loads(path.read_text("utf-8")) for path in sorted(weights_dir().glob("*.json"))]
    sets = [card["training_set"] for card in cards]
    assert {one["data"] for one in sets} == {sets[0]["data"]}
    assert {one["sha256_of_all_files"] for one in sets} == {sets[0]["sha256_of_all_files"]}
    assert {tuple(one["held_out"]) for one in sets} == {tuple(sets[0]["held_out"])}
    assert len(sets[0]["held_out"]) == 24


def test_one_file_for_several_scales(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "weights_dir", lambda: tmp_path)
    for name in ("vdsr_20_x234", "vdsr_20-plain_x2", "vdsr_5_x234", "vdsr_5_x3"):
        (tmp_path / f"{name}.safetensors").touch()
    assert {models.weights_path("vdsr", scale).stem for scale in (2, 3, 4)} == {"vdsr_20_x234"}
    assert models.weights_path("vdsr", 3, "5").stem == "vdsr_5_x3"  # one of its own is better
    for scale, variant in ((5, "20"), (23, "20"), (3, "20-plain"), (2, "10")):
        with pytest.raises(ValueError, match=f"no weights ship for vdsr {variant} ×{scale}; there are vdsr_20-plain"):
            models.weights_path("vdsr", scale, variant)


def test_something_ships() -> None:
    assert SHIPPED
