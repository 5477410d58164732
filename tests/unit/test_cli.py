"""The command line: what it prints, what it writes, and one line for each mistake."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import srlib
from srlib import cli, datasets, image, recipes
from srlib._paths import weights_dir
from srlib.cli import ALL, MOMENTS, main


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return image.save(datasets.photo("coffee")[..., :24, :30], tmp_path / "small.png")


def test_upscale_writes_beside_the_source_and_never_over_a_file(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["upscale", str(small), "--quiet"]) == 0
    target = small.with_name("small_srcnn_x3.png")
    assert str(target) in capsys.readouterr().out
    with Image.open(target) as big:
        assert big.size == (90, 72)
    before = target.read_bytes()
    assert main(["upscale", str(small), "--quiet", "--model", "bicubic", "-o", str(target)]) == 2
    assert "--force" in capsys.readouterr().err
    assert target.read_bytes() == before
    assert main(["upscale", str(small), "--quiet", "--model", "bicubic", "-o", str(target), "--force"]) == 0
    assert target.read_bytes() != before


def test_train_evaluate_and_resume(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    image.save(datasets.photo("rocket")[..., 100:190, 100:190], pictures / "a.png")
    train = ["train", "--data", str(pictures), "--out", str(tmp_path / "run"), "--steps", "2", "--quiet"]
    assert main(train) == 0
    assert "dB on held-out pictures" in capsys.readouterr().out
    assert main(train) == 2
    assert "resume" in capsys.readouterr().err
    assert main([*train, "--resume"]) == 0
    capsys.readouterr()
    weights = str(tmp_path / "run" / "model.safetensors")
    assert main(["upscale", str(small), "--weights", weights, "-o", str(tmp_path / "mine.png"), "--quiet"]) == 0
    evaluate = ["evaluate", "--weights", weights, "--data", str(pictures), "--quiet"]
    assert main([*evaluate, "--variant", "9-5-5"]) == 2
    error = capsys.readouterr().err
    assert "do not fit SRCNN 9-5-5" in error
    assert len(error.splitlines()) == 1
    assert main([*evaluate, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["scale"], result["protocol"], len(result["per_image"])) == (3, "A", 1)
    assert main(evaluate) == 0
    assert f"{result['psnr']:.2f} dB" in capsys.readouterr().out


def test_train_with_another_number_and_two_players(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pictures").mkdir()
    image.save(datasets.photo("rocket")[..., 100:190, 100:190], tmp_path / "pictures" / "a.png")
    game = [
        "train",
        "--model",
        "srgan",
        "--scale",
        "2",
        "--data",
        str(tmp_path / "pictures"),
        "--steps",
        "1",
        "--quiet",
    ]
    numbers = ["--set", "batch=2", "--set", "patch=32", "--set", "loss=l1", "--float32", "--scratch"]
    assert main([*game, *numbers, "--out", str(tmp_path / "run")]) == 0
    card = json.loads((tmp_path / "run" / "card.json").read_text())
    assert (card["recipe"]["batch"], card["recipe"]["loss"], card["generator"]) == (2, "l1", "scratch")
    capsys.readouterr()
    for words, error in (
        (["--set", "loss"], "--set takes NAME=VALUE"),
        (["--set", "bach=2"], "bach=2"),
        (["--set", "batch=many"], "batch is 8 in the recipe"),
        (["--set", "scales=2,4", "--scratch"], "whole patches of one scale"),
        ([], "Train srresnet b4 ×2 first"),
        (["--compile", "quick", "--scratch"], "compile is one of"),
        (["--set", "loss=vgg22", "--scratch"], "--vgg FILE"),
        (["--model", "srcnn", "--scratch"], "are for srgan"),
    ):
        assert main([*game, *words, "--out", str(tmp_path / "other")]) == 2
        assert error in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_evaluate_bicubic_and_data_and_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--model", "bicubic", "--scale", "4", "--protocol", "B", "--quiet"]) == 0
    assert "bicubic ×4 on bundled:test, protocol B" in capsys.readouterr().out
    assert main(["data", "list"]) == 0
    assert "set14" in capsys.readouterr().out
    assert main(["data", "verify", "bundled"]) == 0
    assert "all files right" in capsys.readouterr().out
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert srlib.__version__ in out
    assert torch.__version__ in out
    assert re.search(r"^data +bundled.* \(no network needed\)$", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["upscale", "nothing.png"], "no such image"),
        (["upscale", "nothing.png", "--scale", "9"], "no weights ship"),
        (["evaluate", "--protocol", "Z", "--model", "bicubic"], "no protocol 'Z'"),
        (["evaluate", "--data", "set6", "--model", "bicubic"], "neither a data set"),
        (["evaluate", "--variant", "1-1-1"], "no variant"),
        (["train", "--budget", "huge"], "no srcnn recipe"),
        (["evaluate", "--data", ",", "--model", "bicubic"], "names no source"),
        (["data", "fetch"], "name at least one"),
        (["data", "fetch", "set6"], "no data set"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert len(captured.err.strip().splitlines()) == 1
    assert "Traceback" not in captured.err


def test_import_is_light_and_quick() -> None:
    code = "import sys, srlib; print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    started = time.perf_counter()
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert time.perf_counter() - started < 2
    assert run.stdout.split() == ["False", "False"]


def test_every_public_name_is_there() -> None:
    for name in srlib.__all__:
        assert getattr(srlib, name) is not None
    assert set(srlib.__all__) <= set(dir(srlib))
    with pytest.raises(AttributeError, match="no attribute 'upscaled'"):
        srlib.upscaled  # noqa: B018  (reading it is the test)


def test_python_m_srlib() -> None:
    run = subprocess.run([sys.executable, "-m", "srlib", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == srlib.__version__


def test_train_all_goes_through_every_network_and_on_from_where_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(recipes.get(model, scale, "full", variant) for model, scale, variant in ALL)
    small = [("espcn", 3, "tanh"), ("vdsr", 2, "5"), ("srresnet", 2, "b4"), ("srgan", 2, "b4")]
    monkeypatch.setattr(cli, "ALL", small)
    (tmp_path / "pictures").mkdir()
    image.save(datasets.photo("rocket")[..., 100:230, 100:230], tmp_path / "pictures" / "a.png")
    everything = ["train", "--all", "--data", str(tmp_path / "pictures"), "--out", str(tmp_path / "runs"), "--quiet"]
    everything += ["--steps", "2", "--set", "batch=6", "--moments", "3"]
    assert main(everything) == 0
    first = capsys.readouterr().out.splitlines()
    runs = [f"{model}_{variant}_x{scale}_quick" for model, scale, variant in small]
    assert [Path(line.partition(":")[0]).name for line in first] == runs
    assert all((tmp_path / "runs" / run / "card.json").is_file() for run in runs)
    with_moments = {run for run in runs if (tmp_path / "runs" / run / "moments.safetensors").is_file()}
    assert with_moments == {run for run in runs if run.startswith(MOMENTS)}
    assert main(everything) == 0
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        line.partition(":")[0] for line in first
    ]
    generator = (tmp_path / "runs" / "srresnet_b4_x2_quick" / "model.safetensors").read_bytes()
    card = json.loads((tmp_path / "runs" / "srgan_b4_x2_quick" / "card.json").read_text())
    assert card["generator"] == f"sha256 {hashlib.sha256(generator).hexdigest()}"


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        ("espcn_tanh_x4", [], "those of espcn tanh ×4 or espcn relu ×4; pass --model espcn --scale 4"),
        ("espcn_tanh_x2", ["--model", "espcn"], "pass --scale 2"),
        ("srcnn_9-5-5_x3", ["--model", "vdsr"], "those of srcnn 9-5-5; pass --model srcnn"),
        ("srcnn_9-5-5_x3", ["--variant", "9-1-5"], "those of srcnn 9-5-5; pass --variant 9-5-5"),
    ],
)
def test_weights_of_another_network_are_called_by_its_name(
    source: str, options: list[str], words: str, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(weights_dir() / f"{source}.safetensors", small.with_name("model.safetensors"))
    command = ["upscale", str(small), "--quiet", "--weights", str(small.with_name("model.safetensors")), *options]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1


def test_a_game_from_weights_that_do_not_fit_is_refused_before_the_pictures_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--model", "srgan", "--scale", "4", "--variant", "b4", "--out", str(tmp_path / "run")]
    command += ["--data", str(tmp_path), "--set", "loss=mse"]  # a folder without pictures
    assert main([*command, "--generator", str(weights_dir() / "srresnet_b16_x4.safetensors")]) == 2
    error = capsys.readouterr().err
    assert "starts with weights of srresnet b4 ×4; those in" in error
    assert "are of srresnet b16 ×4 or srgan b16 ×4\n" in error
    assert main([*command, "--scratch", "--generator", "any.safetensors"]) == 2
    assert "give one of the two" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.filterwarnings("default:6 pictures")  # here, warnings are errors
def test_pictures_too_small_for_a_patch_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pictures").mkdir()
    image.save(datasets.photo("rocket")[..., :100, :100], tmp_path / "pictures" / "a.png")
    for name in "bcdefg":
        image.save(datasets.photo("rocket")[..., :20, :100], tmp_path / "pictures" / f"{name}.png")
    command = ["train", "--model", "espcn", "--steps", "1", "--quiet", "--data", str(tmp_path / "pictures")]
    assert main([*command, "--out", str(tmp_path / "run")]) == 0
    error = capsys.readouterr().err.splitlines()
    assert error == ["srlib train: 6 pictures are left out, too small for a patch of 48×48 pixels: b, c, d, e, f, …"]


@pytest.mark.filterwarnings("default:from elsewhere")
def test_a_warning_from_elsewhere_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(args: argparse.Namespace) -> None:
        warnings.warn("from elsewhere", stacklevel=1)

    monkeypatch.setattr("srlib.cli._info", warn)
    with pytest.warns(UserWarning, match="from elsewhere") as told:
        assert main(["info"]) == 0
    assert told[0].filename == __file__


def test_weights_of_no_network_of_ours_and_a_card_that_is_none(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = small.with_name("model.safetensors")
    save_file({"a": torch.zeros(2)}, weights)
    for card in (None, "no JSON", "[]", '{"recipe": {}}', '{"recipe": {"model": "espcn", "variant": "tanh"}}'):
        if card is not None:
            small.with_name("card.json").write_text(card)
        assert main(["upscale", str(small), "--quiet", "--weights", str(weights)]) == 2
        assert "do not fit SRCNN 9-5-5" in capsys.readouterr().err


def test_a_file_of_weights_is_laid_out_like_a_network_that_is_named(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the channels of a pixel side by side, VDSR is 1.5 times as fast on a CPU."""
    layouts = []

    def look(model: torch.nn.Module, lr: torch.Tensor, out: torch.Tensor, **options: object) -> torch.Tensor:
        layouts.append(model.conv2.weight.is_contiguous(memory_format=torch.channels_last))  # type: ignore[operator, union-attr]
        return out

    monkeypatch.setattr("srlib.upscaling.upscale_into", look)
    monkeypatch.setattr("srlib.evaluate.upscale_into", lambda model, lr, out: look(model, lr, out).zero_())
    file = str(weights_dir() / "espcn_tanh_x3.safetensors")
    pictures = small.parent / "pictures"
    pictures.mkdir()
    shutil.copy(small, pictures)
    upscale = ["upscale", str(small), "--quiet", "--force", "--model", "espcn"]
    for words in ([], ["--variant", "tanh"], ["--weights", file]):
        assert main([*upscale, *words]) == 0
        assert main(["evaluate", "--data", str(pictures), "--model", "espcn", "--quiet", *words]) == 0
    assert layouts == [True] * 6
