"""Inventories that nobody owns, to try things out on: servers as they are bought and as their firmware gets them wrong.

Servers come in lots: a few models, some of them very often; each lot has the firmware and the kernel of its time. What
is wrong with firmware is wrong on all machines that have it. A few machines are unlike their lot: a module of memory is
missing. Every number follows from the seed and from what it is for, by a hash: it is the same on every Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import accumulate
from typing import Final, NamedTuple, TypeVar

import attrs

from softreserve.config.builds import built
from softreserve.config.new_machine import Plan, machine_text

__all__ = ["FAULTS", "Made", "made"]

T = TypeVar("T")

_GIB: Final = 1 << 30
#: Bytes of a module of memory.
_MODULE: Final = 32 * _GIB
#: Servers of a rack.
_RACK: Final = 40

#: What models have, and how often. Bytes are those of a socket.
_SOCKETS: Final = {2: 70, 1: 22, 4: 8}
_CLUSTERS: Final = {1: 70, 2: 18, 4: 12}
_CPUS: Final = {32: 40, 48: 20, 64: 30, 96: 10}
_DRAM: Final = {256: 40, 512: 35, 1024: 20, 128: 5}
#: Of specific purpose memory: HBM and CXL.
_SPECIAL: Final = {(64, 0): 40, (0, 128): 25, (0, 256): 20, (64, 128): 10, (0, 0): 5}
#: Of a lot: the kernel, and whether the firmware says how fast memory is.
_KERNELS: Final = {"6.1": 25, "6.12": 50, "6.18": 25}
_HMAT: Final = {True: 85, False: 15}
#: Lots that begin their command line so.
_CMDLINES: Final = {"": 70, "memhp_default_state=online_movable": 20, "efi=nosoftreserve": 10}
#: One firmware in so many gets something wrong, and one machine in so many lacks a module of memory.
_BROKEN: Final = 5
_SINGLE: Final = 33
#: How many lots a model is bought in.
_LOTS: Final = 4


class Made(NamedTuple):
    """A machine.

    :param name: the name of its file: a folder for each rack.
    :param fault: what its firmware gets wrong: a key of :data:`FAULTS`; empty: nothing.
    """

    name: str
    text: str
    fault: str


def made(count: int, seed: int, arches: Sequence[str]) -> Iterator[Made]:
    """So many machines.

    :param arches: architectures, the most usual ones first.
    """
    models = max(3, round(count**0.5 * 0.6))
    digits = len(str(-(-count // _RACK)))
    often = {model: 1000 // (1 + model) + 1 for model in range(models)}
    for number in range(count):
        model = _drawn(often, seed, "model of", number)
        lot = _number(seed, "lot of", number) % _LOTS
        single = _number(seed, "single", number) % _SINGLE == 0
        rack, unit = divmod(number, _RACK)
        name = f"rack-{rack + 1:0{digits}}/server-{unit + 1:02}"
        command = f"softreserve inventory --count {count} --seed {seed}"
        text, fault = _text(seed, model, lot, tuple(arches), 1 + number % 3 if single else 0, command)
        yield Made(f"{name}.toml", text.replace(f'name = "{_UNNAMED}"', f'name = "{name.replace("/", "-")}"', 1), fault)


_UNNAMED: Final = "machine"


def _lot(seed: int, model: int, lot: int, arches: tuple[str, ...]) -> tuple[Plan, str]:
    """What machines of a model are that were bought together, and what is wrong with their firmware."""

    def of_model(what: str, often: Mapping[T, int]) -> T:
        return _drawn(often, seed, what, model)

    def of_lot(what: str, often: Mapping[T, int]) -> T:
        return _drawn(often, seed, what, model, lot)

    arch = of_model("arch", {arch: 85 if not number else 15 for number, arch in enumerate(arches)})
    hbm, cxl = of_model("special", _SPECIAL)
    clusters = of_model("clusters", _CLUSTERS)
    plan = Plan(
        _UNNAMED,
        arch,
        of_lot("kernel", _KERNELS),
        of_lot("cmdline", _CMDLINES),
        sockets=of_model("sockets", _SOCKETS),
        cpus=of_model("cpus", _CPUS),
        clusters=clusters,
        dram=of_model("dram", _DRAM) * _GIB,
        hbm=hbm * _GIB,
        cxl=cxl * _GIB,
        hmat=of_lot("hmat", _HMAT),
    )
    plan = _within(plan, built(plan.kernel, arch).max_numnodes)
    broken = _number(seed, "broken", model, lot) % _BROKEN == 0 and (hbm or cxl)
    return plan, _drawn(dict.fromkeys(FAULTS, 1), seed, "fault", model, lot) if broken else ""


@lru_cache(maxsize=4096)
def _text(seed: int, model: int, lot: int, arches: tuple[str, ...], missing: int, command: str) -> tuple[str, str]:
    """A machine of a lot, and what its firmware gets wrong.

    :param missing: modules of memory that it lacks.
    """
    plan, fault = _lot(seed, model, lot, arches)
    if plan.dram >= 256 * _GIB:
        plan = attrs.evolve(plan, dram=plan.dram - missing * _MODULE)
    text = machine_text(plan, command=command)
    return "\n\n".join(FAULTS[fault](text.split("\n\n"))) if fault else text, fault


def _within(plan: Plan, most: int) -> Plan:
    """The plan with no more nodes than its kernel knows."""
    of_cluster, of_socket = 1 + bool(plan.hbm), bool(plan.cxl)
    while plan.sockets * (plan.clusters * of_cluster + of_socket) > most:
        if plan.clusters > 1:
            plan = attrs.evolve(plan, clusters=plan.clusters // 2)
        else:
            plan = attrs.evolve(plan, sockets=plan.sockets // 2)
    return plan


def _number(seed: int, *what: object) -> int:
    """A number that looks random, the same for the same things."""
    words = "\0".join(map(str, (seed, *what)))
    return int.from_bytes(sha256(words.encode()).digest()[:8], "big")


def _drawn(often: Mapping[T, int], seed: int, *what: object) -> T:
    """One of several, each as often as it says."""
    sums = [*accumulate(often.values())]
    at = _number(seed, *what) % sums[-1]
    return next(one for one, end in zip(often, sums, strict=True) if at < end)


# --- what firmware gets wrong, as changes of the sections of a machine file

_MARK: Final = "SP|"
_Sections = list[str]


def _special(sections: _Sections) -> list[int]:
    """Where the descriptors of specific purpose memory stand."""
    return [number for number, section in enumerate(sections) if f'attributes = "{_MARK}' in section]


def _unmarked(sections: _Sections) -> _Sections:
    """None of the memory is marked."""
    return [section.replace(f'attributes = "{_MARK}', 'attributes = "') for section in sections]


def _half_marked(sections: _Sections) -> _Sections:
    """The memory of the last node is not marked."""
    last = _special(sections)[-1]
    return [*sections[:last], *_unmarked(sections[last : last + 1]), *sections[last + 1 :]]


def _unaligned(sections: _Sections) -> _Sections:
    """The first range is described as two, of which the first ends within a page of 2 MiB."""
    first = _special(sections)[0]
    lines = sections[first].splitlines()
    start = next(line for line in lines if line.startswith("start = "))
    size = next(line for line in lines if line.startswith("size = "))
    low, length = (_bytes(line) for line in (start, size))
    cut = 5 << 20
    parts = [
        [line.replace(start, f'start = "{at:#x}"').replace(size, f'size = "{long:#x}"') for line in lines]
        for at, long in ((low, cut), (low + cut, length - cut))
    ]
    return [*sections[:first], *("\n".join(part) for part in parts), *sections[first + 1 :]]


def _not_in_srat(sections: _Sections) -> _Sections:
    """The SRAT does not name any of the memory."""
    return ["\n".join(line for line in s.splitlines() if not _is_special_in_srat(line)) for s in sections]


def _in_node_0(sections: _Sections) -> _Sections:
    """The SRAT gives all of the memory to the first node."""
    return ["\n".join(_to_0(line) if _is_special_in_srat(line) else line for line in s.splitlines()) for s in sections]


def _to_0(line: str) -> str:
    before, _, rest = line.partition("domain = ")
    return f"{before}domain = 0,{rest.partition(',')[2]}"


def _is_special_in_srat(line: str) -> bool:
    return line.startswith("    { domain") and ("# HBM of" in line or "# CXL of" in line)


def _as_reserved(sections: _Sections) -> _Sections:
    """The memory is marked, and reserved at the same time."""
    wanted = set(_special(sections))
    table = "[[efi_map]]\n"
    return [s.replace(table, f'{table}type = "reserved"\n') if n in wanted else s for n, s in enumerate(sections)]


def _bytes(line: str) -> int:
    from softreserve.config.reader import parse_size

    return parse_size(line.partition("=")[2].strip().strip('"'))


#: What firmware gets wrong, by a name for it.
FAULTS: Final[Mapping[str, Callable[[_Sections], _Sections]]] = {
    "not-marked": _unmarked,
    "half-marked": _half_marked,
    "unaligned": _unaligned,
    "not-in-srat": _not_in_srat,
    "in-node-0": _in_node_0,
    "as-reserved": _as_reserved,
}
