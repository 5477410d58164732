"""The directives of the reference: `{reference} srlib.image` for a module, `{command} upscale` for a command.

Both read the package itself while the book is built, docstrings and the parser of the command line, so that a page
cannot drift away from the code. Docstrings are Markdown with Google's sections (`Args:`, `Raises:`, …) and doctests.
Names in code that the reference knows, such as `srlib.degrade.imresize`, become links on every page of the book.
Read `Reference`, then `reference_text`, and `link_names`.
"""

from __future__ import annotations

import argparse
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from reference_text import entry, markdown, members, public
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

# In the order in which a picture passes through them. A module with `__all__` shows what it lists, under its own name.
MODULES = (
    *("image", "degrade", "metrics", "datasets", "patches"),
    *("models", "models.bicubic", "models.srcnn", "models.espcn", "models.vdsr", "models.srgan", "losses"),
    *("recipes", "train", "checkpoint", "devices"),
    *("evaluate", "upscaling", "video", "export"),
    *("show", "lab", "check"),
)
FACE = {"srlib.load": "srlib.image.load", "srlib.save": "srlib.image.save", "srlib.upscale": "srlib.upscaling.upscale"}
WIDTH = 72  # of the usage of a command, in letters


# ---- what there is


@cache
def inventory() -> dict[str, str]:
    """Every name that the reference explains, and the names under which the code knows it, with where it stands."""
    found = dict(FACE)
    for module in (import_module(f"srlib.{name}") for name in MODULES):
        found[module.__name__] = module.__name__
        for name, value in public(module).items():
            here = f"{module.__name__}.{name}"
            for known in (here, f"{value.__module__}.{value.__qualname__}"):
                found.setdefault(known, here)
            for member in members(value) if inspect.isclass(value) else ():
                found[f"{here}.{member}"] = f"{here}.{member}"
    return found


class _Markdown(SphinxDirective):
    """Writes Markdown and lets the page's parser read it."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {}

    def lines(self, argument: str) -> list[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()  # the package may have changed though the page has not
        box = nodes.container()
        source = self.get_source_info()[0]
        self.state.nested_parse(StringList(self.lines(self.arguments[0]), source), self.content_offset, box)
        return box.children


class Reference(_Markdown):
    """Everything public of one module."""

    def lines(self, argument: str) -> list[str]:
        if argument.removeprefix("srlib.") not in MODULES:
            raise self.error(f"{argument} is not in MODULES of {__name__}")
        module = import_module(argument)
        lines = ["```{py:module} " + argument, "```", "", *markdown(inspect.getdoc(module) or ""), ""]
        for name, value in public(module).items():
            if not inspect.getdoc(value):
                raise self.error(f"{argument}.{name} has no docstring")
            lines += entry(name, value, argument)
        return lines


class Modules(_Markdown):
    """A table of all modules, each with the first sentence of its docstring."""

    required_arguments = 0

    def run(self) -> list[nodes.Node]:
        self.arguments = [""]
        return super().run()

    def lines(self, argument: str) -> list[str]:
        first = {name: (inspect.getdoc(import_module(f"srlib.{name}")) or "").partition("\n")[0] for name in MODULES}
        return ["| module | what it owns |", "| --- | --- |", *(f"| `srlib.{k}` | {v} |" for k, v in first.items())]


# ---- tables of what the package holds


def models() -> list[str]:
    """The networks by name: variants, what they take, parameters, paper."""
    from srlib.models import MODELS, create

    lines = [
        "| name | variants, the first is the default | takes | parameters | paper |",
        "| --- | --- | --- | ---: | --- |",
    ]
    for name, row in MODELS.items():
        takes = {1: "luma", 3: "RGB"}[row.channels]
        count = sum(parameter.numel() for parameter in create(name, 4).parameters())
        variants = ", ".join(f"`{variant}`" for variant in row.variants if variant)
        lines.append(f"| `{name}` | {variants} | {takes} | {count:,} | {row.paper} |")
    return lines


def protocols() -> list[str]:
    """The protocols by letter."""
    from srlib.metrics import PROTOCOLS

    return ["| protocol | what it does |", "| --- | --- |", *(f"| {p.name} | {p.text} |" for p in PROTOCOLS.values())]


def recipes() -> list[str]:
    """The recipes of each network at one scale, in the variant that a budget trains by itself."""
    from srlib.recipes import BUDGETS, RECIPES, get

    lines = [
        "| recipe | steps × batch | patch | loss | optimiser | learning rate | schedule | averaged |",
        "| --- | ---: | ---: | --- | --- | ---: | --- | ---: |",
    ]
    for name in dict.fromkeys(key[0] for key in RECIPES):
        for budget in BUDGETS:
            r = get(name, 4 if name.startswith("sr") and name != "srcnn" else 3, budget)
            falls = "cosine" if r.schedule == "cosine" else f"{r.drops} × a tenth" if r.drops else "constant"
            lines.append(
                f"| {name} {r.variant} ×{r.scale}, `{budget}` | {r.steps:,} × {r.batch} | {r.patch} | {r.loss} "
                f"| {r.optimiser} | {r.learning_rate:g} | {falls} | {r.ema or '–'} |"
            )
    return lines


TABLES = {"models": models, "protocols": protocols, "recipes": recipes}


class Table(_Markdown):
    """One of `TABLES`."""

    def lines(self, argument: str) -> list[str]:
        return TABLES[argument]()


# ---- the command line


def commands() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command, by name."""
    from srlib import cli

    (choice,) = (a for a in cli.parser()._actions if isinstance(a, argparse._SubParsersAction))
    found: dict[str, argparse.ArgumentParser] = choice.choices
    for parser in found.values():
        parser.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=WIDTH)
    return found


class Command(_Markdown):
    """One command: its usage and what every argument means."""

    def lines(self, argument: str) -> list[str]:
        parser = commands()[argument]
        usage = textwrap.dedent(parser.format_usage().removeprefix("usage: ").replace("\n" + " " * 7, "\n"))
        lines = ["```text", *usage.rstrip().splitlines(), "```", ""]
        for action in parser._actions:
            if isinstance(action, argparse._HelpAction):
                continue
            value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
            names = [f"`{name} {value}`".replace(" `", "`") for name in action.option_strings] or [f"`{action.dest}`"]
            choices = f"one of {', '.join(f'`{c}`' for c in action.choices)}" if action.choices else ""
            text = re.sub(r"(?<![\w`])(--?[a-z][\w-]*)", r"`\1`", action.help or "")
            lines += [", ".join(names), f": {'; '.join(filter(None, [text, choices]))}", ""]
        return lines


# ---- links


def _target(text: str, module: str | None) -> str | None:
    """What a piece of code names: `imresize` inside its module's docstrings, `degrade.imresize` on any page."""
    name = re.sub(r"\(.*\)$", "", text)
    if not re.fullmatch(r"[A-Za-z_][\w.]*", name):
        return None
    places = [f"{module}.{name}", f"srlib.{name}", name] if module else [f"srlib.{name}", name] if "." in name else []
    return next((inventory()[place] for place in places if place in inventory()), None)


def link_names(app: Sphinx, doctree: nodes.document) -> None:
    """Turn code that names something of the reference into a link to it, in a book that has the reference."""
    if "book/reference" not in app.env.found_docs:
        return
    for literal in list(doctree.findall(nodes.literal)):
        above = list(_above(literal))
        if any(isinstance(node, nodes.reference | nodes.title | nodes.term | addnodes.pending_xref) for node in above):
            continue
        signatures = [node.children[0] for node in above if isinstance(node, addnodes.desc)]
        target = _target(literal.astext(), signatures[0]["module"] if signatures else None)
        if target is None or any(target in signature["ids"] for signature in signatures):  # no link to where it stands
            continue
        link = addnodes.pending_xref(
            "", refdomain="py", reftype="obj", reftarget=target, refexplicit=True, refdoc=app.env.docname
        )
        literal.replace_self(link)
        link += literal


def _above(node: nodes.Node) -> Iterator[nodes.Node]:
    while node.parent is not None:
        node = node.parent
        yield node


def missing_type(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, shown: nodes.TextElement
) -> nodes.Node | None:
    """A type in a signature: one of ours is found by its short name, others (torch's, Python's) have no link here."""
    if node["refdomain"] != "py" or node["reftarget"].startswith("srlib."):
        return None
    ours = {place.rpartition(".")[2]: place for known, place in inventory().items() if known == place}
    short = node["reftarget"].rpartition(".")[2]
    if node["reftype"] != "class" or short not in ours or short[0].islower():
        return shown
    return env.domains["py"].resolve_xref(env, node["refdoc"], app.builder, "obj", ours[short], node, shown)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("reference", Reference)
    app.add_directive("modules", Modules)
    app.add_directive("holds", Table)
    app.add_directive("command", Command)
    app.connect("doctree-read", link_names)
    app.connect("missing-reference", missing_type)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
