"""What Sphinx and its themes write that a screen reader or a printer stumbles over, mended in the finished page.

Each of `MENDED` is a piece of third-party markup that no setting reaches, and what stands there instead. The style of
the printed page is in `_static/access.css`.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

# A list of parameters, one a line, is a <dl> without terms, which is no list: lines of spans instead.
PARAMETERS = re.compile(r'<dl>\s*((?:<dd><em class="sig-param">.*?</dd>\s*)+)</dl>', re.S)

MENDED = (
    # The role is deprecated, and its list has other children: they are items of a list.
    (re.compile(r' role="doc-biblioentry"'), ' role="listitem"'),
    # Which cells the head of a table is for.
    (re.compile(r'<th class="head'), '<th scope="col" class="head'),
)

# The button that unfolds the pages below a page in the sidebar: an arrow without a name.
UNFOLD = re.compile(r"(<a [^>]*>)((?:(?!</a>).)*)(</a>\s*<details[^>]*>\s*)<summary>", re.S)


def _lines(match: re.Match[str]) -> str:
    lines = re.findall(r"<dd>(.*?)</dd>", match[1], re.S)
    return "".join(f'<span class="sig-line">{line}</span>' for line in lines)


def mend(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Change the body of a page before it is put into the theme."""
    body: str | None = context.get("body")
    if body is None:
        return
    body = PARAMETERS.sub(_lines, body)
    for pattern, instead in MENDED:
        body = pattern.sub(instead, body)
    context["body"] = body


def name_arrows(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Give the arrows of the sidebar a name, when the theme writes it."""
    write = context.get("generate_toctree_html")
    if write is None:
        return

    def named(match: re.Match[str]) -> str:
        title = " ".join(re.sub(r"<[^>]*>", "", match[2]).split())
        return f'{match[1]}{match[2]}{match[3]}<summary aria-label="Pages of {title}">'

    def written(*arguments: Any, **options: Any) -> str:
        return UNFOLD.sub(named, str(write(*arguments, **options)))

    context["generate_toctree_html"] = written


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("html-page-context", mend)
    app.connect("html-page-context", name_arrows, priority=900)  # after the theme has put its function there
    app.add_css_file("access.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
