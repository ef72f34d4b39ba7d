"""The firmware's memory map in a file of its own: a machine by itself, or what a log or a capture lacks."""

from __future__ import annotations

from pathlib import PurePath
from typing import Final

import attrs

from softreserve.config.account import told
from softreserve.config.builds import built
from softreserve.config.parts import CMDLINE_GAP, CPUS_GAP, DECIDING_TABLES, IMAGE_GAP, tables_gap
from softreserve.config.reader import StrPath, path_words, read_bytes, text_of
from softreserve.model.efi import EfiMemoryMap
from softreserve.model.efi_text import parse_efi_memmap
from softreserve.model.errors import InputError, MachineError
from softreserve.model.machine import Machine
from softreserve.model.names import name_problem
from softreserve.model.release import NEWEST
from softreserve.model.scenario import EFI_MAP, Gap, Scenario
from softreserve.plugins.architectures import presumed_arch

__all__ = ["bare_machine", "with_efi_map"]

_LACKING: Final = (
    CMDLINE_GAP,
    tables_gap(),
    CPUS_GAP,
    IMAGE_GAP,
)


def with_efi_map(scenario: Scenario, path: StrPath) -> Scenario:
    """The same machine with the firmware's map out of a file, in any form in which programs print it.

    :raises InputError: the file cannot be read, or there is no map in it.
    """
    efi_map = _read(read_bytes(path), path)
    machine = attrs.evolve(scenario.machine, efi_map=efi_map, e820=None, boot="stub")
    gaps = tuple(gap for gap in scenario.gaps if gap.missing != EFI_MAP)
    return attrs.evolve(scenario, machine=machine, gaps=gaps)


def bare_machine(data: bytes, path: StrPath, release: str | None = None) -> Scenario:
    """A machine of which nothing is known but its firmware's map.

    :param release: the kernel that it boots; the newest that is known, and a gap, where nobody says.
    :raises InputError: there is no map in the file, or no such release.
    """
    efi_map = _read(data, path)
    if (account := told()) is not None:
        account.kind = "the memory map of a UEFI shell"
    arch = presumed_arch()
    if not arch:
        raise InputError(
            "no plugin is installed that boots a machine of which only this is known", path=path_words(path)
        )
    gaps = [Gap("the architecture", f"{arch} is assumed")]
    if release is None:
        gaps.append(Gap("the kernel", f"{NEWEST} is assumed; --kernel RELEASE names one"))
    try:
        kernel = built(release or NEWEST, arch)
    except MachineError as error:
        raise InputError(str(error), path=path_words(path)) from None
    name = PurePath(path).stem
    machine = Machine(
        name=name if name_problem(name) is None else "firmware",
        kernel=kernel,
        efi_map=efi_map,
        unknown=frozenset(DECIDING_TABLES),
    )
    return Scenario(machine, path=path_words(path), gaps=(*gaps, *_LACKING))


def _read(data: bytes, path: StrPath) -> EfiMemoryMap:
    return parse_efi_memmap(text_of(data, path), path=path_words(path))
