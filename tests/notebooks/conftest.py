"""A small chapter that keeps every rule, and a way to run nbval on a notebook."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cells import Nbval, code, markdown, notebook_of, printed

from tools.address import current, setup_cell
from tools.chapters import ROOT, Notebook, write
from tools.rules import MARK, MARKED_CELLS


@pytest.fixture
def chapter() -> Notebook:
    """Keeps every rule; tests break one at a time."""
    marked = [
        code(f"{MARK}\nprint({number} * 2)", number + 2, printed(f"{number * 2}\n")) for number in range(MARKED_CELLS)
    ]
    figure = {
        "data": {"image/png": "iVBORw0KGgo=", "text/plain": ["<Figure size 640x480 with 1 Axes>"]},
        "metadata": {},
        "output_type": "display_data",
    }
    alt = {"image": {"alt": "Two curves; the second stays below the first."}}
    return notebook_of(
        markdown("# A chapter\n\nIts promise.", "title"),
        code(setup_cell(current()), 1, printed("srlib 0.1.0\n"), tags=["setup", "hide-input"]),
        markdown("## A section\n\nWith maths, $x_{i}$, and `code`.", "section"),
        *marked,
        code("draw()", MARKED_CELLS + 2, figure, mystnb=alt),
    )


@pytest.fixture
def nbval(tmp_path: Path) -> Nbval:
    """Store a notebook in an empty folder and run nbval on it in a process of its own."""

    def run(notebook: Notebook, *options: str, env: dict[str, str] | None = None) -> Any:
        path = tmp_path / "alone" / "chapter.ipynb"
        path.parent.mkdir(exist_ok=True)
        write(path, notebook)
        options = ("-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), *options)
        return subprocess.run(
            [sys.executable, "-m", "pytest", f"--rootdir={path.parent}", *options, str(path)],
            cwd=tmp_path,
            env=_without_coverage(env or dict(os.environ)),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def _without_coverage(env: dict[str, str]) -> dict[str, str]:
    """The inner run is no worker of the outer one, and measures nothing."""
    return {name: value for name, value in env.items() if not name.startswith(("COV_", "PYTEST_"))}
