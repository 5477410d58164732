"""What the reference says of one function or class: its docstring and signature as Markdown for Sphinx.

Read `entry`; then `markdown` for docstrings and `signature` for what stands above them.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

HEADS = {"Args": "Arguments", "Attributes": "Attributes", "Returns": "Returns", "Raises": "Raises"}


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
