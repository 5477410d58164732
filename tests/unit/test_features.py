"""What VGG-19 sees: the recorded file, and the tool that records it. Neither needs VGG-19's weights."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch

from srlib import datasets, losses, models
from srlib._paths import data_dir
from tools import features

FOLDER = data_dir() / "features"


def test_the_recorded_file_follows_its_schema_and_is_small() -> None:
    content = json.loads((FOLDER / "vgg19.json").read_text("utf-8"))
    jsonschema.validate(content, json.loads((data_dir() / "features.schema.json").read_text("utf-8")))
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 300_000
    assert list(content["photographs"]) == datasets.bundled("test")
    assert content["layers"] == list(features.LAYERS)
    arrays = np.load(FOLDER / "vgg19.npz")
    wanted = set()
    for name, crop in content["crops"].items():
        for layer, info in crop["layers"].items():
            side = [length // 2 ** (int(layer[4]) - 1) for length in crop["crop"][2:]]
            for view in ("hr", "bicubic", *features.NETWORKS):
                wanted.add(f"{name}/{layer}/{view}")
                assert arrays[f"{name}/{layer}/{view}"].shape == (len(info["channels"]), *side)
                if view != "hr":
                    wanted.add(f"{name}/{layer}/distance/{view}")
                    assert arrays[f"{name}/{layer}/distance/{view}"].shape == tuple(side)
    assert set(arrays.files) == wanted
    assert {arrays[key].dtype for key in wanted} == {np.dtype(np.uint8)}


def test_the_networks_it_looked_at_are_those_that_ship() -> None:
    looked_at = json.loads((FOLDER / "vgg19.json").read_text("utf-8"))["networks"]
    shipped = {network: models.card(network, features.SCALE)["sha256"] for network in features.NETWORKS}
    assert looked_at == shipped, "the weights have changed: run `python -m tools.features WEIGHTS` again"


def test_pictures_of_one_error_have_one_error() -> None:
    content = json.loads((FOLDER / "vgg19.json").read_text("utf-8"))
    for rows in content["photographs"].values():
        bicubic = rows["pairs"]["bicubic"]
        assert rows["same_error"]["detail lost"] == bicubic
        for row in rows["same_error"].values():
            assert row["mse"] == pytest.approx(bicubic["mse"], rel=1e-3)


def test_all_layers_in_one_pass_are_the_content_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchvision")
    torch.manual_seed(0)
    state = {f"features.{key}": value for key, value in losses.vgg19_features("conv3_1").state_dict().items()}
    build = losses.vgg19_features

    def same_weights(layer: str, weights: object = None) -> torch.nn.Sequential:
        network = build(layer)
        network.load_state_dict({key: state[f"features.{key}"] for key in network.state_dict()})
        return network

    monkeypatch.setattr(losses, "vgg19_features", same_weights)
    eye = features.Eye("")
    hr, sr = torch.rand(2, 1, 3, 16, 16).unbind(0)
    a, b = eye.look(hr), eye.look(sr)
    assert list(a) == list(features.LAYERS)
    for layer, loss in eye.losses.items():
        assert float((a[layer] - b[layer]).square().mean()) == pytest.approx(float(loss(sr, hr)), rel=1e-3)


def test_distortions_have_the_error_of_bicubic() -> None:
    hr, bicubic = torch.rand(2, 1, 3, 12, 12).unbind(0)
    want = float((bicubic - hr).square().mean())
    for x in features.distortions(hr, bicubic).values():
        assert float((x - hr).square().mean()) == pytest.approx(want, rel=1e-4)


def test_the_maps_that_are_kept_differ_from_one_another() -> None:
    strong = torch.randn(1, 8, 8)
    maps = torch.cat([strong, 0.9 * strong, 0.5 * torch.randn(2, 8, 8), torch.zeros(1, 8, 8)])[None]
    assert features.choose(maps, 3) == [0, 2, 3]


def test_bytes_and_files(tmp_path: Path) -> None:
    assert features.as_bytes(torch.tensor([0.0, 1.0, 2.0, 3.0]), 2.0).tolist() == [0, 128, 255, 255]
    features.write({"what": "×"}, {"a/b": np.arange(4, dtype=np.uint8)}, tmp_path / "new")
    assert json.loads((tmp_path / "new" / "vgg19.json").read_text("utf-8")) == {"what": "×"}
    assert np.load(tmp_path / "new" / "vgg19.npz")["a/b"].tolist() == [0, 1, 2, 3]
