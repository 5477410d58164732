"""Photographs that ship with the package, registries, and the sources that `images` understands."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from shop import PICTURES, Shop, picture

from srlib import datasets
from srlib._paths import data_dir
from srlib.datasets import DataError

TOTALS = {
    "set5": (30, 5, 2_998_946),
    "set14": (84, 14, 17_249_945),
    "t91": (91, 91, 16_102_570),
    "bsds500": (400, 400, 29_295_324),
    "div2k": (1, 800, 3_530_603_713),
    "div2k-valid": (1, 100, 448_993_893),
}


# ---- photographs that ship with the package


@pytest.mark.parametrize("name", datasets.bundled())
def test_each_photograph_is_what_its_card_says(name: str) -> None:
    card = datasets.card(name)
    content = card.path.read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (card.bytes, card.sha256)
    with Image.open(card.path) as image:
        assert image.size == (card.width, card.height)
        assert (image.mode == "L") == card.grey
    assert all([card.title, card.author, card.licence, card.source.startswith("http"), card.via])
    assert len(card.alt) > 20
    assert card.alt.endswith(".")


def test_splits_are_disjoint_and_complete() -> None:
    train, test = datasets.bundled("train"), datasets.bundled("test")
    assert not set(train) & set(test)
    assert train + test == datasets.bundled()
    assert len({datasets.card(name).sha256 for name in datasets.bundled()}) == len(train + test)
    files = {path.name for path in (data_dir() / "photos").iterdir()} - {"photos.json"}
    assert files == {datasets.card(name).file for name in datasets.bundled()}
    assert not any("motorcycle" in file for file in files)  # a stereo pair: one scene, two files


def test_photographs_stay_small_enough_for_the_wheel() -> None:
    assert sum(datasets.card(name).bytes for name in datasets.bundled()) < 4_500_000


def test_every_photograph_is_credited_in_the_readme() -> None:
    readme = (data_dir() / "README.md").read_text(encoding="utf-8")
    for name in datasets.bundled():
        card = datasets.card(name)
        row = next(line for line in readme.splitlines() if line.startswith(f"| `{name}` "))
        for part in (card.split, card.author, card.licence, card.source):
            assert part in row, f"{name}: {part} is not in its row"


def test_photos_are_rgb_tensors() -> None:
    pictures = datasets.photos("test")
    assert list(pictures) == datasets.bundled("test")
    for name, tensor in pictures.items():
        card = datasets.card(name)
        assert tensor.shape == (1, 3, card.height, card.width)
        assert 0 <= float(tensor.min()) < float(tensor.max()) <= 1
    assert datasets.photo("coins")[0, 0].equal(datasets.photo("coins")[0, 2])  # grey: three equal channels


def test_wrong_names_list_what_exists() -> None:
    with pytest.raises(DataError, match=r"'lena'.*astronaut"):
        datasets.photo("lena")
    with pytest.raises(DataError, match=r"'validation'.*'train', 'test'"):
        datasets.bundled("validation")
    with pytest.raises(DataError, match=r"'set6'; there are set5.*div2k"):
        datasets.fetch("set6")
    with pytest.raises(DataError, match=r"'set6' is neither a data set \(bundled, set5"):
        datasets.images("set6")


# ---- registries


def test_registries_add_up() -> None:
    found = {item.name: item for item in datasets.available()}
    assert set(found) == set(TOTALS)
    for name, (files, pictures, size) in TOTALS.items():
        item = found[name]
        assert (item.files, item.images, item.bytes) == (files, pictures, size)
        assert (len(item.entries), sum(entry.bytes for entry in item.entries)) == (files, size)
        assert item.terms
        assert item.citation
        for entry in item.entries:
            assert entry.path.startswith(f"{name}/")
            assert entry.url.startswith("https://")
            assert len(entry.sha256) == 64
            assert entry.is_archive == (item.kind == "zip")
        assert len({entry.path for entry in item.entries}) == files


def test_published_table_has_the_papers() -> None:
    rows = (data_dir() / "published.tsv").read_text(encoding="utf-8").splitlines()
    assert rows[0].split("\t")[:5] == ["model", "trained_on", "test_set", "scale", "psnr_y_db"]
    assert {len(row.split("\t")) for row in rows} == {len(rows[0].split("\t"))}


def test_import_needs_neither_pooch_nor_torch() -> None:
    code = (
        "import sys; sys.modules['pooch'] = sys.modules['requests'] = None\n"
        "from srlib import datasets; datasets.bundled(); datasets.available()\n"
        "assert 'torch' not in sys.modules and 'tqdm' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(datasets.__file__).parents[1])


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop(tmp_path, monkeypatch)
    shop.describe(PICTURES)
    return shop


# ---- sources


def test_images_by_name_part_and_list(shop: Shop) -> None:
    assert [sample.name for sample in datasets.images("tiny")] == [
        f"{part}/p{i}" for part in ("one", "two") for i in range(3)
    ]
    assert [sample.name for sample in datasets.images("tiny:two")] == ["p0", "p1", "p2"]
    both = datasets.images("tiny:two, bundled:test,tiny:two")
    assert [sample.name for sample in both[:4]] == [
        "tiny:two/p0",
        "tiny:two/p1",
        "tiny:two/p2",
        "bundled:test/astronaut",
    ]
    assert len({sample.name for sample in both}) == len(both) == 8
    with pytest.raises(DataError, match="no part 'three'; its parts: one, two"):
        datasets.images("tiny:three")
    (shop.cache / "datasets/tiny/two/stranger.png").write_bytes(picture(9))
    assert len(datasets.images("tiny:two")) == 3


def test_pairs_need_a_scale(shop: Shop) -> None:
    files = {
        f"tiny/image_SRF_{s}/img_00{i}_SRF_{s}_{kind}.png": picture(i + s)
        for s in (2, 3)
        for i in (1, 2)
        for kind in ("HR", "LR")
    }
    shop.describe(files, scales=[2, 3], names={"img_001": "baby"})
    samples = datasets.images("tiny", 3)
    assert [sample.name for sample in samples] == ["baby", "img_002"]
    assert samples[1].path.name == "img_002_SRF_3_HR.png"
    assert samples[1].lr_path is not None
    assert samples[1].lr_path.name == "img_002_SRF_3_LR.png"
    for scale in (None, 4):
        with pytest.raises(DataError, match=rf"tiny needs a scale, one of \(2, 3\); got {scale}"):
            datasets.images("tiny", scale)


def test_folder_of_pictures(tmp_path: Path) -> None:
    for name in (
        "b.PNG",
        "a.png",
        "deep/er/c.jpeg",
        "same.png",
        "same.jpg",
        ".hidden/d.png",
        "._e.png",
        "notes.txt",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(5))
    folder = datasets.ImageFolder(tmp_path)
    names = ["a", "b", "deep/er/c", "same.jpg", "same.png"]
    assert [sample.name for sample in folder.samples] == names
    assert datasets.images(tmp_path) == datasets.images(str(tmp_path)) == folder.samples
    assert len(folder) == 5
    assert folder[0].shape == (1, 3, 6, 8)
    assert len(list(folder)) == 5


def test_folders_that_will_not_do(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.png").write_bytes(picture(1))
    for name, message in {
        "nowhere": "does not exist",
        "file.png": "is a file",
        "empty": "no picture",
    }.items():
        with pytest.raises(DataError, match=message):
            datasets.images(tmp_path / name)


# ---- the real sets, where they can be had without a network


@pytest.mark.parametrize("name", ["set5", "set14", "t91", "bsds500"])
def test_real_sets(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: Callable[[str], None]) -> None:
    if not datasets.is_cached(name):
        missing(f"{name} is not here; get it with `srlib data fetch {name}` or set SRLIB_DATA_MIRROR")
    if os.environ.get("SRLIB_DATA_MIRROR"):
        monkeypatch.setenv("SRLIB_CACHE", str(tmp_path))
    datasets.fetch(name, progress=False)
    assert datasets.verify(name) == []
    pictures = datasets.images(name, scale=3)
    assert len(pictures) == TOTALS[name][1]
    if name.startswith("set"):
        assert pictures[-1].name == {"set5": "woman", "set14": "zebra"}[name]
        assert all(sample.lr_path and sample.lr_path.is_file() for sample in pictures)
