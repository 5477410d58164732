"""Shared by all tests: what is missing is said, and in CI it is a failure."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

Missing = Callable[[str], NoReturn]


def missing(what: str) -> NoReturn:
    """Skip the test, saying what to do about it; with CI=true, fail it."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"{what} (CI=true: so this is a failure)")
    pytest.skip(what)


@pytest.fixture(scope="session", name="missing")
def missing_fixture() -> Missing:
    """The function above, for tests that find out for themselves."""
    return missing


@pytest.fixture(scope="session")
def root() -> Path:
    """The top folder of the project."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small training set: four pictures cut from bundled photographs."""
    from srlib import datasets, image

    path = tmp_path_factory.mktemp("pictures")
    for name in ("brick", "camera", "hopper", "rocket"):
        image.save(datasets.photo(name)[..., 100:148, 100:164], path / f"{name}.png")
    return path


@pytest.fixture(scope="session")
def benchmark_set() -> Callable[[str], Path]:
    """`benchmark_set("set5")` is the folder of that set, from mirror or cache; nothing is downloaded."""

    def folder(name: str) -> Path:
        from srlib import datasets

        if not datasets.is_cached(name):
            missing(f"{name} is not on this machine; `srlib data fetch {name}` gets it")
        return datasets.fetch(name, progress=False)

    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `cuda` are skipped where there is no GPU. torch is asked only if there is such a test."""
    marked = [item for item in items if item.get_closest_marker("cuda")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="needs an NVIDIA GPU"))
