"""Writes ``reference.md``: ``python docs/reference.py``. Marks stand in ``public.toml``, words in docstrings."""

from __future__ import annotations

import enum
import inspect
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import softreserve
from softreserve.plugins import hookspecs

PAGE: Final = Path(__file__).with_name("reference.md")
MARKS: Final[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("public.toml").read_text("utf-8"))
#: What stands above it is written by hand.
MARK: Final = "<!-- what follows is written by docs/reference.py -->\n"

#: Roles, double backquotes: what Markdown says with single ones.
_ROLE: Final = re.compile(r":(?:class|func|meth|attr|data|mod|exc):`~?([^`]+)`|``([^`]+)``")
_FIELD: Final = re.compile(r":(param|returns|raises)\s*([^:]*): ?(.*)", re.DOTALL)
_WIDE: Final = 100


def page() -> str:
    """The whole page as it should be."""
    head, mark, _ = PAGE.read_text("utf-8").partition(MARK)
    assert mark, "the mark is gone"
    return head + mark + "".join(f"{line}\n" for line in lines())


def lines() -> Iterator[str]:
    """Everything below the mark."""
    for title, names in MARKS["softreserve"].items():
        yield from ("", f"## {title}", "")
        for name, mark in names.items():
            yield from entry(softreserve, name, mark)
    for module, mark in MARKS["modules"].items():
        found = import_module(module)
        yield from ("", f"## {module}", "", *described(found), f"*{promise(mark)}*", "")
        for name in found.__all__:
            yield from entry(found, name, "")
    yield from ("", "## Hooks", "", "What each means stands in the [hook reference](hooks.md).", "")
    yield from ("| hook | level | promise |", "|---|---|---|")
    for name, mark in MARKS["hooks"].items():
        kind, level = mark.split()
        yield f"| `{name}`: {summary(getattr(hookspecs, name))} | {level} | {kind} |"


def promise(mark: str) -> str:
    """A mark in words."""
    kind, version = mark.split()
    return f"{kind} since {version}"


def entry(module: Any, name: str, mark: str) -> Iterator[str]:
    """One name: how it is called, its mark, what it says of itself, what it has."""
    found = getattr(module, name)
    yield from (f"### `{name}`", "")
    if mark:
        yield from (f"*{promise(mark)}*", "")
    if isinstance(found, enum.EnumType):
        yield from described(found)
        yield from (", ".join(f"`{member}`" for member in found.__members__), "")
    elif inspect.isclass(found) or inspect.isfunction(found):
        if not getattr(found, "_is_protocol", False):
            yield from ("```python", signature(name, found), "```", "")
        yield from described(found)
        yield from members(found)
    else:
        yield from (f"{constant(module, name)}", "")


def signature(name: str, found: Callable[..., Any]) -> str:
    """How it is called. Types stand at functions; of classes the docstring says what goes in."""
    try:
        spec = inspect.signature(found)
    except (TypeError, ValueError):
        return name
    typed = not inspect.isclass(found)
    words = []
    star = False
    for parameter in spec.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            words.append("*")
        star = star or parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        word = stars + parameter.name
        if typed and parameter.annotation is not parameter.empty:
            word += f": {parameter.annotation}"
        if parameter.default is not parameter.empty:
            word += (" = " if typed else "=") + default(parameter.default)
        words.append(word)
    result = f" -> {spec.return_annotation}" if typed and spec.return_annotation is not spec.empty else ""
    line = f"{name}({', '.join(words)}){result}"
    return line if len(line) <= _WIDE else f"{name}(\n" + "".join(f"    {word},\n" for word in words) + f"){result}"


def default(value: object) -> str:
    """A default as a person writes it; ``...`` where that takes more than a word."""
    plain = value is None or (isinstance(value, bool | int | str) and not isinstance(value, enum.Enum)) or value == ()
    # quotes as the formatter of code wants them, which looks into this page, too
    return json.dumps(value) if isinstance(value, str) else repr(value) if plain else "..."


def described(found: object) -> Iterator[str]:
    """A docstring as Markdown."""
    text = inspect.getdoc(found) or ""
    for block in text.split("\n\n"):
        if block.startswith(">>>"):
            yield from ("```pycon", block, "```", "")
        elif block.startswith("    "):
            yield from ("```sh", inspect.cleandoc(block), "```", "")
        elif block.lstrip().startswith(":"):
            yield from (*map(field, re.split(r"\n(?=:)", block)), "")
        else:
            yield from (prose(re.sub(r"::$", ":", block)), "")


def field(text: str) -> str:
    """``:param x: words`` as an item of a list."""
    match = _FIELD.match(text)
    assert match, text
    kind, of, words = match[1], match[2].strip(), prose(match[3])
    return f"- {f'`{of}`' if kind == 'param' else ' '.join(filter(None, (kind, of and f'`{of}`')))}: {words}"


def prose(text: str) -> str:
    """Words on one line, with Markdown's marks."""
    return _ROLE.sub(lambda match: f"`{match[1] or match[2]}`", " ".join(text.split()))


def summary(found: object) -> str:
    """The first sentence or paragraph of a docstring."""
    return prose((inspect.getdoc(found) or "").split("\n\n")[0]).replace("|", "\\|")


def members(found: type | Callable[..., Any]) -> Iterator[str]:
    """Public attributes, methods and properties that say what they are."""
    if not inspect.isclass(found):
        return
    own: Mapping[str, Any] = vars(found)
    rows = [f"- `{name}`: {words}" for name, words in commented(inspect.getsource(found), "    ")]
    for name, member in own.items():
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if name.startswith("_") or not inspect.isfunction(function) or not function.__doc__:
            continue
        parameters = ", ".join(list(inspect.signature(function).parameters)[1:])
        rows.append(f"- `{name if isinstance(member, property) else f'{name}({parameters})'}`: {summary(function)}")
    if rows:
        yield from (*rows, "")


def commented(source: str, indent: str = "") -> Iterator[tuple[str, str]]:
    """Names of a module or class that are assigned or declared under a ``#:`` comment, and what it says."""
    for match in re.finditer(rf"((?:^{indent}#: .*\n)+)^{indent}([^\W_]\w*)\b *[:=]", source, re.MULTILINE):
        yield match[2], prose(re.sub(r"^ *#: ", "", match[1], flags=re.MULTILINE))


def constant(module: Any, name: str) -> str:
    """The value of a constant, where that is plain, and what the comment says where it is defined."""
    place = next((at for at, names in softreserve._PLACES.items() if name in names.split()), None)
    where = import_module(f"softreserve.{place}") if module is softreserve and place else module
    value = getattr(module, name)
    plain = f"`{value}`" if isinstance(value, int) else ""
    words = dict(commented(inspect.getsource(where))).get(name) or ("" if plain else summary(value))
    return ": ".join(filter(None, (plain, words)))


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
