"""The directives of the interactive pages: `{time-machine}` and `{blind-test}`.

Both write a figure that is there without scripts, and a script that puts the interactive one in its place; what they
show is made here, while the book is built, by `time_machine` and `blind_test`, and kept in `_build/interactive` until
weights or photographs change. Read `Figure`, then `copy`, which puts the pictures into the site.
"""

from __future__ import annotations

import html
import shutil
from pathlib import Path
from typing import Any, ClassVar

import blind_test
import built
import time_machine
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from srlib.show._fragment import attribute, closure

SCRIPTS = Path(__file__).with_name("interactive")


def _closure(*names: str) -> str:
    texts = {name: (SCRIPTS / name).read_text("utf-8") for name in names}
    styles = [text for name, text in texts.items() if name.endswith(".css")]
    return closure(styles, [text for name, text in texts.items() if name.endswith(".js")])


class Figure(SphinxDirective):
    """A figure of its own script; the subclasses say what it shows."""

    option_spec: ClassVar[dict[str, Any]] = {}
    name_of_folder: ClassVar[str]

    def run(self) -> list[nodes.Node]:
        """Raw HTML: the place of the figure, what a reader without scripts sees, and the script."""
        self.env.note_reread()  # weights may come at any time
        cache = Path(self.env.srcdir) / "_build" / "interactive" / self.name_of_folder
        static = "../" * self.env.docname.count("/") + f"_static/interactive/{self.name_of_folder}/"
        options, plain, scripts = self.show(cache, static)
        self.env.metadata[self.env.docname]["interactive"] = self.name_of_folder
        text = (
            f'<div class="sr-{self.name_of_folder}" data-options="{attribute(options)}">\n'
            f"<noscript>\n{plain}\n</noscript>\n</div>\n{_closure(*scripts)}"
        )
        return [nodes.raw("", text, format="html")]

    def show(self, cache: Path, static: str) -> tuple[dict[str, Any], str, tuple[str, ...]]:
        """What the script gets, what stands there without it, and the names of its files."""
        raise NotImplementedError


class TimeMachine(Figure):
    """A network at the steps at which its weights were kept."""

    name_of_folder = "time-machine"

    def show(self, cache: Path, static: str) -> tuple[dict[str, Any], str, tuple[str, ...]]:
        """A card for each network; without scripts, six steps of each."""
        cards = time_machine.build(cache, Path(self.env.srcdir) / "data" / "moments")
        if not cards:
            raise self.error("no training has left moments in data/moments; see `srlib train --moments`")
        plain = []
        for card in cards:
            steps = ", ".join(f"{card['steps'][k]:,}" for k in card["plain"])
            gains = ", ".join(f"{card['gains'][k]:+.2f}".replace("-", "−") for k in card["plain"])
            alt = html.escape(
                f"{time_machine.WHAT}, enlarged by {card['title']} at six moments of its training, ever sharper."
            )
            plain.append(
                f'<figure><img src="{static}{card["id"]}-plain.webp" alt="{alt}" loading="lazy">'
                f"<figcaption>{card['title']} at steps {steps}: {gains} dB against bicubic.</figcaption></figure>"
            )
        options = {"base": static, "what": time_machine.WHAT, "networks": cards}
        return options, "\n".join(plain), ("time_machine.css", "time_machine.js")


class BlindTest(Figure):
    """Two crops side by side, without names: which one looks better?"""

    name_of_folder = "blind-test"

    def show(self, cache: Path, static: str) -> tuple[dict[str, Any], str, tuple[str, ...]]:
        """The crops of every place; without scripts, all of them with their names."""
        test = blind_test.build(cache)
        plain = []
        for place in test["places"]:
            alt = html.escape(f"{place['what']}, as given by {', '.join(test['names'].values())}, left to right.")
            scores = ", ".join(f"{test['names'][m]} {value:.2f} dB" for m, value in place["psnr"].items())
            plain.append(
                f'<figure><img src="{static}{place["file"]}" alt="{alt}" loading="lazy">'
                f"<figcaption>{html.escape(place['credit'])} {scores}.</figcaption></figure>"
            )
        scripts = ("blind_test.css", "votes.js", "blind_test.js")
        return test | {"base": static}, "\n".join(plain), scripts


def copy(app: Sphinx, error: Exception | None) -> None:
    """Put what the pages show into the site."""
    if error or app.builder.format != "html":
        return
    wanted = {about["interactive"] for about in app.env.metadata.values() if "interactive" in about}
    for name in wanted:
        target = Path(app.outdir) / "_static" / "interactive" / name
        target.mkdir(parents=True, exist_ok=True)
        for folder in sorted((Path(app.srcdir) / "_build" / "interactive" / name).iterdir()):
            for path in built.files(folder):
                shutil.copy(path, target / path.name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("time-machine", TimeMachine)
    app.add_directive("blind-test", BlindTest)
    app.connect("build-finished", copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
