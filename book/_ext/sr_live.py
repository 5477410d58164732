"""The directive of the live page: `{live}`, `{live} small` for the landing page, `{live} film` for moving pictures,
and `{live} networks` for a table of what can be chosen.

It writes a figure that is there without scripts, and asks for the scripts that put the live page in its place. What
they load is made by `live_assets` and copied into the site at the end. With SRBOOK_LIVE=off the figure stays alone.
"""

from __future__ import annotations

import html
import json
import shutil
from pathlib import Path
from typing import Any, ClassVar

import live_assets
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

NBSP = "\N{NO-BREAK SPACE}"
ALT = (
    "The same crop of a photograph of a cat several times: low resolution with visible pixels, enlarged by bicubic"
    " interpolation, enlarged by networks with sharper edges, and the original."
)
CAPTION = "A saved example: the same detail in LR, enlarged by bicubic and by the networks at ×3, and in the original."
OFF = (
    "This copy of the book was built without the live page, so there is only a saved example."
    " <code>make book</code> without <code>SRBOOK_LIVE=off</code> builds it."
)
FILM_NEEDS = "Scripts are off, or have not started yet. Moving pictures need them."
NO_SCRIPTS = (
    "Scripts are off, or have not started yet. The networks run in scripts; without them there is a saved example."
)


class Live(SphinxDirective):
    """The place of the live page."""

    optional_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Raw HTML: the figure, and a sentence where it is all there is."""
        kind = self.arguments[0] if self.arguments else "page"
        if kind not in ("page", "small", "film", "networks"):
            raise self.error(f"live takes `small`, `film`, `networks` or nothing, not {kind}")
        if kind == "networks":
            return self._networks()
        self.env.metadata[self.env.docname]["live"] = kind
        static = "../" * self.env.docname.count("/") + "_static"
        film = kind == "film"
        words = OFF if live_assets.switched_off() else FILM_NEEDS if film else NO_SCRIPTS
        note = f'<p class="sr-live-still">{words}</p>'  # removed by the script
        figure = (
            f'<figure class="sr-live-example"><img src="{static}/live/example.png" alt="{html.escape(ALT)}">'
            f"<figcaption>{CAPTION}</figcaption></figure>"
        )
        text = f'<div class="sr-live" data-kind="{kind}">\n{note}\n{"" if film else figure}\n</div>'
        return [nodes.raw("", text, format="html")]

    def _networks(self) -> list[nodes.Node]:
        """What each network costs, as the manifest has it: Markdown that the page's parser reads."""
        self.env.note_reread()
        path = cache_of(self.env.app) / "manifest.json"
        if live_assets.switched_off() or not path.exists():
            return []
        rows = ["| network | to load | multiplications for a pixel of the picture |", "| --- | ---: | ---: |"]
        for network in json.loads(path.read_text("utf-8"))["networks"]:
            name, size = f"{network['title']} ×{network['scale']}", f"{network['bytes'] / 1e6:.1f} MB"
            rows.append(
                f"| {name} | {size} | {network['macs']:,} |".replace(" ×", NBSP + "×").replace(" MB", NBSP + "MB")
            )
        box = nodes.container()
        self.state.nested_parse(StringList(["", *rows, ""], self.get_source_info()[0]), self.content_offset, box)
        return box.children


def cache_of(app: Sphinx) -> Path:
    """Where everything that is made is kept between builds."""
    return Path(app.srcdir) / "_build" / "live"


def prepare(app: Sphinx) -> None:
    """Make everything before pages are read, so that what is missing is said at once."""
    if app.builder.format != "html":
        return
    cache, weights = cache_of(app), Path(app.srcdir) / "srlib" / "weights"
    files: dict[str, Path] = {}
    if not live_assets.switched_off():
        try:
            files = live_assets.build(cache, weights)
        except live_assets.LiveError as error:
            raise ExtensionError(str(error)) from error
    files["live/example.png"] = live_assets.example(cache, weights)
    app.sr_live_files = files  # type: ignore[attr-defined]


def add_scripts(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Only pages that hold the live page load its scripts."""
    if "live" in app.env.metadata.get(page, {}):
        app.add_css_file("live/live.css")
        if not live_assets.switched_off():
            app.add_js_file("live/live.js", type="module")


def copy(app: Sphinx, error: Exception | None) -> None:
    """Put what was made into the site."""
    for place, source in getattr(app, "sr_live_files", {}).items():
        if error is None:
            target = Path(app.outdir) / "_static" / place
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("live", Live)
    app.connect("builder-inited", prepare)
    app.connect("html-page-context", add_scripts)
    app.connect("build-finished", copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
