"""Small machines, faulty and healthy, in a short form: ``data/lint/*.toml``, as machine files.

``map``, ``srat`` and ``windows`` have ranges as ``START-END`` (half open). What a machine does not say is as in the
``[usual]`` table of its file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import attrs
from softreserve.config.machine_file import read_machine_file
from softreserve.config.reader import parse_size
from softreserve.model.machine import Machine

DATA = Path(__file__).with_name("data") / "lint"

_KINDS = {
    "ram": ("conventional", "WB|WT|WC|UC"),
    "sp": ("conventional", "SP|WB|WT|WC|UC"),
    "rt": ("runtime services data", "RUNTIME|WB|WT|WC|UC"),
    "boot": ("boot services data", "WB|WT|WC|UC"),
    "mmio": ("mmio", "RUNTIME|UC"),
}
_FLAGS = {"hot": "hotplug = true", "off": "enabled = false", "nv": "non_volatile = true"}


class Expected(NamedTuple):
    """A finding as the corpus names it: ``SEVERITY RULE [START-END]``; bytes, half open."""

    severity: str
    rule: str
    span: tuple[int, int] | None


class Case(NamedTuple):
    """A machine of the corpus."""

    name: str
    words: str
    expected: tuple[Expected, ...]
    told: Mapping[str, Any]

    def text(self) -> str:
        """The machine as a machine file."""
        return "\n".join(_lines(self.told)) + "\n"

    def machine(self, directory: Path) -> Machine:
        """The machine, read as a person's file is read; bytes of tables are changed after that."""
        path = directory / f"{self.name}.toml"
        path.write_text(self.text())
        machine = read_machine_file(path).machine
        tables = dict(machine.acpi)
        for patch in self.told.get("patch", ()):
            table, at, new = patch.split()
            data = bytearray(tables[table])
            data[int(at, 16) : int(at, 16) + len(bytes.fromhex(new))] = bytes.fromhex(new)
            tables[table] = bytes(data)
        return attrs.evolve(machine, acpi=tables)


def cases(name: str) -> list[Case]:
    """All machines of a file."""
    with open(DATA / f"{name}.toml", "rb") as file:
        text = tomllib.load(file)
    usual = text.get("usual", {})
    return [
        Case(one["name"], one["words"], tuple(map(_expected, one.get("expect", ()))), {**usual, **one})
        for one in text["machine"]
    ]


def _expected(text: str) -> Expected:
    severity, rule, *where = text.split()
    return Expected(severity, rule, span(where[0]) if where else None)


def span(text: str) -> tuple[int, int]:
    """``START-END`` in bytes, half open."""
    start, end = text.split("-")
    return parse_size(start), parse_size(end)


def _range(text: str) -> str:
    start, end = span(text)
    return f"start = {start:#x}, size = {end - start:#x}"


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    yield f'cmdline = "{told.get("cmdline", "")}"'
    yield from (f"{key} = {str(told[key]).lower()}" for key in ("phys_bits", "hypervisor") if key in told)
    yield f'[kernel]\nrelease = "{told.get("release", "6.12")}"\narch = "{told.get("arch", "x86_64")}"'
    yield f"page_size = {told.get('page_size', 4096)}"
    if "config" in told:
        yield "[kernel.config]"
        yield from (f'{option} = "{value}"' for option, value in told["config"].items())
    for line in told["map"]:
        where, kind, *attributes = line.split(maxsplit=2)
        name, usual = _KINDS.get(kind, (kind.replace("_", " "), "WB|WT|WC|UC"))
        yield f'[[efi_map]]\n{_keys(_range(where))}\ntype = "{name}"'
        yield f'attributes = "{attributes[0] if attributes else usual}"'
    for line in told.get("e820", ()):
        where, kind = line.split(maxsplit=1)
        yield f'[[e820]]\n{_keys(_range(where))}\ntype = "{kind}"'
    yield from _srat(told.get("srat", ()))
    if "slit" in told:
        yield f"[acpi.slit]\ndistances = {told['slit']}"
    yield from _hmat(told.get("hmat", ()))
    if "windows" in told:
        windows = ", ".join("{ " + _range(line) + " }" for line in told["windows"])
        yield f"[acpi]\nwindows = [{windows}]"
    for line in told.get("image", ()):
        name, where = line.split()
        yield f"[image.{name}]\n{_keys(_range(where))}"


def _keys(table: str) -> str:
    return table.replace(", ", "\n")


def _srat(lines: list[str]) -> Iterator[str]:
    """``cpu DOMAIN COUNT``, ``mem DOMAIN START-END [hot] [off] [nv]``, ``initiator DOMAIN HANDLE``."""
    found: dict[str, list[str]] = {"cpus": [], "memory": [], "initiators": []}
    for line in lines:
        kind, domain, what, *flags = line.split()
        if kind == "cpu":
            found["cpus"].append(f"{{ domain = {domain}, count = {what} }}")
        elif kind == "mem":
            more = "".join(f", {_FLAGS[flag]}" for flag in flags)
            found["memory"].append(f"{{ domain = {domain}, {_range(what)}{more} }}")
        else:
            found["initiators"].append(f'{{ domain = {domain}, handle = "{what}" }}')
    if lines:
        yield "[acpi.srat]"
        yield from (f"{name} = [{', '.join(items)}]" for name, items in found.items() if items)


def _hmat(lines: list[str]) -> Iterator[str]:
    """``near MEMORY [INITIATOR]``, ``KIND FROM,.. TO,.. V,.. [V,..]``, ``cache MEMORY SIZE [LEVEL/LEVELS]``."""
    for line in lines:
        kind, *words = line.split()
        if kind == "near":
            initiator = f"\ninitiator = {words[1]}" if len(words) > 1 else ""
            yield f"[[acpi.hmat.proximity]]\nmemory = {words[0]}{initiator}"
        elif kind == "cache":
            level, _, levels = (words[2] if len(words) > 2 else "1/1").partition("/")
            yield f'[[acpi.hmat.cache]]\nmemory = {words[0]}\nsize = "{words[1]}"\nlevel = {level}\nlevels = {levels}'
        else:
            rows = ", ".join(f"[{row}]" for row in words[2:])
            yield f'[[acpi.hmat.locality]]\nkind = "{kind.replace("_", " ")}"'
            yield f"initiators = [{words[0]}]\ntargets = [{words[1]}]\nvalues = [{rows}]"
