"""Only the icons that the pages use: the theme ships all 2,000 of Font Awesome, half a megabyte for every first visit.

When the site is written, every icon whose name stands in no page and in no script of the theme is taken out of the
script that draws them.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

# "gear":[512,512,[9881,"cog"],"f013","M495.9…"]: name, size, other names, code point, path or two of them
ICON = re.compile(r'(?<=[{,])"?(?P<name>[\w-]+)"?:\[\d+,\d+,\[(?P<others>[^\]]*)\],"\w+",(?:"[^"]*"|\[[^\]]*\])\],?')
USED = re.compile(r"\bfa-([a-z0-9-]+)")
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


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
