"""What every chapter keeps to, checked without running it.

nbval runs the cells; it cannot see the traps below. The worst: a cell marked `# NBVAL_CHECK_OUTPUT` whose
stored output was stripped passes silently, so the mark alone proves nothing.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from tools.chapters import ROOT, Cell, Notebook, source, tags

MARK = "# NBVAL_CHECK_OUTPUT"
MARKED_CELLS = 6  # at least, in each chapter
BYTES = 1_500_000  # at most, stored
ALT = 20  # characters of alternative text, at least

# Colab and GitHub show these as they are typed.
_MYST = {
    "a directive": re.compile(r"^\s*(`{3,}|~{3,}|:{3,})\s*\{[\w:.-]+\}", re.M),
    "a colon fence": re.compile(r"^\s*:{3,}", re.M),
    "a role": re.compile(r"\{[\w:.+-]+\}`[^`]+`"),
    "a label": re.compile(r"^\([\w:.-]+\)=\s*$", re.M),
    "a block break": re.compile(r"^\+\+\+", re.M),
    "a comment": re.compile(r"^%\s", re.M),
}
_FENCED = re.compile(r"^\s*(`{3,}|~{3,})(?!\s*\{).*?^\s*\1\s*$", re.M | re.S)
_MATHS = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.S)
_IMAGE_TAG = re.compile(r"<img\b[^>]*>", re.I)
_ALT_TEXT = re.compile(r"""\balt\s*=\s*(["'])(?P<text>.+?)\1""", re.I)
_PAPER = re.compile(r"https?://(?:arxiv\.org/(?:abs|pdf)/|(?:dx\.)?doi\.org/)([^\s)>\"']+)", re.I)


def problems(notebook: Notebook) -> list[str]:
    """Everything that is wrong with one executed chapter; empty when all is well."""
    cells: list[Cell] = notebook["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    prose = [cell for cell in cells if cell["cell_type"] == "markdown"]
    return [
        *_format(notebook, cells),
        *_headings(cells),
        *_prose(prose),
        *_execution(code),
        *_marks(code),
        *_figures(code),
    ]


def missing_papers(notebook: Notebook, bibliography: str) -> list[str]:
    """Links to papers that `references.bib` does not list."""
    known = bibliography.lower()
    text = "\n".join(source(cell) for cell in notebook["cells"])
    links = {found[1].removesuffix(".pdf").rstrip(".,;") for found in _PAPER.finditer(text)}
    return sorted(link for link in links if re.sub(r"v\d+$", "", link.lower()) not in known)


def _format(notebook: Notebook, cells: list[Cell]) -> Iterator[str]:
    if (notebook["nbformat"], notebook["nbformat_minor"]) != (4, 5):
        yield "is not stored as nbformat 4.5"
    kernel = notebook["metadata"].get("kernelspec", {}).get("name")
    if kernel != "python3":
        yield f"names the kernel {kernel!r}, which other machines do not have; it must be 'python3'"
    identifiers = [cell.get("id") for cell in cells]
    if None in identifiers or len(set(identifiers)) < len(identifiers):
        yield "has a cell without an id, or two with the same"
    setups = sum("setup" in tags(cell) for cell in cells)
    if setups != 1:
        yield f"has {setups} cells tagged 'setup' instead of one"


def _headings(cells: list[Cell]) -> Iterator[str]:
    if not cells or cells[0]["cell_type"] != "markdown" or not source(cells[0]).startswith("# "):
        yield "does not open with a Markdown cell that begins with '# Title'"
    text = "\n\n".join(_FENCED.sub("", source(cell)) for cell in cells if cell["cell_type"] == "markdown")
    levels = [len(found[1]) for found in re.finditer(r"^(#{1,6})\s+\S", text, re.M)]
    if levels.count(1) != 1:
        yield f"has {levels.count(1)} titles ('# …') instead of one"
    if 2 not in levels:
        yield "has no '## …' heading, without which the theme's script fails on margin notes"
    for before, after in pairwise(levels):
        if after > before + 1:
            yield f"jumps from a level {before} heading to level {after}"


def _prose(prose: list[Cell]) -> Iterator[str]:
    for cell in prose:
        text = _MATHS.sub("", _FENCED.sub("", source(cell)))
        for what, pattern in _MYST.items():
            if found := pattern.search(text):
                yield f"has {what} that Colab shows raw: {found[0].strip()!r}"
        for image in _IMAGE_TAG.findall(text):
            if not _ALT_TEXT.search(image):
                yield f"has an image without alt text: {image[:80]}"
        if re.search(r"!\[\s*\]\(", text):
            yield "has a Markdown image without alt text"


def _execution(code: list[Cell]) -> Iterator[str]:
    counts = [cell["execution_count"] for cell in code]
    if counts != list(range(1, len(code) + 1)):
        yield f"was not executed top to bottom in one go: the counts are {counts}"
    places = {str(ROOT), str(Path.home()), tempfile.gettempdir()} - {"/"}
    for cell in code:
        where = source(cell).strip().partition("\n")[0][:60]
        if not where:
            yield "has an empty code cell"
        if magic := re.search(r"^\s*[!%].*", source(cell), re.M):
            yield f"has a line that is not Python: {magic[0]!r}"
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                yield f"holds an error, {output['ename']}, in the cell {where!r}"
            elif output.get("name") == "stderr":
                yield f"wrote to stderr in the cell {where!r}: {_joined(output['text'])[:80]!r}"
            else:
                text = _joined(output.get("text", "")) + _joined(output.get("data", {}).get("text/plain", ""))
                if any(place + "/" in text for place in places):
                    yield f"shows a path of the machine it ran on in the cell {where!r}"


def _marks(code: list[Cell]) -> Iterator[str]:
    marked = [cell for cell in code if MARK in source(cell)]
    if len(marked) < MARKED_CELLS:
        yield f"has {len(marked)} cells marked {MARK!r}; {MARKED_CELLS} are wanted"
    for cell in marked:
        where = source(cell).replace(MARK, "").strip().partition("\n")[0][:60]
        if cell["execution_count"] is None or not any(map(_is_compared, cell["outputs"])):
            yield f"has a marked cell with no stored text, so nothing would be compared: {where!r}"


def _figures(code: list[Cell]) -> Iterator[str]:
    for cell in code:
        where = source(cell).strip().partition("\n")[0][:60]
        kinds = {kind for output in cell["outputs"] for kind in output.get("data", {})}
        if any(kind.startswith("image/") for kind in kinds):
            alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
            if len(alt) < ALT:
                yield f"has a figure whose alt text is {alt!r} (metadata mystnb.image.alt): {where!r}"
        for output in cell["outputs"]:
            for image in _IMAGE_TAG.findall(_joined(output.get("data", {}).get("text/html", ""))):
                if not _ALT_TEXT.search(image):
                    yield f"shows HTML with an image that has no alt text: {where!r}"


def _is_compared(output: Cell) -> bool:
    """Whether nbval has something to hold a fresh run against: it leaves images alone."""
    if output["output_type"] == "stream":
        return output["name"] == "stdout" and bool(_joined(output["text"]).strip())
    data = output.get("data", {})
    return "text/plain" in data and not any(kind.startswith("image/") for kind in data)


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)
