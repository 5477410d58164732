"""Where the package keeps its files: data and weights that ship with it, and the cache for downloads.

An installed wheel carries the project's ``data/`` folder as ``srlib/_data``; a working tree uses ``data/``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def data_dir() -> Path:
    """The folder with the photographs, registries and the ledger.

    Returns:
        ``srlib/_data`` in an installed package, ``data`` at the root of a working tree.

    >>> (data_dir() / "datasets.json").is_file()
    True
    """
    installed = _PACKAGE / "_data"
    return installed if installed.is_dir() else _PACKAGE.parent / "data"


def weights_dir() -> Path:
    """The folder with the shipped weights (``*.safetensors`` and one JSON card each).

    >>> weights_dir().name
    'weights'
    """
    return _PACKAGE / "weights"


def cache_dir() -> Path:
    """The folder for downloads. It need not exist yet; nothing is created here.

    Returns:
        The folder that the environment variable ``SRLIB_CACHE`` names, else ``srlib`` in the platform's cache
        folder (``$XDG_CACHE_HOME`` or ``~/.cache``, ``~/Library/Caches``, ``%LOCALAPPDATA%``).

    >>> cache_dir().is_absolute()
    True
    """
    chosen = os.environ.get("SRLIB_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    home = Path.home()
    # The same places as pooch.os_cache, which is not asked so that this works where pooch is not installed.
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "srlib" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "srlib"
    # The XDG rule: a relative XDG_CACHE_HOME is invalid and is to be ignored.
    shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (shared if shared.is_absolute() else home / ".cache") / "srlib"


def commit() -> str | None:
    """The Git commit of the working tree, with ``+`` if there are changes; None for an installed package."""
    if not (_PACKAGE.parent / ".git").exists():
        return None
    command = [
        "git",
        "-C",
        str(_PACKAGE.parent),
        "describe",
        "--always",
        "--dirty=+",
        "--abbrev=12",
        "--exclude=*",
    ]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() or None
    except (OSError, subprocess.CalledProcessError):
        return None
