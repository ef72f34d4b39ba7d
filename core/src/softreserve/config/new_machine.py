"""Machine files made of a few numbers: a server whose high-bandwidth or CXL memory is specific purpose memory.

What is laid out here is what firmware does: a hole below 4 GiB, tables and services at the end of low memory, DRAM
socket by socket, then specific purpose memory, each range with a proximity domain of its own and aligned to memory
blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import attrs

from softreserve.config.builds import built
from softreserve.config.toml_text import toml_string
from softreserve.model.errors import InputError
from softreserve.model.machine import CPUS_MAX
from softreserve.model.sizes import human_size
from softreserve.plugins.architectures import arch_info

__all__ = ["SCHEMA_FILE", "SPEEDS", "Kind", "Plan", "Speed", "machine_text", "shared"]

_KIB, _MIB, _GIB, _TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40

#: Where editors look for the schema of machine files, beside them.
SCHEMA_FILE: Final = "softreserve.schema.json"

#: More than any server has; a node has room for what firmware and kernel take of the first one.
_SOCKETS_MAX: Final = 16
_NODE_MIN: Final = _GIB
_NODE_STEP: Final = 128 * _MIB
#: Memory of all kinds together: what 46 bits of an address, the least that servers have, leave room for.
_MOST: Final = 32 * _TIB
#: What 16 bits of an HMAT's entry can say in some unit of 1, 10, 100 ...; 0xffff is no value.
_ENTRY_MAX: Final = 0xFFFE

#: PCs with that much RAM have memory blocks of 2 GiB, and of 128 MiB below.
_LARGE: Final = 64 * _GIB
_LARGE_BLOCK: Final = 2 * _GIB
#: Memory blocks of all page sizes, and windows of CXL (which have 256 MiB at least), fit into this.
_BLOCK: Final = 512 * _MIB
#: Specific purpose ranges lie this far from each other at least: ranges that touch become one on some kernels.
_APART: Final = 2 * _GIB

#: At the end of low memory, each with its size.
_SERVICES: Final = (
    ("boot services data", 32 * _MIB, ""),
    ("reserved", 16 * _MIB, ""),
    ("acpi nvs", 8 * _MIB, ""),
    ("acpi reclaim", 8 * _MIB, ""),
    ("runtime services data", 16 * _MIB, "RUNTIME|WB|WT|WC|UC"),
    ("runtime services code", 16 * _MIB, "RUNTIME|WB|WT|WC|UC"),
)

#: Nanoseconds and MB/s of another socket's memory, and what another cluster of the same socket adds.
_FAR_LATENCY: Final = 80
_FAR_BANDWIDTH: Final = 96_000
_ASIDE_LATENCY: Final = 15
#: MB/s; memory that has less is none.
_LEAST_BANDWIDTH: Final = 100
#: SLIT: what is added to the 10 of a node's own memory.
_FAR_DISTANCE, _ASIDE_DISTANCE = 11, 2

Kind = Literal["dram", "hbm", "cxl"]
#: SLIT: how much farther memory of a kind is than DRAM.
_KIND_DISTANCE: Final[Mapping[Kind, int]] = {"dram": 0, "hbm": 3, "cxl": 10}


class Speed(NamedTuple):
    """How fast memory is for the CPUs beside it: nanoseconds; MB/s of all of a socket's."""

    latency: int
    bandwidth: int


#: What memory of each kind has that is sold today.
SPEEDS: Final[Mapping[Kind, Speed]] = {
    "dram": Speed(110, 256_000),
    "hbm": Speed(130, 512_000),
    "cxl": Speed(250, 32_000),
}


@attrs.frozen
class Plan:
    """What a machine is to have.

    :param name: of the machine.
    :param cpus: of each socket, as ``dram``, ``hbm`` and ``cxl``, which are bytes, are.
    :param sockets: each has as many CPUs and as much memory as the others.
    :param clusters: nodes that the CPUs, the DRAM and the HBM of a socket are divided among.
    :param hmat: whether its firmware tells how fast memory is.
    :param speeds: of each kind, for the socket that it belongs to.
    """

    name: str
    arch: str
    kernel: str = "6.12"
    cmdline: str = ""
    sockets: int = 2
    cpus: int = 32
    clusters: int = 1
    dram: int = 0
    hbm: int = 0
    cxl: int = 0
    hmat: bool = True
    speeds: Mapping[Kind, Speed] = SPEEDS

    @property
    def words(self) -> str:
        """The machine in a line."""
        sockets = f"{self.sockets} sockets" if self.sockets > 1 else "one socket"
        parts = [f"{human_size(self.dram * self.sockets)} DRAM"]
        parts += [
            f"{self.sockets} x {human_size(size)} {kind}" if self.sockets > 1 else f"{human_size(size)} {kind}"
            for kind, size in (("HBM", self.hbm), ("CXL memory", self.cxl))
            if size
        ]
        marked = " as specific purpose memory" if self.hbm or self.cxl else ""
        return f"{self.arch}, {sockets}, {', '.join(parts)}{marked}"

    def check(self) -> None:
        """See that there can be such a machine.

        :raises InputError: there cannot; the message names the option.
        """
        _within("--sockets", self.sockets, 1, _SOCKETS_MAX)
        _within("--snc", self.clusters, 1, 8)
        _within("--cpus", self.cpus, 1, CPUS_MAX // self.sockets)
        if self.cpus % self.clusters:
            raise InputError(f"--cpus: {self.cpus} CPUs cannot be divided among {self.clusters} nodes")
        _divided("--dram", self.dram, self.clusters, _NODE_STEP, "")
        if self.dram // self.clusters < _NODE_MIN:
            raise InputError(f"--dram: each node needs {human_size(_NODE_MIN)} at least")
        total = (self.dram + self.hbm + self.cxl) * self.sockets
        if total > _MOST:
            raise InputError(f"{human_size(total)} of memory; at most {human_size(_MOST)} are laid out")
        block = _block(self)
        why = ", the size of its memory blocks"
        _divided("--hbm", self.hbm, self.clusters, block, why)
        _divided("--cxl", self.cxl, 1, block, why)
        for name, speed in self.speeds.items():
            _within(f"--{name}-latency", speed.latency, 1, 10_000)
            _within(f"--{name}-bandwidth", speed.bandwidth, 10 * _LEAST_BANDWIDTH, 10_000_000)


def shared(size: int, nodes: int) -> int:
    """The most of ``size`` bytes that can be divided among nodes, whatever memory blocks they have."""
    return size // (nodes * _LARGE_BLOCK) * nodes * _LARGE_BLOCK


def _within(option: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InputError(f"{option}: wanted a number from {low} to {high}, not {value}")


def _divided(option: str, size: int, nodes: int, step: int, why: str) -> None:
    if size % nodes or (size // nodes) % step:
        of_each = f"{human_size(size // nodes)} for each of {nodes} nodes" if nodes > 1 else human_size(size)
        raise InputError(f"{option}: wanted a multiple of {human_size(step)}{why}, not {of_each}")


class _Layout(NamedTuple):
    """Where an architecture's machines have memory: below 4 GiB, and above.

    PCs, which boot from an e820 table, begin at 0; others have devices there.
    """

    low: int
    low_end: int
    high: int
    special: int
    mmio: tuple[tuple[int, int], ...]


_PC: Final = _Layout(0, 2 * _GIB, 4 * _GIB, 0, ((0x8000_0000, 256 * _MIB), (0xFE01_0000, 4 * _KIB)))
_OTHERS: Final = _Layout(2 * _GIB, 4 * _GIB, 0x80_8000_0000, _TIB, ((0x900_0000, 64 * _KIB),))


class _Memory(NamedTuple):
    """Memory of one proximity domain, in pieces of start and size; of a socket, and of one of its nodes."""

    kind: Kind
    socket: int
    cluster: int
    pieces: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        return sum(size for _, size in self.pieces)


def _block(plan: Plan) -> int:
    """Bytes that specific purpose ranges are multiples of."""
    info = arch_info(plan.arch)
    dram = plan.dram * plan.sockets
    return _LARGE_BLOCK if info.boots_from_e820 and dram + _PC.high - _PC.low_end >= _LARGE else _BLOCK


def _domains(plan: Plan, layout: _Layout) -> list[_Memory]:
    """All memory, in the order of the proximity domains."""
    found: list[_Memory] = []
    at = layout.low
    for socket in range(plan.sockets):
        for cluster in range(plan.clusters):
            left = plan.dram // plan.clusters
            pieces = []
            while left:
                end = layout.low_end if at < layout.low_end else at + left
                size = min(left, end - at)
                pieces.append((at, size))
                left -= size
                at = layout.high if at + size == layout.low_end else at + size
            found.append(_Memory("dram", socket, cluster, tuple(pieces)))
    at = max(at, layout.special)
    kinds: tuple[tuple[Kind, int, int], ...] = (("hbm", plan.hbm, plan.clusters), ("cxl", plan.cxl, 1))
    for kind, size, nodes in kinds:
        for socket in range(plan.sockets if size else 0):
            for cluster in range(nodes):
                at = -(-at // _APART) * _APART + _APART
                found.append(_Memory(kind, socket, cluster, ((at, size // nodes),)))
                at += size // nodes
    return found


def machine_text(plan: Plan, *, command: str) -> str:
    """A machine file, with comments.

    :param command: what made it, for the first line.
    :raises InputError: there can be no such machine.
    :raises MachineError: there is no such kernel.
    """
    plan.check()
    info = arch_info(plan.arch)
    layout = _PC if info.boots_from_e820 else _OTHERS
    domains = _domains(plan, layout)
    kernel = built(plan.kernel, plan.arch)
    if kernel.max_numnodes < len(domains):
        words = f"{kernel.options_of}'s kernels for {plan.arch} know {kernel.max_numnodes} (CONFIG_NODES_SHIFT)"
        raise InputError(f"{len(domains)} nodes; {words}")
    sections = [
        _head(plan, layout, domains, command),
        *_efi_map(plan, layout, domains),
        _srat(plan, domains),
        _slit(domains),
        *(_hmat(plan, domains) if plan.hmat else ()),
        *_cxl(plan, domains),
        *(_image() if info.boots_from_e820 else ()),
    ]
    return "\n\n".join(sections) + "\n"


def _head(plan: Plan, layout: _Layout, domains: Sequence[_Memory], command: str) -> str:
    lines = [
        f"#:schema ./{SCHEMA_FILE}",
        f"# Editors read the line above: softreserve schema machine > {SCHEMA_FILE}",
        f"# Made by: {command}",
        '# Sizes and addresses: bytes, or strings such as "0x1000", "512M", "4G"; units are powers of 1024.',
        f"name = {toml_string(plan.name)}",
        f"words = {toml_string(plan.words)}",
        f"cmdline = {toml_string(plan.cmdline)}",
    ]
    if layout is _PC:
        highest = max(start + size - 1 for domain in domains for start, size in domain.pieces)
        lines += [
            f"phys_bits = {max(46, highest.bit_length())}  # width of a physical address",
            'cpu_vendor = "GenuineIntel"',
        ]
    lines += ["", "[kernel]", f"release = {toml_string(plan.kernel)}", f"arch = {toml_string(plan.arch)}"]
    return "\n".join(lines)


def _table(header: str, **values: str) -> str:
    return "\n".join([header, *(f"{name} = {value}" for name, value in values.items() if value)])


def _size(number: int) -> str:
    """A number of bytes as people write it."""
    for shift, unit in ((30, "G"), (20, "M"), (10, "K")):
        if number and number % (1 << shift) == 0 and number >> shift < 10_000:
            return f'"{number >> shift}{unit}"'
    return f'"{number:#x}"' if number else "0"


def _descriptor(start: int, size: int, kind: str = "", attributes: str = "", words: str = "") -> str:
    values = {"start": _size(start), "size": _size(size)}
    if kind:
        values = {"type": toml_string(kind), **values}
    if attributes:
        values["attributes"] = toml_string(attributes)
    comment = f"# {words}\n" if words else ""
    return comment + _table("[[efi_map]]", **values)


def _efi_map(plan: Plan, layout: _Layout, domains: Sequence[_Memory]) -> Iterator[str]:
    yield "# --- the firmware's memory map, in its own order"
    services = sum(size for _, size, _ in _SERVICES)
    low_end = max(start + size for domain in domains for start, size in domain.pieces if start < layout.low_end)
    if layout is _PC:
        yield _descriptor(0, 640 * _KIB, words="up to the hole of the first PCs")
    # nodes have a gibibyte at least: more than one of them may lie below
    low = [(start, size) for domain in domains for start, size in domain.pieces if start < layout.low_end]
    start = _MIB if layout is _PC else layout.low
    yield _descriptor(start, low_end - services - start, words="low memory, and the firmware's own at its end")
    at = low_end - services
    for kind, size, attributes in _SERVICES:
        yield _descriptor(at, size, kind, attributes)
        at += size
    for domain in domains:
        for start, size in domain.pieces:
            if (start, size) in low:
                continue
            if domain.kind == "dram":
                yield _descriptor(start, size, words=f"DRAM of {_whose(plan, domain)}")
            else:
                of = _whose(plan, domain)
                words = f"{domain.kind.upper()} of {of}: SP marks it as specific purpose memory (EFI_MEMORY_SP)"
                yield _descriptor(start, size, attributes="SP|WB|WT|WC|UC", words=words)
    for start, size in layout.mmio:
        yield _descriptor(start, size, "mmio", "RUNTIME|UC")


def _whose(plan: Plan, domain: _Memory) -> str:
    divided = plan.clusters > 1 and domain.kind != "cxl"
    return f"socket {domain.socket}, cluster {domain.cluster}" if divided else f"socket {domain.socket}"


def _srat(plan: Plan, domains: Sequence[_Memory]) -> str:
    lines = [
        "# --- ACPI tables",
        "",
        "# who is in which proximity domain; Linux makes a node of each",
        "[acpi.srat]",
        "cpus = [",
    ]
    with_cpus = [number for number, domain in enumerate(domains) if domain.kind == "dram"]
    lines += [f"    {{ domain = {number}, count = {plan.cpus // plan.clusters} }}," for number in with_cpus]
    lines += ["]", "memory = ["]
    for number, domain in enumerate(domains):
        for start, size in domain.pieces:
            comment = f"  # {domain.kind.upper()} of {_whose(plan, domain)}"
            lines.append(f"    {{ domain = {number}, start = {_size(start)}, size = {_size(size)} }},{comment}")
    return "\n".join([*lines, "]"])


def _slit(domains: Sequence[_Memory]) -> str:
    rows = [f"    {[_distance(one, other) for other in domains]}," for one in domains]
    return "\n".join(["# distances: 10 is a node's own memory", "[acpi.slit]", "distances = [", *rows, "]"])


def _distance(one: _Memory, other: _Memory) -> int:
    if one is other:
        return 10
    apart = _FAR_DISTANCE if one.socket != other.socket else _ASIDE_DISTANCE if _aside(one, other) else 0
    return 10 + apart + _KIND_DISTANCE[one.kind] + _KIND_DISTANCE[other.kind]


def _aside(one: _Memory, other: _Memory) -> bool:
    """Whether two lie in different clusters of a socket; CXL memory lies in none."""
    return "cxl" not in (one.kind, other.kind) and one.cluster != other.cluster


def _hmat(plan: Plan, domains: Sequence[_Memory]) -> Iterator[str]:
    initiators = [number for number, domain in enumerate(domains) if domain.kind == "dram"]
    yield "# how fast which memory is for whom: the CPUs that memory belongs to"
    for number, domain in enumerate(domains):
        nearest = next(
            at for at in initiators if domains[at].socket == domain.socket and not _aside(domains[at], domain)
        )
        yield _table("[[acpi.hmat.proximity]]", memory=str(number), initiator=str(nearest))
    latencies = [[_latency(plan, domains[at], target) for target in domains] for at in initiators]
    yield _locality("access latency", "nanoseconds", initiators, latencies)
    bandwidths = [[_bandwidth(plan, domains[at], target) for target in domains] for at in initiators]
    yield _locality("access bandwidth", "MB/s", initiators, _representable(bandwidths))


def _latency(plan: Plan, cpus: _Memory, memory: _Memory) -> int:
    near = plan.speeds[memory.kind].latency
    if cpus.socket != memory.socket:
        return near + _FAR_LATENCY
    return near + _ASIDE_LATENCY if _aside(cpus, memory) else near


def _bandwidth(plan: Plan, cpus: _Memory, memory: _Memory) -> int:
    of_socket = plan.speeds[memory.kind].bandwidth
    near = of_socket if memory.kind == "cxl" else of_socket // plan.clusters
    return max(min(near // 2, _FAR_BANDWIDTH) if cpus.socket != memory.socket else near, _LEAST_BANDWIDTH)


def _representable(rows: list[list[int]]) -> list[list[int]]:
    """Values in a unit in which each has 16 bits: what does not fit is rounded, and is not 0."""
    unit = 1
    while max(map(max, rows)) // unit > _ENTRY_MAX:
        unit *= 10
    return [[max(value // unit, 1) * unit for value in row] for row in rows]


def _locality(kind: str, unit: str, initiators: Sequence[int], rows: list[list[int]]) -> str:
    return "\n".join(
        [
            f"# {unit}: a row for each initiator",
            "[[acpi.hmat.locality]]",
            f"kind = {toml_string(kind)}",
            f"initiators = {initiators}",
            f"targets = {list(range(len(rows[0])))}",
            "values = [",
            *(f"    {row}," for row in rows),
            "]",
        ]
    )


def _cxl(plan: Plan, domains: Sequence[_Memory]) -> Iterator[str]:
    memories = [domain for domain in domains if domain.kind == "cxl"]
    if not memories:
        return
    yield "# --- CXL: a window, a host bridge and a device for each socket; the firmware has set up the decoders"
    for memory in memories:
        ((start, size),) = memory.pieces
        yield _table("[[acpi.windows]]", start=_size(start), size=_size(size), targets=str([_uid(memory.socket)]))
    for memory in memories:
        ((start, size),) = memory.pieces
        committed = {"start": _size(start), "size": _size(size)}
        bus = str(0x10 + memory.socket * 0x20 if plan.sockets <= 7 else 0x8 + memory.socket * 0xC)
        domain = str(memory.socket * plan.clusters)
        yield _table("[[cxl.host_bridge]]", uid=str(_uid(memory.socket)), bus=bus, domain=domain)
        yield _table("[[cxl.host_bridge.root_port]]", number="0")
        yield _table("[[cxl.host_bridge.root_port.memdev]]", volatile=_size(size), serial=str(memory.socket + 1))
        yield _table("[[cxl.host_bridge.root_port.memdev.committed]]", **committed)
        yield "# an empty port: a host bridge with one port only has no decoders\n" + _table(
            "[[cxl.host_bridge.root_port]]", number="1"
        )
        yield _table("[[cxl.host_bridge.committed]]", **committed, targets="[0]")


def _uid(socket: int) -> int:
    return 10 + socket


def _image() -> Iterator[str]:
    yield "\n".join(
        [
            "# where the kernel lies: sizes of Debian's 6.12",
            "[image]",
            'code = { start = "0x1000000", size = "0x1000000" }',
            'rodata = { start = "0x2000000", size = "0xb71000" }',
            'data = { start = "0x2c00000", size = "0x270f80" }',
            'bss = { start = "0x3736000", size = "0x4ca000" }',
        ]
    )
