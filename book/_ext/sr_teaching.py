"""The directive of the page for teachers: `{course} times`, `{course} objectives` or `{course} exercises`.

What a chapter says of itself, its time box, its objectives and the titles of its exercises, is read from the notebooks,
so that the page agrees with them. Read `Chapter`, then the three functions after it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from srlib.check import exercises as judged

NBSP = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Chapter:
    """What the text cells of a notebook say.

    Attributes:
        file: its name, for links.
        title: its heading.
        box: the rows of its time box, such as "reading", in order.
        objectives: what a reader can do after it.
        exercises: number to title.
    """

    file: str
    title: str
    box: dict[str, str]
    objectives: list[str]
    exercises: dict[str, str]


def read(path: Path) -> Chapter:
    """The chapter in a notebook."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    heading = re.search(r"^# (.+)$", text, re.M)
    if heading is None:
        raise ValueError(f"{path.name} has no heading")
    opening = text.split("\n## ")[0]
    box = dict(re.findall(r"^\| ([a-z ]+) \| (.+) \|$", opening, re.M))
    listed = re.search(r"^After this chapter you can\n\n((?:- .+\n(?:  .+\n)*)+)", opening + "\n", re.M)
    objectives = re.split(r"^- ", listed[1], flags=re.M)[1:] if listed else []
    titles = dict(re.findall(r"^### Exercise (\d+\.\d+): (.+)$", text, re.M))
    return Chapter(path.name, heading[1], box, [" ".join(line.split()) for line in objectives], titles)


def _links(text: str) -> str:
    """Without links: a cell of a table names other chapters, and need not lead there."""
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)


def times(chapters: list[Chapter]) -> list[str]:
    """A table: how long each chapter takes, as its time box says."""
    lines = ["| chapter | reading | running all cells | exercises |", "| --- | --- | --- | ---: |"]
    for one in chapters:
        row = [
            f"[{one.title}]({one.file})",
            *(_links(one.box.get(key, "")) for key in ("reading", "running all cells")),
        ]
        lines.append(f"| {' | '.join(row)} | {len(one.exercises)} |")
    return lines


def objectives(chapters: list[Chapter]) -> list[str]:
    """A list for each chapter: what a reader can do after it."""
    lines = []
    for one in (chapter for chapter in chapters if chapter.objectives):
        lines += [f"**[{one.title}]({one.file})**. A student can", ""]
        lines += [*(f"- {line}" for line in one.objectives), ""]
    return lines


def exercises(chapters: list[Chapter]) -> list[str]:
    """A table of the exercises that have a judge, a row for each chapter."""
    known = set(judged())
    lines = ["| chapter | exercises that answer back |", "| --- | --- |"]
    for one in chapters:
        titles = [f"{number}{NBSP}{title}" for number, title in one.exercises.items() if number in known]
        lines += [f"| [{one.title}]({one.file}) | {' · '.join(titles)} |"] if titles else []
    return lines


PARTS: dict[str, Callable[[list[Chapter]], list[str]]] = {
    "times": times,
    "objectives": objectives,
    "exercises": exercises,
}


class Course(SphinxDirective):
    """One part of the page for teachers."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Write Markdown and let the page's parser read it."""
        part = self.arguments[0]
        if part not in PARTS:
            raise self.error(f"a course has the parts {', '.join(PARTS)}, not {part}")
        self.env.note_reread()
        folder = Path(self.env.srcdir) / "book"
        in_book = sorted(page for page in self.env.found_docs if page.startswith("book/"))
        paths = [path for page in in_book if (path := folder.parent / f"{page}.ipynb").is_file()]
        box = nodes.container()
        lines = PARTS[part]([read(path) for path in paths])
        self.state.nested_parse(StringList(lines, self.get_source_info()[0]), self.content_offset, box)
        return box.children


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("course", Course)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
