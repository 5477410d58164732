"""Where each term of the glossary is introduced: found in the chapters and pages while the book is built.

A chapter introduces a term where it stands in bold or italics, else where it is first used. Read `Place`, `places`,
then `introduce`, which writes the links.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

GLOSSARY = "book/glossary"
NOT_HERE = {GLOSSARY, "book/index", "book/references", "book/teaching", "book/licences"}

# Other words under which a chapter introduces a term.
ALSO = {
    "Artefact": ["artefacts", "ringing"],
    "BD, blur and downsampling": ["Gaussian blur"],
    "Budget": ["quick"],
    "Confidence interval": ["how sure is a mean"],
    "Dead ReLU": ["dead"],
    "EMA, exponential moving average": ["averaged weights", "running average"],
    "Frames per second": ["frames a second"],
    "Fine-tuning": ["your own folder"],
    "Ground truth": ["the truth"],
    "Iteration": ["number of steps", "steps of training", "training steps"],
    "L1 loss, L2 loss": ["L1"],
    "LR space": ["works on LR", "on the small picture"],
    "Mode of failure": ["games that failed"],
    "Non-saturating": ["saturates", "saturated", "which way to push"],
    "Overfitting": ["overfit", "by heart"],
    "Perception-distortion trade-off": ["perception against distortion"],
    "Quantisation": ["rounding", "rounded to bytes"],
    "Quartile": ["quartiles"],
    "Residual": ["residual"],
    "Self-ensemble": ["eight opinions", "eight turned"],
    "Unsharp mask": ["sharpened pictures"],
}


class Place(NamedTuple):
    """Where something is said: a page, the heading above it (empty at the top), the words; is it a chapter?"""

    page: str
    heading: str
    text: str
    chapter: bool


def places(root: Path, pages: list[str]) -> Iterator[Place]:
    """The text of the book in pieces, each under one heading, in reading order; code is left out."""
    for page in pages:
        path = root / f"{page}.ipynb"
        if path.is_file():
            cells = json.loads(path.read_text("utf-8"))["cells"]
            text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        else:
            text = (root / f"{page}.md").read_text("utf-8")
        text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
        heading = ""
        for piece in re.split(r"^(?=#)", text, flags=re.M):
            first, _, rest = piece.partition("\n")
            if first.startswith(("## ", "### ")):
                heading = first.lstrip("#").strip()
            yield Place(page, heading, " ".join((first.lstrip("#") + " " + rest).split()), path.is_file())


def names(term: str) -> list[str]:
    """The words that stand for a term: those between its commas, and those of `ALSO`."""
    return [*(part.strip() for part in term.split(",")), *ALSO.get(term, [])]


def introduced(term: str, where: list[Place]) -> Place | None:
    """The first place that sets the term in bold or italics, else the first that uses it; chapters before pages.

    What stands above the first heading of a page tells what will come, and introduces nothing.
    """
    words = "|".join(f"{re.escape(name)}(?:e?s)?" for name in names(term))
    for chapters in (True, False):
        those = [place for place in where if place.chapter == chapters and place.heading]
        for pattern in (rf"\*(?:{words})\*", rf"(?<![\w-])(?:{words})(?![\w-])"):
            for place in those:
                if re.search(pattern, place.text, re.I):
                    return place
    return None


def _section(place: Place) -> str:
    """Where the section begins on its page; nothing where its heading holds more than words."""
    plain = place.heading and not re.search(r"[`$*\[]", place.heading)
    return f"#{nodes.make_id(place.heading)}" if plain else ""


def introduce(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Add to each definition a link to the place that introduces its term."""
    if page != GLOSSARY:
        return
    contents = [GLOSSARY, *_reading_order(app)]
    where = list(places(Path(app.srcdir), [name for name in contents if name not in NOT_HERE]))
    for entry in (item for glossary in doctree.findall(addnodes.glossary) for item in glossary.findall(nodes.Element)):
        if not isinstance(entry, nodes.definition_list_item):
            continue
        term, definition = entry[0].astext(), entry[-1]
        place = introduced(term, where)
        if place is None or not isinstance(definition, nodes.definition) or list(definition.findall(nodes.reference)):
            continue
        title = app.env.titles[place.page].astext().partition(":")[0]
        text = title + (f", “{place.heading}”" if _section(place) else "")
        link = app.builder.get_relative_uri(page, place.page) + _section(place)
        line = nodes.paragraph(classes=["introduced"])
        line += [nodes.Text("→ "), nodes.reference("", text, refuri=link, internal=True, classes=["internal"])]
        definition += line


def _reading_order(app: Sphinx) -> list[str]:
    """All pages as the table of contents has them."""
    order: list[str] = []

    def walk(page: str) -> None:
        order.append(page)
        for child in app.env.toctree_includes.get(page, []):
            if child not in order:
                walk(child)

    walk(app.config.root_doc)
    return order


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("doctree-resolved", introduce)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
