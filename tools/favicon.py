"""Draw `book/_static/favicon.png`: one disc, its left half in coarse pixels, its right half in fine ones."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tools.chapters import ROOT

SIZE = 96
COARSE = 12  # pixels across the coarse half's grid
BLUE, ORANGE = (0, 114, 178), (230, 159, 0)  # told apart by colour-blind eyes too (Okabe and Ito)


def draw(size: int = SIZE) -> Image.Image:
    """The icon as an RGB image, `size` pixels on each side.

    >>> draw(96).size
    (96, 96)
    """
    fine = _disc(4 * size).resize((size, size), Image.Resampling.BOX)
    coarse = _disc(COARSE).resize((size, size), Image.Resampling.NEAREST)
    fine.paste(coarse.crop((0, 0, size // 2, size)), (0, 0))
    return fine


def _disc(size: int) -> Image.Image:
    """An orange disc on blue, without antialiasing."""
    image = Image.new("RGB", (size, size), BLUE)
    radius = 0.4 * size
    for y in range(size):
        for x in range(size):
            if (x + 0.5 - size / 2) ** 2 + (y + 0.5 - size / 2) ** 2 < radius**2:
                image.putpixel((x, y), ORANGE)
    return image


if __name__ == "__main__":
    path: Path = ROOT / "book" / "_static" / "favicon.png"
    draw().save(path, optimize=True)
