"""The reference: its first page does what it says, and nothing public is left out of the others."""

from __future__ import annotations

import inspect
import pkgutil
import re
import shlex
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import srlib
from srlib import cli, datasets, image, recipes

# Behind `train` and `datasets`, which show what is for others; the command line has a page of its own.
INSIDE = {"cli", "distributed", "downloads", "gan", "steps", "training_set"}


@pytest.fixture(scope="module")
def extension(root: Path) -> ModuleType:
    sys.path.insert(0, str(root / "book" / "_ext"))
    try:
        return import_module("sr_reference")
    finally:
        sys.path.pop(0)


@pytest.fixture(scope="module")
def text(extension: ModuleType) -> ModuleType:
    return import_module("reference_text")  # which the extension has imported


def _blocks(root: Path, language: str) -> str:
    text = (root / "book" / "reference.md").read_text("utf-8")
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S))


def test_the_public_face_runs(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, benchmark_set: Callable[[str], Path]
) -> None:
    benchmark_set("set5")
    get = recipes.get
    monkeypatch.setattr(recipes, "get", lambda *names, **more: get(*names, **more).but(steps=2, validate=1))
    monkeypatch.chdir(tmp_path)
    image.save(datasets.photo("chelsea")[..., :60, :90], "photo.jpg")
    names: dict[str, object] = {}
    exec(compile(_blocks(root, "python"), "book/reference.md", "exec"), names)
    assert image.load("photo_x2.png").shape == (1, 3, 120, 180)
    assert (tmp_path / "runs" / "espcn" / "model.safetensors").is_file()
    assert set(names) >= {"x", "y", "fresh", "model", "lr", "result"}


def test_the_commands_are_understood(root: Path) -> None:
    lines = [shlex.split(line) for line in _blocks(root, "sh").splitlines() if line]
    assert {line[1] for line in lines} == {"upscale", "evaluate", "train", "export", "data", "info"}
    for program, *arguments in lines:
        assert program == "srlib"
        assert cli.parser().parse_args(arguments).command == arguments[0]


def test_every_public_name_is_in_the_reference(extension: ModuleType) -> None:
    left_out = []
    for found in pkgutil.walk_packages(srlib.__path__, "srlib."):
        short = found.name.removeprefix("srlib.")
        package = found.name.rpartition(".")[0]
        inside = package != "srlib" and hasattr(import_module(package), "__all__")  # its package says what is public
        if "_" in {part[0] for part in short.split(".")} or short in INSIDE or inside:
            continue
        for name, value in extension.public(import_module(found.name)).items():
            if f"{value.__module__}.{value.__qualname__}" not in extension.inventory():
                left_out.append(f"{found.name}.{name}")
    assert left_out == [], "add the module to MODULES in book/_ext/sr_reference.py and to a page of the reference"


@pytest.mark.parametrize("directive", ["reference", "command"])
def test_every_module_and_command_stands_on_one_page(root: Path, extension: ModuleType, directive: str) -> None:
    pages = sorted((root / "book" / "reference").glob("*.md"))
    shown = [name for page in pages for name in re.findall(rf"^```{{{directive}}} (\S+)$", page.read_text(), re.M)]
    wanted = [f"srlib.{name}" for name in extension.MODULES] if directive == "reference" else extension.commands()
    assert sorted(shown) == sorted(wanted)


def test_a_docstring_becomes_markdown(text: ModuleType) -> None:
    def example(x: int, border: str = "clamp") -> None:
        """Purpose.

        Args:
            x, y: first line
                and second.

        Raises:
            ValueError: never.

        >>> 1 + 1
        2
        """

    page = "\n".join(text.markdown(inspect.getdoc(example)))
    assert "`x`, `y`\n: first line and second.\n" in page
    assert "```{rubric} Raises\n```" in page
    assert "```pycon\n>>> 1 + 1\n2\n```" in page


@pytest.mark.parametrize(
    ("text", "module", "where"),
    [
        ("srlib.load", None, "srlib.image.load"),
        ("degrade.imresize(hr, 1 / 3)", None, "srlib.degrade.imresize"),
        ("srlib.show.figures.grid", None, "srlib.show.grid"),
        ("imresize", "srlib.degrade", "srlib.degrade.imresize"),
        ("PatchSampler.next", "srlib.patches", "srlib.patches.PatchSampler.next"),
        ("imresize", None, None),
        ("(N, C, H, W)", "srlib.degrade", None),
    ],
)
def test_names_are_found(extension: ModuleType, text: str, module: str | None, where: str | None) -> None:
    assert extension._target(text, module) == where


def test_signatures_spell_out_choices_and_leave_out_self(text: ModuleType) -> None:
    from srlib import degrade, models

    assert "border: Literal['clamp', 'mirror'] = 'clamp'" in text.signature(degrade.imresize)
    assert text.signature(models.SRCNN.forward, bound=True) == "(x: Tensor, upsampled: bool = False) -> Tensor"
