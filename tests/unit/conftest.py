"""Shared by the unit tests: a small training set."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four small pictures cut from bundled photographs."""
    from srlib import datasets, image

    path = tmp_path_factory.mktemp("pictures")
    for name in ("brick", "camera", "hopper", "rocket"):
        image.save(datasets.photo(name)[..., 100:148, 100:164], path / f"{name}.png")
    return path
