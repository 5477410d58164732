"""An empty room: every chapter alone in a folder, as a hosted notebook has it, and nbval over each of them.

What the kernels in the room see: `srlib` from the wheel and not from the working tree; the packages that the
wheel asks for, and what a notebook needs to run; an empty cache; no network. Everything else that the project
installs for itself (Jupyter Book, scikit-image, the linters) is walled off, as if it were not there. The
weekly workflow `colab.yml` runs the chapters in Colab's own image; this takes only seconds more than running
them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from tools.chapters import ROOT, notebooks

ROOM = ROOT / "_build" / "room"

# A hosted notebook has these besides what srlib asks for. pip and setuptools are there to install srlib with.
HOSTED = ("ipykernel", "ipywidgets", "pip", "setuptools")


def build(room: Path) -> Path:
    """Make the wheel, unpack it in the room with the wall beside it; returns the folder for PYTHONPATH.

    >>> build(Path("_build/room"))  # doctest: +SKIP
    PosixPath('_build/room/site')
    """
    shutil.rmtree(room, ignore_errors=True)
    site, wheels = room / "site", room / "dist"
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--no-build-isolation", "--wheel-dir", str(wheels), str(ROOT)], check=True)
    (wheel,) = wheels.glob("srlib-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (site / "walled.json").write_text(json.dumps(sorted(walled(site))), "utf-8")
    shutil.copy(ROOT / "tools" / "wall.py", site / "sitecustomize.py")
    return site


def walled(site: Path) -> set[str]:
    """The top-level modules that are installed here and that a kernel in the room must not find."""
    (package,) = metadata.distributions(name="srlib", path=[str(site)])
    allowed = _closure([*(package.requires or []), *HOSTED]) | {"srlib"}
    hidden = {
        module
        for module, owners in metadata.packages_distributions().items()
        if not allowed & {_canonical(owner) for owner in owners}
    }
    return hidden | {"tools", "tests"}  # the working tree is on the path of an editable install


def environment(room: Path) -> dict[str, str]:
    """The variables for a process whose kernels live in the room."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SRLIB_")}
    return clean | {"PYTHONPATH": str(room / "site"), "SRLIB_CACHE": str(room / "cache")}


def furnish(room: Path, chapters: Iterable[Path]) -> list[Path]:
    """Copy each chapter into a folder of its own; returns the copies."""
    copies = []
    for chapter in chapters:
        folder = room / "chapters" / chapter.stem
        folder.mkdir(parents=True)
        copies.append(Path(shutil.copy(chapter, folder)))
    return copies


def _closure(requirements: Iterable[str]) -> set[str]:
    """The names of everything that these requirements bring with them on this machine."""
    found: set[str] = set()
    queue = [Requirement(text) for text in requirements]
    while queue:
        requirement = queue.pop()
        name = _canonical(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        try:
            queue.extend(Requirement(text) for text in metadata.requires(name) or [])
        except metadata.PackageNotFoundError:
            continue  # for another platform
    return found


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Run nbval over all chapters in the room and leave with its exit status."""
    build(ROOM)
    copies = furnish(ROOM, notebooks())
    command = [sys.executable, "-m", "pytest", "--durations=5", *map(str, copies)]
    sys.exit(subprocess.run(command, env=environment(ROOM), cwd=ROOT, check=False).returncode)


if __name__ == "__main__":
    main()
