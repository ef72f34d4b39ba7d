"""``docs/errors.md`` has every message that a user can meet, and none that nobody says any more."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest
import wheels

PAGE = wheels.ROOT / "docs" / "errors.md"
#: Classes whose messages stand there one by one; what is wrong with plugins is told by class.
CLASSES = {
    *("SoftReserveError", "InputError", "ConfigError", "TableError", "MachineError", "UnknownPluginError"),
    *("FuseError", "SessionError", "UsageError", "BadParameter", "FieldError", "_LineError"),
}
#: What adds a message to a list of them, or makes an error of one.
REPORTERS = {"problem", "error", "_error", "broken", "_broken"}
#: Of other programs: click's, and the system's.
NOT_OURS = re.compile(r"No such (?:command|option)|Missing |Got unexpected|Option \.\.\. requires|Invalid value|FILE: ")


def template(node: ast.expr | None) -> str:
    """A text in the source with ``...`` for what differs."""
    match node:
        case ast.Constant(str(text)):
            return text
        case ast.JoinedStr(values):
            return "".join(template(value) for value in values)
        case ast.BinOp(left, ast.Add(), right):
            return template(left) + template(right)
        case ast.IfExp(body=body, orelse=other):
            return max(template(body), template(other), key=len)
    return "..."


@cache
def messages() -> dict[str, str]:
    """Every message in the source that has words of its own, and where it is made."""
    found = {}
    for folder in wheels.FOLDERS:
        for path in wheels.package(folder).rglob("*.py"):
            callees = CLASSES | REPORTERS if folder.name == "core" else CLASSES
            if {"testing", "templates"} & set(path.parts):
                continue
            tree = ast.parse(path.read_text())
            constants = {
                node.targets[0].id: template(node.value)
                for node in tree.body
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            }
            for node in ast.walk(tree):
                if isinstance(node, ast.Call):
                    for text in said(node, constants, callees):
                        found[re.sub(r"(?:\.\.\.)+", "...", text).replace("`", "'")] = (
                            f"{path.relative_to(wheels.ROOT)}:{node.lineno}"
                        )
    return found


def said(node: ast.Call, constants: dict[str, str], callees: set[str]) -> Iterator[str]:
    """The message that a call makes an error of."""
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    if name in callees:
        texts = [
            constants.get(argument.id, "") if isinstance(argument, ast.Name) else template(argument)
            for argument in node.args
        ]
        yield from [text for text in texts if re.search(r"\w.* ", text.strip(". "))][:1] or [
            text for text in texts if text == "missing"
        ]


@cache
def rows() -> dict[str, re.Pattern[str]]:
    """The messages of the page; ``...`` is anything there."""
    cells = re.findall(r"^\| (`.*?) \| ", PAGE.read_text(), re.MULTILINE)
    return {
        message: re.compile(".*".join(map(re.escape, message.split("..."))))
        for cell in cells
        for message in re.findall(r"`([^`]+)`", cell)
    }


def test_every_message_is_in_the_index() -> None:
    lost = {
        where: message
        for message, where in messages().items()
        if not any(row.fullmatch(message) for row in rows().values())
    }
    assert lost == {}, "say in docs/errors.md what to do"


def test_nothing_is_in_the_index_that_nobody_says() -> None:
    source = "\n".join(
        path.read_text().replace("`", "'") for folder in wheels.FOLDERS for path in wheels.package(folder).rglob("*.py")
    )
    gone = [
        message
        for message, row in rows().items()
        if not NOT_OURS.match(message)
        and not any(row.fullmatch(one) for one in messages())
        and not all(part.strip(" :;,") in source for part in message.split("..."))
    ]
    assert gone == []


@pytest.mark.parametrize(
    "name", sorted(CLASSES - {"SoftReserveError", "FieldError", "_LineError", "UsageError", "BadParameter"})
)
def test_every_class_of_errors_is_in_the_index(name: str) -> None:
    assert f"`{name}`" in PAGE.read_text()
