"""Which ACPI tables a machine has, as its log lists them, and those that can be made of what it tells of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from softreserve.config.account import told
from softreserve.config.acpi_schema import Acpi, build_acpi
from softreserve.config.log.cxl import read_cxl
from softreserve.config.log.hmat import read_hmat
from softreserve.config.log.messages import Messages
from softreserve.config.log.processors import Processors
from softreserve.config.log.srat import read_srat
from softreserve.config.parts import DECIDING_TABLES, tables_gap
from softreserve.model.acpi.slit import LOCAL_DISTANCE, REMOTE_DISTANCE, Slit
from softreserve.model.arch import ArchInfo

__all__ = ["Tables", "read_tables"]

_LISTED: Final = re.compile(r"ACPI: ([A-Z0-9]{4}) 0x[0-9A-Fa-f]+ ([0-9A-Fa-f]{1,8}) \(v(\d\d)")
#: The kernel does not say what is wrong with it: that a node is at no distance from itself will do.
_BAD_SLIT: Final = re.compile(r"(?:ACPI: )?SLIT table looks invalid\. Not used\.|ACPI: SLIT table looks invalid")


#: More than any machine of today has.
_LOCALITIES_MAX: Final = 1 << 8


class _Listed(NamedTuple):
    """A table that the kernel found: its length in bytes, and its revision."""

    length: int
    revision: int


class Tables(NamedTuple):
    """Tables by signature, and signatures of those that the machine has or may have and that are not whole here."""

    tables: Mapping[str, bytes]
    unknown: frozenset[str]


def read_tables(log: Messages, given: Mapping[str, bytes] | None, arch: ArchInfo, cpus: Processors) -> Tables:
    """What is given; else what can be made of the log.

    :raises InputError: the log contradicts itself.
    """
    listed: dict[str, _Listed] = {}
    for found in log.each(_LISTED, lambda found: found):
        listed.setdefault(found[1], _Listed(int(found[2], 16), int(found[3])))
    whole = dict(given or {})
    have = set(whole)
    parts: set[str] = set()
    if given is None:
        srat = read_srat(log, arch, cpus)
        if srat is not None:
            whole |= srat.tables
            have |= {"SRAT"} if srat.is_whole else set()
        hmat = read_hmat(log, *listed.get("HMAT", (None, None)))
        if hmat is not None:
            whole["HMAT"] = hmat.table
            have.add("HMAT")
            parts |= set() if hmat.is_whole else {"HMAT"}
        if log.matching(_BAD_SLIT):
            whole["SLIT"] = Slit([[0]]).sealed()
            have.add("SLIT")
        elif "SLIT" in listed and srat is not None and max(srat.domains, default=_LOCALITIES_MAX) < _LOCALITIES_MAX:
            # what is assumed without it, so that there are distances at all; of one node it tells no more
            whole["SLIT"] = _even_slit(max(srat.domains) + 1)
            have |= {"SLIT"} if len(srat.domains) == 1 else set()
        cxl = read_cxl(log)
        if cxl is not None:
            made = build_acpi(Acpi(windows=cxl.windows), arch, cpus.number, cxl.bridges)
            whole |= {"CEDT": made["CEDT"], "APIC": whole.get("APIC", made["APIC"])}
            have.add("CEDT")
    if (account := told()) is not None:
        account.made = {*whole} - {*(given or ())}
    lacking = [name for name in DECIDING_TABLES if name not in have and (name in listed or not listed)]
    if not lacking or (given is not None and not listed):  # who gives tables and no list has given all
        return Tables(whole, frozenset(parts))
    log.gaps.append(tables_gap(f"{', '.join(lacking)} (--acpi DIR)"))
    return Tables(whole, frozenset((*lacking, *parts)))


def _even_slit(count: int) -> bytes:
    """A table with the distances that nodes have without one."""
    rows = [[LOCAL_DISTANCE if row == column else REMOTE_DISTANCE for column in range(count)] for row in range(count)]
    return Slit(rows).sealed()
