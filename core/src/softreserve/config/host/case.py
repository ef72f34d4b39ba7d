"""A machine from the capture of a host: what its log tells, and what its files say better."""

from __future__ import annotations

import re
from typing import Any, Final

import attrs

from softreserve.config.account import told
from softreserve.config.builds import built, page_sizes
from softreserve.config.folder import Folder
from softreserve.config.kernel_toml import CONFIG_GAP, KernelToml, read_kernel_toml
from softreserve.config.log import parse_log
from softreserve.config.log.content import log_text
from softreserve.config.parts import (
    CMDLINE_GAP,
    CPUS_GAP,
    DECIDING_TABLES,
    IMAGE_GAP,
    PAGE_SIZE_GAP,
    checked_cmdline,
    efi_map_gap,
    tables_gap,
)
from softreserve.config.reader import Problems, text_of
from softreserve.model.cmdline import CommandLine
from softreserve.model.e820 import RESOURCE_TEXT, UNKNOWN_RESOURCE
from softreserve.model.efi import EfiMemoryMap
from softreserve.model.efi_text import parse_efi_memmap
from softreserve.model.errors import InputError, shown
from softreserve.model.kernel import Kernel
from softreserve.model.machine import E820Entry, KernelImage, Machine
from softreserve.model.scenario import EFI_MAP, Gap, Scenario

__all__ = ["read_host_case"]

_ENTRY: Final = re.compile(r"\d+ (0x[0-9a-f]{1,16}) (0x[0-9a-f]{1,16}) (\S.*)")
#: Types as ``/sys/firmware/memmap`` names them; of all that have no name it makes no difference which it is.
_TYPES: Final = {**{text: number for number, text in RESOURCE_TEXT.items()}, UNKNOWN_RESOURCE: 0xFFFF}
_NO_MAP: Final = (
    "no memory map: neither BIOS-e820 lines nor those of efi=debug in a log, and no /sys/firmware/memmap; "
    "boot once with efi=debug, or capture as root"
)


def read_host_case(folder: Folder, name: str, problems: Problems) -> Scenario:
    """Read the capture of a host, as far as the host showed itself.

    :raises ConfigError: everything that is wrong with the files.
    """
    if (account := told()) is not None:
        account.kind = "a capture of a host"
    reader = _Reader(folder, problems)
    scenario = reader.scenario(name)
    problems.check()
    assert scenario is not None
    return scenario


class _Reader:
    def __init__(self, folder: Folder, problems: Problems) -> None:
        self.folder = folder
        self.problems = problems
        self.gaps: dict[str, Gap] = {}
        self.without_log = True

    def scenario(self, name: str) -> Scenario | None:
        """The machine; ``None`` where something is wrong, which is noted."""
        says: KernelToml | None = None
        if self.folder.has("kernel.toml"):
            says = read_kernel_toml(self.folder.document("kernel.toml", self.problems))
        try:
            acpi = self.folder.acpi()
            base = self._log_scenario(acpi, says)
            if self.problems.found:
                return None
            machine = self._machine(name, base, says, acpi)
        except InputError as error:
            self.problems.add(error)
            return None
        return Scenario(machine, path=self.folder.directory, gaps=tuple(self.gaps.values()))

    def _log_scenario(self, acpi: dict[str, bytes], says: KernelToml | None) -> Scenario | None:
        """What the log alone tells; ``None`` where there is none, or not of all that a machine needs."""
        if not self.folder.has("log.txt"):
            return None
        lacks_srat = "SRAT" not in acpi and (says is None or says.tables is None or "SRAT" in says.tables)
        path = self.folder.path("log.txt")
        try:
            found = parse_log(log_text(self.folder.read("log.txt")), None if lacks_srat else acpi, path)
        except InputError:
            if says is None or not any(map(self.folder.has, ("memmap.txt", "efi-memmap.txt"))):
                raise
            return None
        self.without_log = False
        self.gaps.update((gap.missing, gap) for gap in found.gaps)
        return found

    def _machine(self, name: str, base: Scenario | None, says: KernelToml | None, acpi: dict[str, bytes]) -> Machine:
        log = None if base is None else base.machine
        efi_map = self._efi_map() or (log.efi_map if log is not None else None)
        table = None if efi_map is not None else log.e820 if log is not None else self._memmap()
        if efi_map is None and not table:
            raise InputError(_NO_MAP, path=self.folder.directory)
        if efi_map is None and (says is None or says.efi is not False):
            self._lack(efi_map_gap())
        else:
            self.gaps.pop(EFI_MAP, None)
        kernel = self._kernel(log, says)
        machine = Machine(name=name, kernel=kernel) if log is None else attrs.evolve(log, name=name, kernel=kernel)
        machine = attrs.evolve(
            machine,
            efi_map=efi_map,
            e820=table,
            boot="stub" if efi_map is not None else "loader",
            acpi={**(log.acpi if log is not None else {}), **acpi},
            cmdline=self._cmdline(log),
            **self._of_kernel_toml(says, machine),
        )
        return attrs.evolve(machine, unknown=self._unknown(machine, says))

    def _efi_map(self) -> EfiMemoryMap | None:
        """The firmware's map, where somebody has put it there."""
        if not self.folder.has("efi-memmap.txt"):
            return None
        path = self.folder.path("efi-memmap.txt")
        return parse_efi_memmap(text_of(self.folder.read("efi-memmap.txt"), path), path=path)

    def _memmap(self) -> tuple[E820Entry, ...]:
        """The table of the firmware, or of the loader, as ``/sys/firmware/memmap`` has it; or nothing."""
        if not self.folder.has("memmap.txt"):
            return ()
        path = self.folder.path("memmap.txt")
        text = text_of(self.folder.read("memmap.txt"), path)
        return tuple(_entry(line, number, path) for number, line in enumerate(text.splitlines(), 1) if line.strip())

    def _kernel(self, log: Machine | None, says: KernelToml | None) -> Kernel:
        if says is None or says.kernel is None:
            assert log is not None
            return log.kernel
        kernel = says.kernel
        self._known("the architecture")
        if says.page_size_said or len(page_sizes(kernel.arch)) < 2:
            self._known(PAGE_SIZE_GAP.missing)
        elif log is not None and log.kernel.arch == kernel.arch and PAGE_SIZE_GAP.missing not in self.gaps:
            kernel = attrs.evolve(kernel, page_size=log.kernel.page_size)
        else:
            self._lack(PAGE_SIZE_GAP)
        if CONFIG_GAP not in says.gaps:
            self._known(CONFIG_GAP.missing)
            return kernel
        if log is not None and (log.kernel.release, log.kernel.arch) == (kernel.release, kernel.arch):
            return attrs.evolve(log.kernel, page_size=kernel.page_size)
        kernel = built(kernel.release, kernel.arch, kernel.page_size)
        assumed = f"the options of {kernel.options_of}'s build are assumed"
        self.gaps[CONFIG_GAP.missing] = Gap(CONFIG_GAP.missing, assumed)
        return kernel

    def _cmdline(self, log: Machine | None) -> CommandLine:
        if self.folder.has("cmdline.txt"):
            self._known(CMDLINE_GAP.missing)
            text = self.folder.read("cmdline.txt").decode("latin-1").rstrip("\n")
            return checked_cmdline(text, self.folder.path("cmdline.txt"))
        if log is None:
            self._lack(CMDLINE_GAP)
        return log.cmdline if log is not None else CommandLine()

    def _of_kernel_toml(self, says: KernelToml | None, machine: Machine) -> dict[str, Any]:
        if says is None:
            return {}
        parts = {name: part for name, part in attrs.asdict(says.image, recurse=False).items() if part is not None}
        if parts:
            self._known(IMAGE_GAP.missing)
        if CPUS_GAP not in says.gaps:
            self._known(CPUS_GAP.missing)
        if machine.image == KernelImage() and not parts:
            self.gaps.setdefault(IMAGE_GAP.missing, IMAGE_GAP)
        if self.without_log and not says.cpus:
            self.gaps.setdefault(CPUS_GAP.missing, CPUS_GAP)
        return {**says.cpus, "image": attrs.evolve(machine.image, **parts)}

    def _unknown(self, machine: Machine, says: KernelToml | None) -> frozenset[str]:
        """Tables that the machine has, or may have, and that are not at hand."""
        tables = says.tables if says is not None else None
        if tables is None:
            return machine.unknown.difference(machine.acpi)
        self.gaps = {missing: gap for missing, gap in self.gaps.items() if not missing.startswith("the ACPI tables")}
        lacking = [name for name in DECIDING_TABLES if name in tables and name not in machine.acpi]
        if lacking:
            self._lack(tables_gap(", ".join(lacking)))
        return frozenset(lacking)

    def _lack(self, gap: Gap) -> None:
        self.gaps.setdefault(gap.missing, gap)

    def _known(self, *missing: str) -> None:
        for words in missing:
            self.gaps.pop(words, None)


def _entry(line: str, number: int, path: str) -> E820Entry:
    found = _ENTRY.fullmatch(line.strip())
    if found is None or int(found[1], 16) > int(found[2], 16):
        raise InputError(f"wanted 'number 0xstart 0xend type', not {shown(line)}", path=path, place=f"line {number}")
    kind = _TYPES.get(found[3])
    if kind is None:
        raise InputError(f"unknown type of memory {shown(found[3])}", path=path, place=f"line {number}")
    start, last = int(found[1], 16), int(found[2], 16)
    return E820Entry(start, last - start + 1, kind)
