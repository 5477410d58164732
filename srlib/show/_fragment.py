"""Interactive figures as pieces of HTML: what the loupe, the lab and the shuffle have in common.

A figure is a `<div>` that holds a plain picture of itself, and a script that puts the interactive one in its place, in
a shadow root. Nothing is loaded: style, scripts and pictures are in the text (`script`, `data_uri`).
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from PIL import Image, features

from ._pixels import Bytes


class Fragment:
    """A figure that a notebook shows as a cell's value; `save` writes it as a page of its own.

    Attributes:
        html: the fragment, self-contained.
        title: its heading, or "".
    """

    html: str
    title: str

    def _repr_html_(self) -> str:
        return self.html

    def save(self, path: str | Path) -> Path:
        """Write a standalone page to `path` and return the path. Raises OSError when it cannot be written."""
        title = html.escape(self.title or "Comparison of pictures")
        page = (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{title}</title>\n<style>:root {{ color-scheme: light dark; }}</style>\n</head>\n<body>\n"
            f"{self.html}\n</body>\n</html>\n"
        )
        path = Path(path)
        path.write_text(page, encoding="utf-8")
        return path


def data_uri(array: Bytes) -> str:
    """The smallest lossless file of the pixels: WebP where Pillow can write it (a quarter less), else PNG."""
    image = Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)
    files = []
    for kind, options in (
        ("png", {"optimize": True}),
        ("webp", {"lossless": True, "quality": 80, "method": 4}),
    ):
        if kind == "webp" and not features.check("webp"):
            continue
        buffer = io.BytesIO()
        image.save(buffer, format=kind, **options)
        files.append((buffer.tell(), kind, buffer.getvalue()))
    _, kind, data = min(files)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def read(name: str) -> str:
    """A style sheet or a script of this package."""
    return resources.files("srlib.show").joinpath(name).read_text(encoding="utf-8")


def closure(styles: Sequence[str], scripts: Sequence[str]) -> str:
    """A `<script>` that holds the text of these style sheets and scripts, after what all figures share."""
    css = json.dumps("".join([read("base.css"), *styles]))
    body = "".join([read("page.js"), *scripts])
    return f'<script>\n(() => {{\n"use strict";\nconst CSS = {css};\n{body}}})();\n</script>'


def script(styles: Sequence[str], scripts: Sequence[str]) -> str:
    """`closure` of files of this package, by their names."""
    return closure([read(name) for name in styles], [read(name) for name in scripts])


def attribute(options: object) -> str:
    """Options as JSON, to be put between the quotes of an attribute."""
    return html.escape(json.dumps(options, ensure_ascii=False), quote=True)


def check_name(name: str | None) -> None:
    """Raise ValueError unless the name can be part of an address, or is None."""
    if name is not None and not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ValueError(f"name may hold letters, digits, '-' and '_', not {name!r}")
