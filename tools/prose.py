"""Measured numbers in prose, held against where they can come from.

The book's rule is that every number in its text is printed by a cell above it or stands in the project's data. This
module reads the text of a chapter or a page, finds the numbers that are *measurements* (a number with a unit of
measurement, a score, a count with a thousands separator), and looks each of them up: in the text outputs of cells above
it, in the constants of their code, in `data/`, and on the cards of the shipped weights. A value fits when it rounds to
the printed digits.

Read `Claim` and `claims` (what a sentence claims), then `missing`. Where evidence comes from stands in
`tools.evidence`. What a number may be besides, and why:

- **defined**: a constant of arithmetic or of a format (`DEFINED`), or given by the text of an exercise;
- **quoted**: not ours, in a sentence that links to its source or names a paper, or in a table with a column for one.
  Not so for scores: the published ones stand in `data/published.tsv`. Somebody's words, in quotation marks, are;
- **planned**: the time that we think a reading, a lesson or an exercise takes.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tools.chapters import ROOT, Notebook, notebooks, read, source
from tools.evidence import NEAR, Evidence, Known, in_code, in_data, in_output

# Kind of measurement: the words of its unit, and how many base units each is.
UNITS: dict[str, dict[str, float]] = {
    "dB": {r"dB\b": 1, r"decibels?\b": 1},
    "percent": {r"%": 1, r"per ?cent\b": 1},
    "seconds": {
        r"ms\b": 0.001, r"milliseconds?\b": 0.001, r"s\b(?!['’])": 1, r"seconds?\b": 1, r"min\b": 60, r"minutes?\b": 60,
        r"h\b": 3600, r"hours?\b": 3600,
    },
    "bytes": {r"[kK]B\b": 1e3, r"MB\b": 1e6, r"GB\b": 1e9, r"megabytes?\b": 1e6, r"gigabytes?\b": 1e9},
    "rate": {
        r"fps\b": 1,
        r"(?:images|pictures|frames|patches|megapixels|steps) a second\b": 1,
        r"(?:images|frames|megapixels|Mpx|steps)/s\b": 1,
    },
    "times": {r"times (?:as |faster|slower|more|fewer|less|larger|smaller|cheaper)": 1},
    "levels": {r"(?:squared )?grey levels?\b": 1},
}  # fmt: skip
SCORES = ("dB", "SSIM")  # kinds that nothing excuses but data and arithmetic

# dB: twice the error, twice the squared error, Y in 0..255 against 16..235, peak 255 against 1, ten times the error or
# its square, and what two decimals can tell, which is the ledger's tolerance.
DEFINED = {
    "dB": (20 * math.log10(2), 10 * math.log10(2), 20 * math.log10(255 / 219), 20 * math.log10(255), 20.0, 10.0, 0.01),
    "percent": (0.0, 50.0, 100.0),
    "levels": (0.0, 0.5, 1.0, 16.0, 235.0, 255.0, 256.0),
    "rate": (24.0, 25.0, 30.0, 60.0),  # of a film, of television
    "seconds": (1 / 24, 1 / 25, 1 / 30, 1 / 60),
}

_NUMBER = r"[−+-]?\d[\d,]*(?:\.\d+)?"
_JOIN = r"\s*(?:±|–|to|and|or|against|,)\s*"
_BOUND = re.compile(
    r"(?P<more>more than|over|above|at least|beyond|better than|exceeds?)\W+$"
    r"|(?P<less>less than|under|below|at most|up to|within|fewer than)\W+$"
)
_HEDGE = re.compile(r"\b(?:about|nearly|almost|some|roughly|around|close to|a good|not quite)\W+$")
_SECTION = re.compile(r"^(?=## )", re.M)
_PLANS = re.compile(r"^\|\s*reading\s*\||\b(?:lecture|lesson|session|class)\b", re.I)
_LINK = re.compile(r"\]\(https?://")
_REPORTS = re.compile(r"\b(?:papers?|authors?|published)\b", re.I)


@dataclass(frozen=True)
class Claim:
    """A measurement that a sentence states.

    Attributes:
        text: as it is written, such as "0.53 dB"; `sentence` around it.
        kind: of `UNITS`, "SSIM", or "count" for a number with a thousands separator.
        value: without sign, in base units; `step` is one unit of its last digit.
        spread: what follows a ±.
        bound: "more" or "less" for a bound, else "".
        loose: the sentence says “about”.
        excused: why it needs no evidence; "" when it does.
    """

    text: str
    kind: str
    value: float
    step: float
    sentence: str
    spread: float | None = None
    bound: str = ""
    loose: bool = False
    excused: str = ""

    def fits(self, value: float, spread: float | None = None) -> bool:
        """Whether a known value bears the claim out, and its spread."""
        value = abs(value)
        if self.bound == "more":
            return self.value <= value <= 2 * self.value
        if self.bound == "less":
            return self.value / 2 <= value <= self.value
        room = self.step / 2 + 1e-9 * max(1.0, self.value)
        if (spread is None) != (self.spread is None) and self.spread is not None:
            return False
        if self.spread is not None and spread is not None and abs(spread - self.spread) > room:
            return False
        if self.loose:
            room = max(room, 0.1 * self.value)
        return abs(value - self.value) <= room


def claims(markdown: str, heading: str = "") -> Iterator[Claim]:
    """All measurements that a piece of Markdown states, sentence by sentence.

    >>> [(c.kind, c.value) for c in claims("It gains 0.53 dB in 1.5 minutes, with 57,281 weights.")]
    [('dB', 0.53), ('seconds', 90.0), ('count', 57281.0)]
    """
    head = ""
    for sentence, is_row, is_head in _sentences(markdown):
        if sentence.startswith("#"):
            heading = sentence
        head = sentence if is_head else head if is_row else ""
        excuse = _excuse(sentence, heading, head)
        for claim in _in_sentence(_plain(sentence)):
            if (excuse == "quoted" and claim.kind in SCORES) or (excuse == "planned" and claim.kind != "seconds"):
                excuse = ""
            yield replace(claim, excused=excuse)


def missing(claim: Claim, evidence: Evidence) -> bool:
    """Whether nothing speaks for a claim."""
    if claim.excused or any(claim.fits(value) for value in DEFINED.get(claim.kind, ())):
        return False
    return not any(
        claim.fits(known.value, known.spread) for known in evidence.of(claim.kind, claim.step, bool(claim.bound))
    )


def check_notebook(notebook: Notebook, stem: str, root: Path = ROOT) -> list[str]:
    """What is claimed in a chapter and found nowhere: a line each, with the id of the cell."""
    wrong: list[str] = []
    data = in_data(root, stem)
    above: list[Known] = []
    prints, section, heading = _printing(notebook), 0, ""
    for position, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code":
            above += in_output(cell, position) + in_code(source(cell), position)
            continue
        for part in _SECTION.split(source(cell)):
            section += part.startswith("## ")
            near = NEAR if prints[section] else None
            wrong += [
                f"{stem}, cell {cell['id']!r}: {claim.text!r} in “{claim.sentence}”"
                for claim in claims(part, heading)
                if missing(claim, Evidence(above, data, claim.sentence, near))
            ]
            heading = next((line for line in reversed(part.splitlines()) if line.startswith("#")), heading)
    return wrong


def _printing(notebook: Notebook) -> list[bool]:
    """For each section, in order, whether a cell of it prints; what stands before the first heading is section 0."""
    prints = [False]
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            prints += [False] * len(_SECTION.findall(source(cell)))
        elif cell.get("outputs"):
            prints[-1] = True
    return prints


def check_page(markdown: str, name: str, root: Path = ROOT) -> list[str]:
    """The same for a page without cells, which has only the data to lean on."""
    data = in_data(root, name)
    code = in_code("\n".join(re.findall(r"^```.*?^```", markdown, re.M | re.S)), 0)
    return [
        f"{name}: {claim.text!r} in “{claim.sentence}”"
        for claim in claims(markdown)
        if missing(claim, Evidence(code, data, claim.sentence))
    ]


def _sentences(markdown: str) -> Iterator[tuple[str, bool, bool]]:
    """Headings, rows of tables, and sentences, with whether it is a row and whether that row is a table's head."""
    text = re.sub(r"^(`{3,}|~{3,}).*?^\1`*\s*$", "", markdown, flags=re.M | re.S)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    for block in re.split(r"\n\s*\n", text):
        lines = [line.strip() for line in block.strip().splitlines()]
        if lines and lines[0].startswith("|"):
            for number, line in enumerate(lines):
                if not re.fullmatch(r"[|:\s-]+", line):
                    yield line, True, number == 0
            continue
        paragraph = ""
        for line in [*lines, ""]:
            if paragraph and (not line or re.match(r"#|[-*] |\d+\. ", line) or paragraph.startswith("#")):
                yield from ((part, False, False) for part in re.split(r"(?<=[.!?])\s+(?=[^a-z\s])", paragraph))
                paragraph = ""
            paragraph = f"{paragraph} {line}".strip()


def _plain(sentence: str) -> str:
    """Without code, formulas, addresses, marks of emphasis, and what somebody says."""
    sentence = re.sub(r"`[^`]*`|\$[^$]*\$|<[^>]*>|“[^”]*”|\"[^\"]*\"", " ", sentence)
    sentence = re.sub(r"\]\([^)]*\)", "]", sentence)
    return re.sub(r"[*_]{1,2}(?=\S)|(?<=\S)[*_]{1,2}", "", sentence)


def _excuse(sentence: str, heading: str, header: str) -> str:
    if re.match(r"#+ Exercise", heading):
        return "given"
    if any(_PLANS.search(text) for text in (sentence, heading)):
        return "planned"
    if _LINK.search(sentence) or any(_REPORTS.search(text) for text in (sentence, heading, header)):
        return "quoted"
    return ""


def _in_sentence(text: str) -> list[Claim]:
    """What one sentence claims, in order."""
    found: list[tuple[int, Claim]] = []
    taken: list[range] = []
    patterns = [
        (rf"(?<![\w.,×·^/])(?P<numbers>{_NUMBER}(?:{_JOIN}{_NUMBER})*)[\s-]?(?:{unit})", kind, size)
        for kind, units in UNITS.items()
        for unit, size in units.items()
    ]
    patterns.append((rf"SSIM\D{{0,20}}?(?P<numbers>0\.\d+(?:{_JOIN}0\.\d+)*)", "SSIM", 1))
    patterns.append((r"(?<![\w.,])(?P<numbers>\d{1,3}(?:,\d{3})+)(?![\d,])", "count", 1))
    for pattern, kind, size in patterns:
        for match in re.finditer(pattern, text):
            if not any(match.start("numbers") in span for span in taken):
                taken.append(range(*match.span()))
                found += [(match.start(), claim) for claim in _numbers(text, match, kind, size)]
    return [claim for _, claim in sorted(found, key=lambda pair: pair[0])]


def _numbers(text: str, found: re.Match[str], kind: str, size: float) -> Iterator[Claim]:
    before = text[: found.start("numbers")].lower()
    bound, loose = _BOUND.search(before), bool(_HEDGE.search(before))
    side = "" if not bound else "more" if bound["more"] else "less"
    for number, spread in re.findall(rf"({_NUMBER})(?:\s*±\s*({_NUMBER}))?", found["numbers"]):
        digits = number.replace(",", "").lstrip("−+-")
        step = 10.0 ** -len(digits.partition(".")[2]) * size
        scatter = float(spread) * size if spread else None
        yield Claim(found[0].strip(), kind, float(digits) * size, step, text.strip(), scatter, side, loose)


def pages(root: Path = ROOT) -> list[Path]:
    """The pages that are read: those of the book, and the README."""
    return [root / "README.md", *sorted((root / "book").glob("*.md"))]


def check(root: Path = ROOT) -> list[str]:
    """All chapters and pages."""
    wrong = [line for path in notebooks(root) for line in check_notebook(read(path), path.stem, root)]
    return wrong + [line for path in pages(root) for line in check_page(path.read_text("utf-8"), path.name, root)]


def main() -> None:
    """Print what has no evidence, for the files named on the command line or for all; leave with 1 if there is any."""
    named = [Path(name) for name in sys.argv[1:]]
    wrong = [] if named else check()
    for path in named:
        if path.suffix == ".ipynb":
            wrong += check_notebook(read(path), path.stem)
        else:
            wrong += check_page(path.read_text("utf-8"), path.name)
    print("\n".join(wrong))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
