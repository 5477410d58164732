"""The directive of the ledger's page: `{ledger} scores`, `{ledger} weights` or `{ledger} unmatched`.

All numbers come from `data/ledger.json` and the cards in `srlib/weights/`, so that none is typed by hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

Row = dict[str, Any]

NAMES = {
    "bicubic": "Bicubic",
    "srcnn": "SRCNN",
    "espcn": "ESPCN",
    "vdsr": "VDSR",
    "srresnet": "SRResNet",
    "srgan": "SRGAN",
}
SETS = {"set5": "Set5", "set14": "Set14"}
NBSP = "\N{NO-BREAK SPACE}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> list[str]:
    """A Markdown table; the first `words` columns are words, the others numbers."""
    lines = [head, [*["---"] * words, *["---:"] * (len(head) - words)], *rows]
    return ["", *("| " + " | ".join(line) + " |" for line in lines), ""]


def signed(value: float, digits: int) -> str:
    """With a sign that is as wide as a figure, and none for what rounds to zero."""
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}".replace("-", "−") if rounded else f"{0:.{digits}f}"


def duration(seconds: float) -> str:
    """“25 min”, “1.5 h”."""
    return f"{seconds / 60:.0f}{NBSP}min" if seconds < 5400 else f"{seconds / 3600:.1f}{NBSP}h"


def scores(ledger: Row, cards: dict[str, Row]) -> list[str]:
    """A part for each network: its rows that were published, and those that stand for comparison inside the book."""
    lines: list[str] = []
    rows = sorted(
        ledger["rows"], key=lambda r: (list(NAMES).index(r["model"]), r["data"] != "set5", r["scale"], r["protocol"])
    )
    for model, variant in dict.fromkeys((row["model"], row["variant"]) for row in rows):
        own = [row for row in rows if (row["model"], row["variant"]) == (model, variant)]
        body, reasons = [], dict.fromkeys(row["reason"] for row in own if "reason" in row)
        for row in own:
            twin = "published_psnr" in row
            body.append(
                [
                    f"{SETS[row['data']]} ×{row['scale']}, {row['protocol']}".replace(" ", NBSP),
                    f"{row['psnr']:.2f}",
                    f"{row['published_psnr']:.2f}" if twin else "–",
                    signed(row["psnr"] - row["published_psnr"], 2) if twin else "–",
                    f"{row['ssim']:.4f}",
                    f"{row['published_ssim']:.4f}" if "published_ssim" in row else "–",
                    row["status"] if twin else "–",
                ]
            )
        head = ["set, protocol", "ours, dB", "published, dB", "difference", "our SSIM", "published SSIM", "status"]
        lines += ["", f"**{NAMES[model]} {variant}**".replace(" **", "**"), *table(head, body)]
        sources = dict.fromkeys(
            f"{r['published_model']}: {r['published_source']}" for r in own if "published_psnr" in r
        )
        lines += [f"Published: {'; '.join(sources)}.", ""] if sources else []
        lines += [f"Why it is short: {'; '.join(reasons)}.", ""] if reasons else []
    return lines


def weights(ledger: Row, cards: dict[str, Row]) -> list[str]:
    """What ships: one row for each file of weights, and what all of them took, by device."""
    body, together = [], {card["device"]: 0.0 for card in cards.values()}
    for name, card in sorted(cards.items(), key=lambda item: (list(NAMES).index(item[1]["model"]), item[0])):
        recipe = card["recipe"]
        body.append(
            [
                f"`{name}`",
                card["device"],
                f"{card['steps']:,} × {recipe['batch']}",
                duration(card["seconds"]),
                f"{card['validation_psnr_db']:.2f}",
                f"`{(card['commit'] or 'unknown')[:7]}`",
            ]
        )
        together[card["device"]] += card["seconds"]
    hours = [f"{seconds / 3600:.1f}{NBSP}h on {device}" for device, seconds in sorted(together.items())]
    head = ["weights", "device", "steps × batch", "time", "held out, dB", "commit"]
    return [*table(head, body, words=2), f"Together: {'; '.join(hours)}.", ""]


def unmatched(ledger: Row, cards: dict[str, Row]) -> list[str]:
    """Published cells that nothing of ours stands against, by network and reason."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in ledger["unmatched"]:
        key = row["published_model"], row["published_trained_on"], row["reason"]
        groups.setdefault(key, []).append(row)
    body = []
    for (model, trained_on, why), rows in groups.items():
        cells = [f"{SETS[r['data']]} ×{r['scale']} {r['published_psnr']:.2f}".replace(" ", NBSP) for r in rows]
        body.append([f"{model}, {trained_on}", ", ".join(cells), why])
    return table(["network, training set", "published, dB", "why not"], body, words=3)


PARTS: dict[str, Callable[[Row, dict[str, Row]], list[str]]] = {
    "scores": scores,
    "weights": weights,
    "unmatched": unmatched,
}


class Ledger(SphinxDirective):
    """One part of the ledger's page."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Write Markdown and let the page's parser read it."""
        part = self.arguments[0]
        if part not in PARTS:
            raise self.error(f"the ledger has the parts {', '.join(PARTS)}, not {part}")
        self.env.note_reread()
        root = Path(self.env.srcdir)
        ledger = json.loads((root / "data" / "ledger.json").read_text("utf-8"))
        cards = {p.stem: json.loads(p.read_text("utf-8")) for p in (root / "srlib" / "weights").glob("*.json")}
        box = nodes.container()
        lines = PARTS[part](ledger, cards)
        self.state.nested_parse(StringList(lines, self.get_source_info()[0]), self.content_offset, box)
        return box.children


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("ledger", Ledger)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
