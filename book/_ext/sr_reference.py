"""The directives of the reference: `{reference} srlib.image` for a module, `{command} upscale` for a command.

Both read the package itself while the book is built, docstrings and the parser of the command line, so that a page
cannot drift away from the code. Docstrings are Markdown with Google's sections (`Args:`, `Raises:`, …) and doctests.
Names in code that the reference knows, such as `srlib.degrade.imresize`, become links on every page of the book.
Read `Reference`, then `entry`, `markdown`, and `link_names`.
"""

from __future__ import annotations

import argparse
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar, Literal, get_args, get_origin

from docutils import nodes
from docutils.statemachine import StringList
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
HEADS = {"Args": "Arguments", "Attributes": "Attributes", "Returns": "Returns", "Raises": "Raises"}
WIDTH = 72  # of the usage of a command, in letters


class _Text(str):
    """What a signature prints as it stands, without quotes."""

    def __repr__(self) -> str:
        return str(self)


# ---- what there is


def public(module: ModuleType) -> dict[str, Any]:
    """The functions and classes that a module offers: what `__all__` lists, else what it defines itself."""
    if hasattr(module, "__all__"):
        found = {name: getattr(module, name) for name in module.__all__}
    else:
        found = {name: value for name, value in vars(module).items() if not name.startswith("_")}
        found = {name: value for name, value in found.items() if getattr(value, "__module__", "") == module.__name__}
    return {name: value for name, value in found.items() if inspect.isroutine(value) or inspect.isclass(value)}


def members(cls: type) -> dict[str, Any]:
    """The public methods and properties of a class that say what they do."""
    own = {name: value for name, value in vars(cls).items() if not name.startswith("_")}
    kinds = (property, classmethod, staticmethod)
    return {
        name: value
        for name, value in own.items()
        if (isinstance(value, kinds) or inspect.isroutine(value)) and inspect.getdoc(value)
    }


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


# ---- docstrings to Markdown


def _items(lines: list[str]) -> Iterator[tuple[str, str]]:
    """`name: text` with its indented continuation, for each."""
    term, text = "", [""]
    for line in lines:
        started = re.match(r"([\w*][\w*, ]*): +(.*)", line)
        if started:
            if term:
                yield term, " ".join(text)
            term, text = started[1], [started[2]]
        elif line.strip():
            text.append(line.strip())
    if term:
        yield term, " ".join(text)


def _section(head: str, lines: list[str]) -> list[str]:
    body = textwrap.dedent("\n".join(lines)).strip().splitlines()
    out = ["", "```{rubric} " + HEADS[head], "```", ""]
    items = [] if head == "Returns" else list(_items(body))
    for term, text in items:
        names = ", ".join(f"`{name.strip()}`" for name in term.split(","))
        out += [names, f": {text}", ""]
    return [*out, *([] if items else body), ""]


def markdown(docstring: str) -> list[str]:
    """A docstring as Markdown: sections become definition lists, doctests become blocks of code."""
    lines, out = docstring.splitlines(), []
    while lines:
        line = lines.pop(0)
        head = re.fullmatch(r"(\w+):", line)
        if head and head[1] in HEADS:
            body = []
            while lines and (not lines[0].strip() or lines[0].startswith(" ")):
                body.append(lines.pop(0))
            out += _section(head[1], body)
        elif line.startswith(">>>"):
            block = [line]
            while lines and lines[0].strip():
                block.append(lines.pop(0))
            out += ["```pycon", *block, "```", ""]
        else:
            out.append(line)
    return out


# ---- signatures


def _annotation(annotation: Any, names: dict[str, Any]) -> Any:
    """As the source has it, with the names of choices (`Border`) replaced by the choices."""
    if annotation is inspect.Parameter.empty:
        return annotation
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)

    def spelled(match: re.Match[str]) -> str:
        value = names.get(match[0])
        return f"Literal[{', '.join(map(repr, get_args(value)))}]" if get_origin(value) is Literal else match[0]

    return _Text(re.sub(r"\b[A-Za-z]\w*\b(?!\[)", spelled, text))


def signature(value: Any, *, bound: bool = False) -> str:
    """The signature of a function, a class or (`bound`) a method, without `self`."""
    try:
        found = inspect.signature(value)
    except ValueError:  # an exception, whose arguments are Python's
        return ""
    function = value.__init__ if inspect.isclass(value) else value
    names = getattr(inspect.unwrap(function), "__globals__", {}) | vars(import_module(value.__module__))
    parameters = []
    for parameter in list(found.parameters.values())[bound:]:
        default = parameter.default
        if default is not parameter.empty and repr(default).startswith("<"):
            default = _Text("...")  # made anew for each object
        parameters.append(parameter.replace(annotation=_annotation(parameter.annotation, names), default=default))
    returned = inspect.Signature.empty if inspect.isclass(value) else _annotation(found.return_annotation, names)
    return str(found.replace(parameters=parameters, return_annotation=returned))


def entry(name: str, value: Any, module: str, depth: int = 8) -> list[str]:
    """One function, class, method or property as a directive of Sphinx's Python domain, its members inside."""
    fence, docs = "`" * depth, markdown(inspect.getdoc(value) or "")
    if isinstance(value, property):
        kind = _annotation(inspect.signature(value.fget).return_annotation, {}) if value.fget else ""
        return [f"{fence}{{py:property}} {name}", f":module: {module}", f":type: {kind}", "", *docs, fence, ""]
    if inspect.isclass(value):
        kind = "py:exception" if issubclass(value, Exception) else "py:class"
        text = "" if kind == "py:exception" else signature(value)
        for member, inner in members(value).items():
            docs += ["", *entry(f"{name}.{member}", inner, module, depth - 2)]
    else:
        kind = "py:method" if "." in name else "py:function"
        text = signature(value, bound=kind == "py:method")
    return [f"{fence}{{{kind}}} {name}{text}", f":module: {module}", "", *docs, fence, ""]


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
    app.add_directive("command", Command)
    app.connect("doctree-read", link_names)
    app.connect("missing-reference", missing_type)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
