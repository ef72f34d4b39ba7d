"""What becomes of soft reserved memory when the next kernel is started by kexec."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from operator import itemgetter
from typing import TYPE_CHECKING

from softreserve.kernel.e820 import E820_TABLE_KEXEC
from softreserve.model import e820
from softreserve.model.findings import Finding

if TYPE_CHECKING:
    from softreserve.kernel.resource import Resource
    from softreserve.kernel.system import System

__all__ = ["lint"]

_start = itemgetter(0)


def lint(system: System) -> Iterator[Finding]:
    """Look at what the next kernel is told; on arm64 the EFI map goes along, and nothing is lost."""
    table = system.stash.get(E820_TABLE_KEXEC)
    if table is None or not (system.kernel.builtin("KEXEC") or system.kernel.builtin("KEXEC_FILE")):
        return
    ram = sorted((e.start, e.start + e.size) for e in table if e.type == e820.RAM and e.size)
    kept: list[Resource] = []
    for res in system.iomem.find("Soft Reserved"):
        at = bisect_right(ram, res.end, key=_start) - 1
        if at >= 0 and ram[at][1] > res.start:
            message = (
                "a kernel that kexec starts takes this for RAM, and kexec_load may put the kernel there: the e820 "
                "table that was handed over does not know it as soft reserved; boot by the EFI stub, or append "
                f"memmap={res.size:#x}%{res.start:#x}-{e820.RAM}+{e820.SOFT_RESERVED:#x} to the next command line"
            )
            yield Finding("warning", "kexec-takes-for-ram", message, res.start, res.end + 1)
        else:
            kept.append(res)
    if kept:
        others = f" (and {len(kept) - 1} more)" if len(kept) > 1 else ""
        message = (
            f"a kernel that kexec_load starts (kexec -c) finds this range{others} Reserved and cannot use it: "
            "kexec-tools does not know the type; kexec_file_load (kexec -s) keeps it"
        )
        yield Finding("note", "kexec-load-loses-sp", message, kept[0].start, kept[0].end + 1)
