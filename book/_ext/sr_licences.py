"""The directive of the licences' page: `{licences} programs` or `{licences} photographs`.

What the site carries of others is listed from the packages that it comes from, with their versions; texts of licences
are copied into the site, so that they travel with what they cover.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import live_assets
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

# Package: what the site takes from it.
PACKAGES = {
    "Sphinx": "search and the basic style",
    "sphinx-book-theme": "the look of the pages",
    "pydata-sphinx-theme": "the look of the pages; it carries Bootstrap and Font Awesome",
    "sphinx-copybutton": "the button that copies code; it carries clipboard.js (MIT)",
    "sphinx-design": "cards and grids",
    "sphinx-togglebutton": "parts that unfold",
    "myst-nb": "the style of cells",
    "Pygments": "the colours of code",
}
MATHJAX = "https://www.apache.org/licenses/LICENSE-2.0"
NOTICES = "https://github.com/microsoft/onnxruntime/blob/main/ThirdPartyNotices.txt"
MIT = """MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def licence_of(package: importlib.metadata.Distribution) -> str:
    """The short name of a package's licence, from whichever field it stands in."""
    told = package.metadata.get("License-Expression")
    classes = [c for c in package.metadata.get_all("Classifier", []) if c.startswith("License ::")]
    return told or (classes[0].rpartition("::")[2].strip().removesuffix(" License") if classes else "see its text")


def text_of(package: importlib.metadata.Distribution) -> str:
    """The text of a package's licence, or nothing."""
    for file in package.files or ():
        if file.name.upper().startswith("LICEN") and ".dist-info" in file.as_posix():
            return str(file.locate().read_text("utf-8"))  # type: ignore[attr-defined]
    return ""


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table of words."""
    lines = [head, ["---"] * len(head), *rows]
    return ["", *("| " + " | ".join(line) + " |" for line in lines), ""]


def programs(root: Path, static: str, texts: dict[str, str]) -> list[str]:
    """A row for each package; the texts of the licences are put into `texts`."""

    def link(place: str, words: str) -> str:  # HTML, since Markdown's links would be looked for among the sources
        return f'<a href="{static}/{place}">{words}</a>'

    rows = []
    if not live_assets.switched_off():
        texts["onnxruntime-web"] = MIT
        own = link("licences/onnxruntime-web.txt", "MIT")
        notices = f"{own}, and [those of what it is built from]({NOTICES})"
        rows.append([f"onnxruntime-web {live_assets.runtime_version()}", "computes on the live page", notices])
    rows.append(["MathJax 3.2.2", "sets mathematics", f"[Apache 2.0]({MATHJAX})"])
    for name, use in PACKAGES.items():
        package = importlib.metadata.distribution(name)
        texts[name] = text_of(package)
        licence = licence_of(package)
        rows.append(
            [f"{name} {package.version}", use, link(f"licences/{name}.txt", licence) if texts[name] else licence]
        )
    rows.append(["Bootstrap 5", "menus and layout", link("scripts/bootstrap.js.LICENSE.txt", "MIT")])
    awesome = "icons CC BY 4.0, fonts SIL OFL 1.1, code MIT"
    rows.append(["Font Awesome 6 Free", "icons", link("scripts/fontawesome.js.LICENSE.txt", awesome)])
    return table(["program", "what it does here", "licence"], rows)


def photographs(root: Path, static: str, texts: dict[str, str]) -> list[str]:
    """A row for each photograph that ships."""
    listed = json.loads((root / "data" / "photos" / "photos.json").read_text("utf-8"))
    rows = [[p["title"], p["author"], p["licence"], f"[{urlsplit(p['source']).netloc}]({p['source']})"] for p in listed]
    return table(["photograph", "author", "licence", "source"], rows)


PARTS: dict[str, Callable[[Path, str, dict[str, str]], list[str]]] = {
    "programs": programs,
    "photographs": photographs,
}


class Licences(SphinxDirective):
    """One table of the licences' page."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Write Markdown and let the page's parser read it."""
        part = self.arguments[0]
        if part not in PARTS:
            raise self.error(f"there are the parts {', '.join(PARTS)}, not {part}")
        self.env.note_reread()
        texts: dict[str, str] = {}
        static = "../" * self.env.docname.count("/") + "_static"
        lines = PARTS[part](Path(self.env.srcdir), static, texts)
        self.env.metadata[self.env.docname].setdefault("licences", {}).update(texts)
        box = nodes.container()
        self.state.nested_parse(StringList(lines, self.get_source_info()[0]), self.content_offset, box)
        return box.children


def write_texts(app: Sphinx, error: Exception | None) -> None:
    """Put the texts of the licences into the site."""
    if error or app.builder.format != "html":
        return
    for metadata in app.env.metadata.values():
        for name, text in metadata.get("licences", {}).items():
            folder = Path(app.outdir) / "_static" / "licences"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.txt").write_text(text, "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("licences", Licences)
    app.connect("build-finished", write_texts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
