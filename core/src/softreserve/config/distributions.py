"""The profiles of known distributions: ``distributions.toml``, read."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from softreserve.model.profile import Profile

__all__ = ["distributions"]

_FILE: Final = os.path.join(os.path.dirname(__file__), "distributions.toml")

Options = Mapping[str, str | int]


@cache
def distributions() -> tuple[Profile, ...]:
    """The profiles, in the file's order."""
    with open(_FILE, "rb") as file:
        text = tomllib.load(file)
    found: dict[str, Profile] = {}
    for table in text["profile"]:
        found[table["name"]] = _profile(table, found.get(table.get("like", "")), text["sets"])
    return tuple(found.values())


def _profile(table: Mapping[str, Any], like: Profile | None, sets: Mapping[str, Options]) -> Profile:
    options = {**(like.options or {})} if like is not None else {}
    for where, parts in table.get("options", {}).items():
        arch = "" if where == "all" else where
        options[arch] = {**options.get(arch, {}), **_joined(parts, sets)}
    has, lacks = set(table.get("has", ())), set(table.get("lacks", ()))
    if like is not None:
        gone = {*table.get("no_longer", ()), *has, *lacks}
        has |= like.has - gone
        lacks |= like.lacks - gone
    return Profile(
        table["name"],
        table.get("matches") or (like.matches.pattern if like is not None else ""),
        build=table.get("build", 0),
        options=options,
        has=has,
        lacks=lacks,
        evidence=table["evidence"],
    )


def _joined(parts: Iterable[str | Options], sets: Mapping[str, Options]) -> dict[str, str | int]:
    joined: dict[str, str | int] = {}
    for part in parts:
        joined.update(sets[part] if isinstance(part, str) else part)
    return joined
