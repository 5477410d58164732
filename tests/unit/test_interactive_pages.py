"""What the time machine and the blind test show: made once, from the moments and the weights that are there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from srlib import datasets, degrade, metrics, models
from srlib.image import from_uint8, to_uint8
from srlib.upscaling import super_resolve


@pytest.fixture(scope="module")
def ext(root: Path) -> dict[str, ModuleType]:
    """The modules of the book's extension."""
    import importlib

    sys.path.insert(0, str(root / "book" / "_ext"))
    try:
        return {name: importlib.import_module(name) for name in ("built", "time_machine", "blind_test")}
    finally:
        sys.path.remove(str(root / "book" / "_ext"))


# ── what is kept ──────────────────────────────────────────────────────────────────────────────────────


def test_the_key_changes_with_content_and_words(ext: dict[str, ModuleType], tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1")
    first = ext["built"].key_of([path], "x")
    assert ext["built"].key_of([path], "x") == first
    assert ext["built"].key_of([path], "y") != first
    path.write_bytes(b"2")
    assert ext["built"].key_of([path], "x") != first


def test_a_folder_is_made_once_for_a_key_and_whole(ext: dict[str, ModuleType], tmp_path: Path) -> None:
    calls = []

    def make(folder: Path) -> dict[str, Any]:
        calls.append(folder)
        (folder / f"{len(calls)}.txt").write_text("here")
        if len(calls) == 3:
            raise RuntimeError("interrupted")
        return {"made": len(calls)}

    kept, target = ext["built"].kept, tmp_path / "cache" / "one"
    assert kept(target, "a", make) == kept(target, "a", make) == {"made": 1, "key": "a"}
    assert kept(target, "b", make)["made"] == 2
    assert [path.name for path in ext["built"].files(target)] == ["2.txt"], "nothing of the old one stays"
    with pytest.raises(RuntimeError, match="interrupted"):
        kept(target, "c", make)
    assert kept(target, "b", make)["made"] == 2, "the last whole one is still there"
    assert [path.name for path in target.parent.iterdir()] == ["one"]


# ── the time machine ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two moments of a network: the start, and weights that ship."""
    torch.manual_seed(0)
    start, end = models.create("espcn", 3), models.load_pretrained("espcn", 3)
    tensors = {}
    for step, network in ((0, start), (100, end)):
        tensors |= {f"{step}/{name}": value.half().contiguous() for name, value in network.state_dict().items()}
    folder = tmp_path_factory.mktemp("moments")
    save_file(tensors, folder / "espcn_tanh_x3.safetensors")
    save_file(tensors, folder / "other_net_x3.safetensors")
    return folder


def test_time_machine_scores_and_strips(ext: dict[str, ModuleType], moments: Path, tmp_path: Path) -> None:
    machine = ext["time_machine"]
    (card,) = machine.build(tmp_path, moments)  # what has no first layer to show is left out
    assert (card["id"], card["title"], card["steps"]) == ("espcn_tanh_x3", "ESPCN ×3", [0, 100])
    hr = torch.cat([machine._middle(name) for name in datasets.bundled("test")])
    assert hr.shape == (5, 1, machine.SIDE, machine.SIDE)
    lr = degrade.bicubic_down(hr, 3)
    with torch.inference_mode():
        ours, bar = (models.load_pretrained(name, 3)(lr) for name in ("espcn", "bicubic"))
    gain = (metrics.psnr(ours, hr, shave=3) - metrics.psnr(bar, hr, shave=3)).mean().item()
    assert card["gains"][1] == pytest.approx(gain, abs=0.01)
    assert card["gains"][1] > card["gains"][0] + 0.5
    strip = np.asarray(Image.open(tmp_path / card["id"] / f"{card['id']}.webp").convert("L"))
    assert strip.shape == ((2 + 3) * card["crop"], card["crop"])  # two steps, then LR, bicubic and HR
    shown = datasets.bundled("test").index(machine.SHOWN)
    piece = hr[shown, 0, machine.TOP : machine.TOP + machine.CROP, machine.LEFT : machine.LEFT + machine.CROP]
    np.testing.assert_array_equal(strip[-card["crop"] :], to_uint8(piece[None, None])[0, 0].numpy())


def test_time_machine_draws_every_filter(ext: dict[str, ModuleType], moments: Path, tmp_path: Path) -> None:
    machine = ext["time_machine"]
    (card,) = machine.build(tmp_path, moments)
    size, count, columns = (card["filter"][name] for name in ("size", "count", "columns"))
    assert (size, count) == (5, 64)
    sheet = Image.open(tmp_path / card["id"] / f"{card['id']}-filters.png")
    rows = count // columns * size
    assert sheet.size == (columns * size, 4 * rows)  # weights, then changes, of two steps each
    levels = np.asarray(sheet)
    weight = models.load_pretrained("espcn", 3).conv1.weight.detach()
    limit = card["filter"]["limits"][0]
    for number in (0, 9, 63):
        top, left = rows + number // columns * size, number % columns * size
        drawn = (levels[top : top + size, left : left + size] / (machine.LEVELS - 1) * 2 - 1) * limit
        np.testing.assert_allclose(drawn, weight[number, 0].clamp(-limit, limit), atol=0.06 * limit)
    at_start = levels[2 * rows : 3 * rows]
    assert set(np.unique(at_start)) <= {machine.LEVELS // 2 - 1, machine.LEVELS // 2}, "nothing has changed at step 0"


def test_time_machine_is_made_once(
    ext: dict[str, ModuleType], moments: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ext["time_machine"].build(tmp_path, moments)
    monkeypatch.setattr(ext["time_machine"], "_look", lambda *_: pytest.fail("made again"))
    assert ext["time_machine"].build(tmp_path, moments) == first


# ── the blind test ────────────────────────────────────────────────────────────────────────────────────


def test_every_place_lies_in_its_photograph(ext: dict[str, ModuleType]) -> None:
    blind = ext["blind_test"]
    for photo, top, left, _ in blind.PLACES:
        card = datasets.card(photo)
        assert card.split == "test"
        assert top % blind.SCALE == left % blind.SCALE == 0
        assert top + blind.CROP <= card.height - card.height % blind.SCALE
        assert left + blind.CROP <= card.width - card.width % blind.SCALE


def test_a_crop_looks_as_it_does_in_the_whole_photograph(ext: dict[str, ModuleType]) -> None:
    blind = ext["blind_test"]
    networks = {name: models.load_pretrained(name, 4) for name in ("bicubic", "espcn")}
    photo, top, left, _ = blind.PLACES[2]
    hr = degrade.mod_crop(datasets.photo(photo), 4)
    crops = blind._crops(networks, hr, top, left)
    lr = from_uint8(degrade.imresize(to_uint8(hr), 1 / 4))
    for name, network in networks.items():
        whole = from_uint8(to_uint8(super_resolve(network, lr)))[..., top : top + blind.CROP, left : left + blind.CROP]
        assert (crops[name] - whole).abs().max() <= 1.01 / 255, name


def test_blind_test_has_a_crop_for_each_method(
    ext: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind = ext["blind_test"]
    assert {"bicubic", "espcn"} <= blind.shipped().keys() <= blind.NAMES.keys()
    networks = {name: models.load_pretrained(name, 4) for name in ("bicubic", "espcn")}
    monkeypatch.setattr(blind, "shipped", lambda: networks)
    monkeypatch.setattr(blind, "PLACES", blind.PLACES[-1:])
    test = blind.build(tmp_path)
    (place,) = test["places"]
    assert test["names"] == {"bicubic": "bicubic", "espcn": "ESPCN"}
    assert place["psnr"].keys() == test["names"].keys()
    assert place["psnr"]["espcn"] > place["psnr"]["bicubic"]
    assert "danielbuechele (Flickr), CC BY 2.0" in place["credit"]
    with Image.open(tmp_path / "x4" / place["file"]) as strip:
        assert strip.size == (2 * blind.CROP, blind.CROP)
    monkeypatch.setattr(blind, "_make", lambda *_: pytest.fail("made again"))
    assert blind.build(tmp_path) == test


# ── the directive ─────────────────────────────────────────────────────────────────────────────────────


def test_the_page_holds_a_plain_figure_and_its_files(root: Path, moments: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "moments").symlink_to(moments)
    (tmp_path / "index.md").write_text("# Then\n\n```{time-machine}\n```\n")
    path = str(root / "book" / "_ext")
    (tmp_path / "conf.py").write_text(
        f"import sys\nsys.path.insert(0, {path!r})\nextensions = ['myst_parser', 'sr_interactive']\n"
    )
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(tmp_path), str(tmp_path / "out")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    html = (tmp_path / "out" / "index.html").read_text("utf-8")
    plain = re.search(r"<noscript>(.*?)</noscript>", html, re.S)
    assert plain
    assert "ESPCN ×3 at steps 0, 100" in plain[1]
    (source,) = re.findall(r'<img src="([^"]+)" alt="[^"]{20,}"', plain[1])
    assert (tmp_path / "out" / source).is_file()
    made = tmp_path / "out" / "_static" / "interactive" / "time-machine"
    assert {path.name for path in made.iterdir()} == {
        f"espcn_tanh_x3{end}" for end in (".webp", "-filters.png", "-plain.webp")
    }
    card = json.loads((tmp_path / "_build/interactive/time-machine/espcn_tanh_x3/card.json").read_text("utf-8"))
    assert card["steps"] == [0, 100]
