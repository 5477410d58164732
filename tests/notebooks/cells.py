"""Notebooks made in code, cell by cell."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

from tools.chapters import Cell, Notebook

Nbval = Callable[..., subprocess.CompletedProcess[str]]


def markdown(text: str, identifier: str) -> Cell:
    """A Markdown cell."""
    return {"cell_type": "markdown", "id": identifier, "metadata": {}, "source": text.splitlines(True)}


def code(text: str, count: int | None, *outputs: dict[str, Any], **metadata: Any) -> Cell:
    """A code cell with its stored outputs."""
    return {
        "cell_type": "code",
        "execution_count": count,
        "id": f"code-{count}-{abs(hash(text)) % 10**6}",
        "metadata": metadata,
        "outputs": list(outputs),
        "source": text.splitlines(True),
    }


def printed(text: str) -> dict[str, Any]:
    """What `print` leaves behind."""
    return {"name": "stdout", "output_type": "stream", "text": [text]}


def notebook_of(*cells: Cell) -> Notebook:
    """A notebook with the metadata that every chapter has."""
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return {
        "cells": list(cells),
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
