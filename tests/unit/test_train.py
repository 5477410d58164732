"""Training: it repeats, it beats bicubic, it stops when it must. Resuming and several processes: test_resume."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from srlib import datasets, evaluate, image, losses, metrics, models, recipes, steps, train
from srlib.checkpoint import EMA, Checkpoint, read_log, read_moments
from srlib.degrade import imresize, mod_crop
from srlib.models.srcnn import SRCNN
from srlib.recipes import Recipe

TINY = Recipe("srcnn", "quick", 2, "9-1-5", steps=40, batch=4, patch=16, warmup=5, validate=10, learning_rate=1e-3)


def weights(result: train.Result) -> list[torch.Tensor]:
    return list(result.model.state_dict().values())


def test_a_run_repeats_to_the_last_bit(folder: Path, tmp_path: Path) -> None:
    runs = [train.fit(TINY, str(folder), tmp_path / n, progress=False, device="cpu") for n in "ab"]
    assert all(torch.equal(a, b) for a, b in zip(*map(weights, runs), strict=True))
    strip = [[{k: v for k, v in e.items() if k != "seconds"} for e in run.log] for run in runs]
    assert strip[0] == strip[1]
    assert [e["step"] for e in runs[0].log] == [10, 20, 30, 40]
    other = train.fit(TINY.but(seed=1), str(folder), tmp_path / "c", progress=False, device="cpu")
    assert not torch.equal(weights(other)[0], weights(runs[0])[0])


def test_what_a_run_leaves(folder: Path, tmp_path: Path) -> None:
    result = train.fit(TINY, str(folder), tmp_path / "run", progress=False, device="cpu")
    assert sorted(p.name for p in result.path.iterdir()) == [
        "card.json",
        "checkpoint.pt",
        "log.jsonl",
        "model.safetensors",
    ]
    card = json.loads((result.path / "card.json").read_text())
    assert card["recipe"] == TINY.as_dict()
    assert card["steps"] == 40
    assert card["training_set"]["held_out"] == ["rocket"]
    assert card["training_set"]["pictures"] == 3
    y = mod_crop(image.to_uint8(image.rgb_to_y(image.load(next(folder.glob("rocket.*"))))), 2)
    lr = image.from_uint8(imresize(y, 0.5))
    plain = float(metrics.psnr(imresize(lr, 2).clamp(0, 1), image.from_uint8(y), shave=2))
    assert abs(card["validation_bicubic_db"] - plain) < 0.01
    assert set(result.log[0]) == {"step", "loss", "psnr", "learning_rate", "seconds"}
    from srlib import models

    again = models.load_weights(models.create("srcnn", 2, "9-1-5"), result.path / "model.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), weights(result), strict=True))


def test_moments_show_the_network_on_the_way(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = train.fit(TINY, str(folder), tmp_path / "run", progress=False, device="cpu", moments=6)
    seen = read_moments(result.path / "moments.safetensors")
    assert list(seen) == [0, 1, 3, 6, 16, 40]
    for name, value in result.model.state_dict().items():
        torch.testing.assert_close(seen[40][name], value, rtol=1e-3, atol=1e-6)
    assert not torch.equal(seen[0]["conv1.weight"], seen[40]["conv1.weight"])

    whole = train.Trainer.advance
    calls = iter(range(1000))
    monkeypatch.setattr(train.Trainer, "advance", lambda self: whole(self) if next(calls) < 25 else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train.fit(TINY, str(folder), tmp_path / "again", progress=False, device="cpu", moments=6)
    monkeypatch.undo()
    train.fit(TINY, str(folder), tmp_path / "again", progress=False, device="cpu", moments=6, resume=True)
    one, two = ((tmp_path / run / "moments.safetensors").read_bytes() for run in ("run", "again"))
    assert one == two
    with pytest.raises(ValueError, match="moments is 0, or at least 2"):
        train.fit(TINY, str(folder), tmp_path / "one", progress=False, device="cpu", moments=1)


def test_a_folder_with_another_run_is_left_alone(folder: Path, tmp_path: Path) -> None:
    train.fit(TINY.but(steps=10), str(folder), tmp_path / "run", progress=False, device="cpu")
    before = {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()}
    with pytest.raises(ValueError, match="resume=True"):
        train.fit(TINY.but(steps=10), str(folder), tmp_path / "run", progress=False, device="cpu")
    with pytest.raises(ValueError, match=r"batch was 4 and is now 8"):
        train.fit(TINY.but(steps=10, batch=8), str(folder), tmp_path / "run", progress=False, device="cpu", resume=True)
    (folder / "stranger.png").write_bytes((folder / "brick.png").read_bytes())
    try:
        with pytest.raises(ValueError, match="belongs to another training set: pictures was 3 and is now 4"):
            train.fit(TINY.but(steps=10), folder, tmp_path / "run", progress=False, device="cpu", resume=True)
    finally:
        (folder / "stranger.png").unlink()
    assert before == {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()}


def test_a_finished_run_keeps_its_provenance_and_survives_a_lost_log(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = TINY.but(steps=10)
    train.fit(recipe, folder, tmp_path / "run", progress=False, device="cpu")
    card = (tmp_path / "run" / "card.json").read_text()
    log = tmp_path / "run" / "log.jsonl"
    log.write_text(log.read_text() + '{"step": 1')  # a line cut short by a full disk
    monkeypatch.setattr(train, "device_name", lambda place: "another machine")
    train.fit(recipe, folder, tmp_path / "run", progress=False, device="cpu", resume=True)
    log.unlink()
    train.fit(recipe, folder, tmp_path / "run", progress=False, device="cpu", resume=True)
    assert (tmp_path / "run" / "card.json").read_text() == card


def test_bundled_means_its_training_half_also_in_a_list(folder: Path) -> None:
    pictures = train.read_training_set(f"bundled,{folder}", channels=1)
    assert len(pictures.kept) + len(pictures.held) == len(datasets.bundled("train")) + 4
    with pytest.raises(ValueError, match="none of the 4 pictures .* has 999×999"):
        train.read_training_set(str(folder), channels=1, patch=999)


def test_a_damaged_checkpoint_is_named_and_cannot_run_code(tmp_path: Path) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (os.mkdir, (str(tmp_path / "evil"),))

    torch.save([1, 2], tmp_path / "list.pt")
    for content in (b"junk", pickle.dumps(Evil()), (tmp_path / "list.pt").read_bytes()):
        (tmp_path / "checkpoint.pt").write_bytes(content)
        with pytest.raises(ValueError, match="not a readable checkpoint"):
            Checkpoint(tmp_path / "checkpoint.pt").load({})
    assert not (tmp_path / "evil").exists()


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_checkpoint(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exploding = TINY.but(learning_rate=1e30, warmup=1, validate=5)
    with pytest.raises(FloatingPointError, match=r"between steps 0 and 5 .*; none was saved"):
        train.fit(exploding, str(folder), tmp_path / "at once", progress=False, device="cpu")
    monkeypatch.setattr(steps, "rate_at", lambda step, recipe: 1e-3 if step < 12 else 1e30)
    with pytest.raises(FloatingPointError, match=r"last good checkpoint is .*checkpoint\.pt") as caught:
        train.fit(TINY.but(validate=5), str(folder), tmp_path / "later", progress=False, device="cpu")
    assert str(tmp_path / "later" / "checkpoint.pt") in str(caught.value)
    assert all(math.isfinite(e["loss"]) for e in read_log(tmp_path / "later" / "log.jsonl"))
    state = Checkpoint(tmp_path / "later" / "checkpoint.pt").load({})
    assert all(bool(torch.isfinite(t).all()) for t in state["model"].values())


def test_ema_follows_its_closed_form() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 0.0)
    ema, average = EMA(model, 0.9), 0.0
    for n in range(1, 40):
        nn.init.constant_(model.weight, float(n))
        ema.update(model)
        decay = min(0.9, (1 + n) / (10 + n))
        average = decay * average + (1 - decay) * n
        assert math.isclose(float(ema.model.weight), average, rel_tol=1e-5)  # type: ignore[arg-type]
    follow = EMA(model, 0.0)
    nn.init.constant_(model.weight, 7.0)
    follow.update(model)
    assert float(follow.model.weight) == 7.0  # type: ignore[arg-type]


def test_learning_rate_rises_then_falls() -> None:
    rates = [train.rate_at(step, TINY) for step in range(TINY.steps)]
    assert math.isclose(rates[0], TINY.learning_rate / TINY.warmup, rel_tol=0.01)
    peak = max(range(TINY.steps), key=rates.__getitem__)
    assert peak in range(TINY.warmup - 1, TINY.warmup + 1)
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] < 0.02 * TINY.learning_rate


@pytest.mark.parametrize("name", ["mse", "l1", "charbonnier"])
def test_every_loss_reaches_every_weight(name: str) -> None:
    torch.manual_seed(0)
    model = SRCNN(2, "9-1-5")
    loss = losses.build(name)(model(torch.rand(2, 1, 8, 8)), torch.rand(2, 1, 16, 16))
    torch.autograd.backward(loss)
    assert all(p.grad is not None and float(p.grad.abs().sum()) > 0 for p in model.parameters())
    same = torch.rand(1, 1, 4, 4)
    assert float(losses.build(name)(same, same)) < 1.1e-3


def test_mistakes_in_a_recipe_are_named() -> None:
    with pytest.raises(ValueError, match="not a multiple of scale"):
        TINY.but(patch=17)
    with pytest.raises(ValueError, match="leaves nothing"):
        TINY.but(border=8)
    with pytest.raises(ValueError, match="at least 1"):
        TINY.but(steps=0)
    with pytest.raises(ValueError, match="ema"):
        TINY.but(ema=1.0)
    with pytest.raises(ValueError, match="no recipe for 'srgone'"):
        recipes.get("srgone", 3)
    with pytest.raises(ValueError, match="no srcnn recipe with budget 'huge', scale 3"):
        recipes.get("srcnn", 3, "huge")
    with pytest.raises(ValueError, match="no loss 'mae'"):
        TINY.but(loss="mae")
    with pytest.raises(ValueError, match="from 1 on"):
        TINY.but(scale=0)
    with pytest.raises(ValueError, match="learning_rate is a finite number, above 0, not nan"):
        TINY.but(learning_rate=math.nan)
    with pytest.raises(ValueError, match="weight_decay is a finite number, at least 0"):
        TINY.but(weight_decay=-1.0)
    with pytest.raises(ValueError, match="no loss 'mae'"):
        losses.build("mae")


def test_a_single_picture_trains_and_validates(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.png").write_bytes((folder / "brick.png").read_bytes())
    result = train.fit(TINY.but(steps=2, validate=2), str(tmp_path / "one"), tmp_path / "run", progress=False)
    card = json.loads((result.path / "card.json").read_text())
    assert (card["training_set"]["pictures"], card["training_set"]["held_out"]) == (1, ["a"])


@pytest.mark.parametrize("small", [1, 19, 20, 33])
def test_the_pictures_held_out_do_not_follow_the_patch(small: int, tmp_path: Path) -> None:
    """A GAN starts from a network of larger patches: what it validates on must be new to both."""
    for i in range(1, 46):
        Image.new("RGB", (8, 8) if i == small else (16, 16)).save(tmp_path / f"{i:02}.png")
    any_size = train.read_training_set(str(tmp_path), channels=3)
    larger = train.read_training_set(str(tmp_path), channels=3, patch=16)
    assert any_size.record["held_out"] == ["20", "40"]
    assert larger.record["held_out"] == (["40"] if small == 20 else ["20", "40"])
    assert len(larger.kept) + len(larger.held) == 44
    assert (any_size.too_small, larger.too_small) == ([], [f"{small:02}"])


@pytest.mark.parametrize(("sizes", "kept", "held"), [((16, 16, 8), 1, ["1"]), ((8, 8, 16), 1, ["2"])])
def test_something_validates_when_what_is_held_out_is_too_small(
    sizes: tuple[int, ...], kept: int, held: list[str], tmp_path: Path
) -> None:
    for i, size in enumerate(sizes):
        Image.new("RGB", (size, size)).save(tmp_path / f"{i}.png")
    record = train.read_training_set(str(tmp_path), channels=1, patch=16).record
    assert (record["pictures"], record["held_out"]) == (kept, held)


def test_a_picture_too_small_for_a_patch_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "a.png").write_bytes((folder / "brick.png").read_bytes())
    Image.new("RGB", (9, 99)).save(tmp_path / "two" / "b.png")
    patch = TINY.patch
    with pytest.warns(UserWarning, match=rf"^1 picture is left out, too small .* {patch}×{patch} pixels: b$") as told:
        train.fit(TINY.but(steps=1), str(tmp_path / "two"), tmp_path / "run", progress=False)
    assert told[0].filename == __file__  # the line that called, not one inside


@pytest.mark.parametrize(("name", "scale"), [("espcn", 3), ("srcnn", 3), ("vdsr", 2), ("srresnet", 4)])
def test_validation_in_bfloat16_scores_the_same(name: str, scale: int) -> None:
    network = models.load_pretrained(name, scale)
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    seen = set()
    first.register_forward_hook(lambda module, x, out: seen.add(out.dtype))
    channels = models.entry(name)[0].channels
    held = train.read_training_set("bundled", channels).held
    cpu = torch.device("cpu")
    plain = train.validate(network, held, scale, cpu)
    assert torch.bfloat16 not in seen
    assert train.validate(network, held, scale, cpu, bfloat16=True) == pytest.approx(plain, abs=0.01)
    assert (torch.bfloat16 in seen) == (name != "vdsr")  # whose first layer stays in float32


@pytest.mark.slow
def test_a_short_training_beats_bicubic_on_photographs_it_has_not_seen(tmp_path: Path) -> None:
    """A third of the quick recipe; the whole of it is measured by chapter 3, which asks for 0.4 dB."""
    recipe = recipes.get("srcnn", scale=3, budget="quick").but(steps=350)
    result = train.fit(recipe, "bundled", tmp_path / "run", progress=False)
    trained = evaluate.benchmark(result.model, "bundled:test", 3)
    bicubic = evaluate.benchmark("bicubic", "bundled:test", 3)
    assert trained.psnr > bicubic.psnr + 0.1


@pytest.mark.cuda
def test_training_on_a_gpu(folder: Path, tmp_path: Path) -> None:
    result = train.fit(TINY, str(folder), tmp_path / "run", progress=False, device="cuda")
    assert result.log[-1]["loss"] < result.log[0]["loss"]


def test_tensorboard_gets_the_log(folder: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for resume in (False, True):  # looked at again, nothing is written twice
        result = train.fit(
            TINY, folder, tmp_path / "run", device="cpu", progress=False, tensorboard=True, resume=resume
        )
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    scalars = [(event.step, event.value) for event in events.Scalars("psnr")]
    assert scalars == [(e["step"], pytest.approx(e["psnr"], rel=1e-6)) for e in result.log]


def test_adjustable_clipping_bounds_a_step_and_not_the_gradient() -> None:
    """VDSR §3.2: the gradient is cut to ±theta/rate, so that rate · gradient never exceeds theta."""
    recipe = TINY.but(optimiser="sgd", theta=0.01)
    for rate in (0.1, 0.001):
        weight = nn.Parameter(torch.zeros(3))
        weight.grad = torch.tensor([-50.0, 0.05, 50.0])
        layer = nn.Module()
        layer.register_parameter("weight", weight)
        steps.clip_gradients(layer, recipe, rate)
        assert torch.allclose(weight.grad * rate, (torch.tensor([-50.0, 0.05, 50.0]) * rate).clamp(-0.01, 0.01))
    with pytest.raises(ValueError, match="means nothing to adam"):
        TINY.but(theta=0.01)


def test_the_step_schedule_and_the_last_layers_share() -> None:
    recipe = TINY.but(schedule="step", drops=3, warmup=0, optimiser="sgd", last_layer=0.1, learning_rate=0.1)
    rates = [round(steps.rate_at(step, recipe), 6) for step in range(40)]
    assert rates == [0.1] * 10 + [0.01] * 10 + [0.001] * 10 + [0.0001] * 10
    model = SRCNN(2, "9-1-5")
    first, last = steps.optimiser_for(model, recipe, fused=False).param_groups
    assert (first["factor"], last["factor"]) == (1.0, 0.1)
    assert [id(p) for p in last["params"]] == [id(p) for p in model.conv3.parameters()]
    assert len(first["params"]) == 4


@pytest.mark.slow
@pytest.mark.parametrize(("name", "scale", "count"), [("espcn", 3, 700), ("vdsr", 3, 60), ("srresnet", 4, 80)])
def test_a_part_of_the_quick_recipe_beats_bicubic(name: str, scale: int, count: int, tmp_path: Path) -> None:
    """The whole of each takes up to a minute and is held to 0.3 dB where it is run: in the book."""
    recipe = recipes.get(name, scale).but(steps=count, validate=count)
    result = train.fit(recipe, "bundled", tmp_path / "run", progress=False)
    trained = evaluate.benchmark(result.model, "bundled:test", scale)
    assert trained.psnr > evaluate.benchmark("bicubic", "bundled:test", scale).psnr + 0.1
