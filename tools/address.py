"""One setting holds the public address: `repository.url` and `repository.branch` in `_config.yml`.

`make address URL=https://github.com/OWNER/NAME` writes it there and stamps it into the set-up cell of each
chapter and into the README; the book's extension (`book/_ext/sr_book.py`) reads it when it builds the launch
buttons. Only the standard library is used, so it runs before there is an environment.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.chapters import ROOT, notebooks, read, source, tags, write

_SETTING = re.compile(r'^(repository:\n  url: )"(.*)"(.*\n  branch: )"(.*)"', re.M)
_README = re.compile(r"(<!-- address: begin -->\n).*?(<!-- address: end -->)", re.S)
_CELL = re.compile(r'^ADDRESS, BRANCH = "", "main"', re.M)


@dataclass(frozen=True)
class Address:
    """Where the project is published; `url` is empty until somebody has published it.

    >>> here = Address("https://github.com/someone/book", "main")
    >>> here.site
    'https://someone.github.io/book/'
    >>> here.colab("book/index.ipynb")
    'https://colab.research.google.com/github/someone/book/blob/main/book/index.ipynb'
    """

    url: str
    branch: str = "main"

    @property
    def name(self) -> str:
        """`OWNER/NAME`."""
        return self.url.removeprefix("https://github.com/")

    @property
    def site(self) -> str:
        """Where GitHub Pages puts the built book."""
        owner, _, repository = self.name.partition("/")
        return f"https://{owner.lower()}.github.io/{repository}/"

    def colab(self, path: str) -> str:
        """Where Colab opens a notebook of the project."""
        return f"https://colab.research.google.com/github/{self.name}/blob/{self.branch}/{path}"


def parse(url: str, branch: str = "main") -> Address:
    """Check what was typed. Raises ValueError for anything but a GitHub repository and a plain branch or tag.

    >>> parse("https://github.com/someone/book.git/")
    Address(url='https://github.com/someone/book', branch='main')
    """
    url = url.rstrip("/").removesuffix(".git")
    if url and not re.fullmatch(r"https://github\.com/[\w-]+/[\w.-]+", url):
        raise ValueError(f"{url!r} is not https://github.com/OWNER/NAME, from where Colab opens notebooks")
    if not re.fullmatch(r"[\w./-]+", branch):
        raise ValueError(f"{branch!r} is not the name of a branch or a tag")
    return Address(url, branch)


def current(root: Path = ROOT) -> Address:
    """The address that `_config.yml` holds. Raises ValueError where the setting is missing or malformed."""
    found = _SETTING.search((root / "_config.yml").read_text("utf-8"))
    if not found:
        raise ValueError('_config.yml has no `repository:` with `url: "…"` and `branch: "…"`, in this order')
    return parse(found[2], found[4])


def setup_cell(address: Address) -> str:
    """The set-up cell that every chapter holds, with the address in it."""
    text = (ROOT / "tools" / "setup_cell.py").read_text("utf-8").rstrip("\n")
    return _CELL.sub(f'ADDRESS, BRANCH = "{address.url}", "{address.branch}"', text)


def readme_block(address: Address, root: Path = ROOT) -> str:
    """The part of the README that names the address."""
    chapters = [path.relative_to(root).as_posix() for path in notebooks(root)]
    if not address.url:
        return (
            "The project has no public address yet: clone it from wherever you found it. Once it has one,\n"
            "`make address URL=https://github.com/OWNER/NAME` puts the links to the book and to Colab here.\n"
        )
    folder = address.name.partition("/")[2]
    links = ", ".join(f"[{Path(path).stem}]({address.colab(path)})" for path in chapters)
    return (
        f"Read the book: <{address.site}>\n\nOpen a chapter in Colab: {links}\n\n"
        f"```sh\ngit clone {address.url}\ncd {folder}\n```\n"
    )


def stamp(address: Address, root: Path = ROOT) -> list[str]:
    """Write the address wherever it belongs; returns the files that changed, relative to `root`."""
    changed = []
    texts: dict[Path, Callable[[str], str]] = {
        root / "_config.yml": lambda text: _SETTING.sub(rf'\g<1>"{address.url}"\g<3>"{address.branch}"', text, count=1),
        root / "README.md": lambda text: _README.sub(
            lambda found: found[1] + readme_block(address, root) + found[2], text
        ),
    }
    for path, edit in texts.items():
        before = path.read_text("utf-8")
        after = edit(before)
        if after != before:
            path.write_text(after, "utf-8")
            changed.append(path.relative_to(root).as_posix())
    for path in notebooks(root):
        notebook = read(path)
        wanted = setup_cell(address)
        stale = [cell for cell in notebook["cells"] if "setup" in tags(cell) and source(cell) != wanted]
        for cell in stale:
            cell["source"] = wanted.splitlines(keepends=True)
        if stale:
            write(path, notebook)
            changed.append(path.relative_to(root).as_posix())
    return changed


def disagreements(root: Path = ROOT) -> list[str]:
    """What does not say the same address as `_config.yml`; empty when all is well."""
    address = current(root)
    wrong = []
    block = _README.search((root / "README.md").read_text("utf-8"))
    if not block or block[0] != block[1] + readme_block(address, root) + block[2]:
        wrong.append("README.md: the block between the address marks")
    for path in notebooks(root):
        cells = [source(cell) for cell in read(path)["cells"] if "setup" in tags(cell)]
        if cells != [setup_cell(address)]:
            wrong.append(f"{path.relative_to(root).as_posix()}: the set-up cell")
    return wrong


def main(argv: list[str] | None = None) -> None:
    """Stamp the address given, or the one that `_config.yml` already has."""
    parser = argparse.ArgumentParser(prog="make address")
    parser.add_argument("url", nargs="?", help="https://github.com/OWNER/NAME")
    parser.add_argument("--branch", help="the branch or tag that readers get (default: as it is)")
    given = parser.parse_args(argv)
    try:
        old = current()
        address = parse(old.url if given.url is None else given.url, given.branch or old.branch)
    except ValueError as error:
        sys.exit(str(error))
    changed = stamp(address)
    print(f"{address.url or 'no address'}, {address.branch}: {', '.join(changed) or 'nothing to change'}")


if __name__ == "__main__":
    main()
