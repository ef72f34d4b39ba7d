"""Machines with as many nodes as one likes: processors with DRAM, and HBM and slow memory that is dealt out to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

__all__ = ["machine_text"]

_MARKED = 'attributes = "SP|WB|WT|WC|UC"'


def machine_text(
    name: str, processors: int, hbm: int = 0, slow: int = 0, *, release: str = "6.12", numbers: bool = True
) -> str:
    """A machine file: ``processors`` nodes of 32 GiB, then ``hbm`` and ``slow`` ones of 16 GiB, which are set aside.

    Node ``n`` of those belongs to processor ``(n - processors) % processors``. With ``numbers`` an HMAT says: DRAM 60
    GB/s and 100 ns, HBM 100 GB/s and 130 ns, slow memory 20 GB/s and 300 ns; half of that, and 60 ns more, from other
    processors.
    """
    lines = _lines(processors, hbm, slow, numbers)
    head = f'name = "{name}"\nphys_bits = 52\n[kernel]\nrelease = "{release}"\narch = "x86_64"\n'
    return head + "\n".join(lines) + "\n"


def _lines(processors: int, hbm: int, slow: int, numbers: bool) -> Iterator[str]:
    nodes = range(processors + hbm + slow)
    yield from ('[[efi_map]]\nstart = 0\nsize = "640K"', '[[efi_map]]\nstart = "1M"\nsize = "2047M"')
    ranges = ['{ domain = 0, start = 0, size = "2G" }']
    start = 4
    for node in nodes:
        size = 32 if node < processors else 16
        yield f'[[efi_map]]\nstart = "{start}G"\nsize = "{size}G"\n{"" if node < processors else _MARKED}'
        ranges.append(f'{{ domain = {node}, start = "{start}G", size = "{size}G" }}')
        start += size
    cpus = ", ".join(f"{{ domain = {node}, count = 4 }}" for node in range(processors))
    yield f"[acpi.srat]\ncpus = [{cpus}]\nmemory = [{', '.join(ranges)}]"

    def owner(node: int) -> int:
        return node if node < processors else (node - processors) % processors

    def kind(node: int) -> int:
        return (node >= processors) + (node >= processors + hbm)

    distances = _matrix(nodes, nodes, lambda i, j: 10 if i == j else 13 if owner(i) == owner(j) else 21)
    yield f"[acpi.slit]\ndistances = {distances}"
    if not numbers:
        return
    for node in nodes:
        yield f"[[acpi.hmat.proximity]]\nmemory = {node}\ninitiator = {owner(node)}"
    latency = _matrix(range(processors), nodes, lambda i, j: (100, 130, 300)[kind(j)] + 60 * (owner(j) != i))
    bandwidth = _matrix(range(processors), nodes, lambda i, j: (60000, 100000, 20000)[kind(j)] >> (owner(j) != i))
    for words, values in (("latency", latency), ("bandwidth", bandwidth)):
        yield f'[[acpi.hmat.locality]]\nkind = "access {words}"\ninitiators = {list(range(processors))}'
        yield f"targets = {list(nodes)}\nvalues = {values}"


def _matrix(rows: range, columns: range, value: Callable[[int, int], int]) -> list[list[int]]:
    return [[value(row, column) for column in columns] for row in rows]
