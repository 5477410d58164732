"""srlib.show's interactive figures: what is packed into the page, and what is refused."""

from __future__ import annotations

import base64
import html
import io
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from srlib import show
from srlib.lab import CHOICES, Setup, setups
from srlib.show.laboratory import ROWS


def _scores() -> dict[Setup, float]:
    """A different score for each setup, in their order."""
    return {setup: round(26 + number / 100, 2) for number, setup in enumerate(setups())}


def _options(fragment: Any) -> dict[str, Any]:
    found = re.search(r'data-options="([^"]*)"', fragment.html)
    assert found
    options: dict[str, Any] = json.loads(html.unescape(found[1]))
    return options


def _noise(height: int, width: int, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (1, channels, height, width), generator=generator) / 255


def _pictures(fragment: Any) -> list[np.ndarray]:
    files = re.findall(r'src="data:image/\w+;base64,([^"]+)"', fragment.html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")) for data in files]


# ── the lab ───────────────────────────────────────────────────────────────────────────────────────────


def test_lab_packs_every_score_in_the_order_of_the_choices() -> None:
    scores = _scores()
    options = _options(show.lab({2: dict(reversed(scores.items())), 3: scores}, pictures="one", name="x"))
    assert options["scores"] == {"2": list(scores.values()), "3": list(scores.values())}
    assert options["choices"] == [[choice, list(values)] for choice, values in CHOICES.items()]
    assert (options["scale"], options["name"], options["pictures"]) == (3, "x", "one")


def test_lab_rows_are_setups_by_their_numbers() -> None:
    options = _options(show.lab({4: _scores()}))
    assert options["scale"] == 4
    values = list(CHOICES.values())
    for (name, numbers), (row, setup) in zip(options["rows"], ROWS.items(), strict=True):
        assert name == row
        assert [values[i][k] for i, k in enumerate(numbers)] == list(setup.chosen().values())


def test_lab_without_scripts_has_an_axis_for_each_scale() -> None:
    scores = _scores()
    page = show.lab({2: scores, 3: dict.fromkeys(setups(), 28.0)}, title='A "quote" & <b>').html
    axes = re.findall(
        r'<svg role="img" aria-label="([^"]+)"[^>]*data-scale="(\d)" data-low="(\d+)" data-high="(\d+)"', page
    )
    assert [axis[1:] for axis in axes] == [("2", "26", "29"), ("3", "28", "29")]
    assert "270 scores of bicubic ×2, 26.00 to 28.69 dB" in axes[0][0]
    marks = re.findall(r'class="ticks" d="([^"]+)"', page)
    assert [len(path.split("M")) - 1 for path in marks] == [90, 90, 90, 1, 1, 1]
    assert "A &quot;quote&quot; &amp; &lt;b&gt;" in page
    assert not re.search(r"https?://(?!www\.w3\.org)|//cdn|<link|@import|url\(", page)


def test_lab_is_small_and_the_same_each_time(tmp_path: Path) -> None:
    lab = show.lab({scale: _scores() for scale in (2, 3, 4)})
    assert lab.html == show.lab({scale: _scores() for scale in (2, 3, 4)}).html
    assert len(lab.html) < 60_000
    assert repr(lab) == "Laboratory(270 setups at ×2, ×3, ×4)"
    assert lab._repr_html_() in lab.save(tmp_path / "lab.html").read_text("utf-8")


def test_lab_refuses_what_it_cannot_show() -> None:
    scores = _scores()
    with pytest.raises(ValueError, match="no scores"):
        show.lab({})
    with pytest.raises(ValueError, match="lacks 1 of 270"):
        show.lab({3: {setup: value for setup, value in scores.items() if setup != Setup(colour="RGB")}})
    with pytest.raises(ValueError, match="inf"):
        show.lab({3: scores | {Setup(): math.inf}})
    with pytest.raises(ValueError, match="scale must be one of 3, not 2"):
        show.lab({3: scores}, scale=2)
    with pytest.raises(ValueError, match="name"):
        show.lab({3: scores}, name="a=b")


# ── the shuffle ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("r", [2, 3, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_shuffle_embeds_the_picture_and_shows_its_phases(r: int, channels: int) -> None:
    image = _noise(24, 36, channels)
    sheet, picture = _pictures(show.shuffle(image, r=r))
    expected = (image[0] * 255).round().byte().permute(1, 2, 0).expand(-1, -1, 3).numpy()
    np.testing.assert_array_equal(picture, expected)
    height, width = 24 // r, 36 // r
    for k, phase in enumerate(torch.nn.functional.pixel_unshuffle(image, r)[0].unflatten(0, (channels, r * r))[0]):
        top, left = k // r * (height + 1), k % r * (width + 1)
        shown = sheet[top : top + height, left : left + width, 0]
        np.testing.assert_array_equal(shown, (phase * 255).round().byte().numpy())
    assert sheet.shape[:2] == (24 + r - 1, 36 + r - 1)


def test_shuffle_says_what_it_is(tmp_path: Path) -> None:
    shuffle = show.shuffle(_noise(24, 24), title="A & B", name="x")
    assert repr(shuffle) == "Shuffle(9 channels of 8×8, one picture of 24×24)"
    assert _options(shuffle) == {"title": "A & B", "name": "x", "r": 3, "factors": [2, 3, 4]}
    assert shuffle.html.count('alt="') == 2
    assert "<title>A &amp; B</title>" in shuffle.save(tmp_path / "shuffle.html").read_text("utf-8")
    assert not re.search(r"https?://|//cdn|<link|@import|url\(", shuffle.html)
    assert len(show.shuffle(_noise(72, 72, 1)).html) < 50_000


def test_shuffle_refuses_what_it_cannot_show() -> None:
    for size in ((24, 20), (13, 24), (108, 24)):
        with pytest.raises(ValueError, match="multiples of 12 up to 96"):
            show.shuffle(_noise(*size))
    with pytest.raises(ValueError, match="r must be one of 2, 3, 4, not 5"):
        show.shuffle(_noise(24, 24), r=5)
    with pytest.raises(ValueError, match="name"):
        show.shuffle(_noise(24, 24), name="")
    with pytest.raises(ValueError, match="NaN"):
        show.shuffle(torch.full((1, 1, 24, 24), float("nan")))
