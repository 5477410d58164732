"""Training that is interrupted: after kill -9 it ends in the same bits, alone and in two processes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from srlib import distributed, models, recipes, train
from srlib.checkpoint import read_log, save_weights
from srlib.devices import Speed
from srlib.recipes import GanRecipe, Recipe

PIXEL = Recipe("srcnn", "quick", 2, "9-1-5", steps=150, batch=4, patch=16, warmup=5, validate=7, clip=0.5)
MIXED = Recipe("vdsr", "quick", 2, "5", scales=(2, 4), steps=12, batch=4, patch=16, validate=3)
GAN = GanRecipe("srgan", "quick", 2, "b4", steps=15, batch=2, patch=16, warmup=0, validate=3, loss="mse")

SCRIPT = """
import json, os, sys, torch
from pathlib import Path
from srlib import train
from srlib.devices import Speed
from srlib.recipes import GanRecipe, Recipe
torch.set_num_threads(1)
numbers, data, out = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
numbers["scales"] = tuple(numbers["scales"])
Path(f"{out}.{os.environ.get('RANK', 0)}.pid").write_text(str(os.getpid()))
same = dict(device="cpu", progress=False, resume=True)
if "adversarial" in numbers:
    train.fit_gan(GanRecipe(**numbers), data, out, generator=sys.argv[4], **same)
else:
    train.fit(Recipe(**numbers), data, out, speed=Speed(bfloat16=False), **same)
"""
MINUTES = 4  # more than any of the jobs below takes; a job that hangs is a failure, not a wait
TOGETHER = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "3"]


@pytest.fixture
def command(folder: Path, tmp_path: Path) -> list[str]:
    """How to train: recipe and folder are to be added."""
    (tmp_path / "script.py").write_text(SCRIPT)
    torch.manual_seed(0)
    save_weights(models.create("srresnet", 2, "b4"), tmp_path / "generator.safetensors")
    return [str(tmp_path / "script.py"), "RECIPE", str(folder), "OUT", str(tmp_path / "generator.safetensors")]


def filled(command: list[str], recipe: Recipe, out: Path) -> list[str]:
    return [{"RECIPE": json.dumps(recipe.as_dict()), "OUT": str(out)}.get(part, part) for part in command]


def run(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, timeout=60 * MINUTES)


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A job that the test watches; whatever goes wrong, it is gone afterwards."""
    with subprocess.Popen([sys.executable, *arguments]) as job:
        try:
            yield job
        finally:
            job.terminate()  # `torchrun` then ends its processes, too
            try:
                job.wait(timeout=60)
            except subprocess.TimeoutExpired:
                job.kill()


def lines(out: Path) -> int:
    log = out / "log.jsonl"
    return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [PIXEL, GAN], ids=["fit", "fit_gan"])
def test_resume_after_kill_9_ends_in_the_same_bits(recipe: Recipe, command: list[str], tmp_path: Path) -> None:
    run(*filled(command, recipe, tmp_path / "whole"))
    kills, out, chance = 0, tmp_path / "killed", random.Random(0)
    while not (out / "model.safetensors").exists():
        before = lines(out)
        with started(*filled(command, recipe, out)) as process:
            while not kills and process.poll() is None:  # wait until it got on a little, then kill it anywhere
                if lines(out) > before + 1:
                    time.sleep(0.1 * chance.random())
                    os.kill(process.pid, signal.SIGKILL)
                    kills += 1
                    break
                time.sleep(0.005)
            process.wait(timeout=60 * MINUTES)
    assert kills == 1
    assert (out / "model.safetensors").read_bytes() == (tmp_path / "whole/model.safetensors").read_bytes()
    strip = [
        [{k: v for k, v in e.items() if k != "seconds"} for e in read_log(p / "log.jsonl")]
        for p in (out, tmp_path / "whole")
    ]
    assert strip[0] == strip[1]
    assert sorted(p.name for p in out.iterdir() if not p.name.startswith(".")) == [
        "card.json",
        "checkpoint.pt",
        "log.jsonl",
        "model.safetensors",
    ]


def numbers(out: Path) -> list[dict[str, float]]:
    """The log without the clock."""
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in read_log(out / "log.jsonl")]


@pytest.mark.parametrize(
    "recipe",
    [MIXED, MIXED.but(scales=(), optimiser="sgd", theta=0.01, schedule="step", drops=2, ema=0.0, weight_decay=1e-4)],
    ids=["several scales", "as VDSR's paper"],
)
def test_resume_after_an_interruption(
    recipe: Recipe, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def advance(trainer: train.Trainer) -> dict[str, torch.Tensor]:
        if trainer.step == 8:
            raise KeyboardInterrupt
        return whole(trainer)

    whole = train.Trainer.advance
    train.fit(recipe, folder, tmp_path / "whole", device="cpu", progress=False)
    monkeypatch.setattr(train.Trainer, "advance", advance)
    with pytest.raises(KeyboardInterrupt):
        train.fit(recipe, folder, tmp_path / "stopped", device="cpu", progress=False)
    monkeypatch.undo()
    assert [entry["step"] for entry in numbers(tmp_path / "stopped")] == [3, 6]
    train.fit(recipe, folder, tmp_path / "stopped", device="cpu", progress=False, resume=True)
    assert farthest(tmp_path / "whole", tmp_path / "stopped") == 0
    assert numbers(tmp_path / "whole") == numbers(tmp_path / "stopped")


def farthest(a: Path, b: Path) -> float:
    one, two = load_file(a / "model.safetensors"), load_file(b / "model.safetensors")
    return max(float((one[key] - two[key]).abs().max()) for key in one)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["espcn", "srcnn"])
def test_two_processes_end_where_one_does(model: str, command: list[str], tmp_path: Path) -> None:
    recipe = Recipe(model, "quick", 2, steps=30, batch=4, patch=16, warmup=5, validate=10)
    for out, how in (("one", []), ("two", TOGETHER)):
        run(*how, *filled(command, recipe, tmp_path / out))
    assert farthest(tmp_path / "one", tmp_path / "two") < 1e-5
    logs = [[e["step"] for e in read_log(tmp_path / out / "log.jsonl")] for out in ("one", "two")]
    assert logs == [[10, 20, 30]] * 2
    device = json.loads((tmp_path / "two" / "card.json").read_text())["device"]
    assert device.startswith("2 × ")


@pytest.mark.slow
def test_with_one_of_two_workers_killed_the_job_finishes(command: list[str], tmp_path: Path) -> None:
    recipe = PIXEL.but(validate=10)
    run(*TOGETHER, *filled(command, recipe, tmp_path / "whole"))
    out = tmp_path / "killed"
    with started(*TOGETHER, *filled(command, recipe, out)) as job:
        while lines(out) < 3:
            assert job.poll() is None
            time.sleep(0.01)
        os.kill(int(Path(f"{out}.1.pid").read_text()), signal.SIGKILL)
        assert job.wait(timeout=60 * MINUTES) == 0
    assert [e["step"] for e in read_log(out / "log.jsonl")] == list(range(10, 151, 10))
    assert farthest(tmp_path / "whole", out) < 1e-5


def test_a_restart_does_not_see_what_the_dead_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """`torchrun` serves one store for all restarts; with the address of a dead process in it, no job came back."""
    server = torch.distributed.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    found = {"MASTER_ADDR": "localhost", "MASTER_PORT": server.port, "RANK": 0, "WORLD_SIZE": 2, "GROUP_WORLD_SIZE": 1}
    for name, value in {**found, "TORCHELASTIC_USE_AGENT_STORE": True}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    monkeypatch.setattr(distributed, "_GROUPS", iter([0, 0, 1, 0]))
    distributed._meeting()["store"].set("address", "of a process that is killed")
    assert distributed._meeting()["store"].check(["address"])
    assert not distributed._meeting()["store"].check(["address"])  # the second network of the same process
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert not distributed._meeting()["store"].check(["address"])


@pytest.mark.slow
def test_two_players_in_two_processes(command: list[str], tmp_path: Path) -> None:
    """Without SyncBatchNorm, which gloo lacks, the numbers are not those of one process; it trains and writes once."""
    recipe = GAN.but(steps=4, batch=4, validate=2)
    run(*TOGETHER, *filled(command, recipe, tmp_path / "run"))
    log = read_log(tmp_path / "run" / "log.jsonl")
    assert [e["step"] for e in log] == [2, 4]
    assert all(0 < e["d_fake"] < 1 for e in log)


def test_a_batch_that_cannot_be_dealt_out(folder: Path) -> None:
    pictures = train.read_training_set(str(folder), 1).kept
    group = distributed.Group(0, 3, torch.device("cpu"))
    with pytest.raises(ValueError, match="4 cannot be dealt out equally to 3 processes"):
        train.Trainer(PIXEL, pictures, group)


def test_shares_of_a_batch_are_the_batch(folder: Path) -> None:
    from srlib.patches import PatchSampler

    pictures = train.read_training_set(str(folder), 1).kept
    whole = PatchSampler(pictures, 2, 16, 6, upsampled=True).next()
    parts = [PatchSampler(pictures, 2, 16, 6, upsampled=True, part=(rank, 3)).next() for rank in range(3)]
    for rank, part in enumerate(parts):
        assert torch.equal(part.hr, whole.hr[rank::3])
        assert torch.equal(part.lr, whole.lr[rank::3])


def test_alone_is_a_group_of_one() -> None:
    with distributed.joined("cpu") as group:
        assert (group.rank, group.world, group.is_first, group.part) == (0, 1, True, (0, 1))
        assert group.from_first("x") == "x"


def test_speed_does_not_change_what_is_learnt(folder: Path) -> None:
    """`Speed` changes how fast, not what: without bfloat16 each setting gives the same loss but for rounding."""
    pictures = train.read_training_set(str(folder), 1).kept
    losses = []
    for speed in (Speed(bfloat16=False), Speed(bfloat16=False, channels_last=False, fused=False)):
        trainer = train.Trainer(PIXEL, pictures, torch.device("cpu"), speed)
        losses.append([float(trainer.advance()["loss"]) for _ in range(5)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    with pytest.raises(ValueError, match="compile is one of"):
        Speed(compile="fast")


def test_recipes_of_every_model_scale_and_budget_are_there() -> None:
    for name in set(models.MODELS) - {"bicubic"}:
        for scale in (2, 3, 4):
            for budget in recipes.BUDGETS:
                recipe = recipes.get(name, scale, budget)
                assert (recipe.model, recipe.scale, recipe.budget) == (name, scale, budget)
                assert isinstance(recipe, GanRecipe) == (name == "srgan")
