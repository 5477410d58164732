"""Chapter 8: the usual mistakes in its exercises are called by their name, and any notebook can be asked for a file."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import nbformat
import pytest
from answers import assert_called_by_name

from srlib.check import check

CHAPTER = Path(__file__).resolve().parents[2] / "book" / "08_your_photo.ipynb"

TOOLS = """
import numpy as np
import torch
from srlib import degrade
up, down = degrade.bicubic_up, degrade.bicubic_down

def pixels(sizes):
    return np.array([h * w for h, w in sizes])

def line(x, seconds, at):
    return float(np.polyval(np.polyfit(x, seconds, 1), at))

def project(lr, out, scale, rounds, sign=1):
    for _ in range(rounds):
        out = (out + sign * up(lr - down(out, scale), scale)).clamp(0, 1)
    return out

def quarter_turns(x, o):
    flipped = {1: x, 2: x[:, ::-1], 3: x[::-1, ::-1], 4: x[::-1], 5: x.swapaxes(0, 1)}
    return {**flipped, 6: np.rot90(x), 7: x.swapaxes(0, 1)[::-1, ::-1], 8: np.rot90(x, -1)}[o]
"""

# Usual mistakes, and a part of the sentence that names each.
MISTAKES: list[tuple[str, str, str]] = [
    ("8.1", "lambda x, o: x", "orientation 2 comes out as it was stored"),
    ("8.1", "lambda x, o: x.tolist()", "must return an array"),
    ("8.1", "lambda x, o: {1: x, 2: x[:, ::-1], 3: x[::-1, ::-1], 4: x[::-1]}.get(o, x)", "5 comes out as it was"),
    ("8.1", "lambda x, o: x[::-1] if o == 2 else x", "not in their places"),
    ("8.1", "lambda x, o: x + 1", "pixels have changed"),
    ("8.1", "lambda x, o: x[:2]", "is wanted"),
    ("8.1", "lambda x, o: quarter_turns(x, o)", "the quarter turn goes the other way"),
    ("8.2", "lambda sizes, s, size: line([h for h, _ in sizes], s, size[0])", "area of a picture"),
    ("8.2", "lambda sizes, s, size: line(pixels(sizes) ** 0.5, s, (size[0] * size[1]) ** 0.5)", "area of a picture"),
    ("8.2", "lambda sizes, s, size: s[0] / pixels(sizes)[0] * size[0] * size[1]", "need not go through zero"),
    ("8.2", "lambda sizes, s, size: (np.array(s) / pixels(sizes)).mean() * size[0] * size[1]", "through zero"),
    ("8.2", "lambda sizes, s, size: line(pixels(sizes)[:2], s[:2], size[0] * size[1])", "two of the timings"),
    ("8.2", "lambda sizes, s, size: 1.0", "fits best gives"),
    ("8.2", "lambda sizes, s, size: 'soon'", "number of seconds"),
    ("8.3", "lambda rgb, a, s: (up(rgb * a, s), up(a, s).clamp(0, 1))", "still multiplied by alpha"),
    ("8.3", "lambda rgb, a, s: (up(rgb, s), up(a, s).clamp(0, 1))", "mixes into the rim"),
    (
        "8.3",
        "lambda rgb, a, s: (up(rgb * a, s) / up(a, s).clamp(min=1e-3), (up(a, s) > 0.5).float())",
        "staircase",
    ),
    ("8.3", "lambda rgb, a, s: (up(rgb * a, s) / up(a, s), up(a, s).clamp(0, 1))", "NaN or infinity"),
    ("8.3", "lambda rgb, a, s: up(rgb, s)", "two things"),
    ("8.3", "lambda rgb, a, s: (up(rgb, s), up(a, s).clamp(0, 1) ** 2)", "not the enlarged one"),
    ("8.3", "lambda rgb, a, s: (up(rgb, s), up(a, s) * 1.1)", "leaves [0, 1]"),
    ("8.3", "lambda rgb, a, s: (torch.zeros_like(up(rgb, s)), up(a, s).clamp(0, 1))", "off by up to"),
    ("8.4", "lambda lr, wish, s: wish", "the wish itself"),
    ("8.4", "lambda lr, wish, s: project(lr, wish, s, 1)", "more rounds"),
    ("8.4", "lambda lr, wish, s: project(lr, wish, s, 30, sign=-1)", "is the sign right"),
    ("8.4", "lambda lr, wish, s: project(lr, up(lr, s).clamp(0, 1), s, 100)", "does not look like the wish"),
    ("8.4", "lambda lr, wish, s: project(lr, 0.5 + 0.3 * (wish - 0.5), s, 100)", "% are left"),
    ("8.4", "lambda lr, wish, s: 5 * wish - 2", "leave [0, 1]"),
]


@pytest.mark.parametrize(("name", "answer", "words"), MISTAKES, ids=[f"{m[0]}-{m[2]}" for m in MISTAKES])
def test_a_usual_mistake_is_called_by_its_name(name: str, answer: str, words: str) -> None:
    assert_called_by_name(name, answer, words, TOOLS)


def test_another_way_to_enlarge_a_cut_out_is_right_too() -> None:
    from srlib.degrade import bicubic_up
    from srlib.upscaling import fill_hidden

    answer = check("8.3", lambda rgb, a, s: (bicubic_up(fill_hidden(rgb, a), s), bicubic_up(a, s).clamp(0, 1)))
    assert answer, answer


def _cell(identifier: str) -> str:
    cells = nbformat.read(CHAPTER, as_version=4).cells
    return str(next(cell.source for cell in cells if cell.id == identifier))


def _chosen(tmp_path: Path, upload: bool) -> Any:
    """The path that the chapter's two cells end up with."""
    namespace: dict[str, Any] = {"Path": Path, "folder": tmp_path}
    exec(_cell("choose").replace("UPLOAD = False", f"UPLOAD = {upload}"), namespace)
    functions = _cell("read").partition("path = chosen(asked)")[0]
    exec(functions, namespace)
    return namespace["chosen"](namespace["asked"])


def _module(monkeypatch: pytest.MonkeyPatch, name: str, **contents: object) -> None:
    module = ModuleType(name)
    vars(module).update(contents)
    monkeypatch.setitem(sys.modules, name, module)


def test_the_chapter_asks_for_no_file_unless_it_is_told_to(tmp_path: Path) -> None:
    assert _chosen(tmp_path, upload=False) is None


def test_colab_uploads_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _module(monkeypatch, "google")
    _module(monkeypatch, "google.colab", files=SimpleNamespace(upload=lambda: {"my photo.jpg": b"pixels"}))
    path = _chosen(tmp_path, upload=True)
    assert path == tmp_path / "my photo.jpg"
    assert path.read_bytes() == b"pixels"


@pytest.mark.parametrize(
    "value",
    [
        ({"name": "a.png", "content": memoryview(b"pixels")},),  # ipywidgets 8
        {"a.png": {"content": b"pixels", "metadata": {"name": "a.png"}}},  # ipywidgets 7
    ],
)
def test_a_button_gives_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: object) -> None:
    shown: list[object] = []
    monkeypatch.setitem(sys.modules, "google.colab", None)
    _module(monkeypatch, "ipywidgets", FileUpload=lambda accept: SimpleNamespace(value=value))
    _module(monkeypatch, "IPython.display", display=shown.append)
    path = _chosen(tmp_path, upload=True)
    assert path.read_bytes() == b"pixels"
    assert len(shown) == 1


@pytest.mark.parametrize("value", [(), {}])
def test_a_button_that_was_not_used_gives_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: object) -> None:
    monkeypatch.setitem(sys.modules, "google.colab", None)
    _module(monkeypatch, "ipywidgets", FileUpload=lambda accept: SimpleNamespace(value=value))
    _module(monkeypatch, "IPython.display", display=lambda button: None)
    assert _chosen(tmp_path, upload=True) is None


def test_without_a_button_the_chapter_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("google.colab", "ipywidgets"):
        monkeypatch.setitem(sys.modules, name, None)
    assert _chosen(tmp_path, upload=True) is None
    assert "write its path into PHOTO" in capsys.readouterr().out
