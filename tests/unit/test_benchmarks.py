"""The benchmarks: the conventional loop is a fair one, the clock is, and what is shown comes from what was measured."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch

from benchmarks import conventional, inference, machine, page, timing, training
from benchmarks.conventional import Conventional, Pairs, write_pairs
from srlib import image
from srlib.degrade import imresize
from srlib.devices import Speed
from srlib.patches import PatchSampler
from srlib.recipes import Recipe
from srlib.steps import Trainer

CPU = torch.device("cpu")
TINY = Recipe("espcn", "quick", 3, "tanh", steps=21, batch=4, patch=12, warmup=5)


def pictures(channels: int = 1) -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    sizes = ((25, 31), (40, 17))
    return [torch.randint(0, 256, (1, channels, h, w), dtype=torch.uint8, generator=g) for h, w in sizes]


def symmetries(x: torch.Tensor) -> list[torch.Tensor]:
    return [torch.rot90(y, k, (-2, -1)) for y in (x, x.flip(-1)) for k in range(4)]


def loop(
    folder: Path, recipe: Recipe, upsampled: bool, cached: bool, workers: int = 0, channels: int = 1
) -> Conventional:
    files = write_pairs(pictures(channels), recipe.scale, folder, upsampled=upsampled)
    data = Pairs(files, recipe.scale, recipe.patch, upsampled=upsampled, cached=cached)
    return Conventional("conventional", recipe, data, CPU, workers)


# ---- the conventional loop


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize(
    ("model", "scale", "channels", "upsampled"), [("srcnn", 3, 1, True), ("srresnet", 2, 3, False)]
)
def test_every_patch_is_a_piece_of_a_picture_with_its_own_lr(
    tmp_path: Path, model: str, scale: int, channels: int, upsampled: bool, cached: bool
) -> None:
    side = 12
    recipe = Recipe(model, "quick", scale, batch=16, patch=side)
    known: dict[bytes, list[torch.Tensor]] = {}
    for picture in pictures(channels):
        hr = picture[..., : picture.shape[2] // scale * scale, : picture.shape[3] // scale * scale]
        lr = imresize(hr, 1 / scale)
        low = imresize(lr, scale) if upsampled else lr
        step, size = (scale, side) if upsampled else (1, side // scale)
        for i in range(lr.shape[2] - side // scale + 1):
            for j in range(lr.shape[3] - side // scale + 1):
                big = hr[..., i * scale : i * scale + side, j * scale : j * scale + side]
                small = low[..., i * step : i * step + size, j * step : j * step + size]
                for a, b in zip(symmetries(big), symmetries(small), strict=True):
                    known[a[0].contiguous().numpy().tobytes()] = b[0]
    batches = list(loop(tmp_path, recipe, upsampled, cached, channels=channels).batches(3))
    assert len(batches) == 3
    ours = PatchSampler(pictures(channels), scale, side, 16, upsampled=upsampled).next()
    for lr, hr in batches:
        assert (lr.shape, lr.dtype, hr.shape, hr.dtype) == (ours.lr.shape, ours.lr.dtype, ours.hr.shape, ours.hr.dtype)
        for a, b in zip(lr, hr, strict=True):
            want = known[(b * 255).round().to(torch.uint8).contiguous().numpy().tobytes()]
            assert torch.equal((a * 255).round().to(torch.uint8), want)


def test_luma_is_taken_as_srlib_takes_it(tmp_path: Path) -> None:
    """Theirs from bytes of a patch, ours from floats of the picture: the same number but for rounding."""
    (rgb, _) = pictures(3)
    ours = image.rgb_to_y(rgb.float() / 255)[0, 0] * 255
    theirs = conventional.luma(rgb[0].permute(1, 2, 0).numpy())[..., 0]
    assert abs(ours.numpy() - theirs).max() < 1e-3
    recipe = TINY.but(patch=12)
    files = write_pairs(pictures(3), 3, tmp_path, upsampled=False)
    lr, hr = Pairs(files, 3, recipe.patch, upsampled=False, cached=False, channels=1)[0]
    assert (lr.shape, hr.shape) == ((1, 4, 4), (1, 12, 12))


@pytest.mark.parametrize("channels", [1, 3])
def test_files_are_decoded_alike_with_and_without_opencv(
    tmp_path: Path, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [path for pair in write_pairs(pictures(channels), 3, tmp_path, upsampled=False) for path in pair]
    with_what_is_here = [conventional.decode(path) for path in files]
    monkeypatch.setattr(conventional, "cv2", None)
    for path, array in zip(files, with_what_is_here, strict=True):
        assert (conventional.decode(path) == array).all()


def test_both_loops_start_from_the_same_weights_and_learn_the_same_thing(tmp_path: Path) -> None:
    theirs = loop(tmp_path, TINY, upsampled=False, cached=True)
    ours = Trainer(TINY, pictures(), CPU, Speed(bfloat16=False, channels_last=False, fused=False))
    batch = ours.sampler.next()
    ours.sampler.next = lambda: batch  # type: ignore[method-assign]
    for step in range(4):
        for a, b in zip(theirs.model.parameters(), ours.model.parameters(), strict=True):
            assert torch.equal(a, b), step
        theirs.learn(*batch)
        ours.advance()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_workers_make_whole_epochs_and_end_with_the_loop(tmp_path: Path) -> None:
    theirs = loop(tmp_path, TINY, upsampled=False, cached=False, workers=1)
    assert theirs.block(2) > 0
    assert theirs.block(3) > 0
    assert theirs.step == 3 + 4  # one step in each block is not timed
    theirs.close()
    with pytest.raises(ValueError, match="was closed"):
        theirs.block(1)


# ---- from end to end, in seconds


def test_limits_of_this_machine() -> None:
    assert machine.matmul_rate(CPU, "float32", 64, 0.001) > 1e6
    assert machine.copy_rate(CPU, 1, 0.001) > 1e6
    assert machine.peak_memory() > 10**8


@pytest.fixture(scope="module")
def results(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results of a tiny run of each benchmark."""
    out = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "best_workers", lambda make: 0)
        patch.setattr(machine, "limits", lambda device: {"float32": 0.1, "bfloat16": 0.2, "copy_gb_per_s": 10.0})
        patch.setattr(timing, "BLOCK", 0.01)
        patch.setattr(training, "work", lambda name, budget: TINY)
        patch.setattr(training, "variants", lambda device: {"channels first": Speed(channels_last=False)})
        command = ["--device", "cpu", "--models", "espcn", "--seconds", "0.05", "--data", str(folder)]
        training.main([*command, "--out", str(out / "training_here.json")])
        patch.setattr(inference, "SIZES", ((24, 24), (48, 27)))
        patch.setattr(inference, "NETWORKS", {"espcn": "tanh"})
        command = ["--device", "cpu", "--scales", "3", "--seconds", "0.01"]
        inference.main([*command, "--out", str(out / "inference_here.json")])
    return out


def test_results_follow_the_schema(results: Path, root: Path) -> None:
    schema = json.loads((root / "data" / "benchmarks.schema.json").read_text("utf-8"))
    files = [*results.glob("*.json"), *machine.FOLDER.glob("*.json")]
    assert len(files) >= 2
    for path in files:
        jsonschema.validate(json.loads(path.read_text("utf-8")), schema)


def test_every_loop_and_every_way_has_a_row(results: Path) -> None:
    (result,) = json.loads((results / "training_here.json").read_text("utf-8"))["results"]
    assert [row["name"] for row in result["loops"]] == [
        training.FILES,
        training.CACHED,
        training.OURS,
        "channels first",
    ]
    assert [row["name"] for row in result["target"]["loops"]] == [training.FILES, training.CACHED, training.OURS]
    rows = json.loads((results / "inference_here.json").read_text("utf-8"))["results"]
    assert {"espcn", "Pillow BICUBIC", "PyTorch interpolate bicubic"} <= {row["name"] for row in rows}
    (with_memory,) = [row for row in rows if row["name"] == "espcn" and "peak_megabytes" in row]
    assert with_memory["sr"] == [48, 27]


def test_a_run_adds_to_results_of_the_same_machine_and_settings_only(tmp_path: Path) -> None:
    path, here, settings = tmp_path / "a.json", machine.describe(CPU), {"seconds": 1.0}
    assert machine.read(path, here, settings) == []
    machine.write(path, here, settings, [{"model": "a"}])
    assert machine.read(path, here, settings) == [{"model": "a"}]
    assert machine.read(path, here, {"seconds": 2.0}) == []
    assert machine.read(path, {**here, "commit": "another"}, settings) == []


def test_multiply_adds_of_a_step() -> None:
    """9·9·64 + 5·5·64·32 + 5·5·32 a pixel; backward twice that, without the gradient of the first layer's input."""
    recipe = Recipe("srcnn", "full", 3, "9-5-5", patch=30)
    forward = 81 * 64 + 25 * 64 * 32 + 25 * 32
    assert training.macs(recipe) == pytest.approx(900 * (3 * forward - 81 * 64), rel=1e-6)


def test_what_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (lambda: training.main(["--models", "edsr"]), lambda: inference.main(["--scales", "5"])):
        with pytest.raises(SystemExit):
            command()
        assert "there is no benchmark" in capsys.readouterr().err


# ---- figures and page


def test_the_same_numbers_give_the_same_figure(results: Path, tmp_path: Path) -> None:
    (tmp_path / "old.svg").write_text("stale")
    first = [path.read_bytes() for path in page.draw(results, tmp_path)]
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["inference_here.svg", "training_here.svg"]
    assert [path.read_bytes() for path in page.draw(results, tmp_path)] == first


def test_committed_figures_are_those_of_the_committed_results() -> None:
    wanted = {path.stem: path for path in machine.FOLDER.glob("*.json")}
    drawn = {path.stem: path for path in page.TARGET.glob("*.svg")}
    assert drawn.keys() == wanted.keys(), "run `python -m benchmarks.page`"
    stale = [stem for stem, path in wanted.items() if page.svg(path) != drawn[stem].read_bytes()]
    assert stale == [], "run `python -m benchmarks.page`"


def build(folder: Path, root: Path, contents: dict[str, Any]) -> str:
    """A book of one page with both directives; returns its HTML. Warnings are errors."""
    (folder / "data" / "benchmarks").mkdir(parents=True)
    for name, content in contents.items():
        (folder / "data" / "benchmarks" / f"{name}.json").write_text(json.dumps(content))
    page.draw(folder / "data" / "benchmarks", folder / "book" / "_static" / "benchmarks")
    (folder / "index.md").write_text("# Speed\n\n```{benchmarks} training\n```\n\n```{benchmarks} inference\n```\n")
    path = str(root / "book" / "_ext")
    (folder / "conf.py").write_text(
        f"import sys\nsys.path.insert(0, {path!r})\nextensions = ['myst_parser', 'sr_benchmarks']\n"
    )
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(folder), str(folder / "out")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return (folder / "out" / "index.html").read_text("utf-8")


@pytest.mark.parametrize("devices", [0, 1, 2])
def test_the_page_shows_every_device(results: Path, root: Path, tmp_path: Path, devices: int) -> None:
    contents: dict[str, Any] = {}
    for number in range(devices):
        for kind in ("training", "inference"):
            content = json.loads((results / f"{kind}_here.json").read_text("utf-8"))
            content["machine"] |= {"device": f"Device {number}", "type": ("cpu", "cuda")[number]}
            contents[f"{kind}_device-{number}"] = copy.deepcopy(content)
    html = build(tmp_path, root, contents)
    assert html.count("Nothing has been measured yet") == (2 if devices == 0 else 0)
    assert html.count('<img alt="Training speed on Device') == devices
    assert html.count('<img alt="Output megapixels a second over the size') == devices
    assert html.count("<table") == 4 * devices
    if devices == 2:
        assert html.index("Device 1") < html.index("Device 0")  # the GPU first
    if devices:
        rates = contents["training_device-0"]["results"][0]["loops"][2]["images_per_s"]
        assert f"{page.number(rates['median'])}\N{NO-BREAK SPACE}±" in html
