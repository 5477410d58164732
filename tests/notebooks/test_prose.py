"""Every measured number in the text of chapters and pages has evidence, and a wrong one is found."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from cells import code, markdown, notebook_of, printed

from tools.chapters import ROOT, Notebook, notebooks, read, source
from tools.evidence import Evidence, in_data
from tools.prose import Claim, check_notebook, check_page, claims, missing, pages

MEASUREMENTS = json.loads((ROOT / "data" / "measurements.json").read_text("utf-8"))["measurements"]


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_what_a_chapter_states_was_printed_or_is_in_the_data(path: Path) -> None:
    assert check_notebook(read(path), path.stem) == []


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_what_a_page_states_is_in_the_data(path: Path) -> None:
    assert check_page(path.read_text("utf-8"), path.name) == []


# ---- what is found in a sentence


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("It gains 0.53 dB.", [("dB", 0.53)]),
        ("It costs 0.2 to 1.5 dB, or 3 decibels.", [("dB", 0.2), ("dB", 1.5), ("dB", 3.0)]),
        ("It ends −0.46 ± 0.04 dB below.", [("dB", 0.46)]),
        ("6.0 % of it, 12 per cent", [("percent", 6.0), ("percent", 12.0)]),
        ("38 ms, 2 minutes and 1.5 h", [("seconds", 0.038), ("seconds", 120.0), ("seconds", 5400.0)]),
        ("26 frames a second against 2", [("rate", 26.0)]),
        ("6.1 GB, 548 MB", [("bytes", 6.1e9), ("bytes", 548e6)]),
        ("2.5 times faster, 2.5 times the size", [("times", 2.5)]),
        ("17.5 grey levels", [("levels", 17.5)]),
        ("an SSIM of 0.8101", [("SSIM", 0.8101)]),
        ("57,281 weights, 8 pictures, 9×9, ×3, 2016", [("count", 57281.0)]),
        ("`0.53 dB` in code and $0.53$ in a formula", []),
        ("“My PSNR is 77 dB”, somebody says.", []),
        ("5×5 filters; 1/24 of it; a = −0.75; N(0, 0.001)", []),
    ],
)
def test_measurements_are_found(sentence: str, found: list[tuple[str, float]]) -> None:
    assert [(claim.kind, pytest.approx(claim.value)) for claim in claims(sentence)] == found


@pytest.mark.parametrize(
    ("sentence", "value", "fits"),
    [
        ("0.53 dB", 0.5349, True),
        ("0.53 dB", 0.5351, False),
        ("−0.53 dB", 0.53, True),
        ("more than 0.3 dB", 0.35, True),
        ("more than 0.3 dB", 0.25, False),
        ("less than 2 GB", 1.9e9, True),
        ("less than 2 GB", 2.1e9, False),
        ("about 80 s", 76.0, True),
        ("about 80 s", 60.0, False),
        ("80 s", 79.0, False),
    ],
)
def test_a_value_fits_to_the_printed_digits(sentence: str, value: float, fits: bool) -> None:
    (claim,) = claims(sentence)
    assert claim.fits(value) is fits


def test_a_spread_has_to_fit_too() -> None:
    (claim,) = claims("It costs 0.46 ± 0.04 dB.")
    assert claim.fits(-0.461, 0.043)
    assert not claim.fits(-0.461, 0.09)
    assert not claim.fits(-0.461)


# ---- what excuses a number


@pytest.mark.parametrize(
    ("text", "excused"),
    [
        ("It took 38 ms.", ""),
        ("It took 38 ms ([Shi et al., 2016](https://arxiv.org/abs/1609.05158)).", "quoted"),
        ("The paper reports 38 ms.", "quoted"),
        ("| paper | here |\n|---|---|\n| 38 ms | none |", "quoted"),
        ("## The paper's card\n\n| training | 395,909 pictures |", "quoted"),
        ("The paper reports 33.13 dB.", ""),
        ("### Exercise 2.2: half a decibel\n\nIt scores 0.5 dB more.", "given"),
        ("| reading | about 40 minutes |", "planned"),
        ("A session of 90 minutes.", "planned"),
    ],
)
def test_what_needs_no_evidence(text: str, excused: str) -> None:
    assert [claim.excused for claim in claims(text)] == [excused]


def test_scores_are_never_excused_by_a_citation() -> None:
    page = "SRCNN has 32.75 dB on Set5 ([Dong et al., 2016](https://arxiv.org/abs/1501.00092))."
    assert check_page(page, "page.md") == []  # in data/published.tsv
    assert len(check_page(page.replace("32.75", "32.85"), "page.md")) == 1


# ---- where evidence may stand


def _chapter(*texts: str, output: str = "PSNR 28.40 dB") -> Notebook:
    after = [markdown(text, f"text-{number}") for number, text in enumerate(texts)]
    return notebook_of(markdown("# Title\n\n## Section", "title"), code("print(score)", 1, printed(output)), *after)


@pytest.mark.parametrize(
    ("text", "output", "wrong"),
    [
        ("It scores 28.40 dB.", "PSNR 28.40 dB", 0),
        ("It scores 28.4 dB.", "PSNR 28.40 dB", 0),
        ("It scores 28.50 dB.", "PSNR 28.40 dB", 1),
        ("It gains 1.08 dB.", "PSNR 28.40 29.48 dB", 0),  # of one row
        ("It gains 1.08 dB.", "bicubic 28.40 dB\nESPCN 29.48 dB", 0),  # of one column
        ("It gains 1.09 dB.", "bicubic 28.40 dB\nESPCN 29.48 dB", 1),
        ("It scores 28 dB.", "28 pictures, PSNR 25.10 dB", 1),  # a score is printed with decimals
        ("That is 6 %.", "share 0.0602", 0),
        ("It takes 12 ms.", "0.0121 seconds", 0),
        ("It takes 13 ms.", "0.0121 seconds", 1),
    ],
)
def test_an_output_above_is_evidence(text: str, output: str, wrong: int) -> None:
    assert len(check_notebook(_chapter(text, output=output), "chapter")) == wrong


def test_an_output_below_is_no_evidence() -> None:
    cells = [markdown("# T\n\n## S\n\nIt scores 28.40 dB.", "a"), code("print(psnr)", 1, printed("28.40 dB"))]
    assert len(check_notebook(notebook_of(*cells), "chapter")) == 1


def test_far_above_is_evidence_for_a_summary_only() -> None:
    many = [code("print(psnr)", number, printed(f"PSNR {number}.55 dB")) for number in range(2, 12)]
    text = "It scores 28.40 dB."
    near = notebook_of(*_chapter()["cells"], *many, markdown(text, "text"))
    assert len(check_notebook(near, "chapter")) == 1
    summary = notebook_of(*_chapter()["cells"], *many, markdown(f"## Summary\n\n{text}", "text"))
    assert check_notebook(summary, "chapter") == []


def test_a_setting_in_code_is_no_score() -> None:
    cells = [markdown("# T\n\n## S", "a"), code("noise(x, 15)", 1), markdown("Noise of 15 grey levels, 15 dB.", "b")]
    assert [line.split("'")[3] for line in check_notebook(notebook_of(*cells), "chapter")] == ["15 dB"]


def test_data_speaks_for_the_networks_that_are_named() -> None:
    assert check_page("VDSR reaches 33.66 dB on Set5 at ×3.", "page.md") == []
    assert len(check_page("It reaches 33.66 dB on Set5 at ×3.", "page.md")) == 1


# ---- measurements


def test_each_measurement_says_how_and_is_used() -> None:
    texts = {path.name: path.read_text("utf-8") for path in pages()}
    for path in notebooks():
        texts[path.stem] = "\n\n".join(source(c) for c in read(path)["cells"] if c["cell_type"] == "markdown")
    for row in MEASUREMENTS:
        assert set(row) == {"what", "value", "unit", "how", "device", "date", "in"}, row["what"]
        assert date.fromisoformat(row["date"]).year >= 2026
        for name in row["in"]:
            assert any(claim.fits(row["value"]) for claim in claims(texts[name])), (
                f"{name} does not state {row['what']}"
            )


# ---- a figure changed in a copy of a chapter


def _scores(notebook: Notebook) -> list[tuple[int, str]]:
    """Two-decimal scores in the prose: the cell that each stands in, and how it is written."""
    return [
        (position, number)
        for position, cell in enumerate(notebook["cells"])
        if cell["cell_type"] == "markdown"
        for claim in claims(source(cell))
        if claim.kind == "dB" and not claim.excused and not claim.bound
        for number in re.findall(r"\d+\.\d\d(?!\d)", claim.text)[:1]
    ]


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_changed_score_is_found(path: Path) -> None:
    notebook = read(path)
    found, changed = 0, 0
    for position, number in _scores(notebook)[:6]:
        mutant = copy.deepcopy(notebook)
        cell = mutant["cells"][position]
        cell["source"] = source(cell).replace(number, f"{float(number) + 3.17:.2f}", 1)
        found += len(check_notebook(mutant, path.stem)) > 0
        changed += 1
    assert found >= 0.9 * changed, f"{found} of {changed}"


def test_most_small_changes_are_found() -> None:
    """A last digit that is off by two to nine often meets another number by chance; not mostly."""
    found, changed = 0, 0
    for path in notebooks():
        data = in_data(ROOT, path.stem)
        for claim in (
            c for cell in read(path)["cells"] for c in claims(source(cell)) if cell["cell_type"] == "markdown"
        ):
            if claim.kind == "dB" and claim.step < 0.02 and not claim.excused and not claim.bound:
                for off in (-9, -5, -2, 2, 5, 9):
                    mutant: Claim = replace(claim, value=abs(claim.value + off * claim.step))
                    found += missing(mutant, Evidence([], data, claim.sentence))
                    changed += 1
    assert found > 0.6 * changed, f"{found} of {changed}"
