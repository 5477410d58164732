"""The empty room keeps out what a hosted notebook does not have, and lets in what it has."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from cells import Nbval, code, notebook_of

from tools import room as rooms
from tools.chapters import ROOT


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("room") / "room"
    rooms.build(folder)
    return folder


def _passes(nbval: Nbval, room: Path, *sources: str) -> None:
    cells = [code(textwrap.dedent(text).strip(), number) for number, text in enumerate(sources, 1)]
    run = nbval(notebook_of(*cells), env=rooms.environment(room))
    assert run.returncode == 0, run.stdout
    assert f"{len(sources)} passed" in run.stdout


def test_what_a_chapter_finds_and_what_it_does_not(nbval: Nbval, room: Path) -> None:
    _passes(
        nbval,
        room,
        f"""
        import os
        from pathlib import Path

        import srlib

        where = Path(srlib.__file__).resolve()
        assert where.is_relative_to({str(room.resolve())!r}), where
        assert os.listdir() == ["chapter.ipynb"]
        assert "SRLIB_DATA_MIRROR" not in os.environ
        """,
        """
        import matplotlib.pyplot
        import numpy
        import PIL.Image
        import pooch
        import safetensors
        import torch
        import tqdm
        """,
        """
        import importlib.util

        import torch

        assert importlib.util.find_spec("skimage") is None  # how a library asks what it may use
        torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # imports a part of torch that asks so
        """,
        """
        import importlib

        for name in ("sphinx", "myst_nb", "jupyter_book", "skimage", "pytest", "scipy", "tools", "tests"):
            try:
                importlib.import_module(name)
            except ModuleNotFoundError:
                continue
            raise AssertionError(f"{name} is there")
        """,
        """
        import socket

        for ask in (
            lambda: socket.create_connection(("192.0.2.1", 80), timeout=5),
            lambda: socket.socket().connect(("192.0.2.1", 80)),
            lambda: socket.getaddrinfo("example.org", 80),
        ):
            try:
                ask()
            except OSError as error:
                assert "needs no network" in str(error), error
            else:
                raise AssertionError("there is a network")
        """,
    )


def test_the_wheel_has_what_a_chapter_needs(room: Path) -> None:
    package = room / "site" / "srlib"
    assert (package / "py.typed").exists()
    assert {path.name for path in (package / "weights").glob("*")} == {
        path.name for path in (ROOT / "srlib" / "weights").glob("*")
    }
    shipped = {path.relative_to(ROOT / "data") for path in (ROOT / "data").rglob("*") if path.is_file()}
    packed = package / "_data"
    assert {path.relative_to(packed) for path in packed.rglob("*") if path.is_file()} == shipped


def test_each_chapter_is_alone(room: Path, tmp_path: Path) -> None:
    chapters = [tmp_path / "one.ipynb", tmp_path / "two.ipynb"]
    for chapter in chapters:
        chapter.write_text("{}")
    copies = rooms.furnish(room, chapters)
    alone = [[item.name for item in copy.parent.iterdir()] for copy in copies]
    assert alone == [["one.ipynb"], ["two.ipynb"]]
