"""Measure every shipped model on Set5 and Set14 and write `data/ledger.json`; `python -m tools.ledger`.

With names behind it (`python -m tools.ledger vdsr srgan`) it measures these and keeps the rows of the others.

A row is one model on one set, at one scale, under one protocol. Where the same cell was published, the row quotes it
and says how far ours is from it. The SRCNN lineage published with protocol D and SelfExSR with A (see `srlib.metrics`);
other rows of A, the book's default, stand for comparison inside the book. Published cells that no row of ours stands
against are listed at the end with the reason.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

from srlib import models
from srlib._paths import data_dir, weights_dir
from srlib.evaluate import Ledger, benchmark

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
NEAR_DB = 0.01  # closer than this, two rounded figures agree

# (model, variant, protocol) of ours: (name, training set) in data/published.tsv
TWINS = {
    ("bicubic", "", "A"): ("bicubic (SelfExSR)", "-"),
    ("bicubic", "", "D"): ("bicubic", "-"),
    ("srcnn", "9-5-5", "D"): ("SRCNN 9-5-5", "ImageNet"),
    ("srcnn", "9-1-5", "A"): ("SRCNN 9-1-5", "91 images"),
    ("espcn", "tanh", "D"): ("ESPCN", "ImageNet"),
    ("vdsr", "20", "D"): ("VDSR", "291 images"),
    ("bicubic", "", "S"): ("bicubic (SRGAN paper)", "ImageNet 350k"),
    ("srresnet", "b16", "S"): ("SRResNet-MSE (SRGAN paper)", "ImageNet 350k"),
}
# Of the paper's three games, the one that was trained with the same content loss.
SRGAN_TWINS = {
    "mse": ("SRGAN-MSE (SRGAN paper)", "ImageNet 350k"),
    "vgg22": ("SRGAN-VGG22 (SRGAN paper)", "ImageNet 350k"),
    "vgg54": ("SRGAN-VGG54 (SRGAN paper)", "ImageNet 350k"),
}
OTHERS = {"EDSR-baseline", "SwinIR"}  # quoted for comparison


def reason(card: dict[str, Any], papers: str) -> str:
    """Why ours is below the published figure, from what is known of the weights and of the paper's pictures."""
    seen = f"{card['steps'] * card['recipe']['batch']:,} patches of {card['training_set']['pictures']} photographs"
    time = f"{card['seconds'] / 60:.0f} minutes ({card['device']})"
    more = ", on far more photographs," if "ImageNet" in papers else ","
    why = f"trained for {time} on {seen}; the paper's training was far longer{more} and probably that is why"
    if card["recipe"]["variant"] == "tanh":  # measured, and in the ledger's own rows
        why += "; tanh has a part in it, for with ReLU the same training comes nearer"
    return why


def protocols(model: str) -> tuple[str, ...]:
    """Under which protocols a model is measured: the book's, and those that something like it was published with."""
    return {"bicubic": ("A", "D", "S"), "srresnet": ("A", "S"), "srgan": ("A", "S")}.get(model, ("A", "D"))


def cells() -> list[dict[str, str]]:
    """data/published.tsv."""
    with (data_dir() / "published.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def unmatched(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The published cells of Set5 and Set14 that none of `rows` stands against, and why."""
    key = ("published_model", "published_trained_on", "data", "scale")
    matched = {tuple(row[k] for k in key) for row in rows if "published_model" in row}
    ours = {*TWINS.values(), *SRGAN_TWINS.values()}
    found = []
    for cell in cells():
        data, scale = cell["test_set"].lower(), int(cell["scale"])
        if data not in ("set5", "set14") or (cell["model"], cell["trained_on"], data, scale) in matched:
            continue
        if cell["model"] in OTHERS:
            why = "not a network of this book"
        elif (cell["model"], cell["trained_on"]) in ours:
            why = "no such weights ship"
        else:
            why = "not trained with this loss or these pictures"
        entry: dict[str, Any] = {"published_model": cell["model"], "published_trained_on": cell["trained_on"]}
        entry |= {"data": data, "scale": scale, "published_psnr": float(cell["psnr_y_db"])}
        if cell["ssim"]:
            entry |= {"published_ssim": float(cell["ssim"]), "ssim_kind": cell["ssim_kind"]}
        found.append(entry | {"published_source": cell["source"], "reason": why})
    return found


def published(model: str, variant: str, data: str, scale: int, protocol: str) -> dict[str, Any] | None:
    """The row of data/published.tsv with the same model, set, scale and protocol, or None."""
    key = (model, variant, protocol)
    if key == ("srgan", "b16", "S"):
        name, trained_on = SRGAN_TWINS[models.card(model, scale, variant)["recipe"]["loss"]]
    elif key in TWINS:
        name, trained_on = TWINS[key]
    else:
        return None
    for row in cells():
        place = (row["test_set"].lower(), int(row["scale"]))
        if (row["model"], row["trained_on"], *place) == (name, trained_on, data, scale):
            return row
    return None


def measure(model: str, variant: str, data: str, scale: int, protocol: str) -> dict[str, Any]:
    """One row of the ledger."""
    network = models.load_pretrained(model, scale, variant or None)
    result = benchmark(network, data, scale, protocol, device="cpu")
    row: dict[str, Any] = {
        "model": model,
        "variant": variant,
        "data": data,
        "scale": scale,
        "protocol": protocol,
        "psnr": round(result.psnr, 4),
        "ssim": round(result.ssim, 5),
    }
    if model != "bicubic":
        card = models.card(model, scale, variant)
        row |= {"weights_sha256": card["sha256"], "budget": card["recipe"]["budget"]}
        row |= {key: card[key] for key in ("device", "seconds", "commit")}
    twin = published(model, variant, data, scale, protocol)
    if twin is None:
        return row | {"status": "no published twin"}
    difference = result.psnr - float(twin["psnr_y_db"])
    status = "reproduced" if abs(difference) <= NEAR_DB else "exceeded" if difference > 0 else "short"
    row |= {
        "published_model": twin["model"],
        "published_trained_on": twin["trained_on"],
        "published_psnr": float(twin["psnr_y_db"]),
        "published_source": twin["source"],
        "difference_db": round(difference, 3),
        "status": status,
    }
    if twin["ssim"]:  # the ESPCN paper printed none; the kind is the protocol's
        row["published_ssim"] = float(twin["ssim"])
        row["difference_ssim"] = round(result.ssim - row["published_ssim"], 4)
    if status == "short":
        row["reason"] = reason(card, row["published_trained_on"])
    return row


def table(ledger: Ledger) -> str:
    """The rows that have a published twin, as a Markdown table for the README."""
    lines = [
        "| model | set | scale | protocol | published PSNR | ours | difference |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in sorted(ledger, key=lambda r: (r["model"], r["data"] != "set5", r["scale"], r["protocol"])):
        if "published_psnr" in row:
            name = f"{row['model']} {row['variant']}".strip()
            difference = round(row["psnr"] - row["published_psnr"], 2) + 0.0  # as chapter 7 has it, and never -0.00
            cells = [name, row["data"], f"×{row['scale']}", row["protocol"], f"{row['published_psnr']:.2f} dB"]
            lines.append("| " + " | ".join([*cells, f"{row['psnr']:.2f} dB", f"{difference:+.2f} dB"]) + " |")
    return "\n".join(lines)


def stamp(readme: str, ledger: Ledger) -> str:
    """The README's text with its table of results made anew."""
    head, rest = readme.split(BEGIN)
    return f"{head}{BEGIN}\n{table(ledger)}\n{END}{rest.split(END)[1]}"


def main(names: list[str]) -> int:
    """Write the ledger anew, all of it or the rows of `names`, and the README's table from it."""
    shipped = [tuple(path.stem.rsplit("_", 2)) for path in sorted(weights_dir().glob("*.safetensors"))]
    jobs = [("bicubic", "", scale) for scale in (2, 3, 4)]
    jobs += [(name, variant, int(digit)) for name, variant, scales in shipped for digit in scales[1:]]
    if unknown := set(names) - {job[0] for job in jobs}:
        raise ValueError(f"no weights ship for {', '.join(sorted(unknown))}")
    ledger = Ledger()
    known, ledger.rows = ledger.rows, []
    for model, variant, scale in jobs:
        if names and model not in names:
            key = {"model": model, "variant": variant, "scale": scale}
            ledger.rows += [row for row in known if key.items() <= row.items()]
            continue
        for data in ("set5", "set14"):
            for protocol in protocols(model):
                if protocol == "S" and scale != 4:
                    continue  # the paper's only scale
                row = measure(model, variant, data, scale, protocol)
                ledger.put(row)
                print(f"{model} {variant} ×{scale} {data} {protocol}: {row['psnr']:.2f} dB, {row['status']}")
    ledger.unmatched = unmatched(ledger.rows)
    ledger.save()
    README.write_text(stamp(README.read_text("utf-8"), ledger), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
