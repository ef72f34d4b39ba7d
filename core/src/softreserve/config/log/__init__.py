"""A machine from a kernel log (``dmesg``, best with ``efi=debug``): map, command line, release, nodes, CPUs.

A log says some things, and not others. What it does not say and an answer may need is a
:class:`~softreserve.model.scenario.Gap`; a line of a memory map that cannot be read is a mistake.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

from softreserve.config.account import told
from softreserve.config.acpi_dump import tables_at
from softreserve.config.log.content import log_text
from softreserve.config.log.found import read_dma_reach, read_node_ranges
from softreserve.config.log.hardware import read_cpu, read_crash_kernel, read_image
from softreserve.config.log.kernel import read_arch, read_cmdline, read_kernel
from softreserve.config.log.map_lines import looks_like_map
from softreserve.config.log.maps import MAP_LINES, read_maps, refuse_unread
from softreserve.config.log.marks import read_marks, read_setup_data
from softreserve.config.log.messages import VERSION, Messages
from softreserve.config.log.processors import read_processors
from softreserve.config.log.srat import SRAT_LINES
from softreserve.config.log.tables import Tables, read_tables
from softreserve.config.parts import IMAGE_GAP
from softreserve.config.reader import StrPath, path_words, read_bytes
from softreserve.model.log_text import log_lines
from softreserve.model.machine import Machine
from softreserve.model.names import name_problem
from softreserve.model.scenario import Scenario
from softreserve.plugins.architectures import arch_info

__all__ = ["is_log", "log_text", "parse_log", "read_log"]

#: What the kernel says of a device tree, and of an ACPI table.
_MODEL: Final = re.compile(r"Machine model: ")
_ACPI_TABLE: Final = re.compile(r"ACPI: [A-Z0-9]{4} 0x")
_LOST: Final = re.compile(r"\*\* (\d{1,18}) printk messages dropped|Missed (\d{1,18}) kernel messages")


def is_log(text: str) -> bool:
    """Whether the text of a file is a kernel log, and no machine file that speaks of one."""
    if not any(VERSION.match(line.message) or looks_like_map(line) for line in log_lines(text)):
        return False
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError):  # ValueError: no TOML, or a number with too many digits
        return True
    return False


def read_log(
    source: StrPath, acpi: StrPath | None = None, text: str | None = None, *, release: str | None = None
) -> Scenario:
    """Read a log from a file or, for ``-``, from standard input; ACPI tables from a directory or file, if there is one.

    :param text: what stands in it, where somebody has read it already (:func:`log_text`).
    :param release: which kernel's it is, where it does not tell.
    :raises InputError: no memory map or no release in it; no tables where they are to be.
    """
    if text is None:
        text = log_text(read_bytes(source), source)
    if (account := told()) is not None:
        account.kind = "a kernel log"
    tables = tables_at(acpi) if acpi is not None else None
    return parse_log(text, tables, path_words(source), release=release)


def parse_log(
    text: str, tables: dict[str, bytes] | None = None, path: object = None, *, release: str | None = None
) -> Scenario:
    """Make a machine from the text of a log. Without tables, an SRAT is made from what the kernel said of it.

    :raises InputError: no memory map or no release in it, or a line of a map that cannot be read.
    """
    log = Messages(text, path)
    refuse_unread(log, SRAT_LINES)
    if not log.has_version:
        if release is None:
            raise log.error(
                "no line 'Linux version ...' in it: no kernel log, or one that does not begin at the boot; "
                "--kernel RELEASE says which kernel wrote it"
            )
        log.gap("the line of the kernel's version", f"{release} is assumed, as --kernel says")
    arch = read_arch(log)
    cmdline = read_cmdline(log)
    info = arch_info(arch)
    efi_map, e820 = read_maps(log, moved=cmdline.has("memmap"), cut=cmdline.has("mem"), table=info.boots_from_e820)
    cpus = read_processors(log, cmdline)
    kernel = read_kernel(log, arch, release)
    devicetree = tables is None and bool(log.matching(_MODEL)) and not log.matching(_ACPI_TABLE)
    acpi = Tables({}, frozenset()) if devicetree else read_tables(log, tables, info, cpus)
    highest = max(((of.start + of.size - 1).bit_length() for of in (*(efi_map or ()), *e820)), default=0)
    name = Path(str(path or "log")).stem
    machine = Machine(
        name=name if name_problem(name) is None else "log",
        kernel=kernel,
        cmdline=cmdline,
        efi_map=efi_map,
        e820=e820 or None,
        acpi=acpi.tables,
        cpus=cpus.number,
        image=read_image(log),
        boot="loader" if e820 or efi_map is None or log.has("efi: UEFI not found") else "stub",
        setup_data=read_setup_data(log),
        marks=read_marks(log, mapped=efi_map is not None),
        devicetree=devicetree,
        dma_reach=None if info.boots_from_e820 else read_dma_reach(log, read_node_ranges(log)),
        pci=not log.has("PCI: System does not support PCI"),
        crash_kernel=read_crash_kernel(log),
        unknown=acpi.unknown,
        **read_cpu(log, highest),
    )
    _log_gaps(log)
    return Scenario(machine, path=path_words(str(path)) if path else None, gaps=tuple(log.gaps))


def _log_gaps(log: Messages) -> None:
    """Gaps of the log itself."""
    log.gaps.append(IMAGE_GAP)
    if log.boots > 1:
        log.gap("the other boots", f"the log tells of {log.boots}; the last one is read")
    lost = [int(found[1] or found[2]) for line in log.said if (found := _LOST.search(line.line))]
    if lost:
        lines = "a line says" if len(lost) == 1 else f"{len(lost)} lines say"
        log.gap("some messages", f"{lines} that {sum(lost)} were lost; lines of the maps may be among them")
    if any(pattern.match(log.said[-1].message) for pattern in (*MAP_LINES, SRAT_LINES[0])):
        log.gap("the end of the log", "it ends in a memory map, of which there may be more")
