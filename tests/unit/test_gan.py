"""The game of two players: who learns from what, what is logged, and what is refused."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from srlib import losses, models, train
from srlib.checkpoint import read_log, save_weights
from srlib.recipes import GanRecipe, get

TINY = GanRecipe("srgan", "quick", 2, "b4", steps=6, batch=2, patch=16, warmup=0, validate=3, learning_rate=1e-4)


@pytest.fixture
def pictures(folder: Path) -> list[torch.Tensor]:
    return train.read_training_set(str(folder), 3).kept


@pytest.fixture
def generator(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_weights(models.create("srresnet", 2, "b4"), tmp_path / "generator.safetensors")
    return tmp_path / "generator.safetensors"


def test_a_generator_that_does_not_fit_is_refused_before_the_pictures_are_read(tmp_path: Path) -> None:
    other = tmp_path / "srcnn.safetensors"
    save_weights(models.create("srcnn", 2, "9-1-5"), other)
    with pytest.raises(ValueError, match=r"starts with weights of srresnet b4 ×2; those in .* are of srcnn 9-1-5$"):
        train.fit_gan(TINY, "no such data", tmp_path / "run", generator=other)
    save_weights(torch.nn.Linear(1, 1), other)
    with pytest.raises(ValueError, match="are of another network$"):
        train.fit_gan(TINY, "no such data", tmp_path / "run", generator=other)
    other.write_bytes(b"junk")
    with pytest.raises(ValueError, match="not a safetensors file"):
        train.fit_gan(TINY, "no such data", tmp_path / "run", generator=other)
    with pytest.raises(ValueError, match="give one of the two"):
        train.fit_gan(TINY, "no such data", tmp_path / "run", generator=other, scratch=True)


def test_a_game_names_the_pictures_that_are_too_small(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "pictures")
    Image.new("RGB", (9, 99)).save(tmp_path / "pictures" / "small.png")
    with pytest.warns(UserWarning, match=r"^1 picture is left out.*: small$") as told:
        train.fit_gan(
            TINY.but(steps=1), tmp_path / "pictures", tmp_path / "run", scratch=True, device="cpu", progress=False
        )
    assert told[0].filename == __file__  # the line that called, not one inside


def copies(module: torch.nn.Module) -> list[torch.Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def test_each_player_moves_and_only_by_its_own_optimiser(pictures: list[torch.Tensor]) -> None:
    trainer = train.GanTrainer(TINY, pictures, torch.device("cpu"))
    for own, other in (
        (trainer.model, trainer.discriminator_optimiser),
        (trainer.discriminator, trainer.optimiser),
    ):
        mine = {id(p) for p in own.parameters()}
        assert not any(id(p) in mine for group in other.param_groups for p in group["params"])
    before = copies(trainer.model), copies(trainer.discriminator)
    trainer.advance()
    for old, module in zip(before, (trainer.model, trainer.discriminator), strict=True):
        moved = [not torch.equal(a, b) for a, b in zip(old, module.parameters(), strict=True)]
        assert sum(moved) > 0.9 * len(moved)  # a path of zeros at the start may stay
    assert all(p.requires_grad for p in trainer.discriminator.parameters())


@pytest.mark.parametrize("content", ["mse", "vgg22", "vgg54"])
def test_the_generator_learns_from_content_and_from_the_discriminator(
    content: str, pictures: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The known bug of a detached content loss: the adversarial loss alone would still move every weight."""
    if content != "mse":
        layer = losses.CONTENT_LAYERS[content]
        reference = [torch.rand(1, 3, 64, 64)]
        monkeypatch.setattr(losses, "build", lambda name, vgg: losses.ContentLoss(layer, None, reference))
    trainer = train.GanTrainer(TINY.but(patch=32, loss=content), pictures, torch.device("cpu"))
    sr, hr = trainer.super_resolve(trainer.sampler.next())
    for loss in (trainer.content(sr, hr), losses.generator_adversarial(trainer.discriminator(sr))):
        gradients = torch.autograd.grad(loss, list(trainer.model.parameters()), retain_graph=True, allow_unused=True)
        assert all(g is not None for g in gradients)
        assert sum(float(g.abs().sum()) > 0 for g in gradients) > 0.9 * len(gradients)


def test_without_the_adversarial_loss_only_content_counts(pictures: list[torch.Tensor]) -> None:
    entry = train.GanTrainer(TINY.but(adversarial=0.0), pictures, torch.device("cpu")).advance()
    assert float(entry["loss"]) == float(entry["content"])
    assert float(entry["adversarial"]) == 0
    entry = train.GanTrainer(TINY, pictures, torch.device("cpu")).advance()
    assert math.isclose(entry["loss"], entry["content"] + 1e-3 * entry["adversarial"], rel_tol=1e-6)


def test_what_a_game_leaves(folder: Path, generator: Path, tmp_path: Path) -> None:
    result = train.fit_gan(TINY, folder, tmp_path / "run", generator=generator, progress=False, device="cpu")
    log = read_log(result.path / "log.jsonl")
    assert set(log[0]) == {
        "step", "loss", "content", "adversarial", "discriminator", "d_real", "d_fake", "psnr", "learning_rate",
        "seconds",
    }  # fmt: skip
    assert all(0 < e["d_real"] < 1 and 0 < e["d_fake"] < 1 for e in log)
    card = json.loads((result.path / "card.json").read_text())
    assert card["generator"].startswith("sha256 ")
    assert card["recipe"]["adversarial"] == 1e-3
    with pytest.raises(ValueError, match="another training set: generator was 'sha256"):
        train.fit_gan(TINY, folder, tmp_path / "run", scratch=True, resume=True, progress=False, device="cpu")


def test_what_is_refused(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(ValueError, match="train it with fit_gan"):
        train.fit(TINY, folder, out)
    with pytest.raises(ValueError, match="no second player: train it with fit"):
        train.fit_gan(get("srresnet", 4), folder, out)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="no such weights of a generator"):
        train.fit_gan(TINY, folder, out, generator=tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="needs the ImageNet weights of VGG-19"):
        train.fit_gan(TINY.but(loss="vgg22"), folder, out, scratch=True, device="cpu", progress=False)
    with pytest.raises(ValueError, match="multiple of 16"):
        TINY.but(patch=24)
    with pytest.raises(ValueError, match="whole patches"):
        TINY.but(border=4)
    with pytest.raises(ValueError, match="at least 0"):
        TINY.but(adversarial=-1.0)
    assert not out.exists()


def gradients(x: torch.Tensor) -> float:
    """Mean absolute difference of neighbouring pixels: how much detail there is, true or invented."""
    return float(losses.total_variation(x))


@pytest.mark.slow
def test_the_quick_game_makes_pictures_sharper(tmp_path: Path) -> None:
    """A part of the quick recipes, one after the other, on photographs that they have not seen."""
    from srlib import datasets, degrade

    first = train.fit(get("srresnet", 4).but(steps=40, validate=40), out=tmp_path / "a", progress=False)
    game = get("srgan", 4).but(steps=110, validate=55)
    assert isinstance(game, GanRecipe)
    second = train.fit_gan(game, out=tmp_path / "b", generator=tmp_path / "a/model.safetensors", progress=False)
    assert len({round(e["adversarial"], 3) for e in second.log}) > 1  # the game moves
    hr = degrade.mod_crop(datasets.photo("astronaut"), 4)
    lr = degrade.bicubic_down(hr, 4)
    with torch.no_grad():
        before, after = (gradients(result.model(lr)) for result in (first, second))
    assert before * 1.05 < after < gradients(hr)
