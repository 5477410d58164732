"""The house itself: pins and lock, the address and what is stamped with it, the set-up cell, what is committed."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import srlib
from tools import address
from tools.address import Address
from tools.chapters import read, source, tags, write

SOMEWHERE = Address("https://github.com/someone/measured", "v1.0")


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


# ---- pins


def _locked(root: Path) -> dict[str, str]:
    """Each package of the lock: its version, hashes, and what it is there for."""
    lock = (root / "requirements.lock").read_text()
    return dict(block.split("==", 1) for block in re.split(r"^(?=\S+==)", lock, flags=re.M)[1:])


def test_lock_and_requirements_agree(root: Path) -> None:
    wanted = dict(re.findall(r"^([\w.-]+)==(\S+)", (root / "requirements.txt").read_text(), re.M))
    packages = _locked(root)
    locked = {name: packages.get(_canonical(name), "").partition(" ")[0] for name in wanted}
    assert locked == wanted, "run `make lock`"
    direct = {name for name, text in packages.items() if "-r requirements.txt" in text}
    assert direct == {_canonical(name) for name in wanted}, "run `make lock`"


def test_every_line_of_requirements_is_an_exact_pin(root: Path) -> None:
    lines = [line.partition("#")[0].strip() for line in (root / "requirements.txt").read_text().splitlines()]
    assert [line for line in lines if line and not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []


def test_lock_has_hashes_and_no_address(root: Path) -> None:
    lock = (root / "requirements.lock").read_text()
    assert "http" not in lock
    assert "--index" not in lock
    assert [name for name, text in _locked(root).items() if "--hash=sha256:" not in text] == []


def test_what_srlib_asks_for_is_locked_and_not_pinned_from_above(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted = set(re.findall(r"^([\w.-]+)==", (root / "requirements.txt").read_text(), re.M))
    for requirement in project["dependencies"]:
        name, bound = re.fullmatch(r"([\w-]+)(>=[\d.]+)", requirement).groups()  # type: ignore[union-attr]
        assert name in wanted, f"{name} {bound}"
    assert project["version"] == srlib.__version__
    assert f"\nversion: {srlib.__version__}\n" in (root / "CITATION.cff").read_text()
    assert f"## {srlib.__version__} " in (root / "CHANGELOG.md").read_text()


def test_older_python_is_refused_with_a_reason(root: Path, tmp_path: Path) -> None:
    check = re.search(r"^\t@\$\(PYTHON\) -c '(.*)'$", (root / "Makefile").read_text(), re.M)
    assert check
    script = check[1].replace("$(PYTHON)", "python3").replace("(3, 11)", "(9, 9)")
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "needs Python 3.11 or later, and python3 is" in run.stderr


# ---- the address


@pytest.fixture
def book(tmp_path: Path, root: Path) -> Path:
    """A project with one chapter, to be stamped."""
    for name in ("_config.yml", "_toc.yml", "README.md"):
        shutil.copy(root / name, tmp_path)
    (tmp_path / "book").mkdir()
    cell = {
        "cell_type": "code",
        "execution_count": 1,
        "id": "setup",
        "metadata": {"tags": ["setup"]},
        "outputs": [],
        "source": ["old"],
    }
    notebook: dict[str, Any] = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    write(tmp_path / "book" / "01_one.ipynb", notebook)
    return tmp_path


def test_everything_says_the_same_address() -> None:
    assert address.disagreements() == [], "run `make address`"


def test_stamping_reaches_every_place(book: Path) -> None:
    assert set(address.stamp(SOMEWHERE, book)) == {"_config.yml", "README.md", "book/01_one.ipynb"}
    assert address.current(book) == SOMEWHERE
    assert address.disagreements(book) == []
    readme = (book / "README.md").read_text()
    assert "https://someone.github.io/measured/" in readme
    assert "https://colab.research.google.com/github/someone/measured/blob/v1.0/book/01_one.ipynb" in readme
    (cell,) = read(book / "book" / "01_one.ipynb")["cells"]
    assert 'ADDRESS, BRANCH = "https://github.com/someone/measured", "v1.0"' in source(cell)
    assert tags(cell) == ["setup"]
    assert address.stamp(SOMEWHERE, book) == []


def test_taking_the_address_back_leaves_no_trace(book: Path) -> None:
    address.stamp(Address(""), book)
    before = {path: path.read_bytes() for path in book.rglob("*") if path.is_file()}
    address.stamp(SOMEWHERE, book)
    address.stamp(Address(""), book)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("name", ["README.md", "book/01_one.ipynb", "_config.yml"])
def test_a_place_that_disagrees_is_found(book: Path, name: str) -> None:
    address.stamp(SOMEWHERE, book)
    path = book / name
    path.write_text(path.read_text().replace("someone", "nobody"))
    assert address.disagreements(book)


@pytest.mark.parametrize("url", ["http://github.com/a/b", "https://example.org/a/b", "https://github.com/a", "a/b"])
def test_an_address_that_colab_cannot_open_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="OWNER/NAME"):
        address.parse(url)


def test_a_branch_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not the name of a branch"):
        address.parse("https://github.com/a/b", 'main"; import os')


# ---- the set-up cell


def _run_setup(monkeypatch: pytest.MonkeyPatch, cell: str, absent: set[str]) -> list[list[str]]:
    """Run the cell where srlib is missing until pip has been called for it; returns pip's arguments."""
    commands: list[list[str]] = []
    find_spec = importlib.util.find_spec

    class Hide:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> None:
            if name == "srlib" and not any("srlib @" in part for command in commands for part in command):
                raise ModuleNotFoundError("No module named 'srlib'", name="srlib")

    def pip(command: list[str], check: bool) -> None:
        assert check
        assert command[1:4] == ["-m", "pip", "install"]
        commands.append(command[4:])

    loaded = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "srlib"}
    for name in loaded:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Hide, *sys.meta_path])
    monkeypatch.setattr(subprocess, "run", pip)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in absent else find_spec(name))
    try:
        exec(compile(cell, "set-up cell", "exec"), {})
    finally:
        sys.modules.update(loaded)
    return commands


def test_setup_installs_what_is_missing_and_never_torch_or_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = _run_setup(monkeypatch, address.setup_cell(SOMEWHERE), absent={"pooch", "safetensors"})
    assert commands == [
        ["--quiet", "pooch", "safetensors"],
        ["--quiet", "--no-deps", "srlib @ git+https://github.com/someone/measured@v1.0"],
    ]


def test_setup_knows_every_dependency(root: Path) -> None:
    dependencies = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    cell = address.setup_cell(SOMEWHERE)
    brought_along = {"torch", "numpy", "matplotlib"}  # a hosted notebook without these is not one
    wanted = {re.split(r"[><=]", requirement)[0] for requirement in dependencies} - brought_along
    assert {name for name in wanted if f'"{name}"' in cell} == wanted


def test_setup_without_an_address_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModuleNotFoundError, match="has not been told its public address"):
        _run_setup(monkeypatch, address.setup_cell(Address("")), absent=set())


def test_setup_with_srlib_there_installs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(address.setup_cell(SOMEWHERE), "set-up cell", "exec"), {})
    assert capsys.readouterr().out == f"srlib {srlib.__version__}\n"


@pytest.mark.slow
def test_setup_really_installs_from_a_git_repository(root: Path, tmp_path: Path, missing) -> None:
    """The whole way, with pip, git and an interpreter that has nothing: as in a hosted notebook without torch."""
    _publish(root, tmp_path / "published")
    fresh = tmp_path / "fresh"
    subprocess.run([sys.executable, "-m", "venv", str(fresh)], check=True)
    python = fresh / "bin" / "python"
    cell = address.setup_cell(Address(f"file://localhost{tmp_path / 'published'}"))
    run = subprocess.run(
        [python, "-c", cell], cwd=tmp_path, env=_plain_environment(), capture_output=True, text=True, check=False
    )
    if "No matching distribution" in run.stderr or "Connection" in run.stderr:
        missing("no package index answers, so the set-up cell cannot be tried out")
    assert run.returncode == 0, run.stderr
    assert run.stdout == f"srlib {srlib.__version__}\n"
    listed = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout
    names = {line.split()[0] for line in listed.splitlines()[2:]}
    assert {"pillow", "pooch", "safetensors", "srlib", "tqdm"} <= names
    assert not {"torch", "numpy"} & names


def _publish(root: Path, target: Path) -> None:
    """The working tree, committed to a repository of its own."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    inside = subprocess.run(listed, cwd=root, capture_output=True, text=True, check=True).stdout
    for name in inside.split("\0"):
        if name.startswith(("srlib/", "data/", "pyproject", "README", "LICENSE")) and (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, target / name)
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        [*identity, "commit", "--quiet", "-m", "all"],
    ):
        subprocess.run(["git", *command], cwd=target, check=True)


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV_"))}


# ---- what is committed


def test_importing_srlib_is_quick_and_needs_no_notebook_package() -> None:
    script = (
        "import sys, time; start = time.perf_counter(); import srlib; seconds = time.perf_counter() - start\n"
        "heavy = {'torch', 'numpy', 'matplotlib', 'IPython', 'ipywidgets', 'sphinx'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert seconds < 2, seconds"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_no_committed_file_names_this_machine_or_a_package_index(root: Path) -> None:
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    run = subprocess.run(listed, cwd=root, capture_output=True, text=True, check=False)
    if run.returncode:
        pytest.skip("this copy is not under git")
    hosts = ["py" + "pi.org", "python" + "hosted.org", "registry.np" + "mjs.org", "deb.deb" + "ian.org"]
    places = [str(root) + "/", str(Path.home()) + "/", ".." + "/shared"]
    wrong = []
    for name in filter(None, run.stdout.split("\0")):
        path = root / name
        if not path.is_file():
            continue
        text = path.read_bytes().decode("utf-8", "ignore")
        allowed = {places[2]} if name == ".ci/run" else set()
        wrong += [f"{name}: {word}" for word in (*hosts, *places) if word in text and word not in allowed]
    assert wrong == []


def test_nothing_in_the_readme_waits_to_be_filled_in(root: Path) -> None:
    assert not re.search(r"TO-?(FILL|COST|DO)|TBD|coming soon", (root / "README.md").read_text("utf-8"))
