"""What a page need not load, it does not load.

1. Of the 2,000 icons of Font Awesome, half a megabyte for every first visit, those stay that some page uses: when the
   site is written, all others are taken out of the script that draws them.
2. MathJax is loaded by pages with mathematics on them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

# "gear":[512,512,[9881,"cog"],"f013","M495.9…"]: name, size, other names, code point, path or two of them
ICON = re.compile(r'(?<=[{,])"?(?P<name>[\w-]+)"?:\[\d+,\d+,\[(?P<others>[^\]]*)\],"\w+",(?:"[^"]*"|\[[^\]]*\])\],?')
USED = re.compile(r"\bfa-([a-z0-9-]+)")
MATHEMATICS = re.compile(r'class="[^"]*\b(math|cell_output)\b')  # an output may hold some, too
ALWAYS = {"circle-half-stroke", "moon", "sun"}  # chosen by a script of the theme


def used(site: Path) -> set[str]:
    """Names of icons in pages, and in the scripts and styles that make some themselves."""
    files = [*site.rglob("*.html"), *site.glob("_static/*.js"), *site.glob("_static/scripts/*-theme.js")]
    return ALWAYS.union(*(USED.findall(path.read_text("utf-8")) for path in files))


def thin(script: str, wanted: set[str]) -> str:
    """The script without the icons that nobody wants."""

    def keep(icon: re.Match[str]) -> str:
        names = {icon["name"], *re.findall(r'"([\w-]+)"', icon["others"])}
        return icon[0] if names & wanted else ""

    return ICON.sub(keep, script)


def finish(app: Sphinx, error: Exception | None) -> None:
    """Thin the script in the site."""
    path = Path(app.outdir) / "_static" / "scripts" / "fontawesome.js"
    if error is None and app.builder.format == "html" and path.exists():
        path.write_text(thin(path.read_text("utf-8"), used(Path(app.outdir))), "utf-8")


def drop_mathjax(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Leave out MathJax, and its settings, where there is nothing to set."""
    if MATHEMATICS.search(context.get("body") or ""):
        return
    context["script_files"] = [
        script
        for script in context.get("script_files", [])
        if "mathjax/" not in str(getattr(script, "filename", script) or "")
        and "window.MathJax" not in (getattr(script, "attributes", {}).get("body") or "")
    ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("build-finished", finish)
    app.connect("html-page-context", drop_mathjax, priority=900)  # after the theme has added its own
    return {"parallel_read_safe": True, "parallel_write_safe": True}
