"""The page of the front doors: signatures and docstrings, read from the core itself."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

import regnas_core

LINE = 88  # characters of a signature; a longer one gets a line an argument
_ROOMS = re.compile(r"(?<![\w.])(?:regnas_core|numpy|collections|pathlib)(?:\.\w+)*\.(?=\w)")


def names() -> str:
    """HTML of the front doors, with signatures, docstrings and methods; errors last."""
    things = {name: _behind(name) for name in regnas_core.__all__}
    errors = {name: e for name, e in things.items() if inspect.isclass(e) and issubclass(e, Exception)}
    parts = [
        "<h1>Names of the core</h1>",
        "<p>What <code>import regnas_core as rc</code> offers. Of methods the first line is here;",
        "<code>help(rc.TabularBenchmark.best)</code> says the rest.</p>",
    ]
    for name, thing in things.items():
        if name not in errors and callable(thing):
            parts += [
                f'<h2><code id="{name}">rc.{name}</code></h2>',
                f'<pre class="signature">{escape(signature(thing, name))}</pre>',
                f'<pre class="doc">{escape(_doc(thing))}</pre>',
            ]
            if inspect.isclass(thing) and (rows := list(_methods(thing))):
                parts += ["<dl>", *rows, "</dl>"]
    parts += ["<h2>Errors</h2>", "<p>All are <code>rc.RegnasError</code>; each says what to do.</p>", "<dl>"]
    parts += [f"<dt><code>rc.{name}</code></dt><dd>{escape(_doc(e))}</dd>" for name, e in errors.items()]
    return "\n".join([*parts, "</dl>"])


def signature(thing: Callable, name: str) -> str:
    """As a user would write it: types without their modules, and a line an argument where it is long."""
    found, is_class = inspect.signature(thing), inspect.isclass(thing)
    given = [_argument(parameter, thing) for parameter in found.parameters.values()]
    if (star := _first_by_name(found)) is not None:
        given.insert(star, "*")
    start = f"{'class' if is_class else 'def'} {name}("
    end = ")" if is_class else f") -> {_type(found.return_annotation)}"
    line = start + ", ".join(given) + end
    return line if len(line) <= LINE else "\n".join([start, *(f"    {one}," for one in given), end])


def _behind(name: str) -> Any:
    """A front door; of a room that is one itself, the function behind it."""
    thing = getattr(regnas_core, name)
    return getattr(thing, name) if inspect.ismodule(thing) else thing


def _first_by_name(found: inspect.Signature) -> int | None:
    """Place of the first argument that must be named, where no ``*args`` says so already."""
    kinds = [parameter.kind for parameter in found.parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds or inspect.Parameter.KEYWORD_ONLY not in kinds:
        return None
    return kinds.index(inspect.Parameter.KEYWORD_ONLY)


def _argument(parameter: inspect.Parameter, thing: Callable, typed: bool = True) -> str:
    star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    text = star + parameter.name
    typed = typed and parameter.annotation is not parameter.empty
    if typed:
        text += f": {_type(parameter.annotation)}"
    if parameter.default is parameter.empty:
        return text
    return f"{text} = {_default(parameter, thing)}" if typed else f"{text}={_default(parameter, thing)}"


def _type(annotation: Any) -> str:
    return _ROOMS.sub("", annotation if isinstance(annotation, str) else inspect.formatannotation(annotation))


def _default(parameter: inspect.Parameter, thing: Callable) -> str:
    fields = dataclasses.fields(thing) if dataclasses.is_dataclass(thing) else ()
    value = next(
        (f.default_factory() for f in fields if f.name == parameter.name and callable(f.default_factory)),
        parameter.default,
    )
    return f'"{value}"' if isinstance(value, str) else getattr(value, "__name__", repr(value))


def _methods(kind: type) -> Iterator[str]:
    """Public methods and properties that the core defines, with the first lines of their docstrings."""
    for found in inspect.classify_class_attrs(kind):
        core = found.defining_class.__module__.partition(".")[0] == regnas_core.__name__
        if found.name.startswith("_") or found.kind == "data" or not core:
            continue
        thing, call = getattr(kind, found.name), ""
        if callable(thing):
            given = list(inspect.signature(thing).parameters.values())
            given = given[1:] if found.kind == "method" else given
            call = f"({', '.join(_argument(parameter, thing, typed=False) for parameter in given)})"
        first = _doc(thing).partition("\n")[0]
        yield f"<dt><code>.{escape(found.name + call)}</code></dt><dd>{escape(first)}</dd>"


def _doc(thing: object) -> str:
    return re.sub(r":\w+:`~?([^`]+)`", r"\1", inspect.getdoc(thing) or "").replace("``", "")
