"""Each rule fires on a chapter that breaks it, and on no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tools.chapters import Notebook
from tools.rules import MARK, missing_papers, problems

Break = Callable[[Notebook], object]


def _code(chapter: Notebook, index: int) -> dict[str, object]:
    """The code cell with this number, counted from one: 1 is set-up, 2 to 7 are marked, 8 has the figure."""
    return next(cell for cell in chapter["cells"] if cell.get("execution_count") == index)


def _strip(chapter: Notebook) -> None:
    for cell in chapter["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)


def _say(text: str) -> Break:
    return lambda chapter: chapter["cells"][2].update(source=f"## A section\n\n{text}")


BREAKS: dict[str, tuple[Break, str]] = {
    "stripped": (_strip, "marked cell with no stored text"),
    "marked, without output": (lambda c: _code(c, 4).update(outputs=[]), "marked cell with no stored text"),
    "marked, only a picture": (
        lambda c: _code(c, 4).update(outputs=_code(c, 8)["outputs"], metadata=_code(c, 8)["metadata"]),
        "marked cell with no stored text",
    ),
    "too few marks": (lambda c: _code(c, 4).update(source="print(4)"), f"has 5 cells marked {MARK!r}"),
    "out of order": (lambda c: _code(c, 4).update(execution_count=40), "not executed top to bottom"),
    "an error": (
        lambda c: _code(c, 1).update(outputs=[{"output_type": "error", "ename": "KeyError"}]),
        "holds an error, KeyError",
    ),
    "stderr": (
        lambda c: _code(c, 1).update(outputs=[{"output_type": "stream", "name": "stderr", "text": "hm"}]),
        "wrote to stderr",
    ),
    "another kernel": (
        lambda c: c["metadata"].update(kernelspec={"name": "myconda"}),
        "names the kernel 'myconda'",
    ),
    "no alt text": (lambda c: _code(c, 8).update(metadata={}), "has a figure whose alt text is ''"),
    "no alt in HTML": (
        lambda c: _code(c, 8).update(
            outputs=[{"output_type": "display_data", "data": {"text/html": ["<img src='x'>"]}}]
        ),
        "shows HTML with an image that has no alt text",
    ),
    "magic": (lambda c: _code(c, 8).update(source="!pip install torch"), "has a line that is not Python"),
    "empty cell": (lambda c: _code(c, 8).update(source="\n"), "has an empty code cell"),
    "no set-up": (lambda c: _code(c, 1).update(metadata={}), "has 0 cells tagged 'setup'"),
    "twin ids": (lambda c: _code(c, 8).update(id="title"), "has a cell without an id, or two with the same"),
    "old format": (lambda c: c.update(nbformat_minor=4), "is not stored as nbformat 4.5"),
    "no title": (lambda c: c["cells"][0].update(source="Text"), "does not open with"),
    "no section": (lambda c: c["cells"][2].update(source="Text"), "has no '## …' heading"),
    "a jump": (_say("#### Deep"), "jumps from a level 2 heading to level 4"),
    "a directive": (_say("```{note}\nText\n```"), "has a directive that Colab shows raw"),
    "a colon fence": (_say(":::{note}\nText\n:::"), "has a directive that Colab shows raw"),
    "a role": (_say("See {ref}`there`."), "has a role that Colab shows raw"),
    "a label": (_say("(there)=\nText"), "has a label that Colab shows raw"),
    "a comment": (_say("% Text"), "has a comment that Colab shows raw"),
    "a block break": (_say("+++"), "has a block break that Colab shows raw"),
    "an image": (_say("![](x.png)"), "has a Markdown image without alt text"),
    "an image tag": (_say("<img src='x.png'>"), "has an image without alt text"),
}


def test_a_good_chapter_has_no_problem(chapter: Notebook) -> None:
    assert problems(chapter) == []


@pytest.mark.parametrize("name", BREAKS)
def test_the_rule_fires(chapter: Notebook, name: str) -> None:
    spoil, message = BREAKS[name]
    spoil(chapter)
    assert any(message in problem for problem in problems(chapter)), problems(chapter)


@pytest.mark.parametrize(
    "text",
    [
        "```python\nprint({'a': 1})\n```",
        "```\n:::{note}\n```",
        "Sets like $\\{1, 2\\}$ and `{ref}` in code.",
        "50 % of it\n100 % of it",
        "Text (in brackets) = fine",
        "<details><summary>Solution</summary>\n\nText\n\n</details>",
    ],
)
def test_plain_markdown_is_left_alone(chapter: Notebook, text: str) -> None:
    _say(text)(chapter)
    assert problems(chapter) == []


def test_a_path_of_this_machine_in_an_output_is_found(chapter: Notebook, root: object) -> None:
    _code(chapter, 4).update(outputs=[{"output_type": "stream", "name": "stdout", "text": f"{root}/book\n"}])
    assert any("shows a path of the machine" in problem for problem in problems(chapter))


def test_links_to_papers_are_held_against_the_bibliography(chapter: Notebook) -> None:
    _say("[A](https://arxiv.org/abs/1501.00092v3), [B](https://doi.org/10.1109/TIP.2003.819861).")(chapter)
    both = "url = {https://arxiv.org/abs/1501.00092}, doi = {10.1109/tip.2003.819861}"
    assert missing_papers(chapter, both) == []
    assert missing_papers(chapter, "") == ["10.1109/TIP.2003.819861", "1501.00092v3"]
