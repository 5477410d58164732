"""The directive that shows the benchmarks: `{benchmarks} training` or `{benchmarks} inference`.

For every device that `data/benchmarks/` has results of, it writes a sentence, a figure and tables, all from the
numbers in the file, so that none is typed by hand. Read `training` and `inference`, then `Benchmarks`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

Result = dict[str, Any]

NAMES = {"srcnn": "SRCNN", "espcn": "ESPCN", "vdsr": "VDSR", "srresnet": "SRResNet"}
ORDER = ("srlib", "onnxruntime", "peer")  # of the rows of a table of ways to enlarge
FILES, CACHED, OURS = LOOPS = ("PNG files", "pictures in memory", "srlib")
HEAD = ("PNG files", "in memory", "`srlib`")
NBSP = "\N{NO-BREAK SPACE}"
TYPES = ("cuda", "mps", "cpu")  # the fastest kind of device first


def number(value: float) -> str:
    """Three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def several(parts: Sequence[str]) -> str:
    """“a”, “a and b”, “a, b and c”."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table; all columns but the first are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return ["", *("| " + " | ".join(line) + " |" for line in lines), ""]


def _speed(result: Result, name: str) -> float | None:
    """Images a second of the loop of that name; None where it was left out."""
    return next((loop["images_per_s"]["median"] for loop in result["loops"] if loop["name"] == name), None)


def _times(result: Result, name: str) -> float:
    """How many times as fast as the loop `name` ours is."""
    ours, theirs = _speed(result, OURS), _speed(result, name)
    if ours is None or theirs is None:
        raise ValueError(f"{result['model']} has no speed of {OURS!r} and {name!r} to compare")
    return ours / theirs


def _speeds(results: list[Result]) -> list[str]:
    rows, batches, workers = [], [], []
    for result in results:
        loops = {loop["name"]: loop for loop in result["loops"]}
        cells = []
        for name in LOOPS:
            rates = loops[name]["images_per_s"]
            spread = 50 * (rates["high"] - rates["low"]) / rates["median"]
            cells.append(f"{number(rates['median'])}{NBSP}±{NBSP}{spread:.0f}{NBSP}%")
        ours = loops[OURS]
        name = NAMES[result["model"]]
        rows.append(
            [
                f"{name} {result['variant']} ×{result['scale']}",
                *cells,
                f"{100 * ours['share_of_limit']:.2g}{NBSP}% of {ours['precision']}",
            ]
        )
        batches.append(f"{name} {result['batch']} patches of {result['patch']}×{result['patch']}")
        workers.append(f"{name} {loops[FILES]['workers']} and {loops[CACHED]['workers']}")
    text = (
        "Images a second with the full recipe: the median of blocks of about a second, ± half the distance of the "
        "quartiles. The last column is the share of the rate at which the device multiplies large matrices. Batches: "
        f"{several(batches)}. The fastest numbers of workers, for files and for memory: {', '.join(workers)}."
    )
    return [text, *table(["network", *HEAD, "share of the limit"], rows)]


def _limits(results: list[Result]) -> list[str]:
    highest = {name: max(result["limits"][name] for result in results) for name in results[0]["limits"]}
    copied = number(highest.pop("copy_gb_per_s"))
    rates = several([f"{number(rate)} in {name}" for name, rate in highest.items()])
    text = (
        f"The limit, measured in the same run, in 10¹² multiply-adds a second: {rates}. A copy in the device's memory "
        f"moves {copied} GB a second, read and written."
    )
    return [text, ""]


def _parts(results: list[Result]) -> list[str]:
    loops = [loop for result in results for loop in result["loops"] if loop["kind"] == "variant"]
    rows = []
    for name in dict.fromkeys(loop["name"] for loop in loops):
        there = [1 / _times(r, name) if _speed(r, name) else None for r in results]
        rows.append([name, *("–" if ratio is None else f"{ratio:.2f}" for ratio in there)])
    text = (
        "What each part is worth: images a second with one thing changed, `srlib` as it is being 1. Below 1, what was "
        "taken away had helped, or what was added does not; above 1, the other way round."
    )
    if any(result["left_out"] for result in results):
        text += " A dash stands for what this PyTorch cannot do with that network."
    return [text, *table(["changed", *(NAMES[r["model"]] for r in results)], rows)]


def _targets(results: list[Result]) -> list[str]:
    rows, gain = [], results[0]["target"]["gain_db"]
    for result in results:
        target = result["target"]
        found = {loop["name"]: loop for loop in target["loops"]}
        cells = [
            f"not in {number(target['limit_s'])}"
            if found[name]["seconds"] is None
            else f"{number(found[name]['seconds'])} ({found[name]['steps']:.0f})"
            for name in LOOPS
        ]
        rows.append([f"{NAMES[result['model']]} {target['variant']}", *cells])
    text = (
        f"Seconds of training with the quick recipe until five photographs that nothing is trained on are {gain} dB "
        "above bicubic: the median of three seeds, in brackets the steps."
    )
    return [text, *table(["network", *HEAD], rows)]


def training(content: Result) -> tuple[str, str, list[str]]:
    """For one device: what is to be said first, the figure's alternative text, and the rest, as Markdown."""
    results = content["results"]
    files, memory = (
        several([f"{NAMES[r['model']]} {number(_times(r, name))}" for r in results]) for name in (FILES, CACHED)
    )
    first = (
        f"How many times as fast as the conventional loop with PNG files `srlib` trains: {files}. As the one that "
        f"keeps its pictures in memory: {memory}."
    )
    speeds = [
        f"{NAMES[r['model']]}: " + ", ".join(f"{name} {number(_speed(r, name) or 0)}" for name in LOOPS)
        for r in results
    ]
    alt = f"Training speed on {content['machine']['device']} in images a second. {'; '.join(speeds)}."
    return first, alt, [*_speeds(results), *_limits(results), *_parts(results), *_targets(results)]


def _label(name: str) -> str:
    """“espcn, onnxruntime” as a reader knows it."""
    for short, long in NAMES.items():
        name = long + name.removeprefix(short) if name.startswith(short) else name
    return name


def _scale(rows: list[Result], scale: int, of_what: str) -> list[str]:
    """One scale: ways of enlarging by size of the output."""
    rows = sorted((row for row in rows if row["scale"] == scale), key=lambda row: ORDER.index(row["kind"]))
    speeds = {(row["name"], tuple(row["sr"])): row["megapixels_out_per_s"]["median"] for row in rows}
    peaks = {row["name"]: number(row["peak_megabytes"]) for row in rows if "peak_megabytes" in row}
    sizes = sorted({size for _, size in speeds})
    body = []
    for name in dict.fromkeys(row["name"] for row in rows):
        found = [speeds.get((name, size)) for size in sizes]
        body.append([_label(name), *("–" if v is None else number(v) for v in found), peaks.get(name, "")])
    text = (
        f"Output megapixels a second at ×{scale}, by size of the output (for input megapixels divide by {scale**2}), "
        f"and the most memory in MB that the largest picture took, {of_what}."
    )
    return [text, *table(["", *(f"{width}×{height}" for width, height in sizes), "memory"], body)]


def inference(content: Result) -> tuple[str, str, list[str]]:
    """For one device: what is to be said first, the figure's alternative text, and the rest, as Markdown."""
    rows, machine = content["results"], content["machine"]
    scales = sorted({row["scale"] for row in rows})
    drawn = 3 if 3 in scales else scales[0]
    speeds = {(r["name"], tuple(r["sr"])): r["megapixels_out_per_s"]["median"] for r in rows if r["scale"] == drawn}
    limit = number(content["settings"]["limit_s"])
    first = f"A dash in the tables: more than {limit} s for one picture."
    both = [size for name, size in speeds if name == "vdsr" and ("espcn", size) in speeds]
    if both:
        size = max(both)
        times = number(speeds["espcn", size] / speeds["vdsr", size])
        first = f"ESPCN ×{drawn} makes {times} times as many pixels a second as VDSR (to {size[0]}×{size[1]}). " + first
    of_what = "the GPU's, weights included" if machine["type"] == "cuda" else "beyond the program and the weights"
    lines = _scale(rows, drawn, of_what)
    for scale in scales:
        if scale != drawn:
            lines += ["```{raw} html", f"<details><summary>The same at ×{scale}</summary>", "```", ""]
            lines += [*_scale(rows, scale, of_what), "```{raw} html", "</details>", "```", ""]
    largest = {name: size for name, size in speeds if any(r["name"] == name and r["kind"] == "srlib" for r in rows)}
    parts = [f"{_label(name)} {number(speeds[name, size])} at {size[0]}×{size[1]}" for name, size in largest.items()]
    alt = (
        f"Output megapixels a second over the size of the output, ×{drawn} on {machine['device']}: {', '.join(parts)}."
    )
    return first, alt, lines


KINDS = {"training": training, "inference": inference}


class Benchmarks(SphinxDirective):
    """Everything that was measured of one kind, a part for each device."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Write Markdown and let the page's parser read it."""
        kind = self.arguments[0]
        if kind not in KINDS:
            raise self.error(f"there are benchmarks of {', '.join(KINDS)}, not of {kind}")
        self.env.note_reread()  # a result file may come at any time
        contents = {}
        for path in sorted((Path(self.env.srcdir) / "data" / "benchmarks").glob(f"{kind}_*.json")):
            contents[path.stem] = json.loads(path.read_text("utf-8"))
        lines = [] if contents else ["*Nothing has been measured yet: `make bench` does it on your machine.*"]
        for stem, content in sorted(contents.items(), key=lambda item: TYPES.index(item[1]["machine"]["type"])):
            machine = content["machine"]
            first, alt, text = KINDS[kind](content)
            about = f"{machine['cores']} cores, PyTorch {machine['torch']}, commit {machine['commit'] or 'unknown'}"
            figure = [f"```{{image}} /book/_static/benchmarks/{stem}.svg", f":alt: {alt}", "```"]
            lines += ["", f"**{machine['device']}** ({about})", "", first, "", *figure, "", *text]
        box = nodes.container()
        self.state.nested_parse(StringList(lines, self.get_source_info()[0]), self.content_offset, box)
        return box.children


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("benchmarks", Benchmarks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
