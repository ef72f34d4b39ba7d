"""Capture directories: the files of one recorded machine. The format is described in ``docs/captures.md``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from softreserve.config.account import told
from softreserve.config.folder import Collected, Folder
from softreserve.config.kernel_toml import read_kernel, read_kernel_toml
from softreserve.config.parts import checked_cmdline, presumed_phys_bits
from softreserve.config.reader import Problems, StrPath, text_of
from softreserve.model.cmdline import CommandLine
from softreserve.model.efi import EfiMemoryMap
from softreserve.model.efi_text import parse_efi_memmap
from softreserve.model.errors import InputError
from softreserve.model.machine import Machine
from softreserve.model.names import name_problem
from softreserve.model.scenario import Scenario

if TYPE_CHECKING:
    from softreserve.model.cxl import CxlHostBridge, CxlRoot
    from softreserve.model.steps import KexecScenario, Step

__all__ = ["read_capture"]

T = TypeVar("T")

#: How the name of an archive ends.
_PACKED = r"\.(?:tar(?:\.\w+)?|t[gxb]z2?|tzst)$"


def read_capture(path: StrPath, *, with_steps: bool = True, files: Mapping[str, bytes] | None = None) -> Scenario:
    """Read ``CASE`` or ``CASE/input``; without ``with_steps`` only what a boot needs.

    :param files: its content by name (``input/log.txt``), where it is no directory.
    :raises ConfigError: everything that is wrong with the files.
    :raises PluginError: a plugin that was asked for its sections failed.
    """
    directory, case = os.path.join(path, "input"), os.path.realpath(path)
    if files is None and not os.path.isdir(directory):
        directory, case = os.fspath(path), os.path.dirname(case)
    folder = Folder(directory, path) if files is None else Collected(files, path)
    if files is not None and name_problem(os.path.basename(case := re.sub(_PACKED, "", case))) is not None:
        case = os.path.join(case, "host")
    account = told()
    if account is not None:
        account.kind = "a capture of a recorded boot"
    problems = Problems()
    # a host tells of itself by its log; a recorded boot has what went into it
    if any(map(folder.has, ("log.txt", "memmap.txt", os.path.join(os.pardir, "capture.toml")))):
        from softreserve.config.host.case import read_host_case

        return read_host_case(folder, _machine_name(case, problems), problems)
    efi_map = _collected(problems, _read_efi_map, folder)
    cmdline = _collected(problems, _read_cmdline, folder)
    acpi = _collected(problems, lambda found: found.acpi(), folder) or {}
    kernel, cpus, image, gaps, *_ = read_kernel_toml(folder.document("kernel.toml", problems))
    steps: tuple[Step, ...] = ()
    kexec: KexecScenario | None = None
    if with_steps and folder.has("steps.toml") and kernel is not None:
        from softreserve.config.steps import scenario_steps

        # the second kernel's configuration under the first one's release, until the kexec says which release it is
        document = folder.document("kernel2.toml", problems)
        second = read_kernel(document.read(), kernel) if folder.has("kernel2.toml") else None
        what_follows = folder.document("steps.toml", problems, may_be_blank=True)  # a boot without steps
        steps, kexec = scenario_steps(what_follows.read(), kernel, second)
        what_follows.check_keys()
    cxl: tuple[CxlHostBridge, ...] = ()
    cxl_root: CxlRoot | None = None
    if folder.has("cxl.toml"):
        from softreserve.config.cxl import host_bridges, root_device

        devices = folder.document("cxl.toml", problems)
        table = devices.read()
        cxl, cxl_root = host_bridges(table), root_device(table)
        devices.check_keys()
    sections: dict[str, Any] = {}
    if folder.has("sections.toml") and kernel is not None:
        from softreserve.config.sections import read_sections
        from softreserve.plugins.selection import Selection

        document = folder.document("sections.toml", problems)
        sections = read_sections(document, document.read().values, (), Selection().hooks(kernel.arch))
    name = _machine_name(case, problems)
    problems.check()
    assert kernel is not None
    if efi_map is not None:
        highest = max((descriptor.last.bit_length() for descriptor in efi_map), default=0)
        cpus.setdefault("phys_bits", presumed_phys_bits(highest, virtual=cpus.get("hypervisor", True)))
    machine = Machine(
        name=name,
        kernel=kernel,
        cmdline=cmdline or CommandLine(),
        efi_map=efi_map,
        acpi=acpi,
        image=image,
        cxl=cxl,
        cxl_root=cxl_root,
        sections=sections,
        **cpus,
    )
    return Scenario(machine, steps, kexec, path=path, recorded=True, gaps=gaps)


def _machine_name(case: str, problems: Problems) -> str:
    name = os.path.basename(case) or "input"
    wrong = name_problem(name)
    if wrong is not None:
        problems.add(InputError(f"the directory's name is the machine's: {wrong}", path=case))
    return name


def _collected(problems: Problems, read: Callable[[Folder], T], folder: Folder) -> T | None:
    try:
        return read(folder)
    except InputError as error:
        problems.add(error)
        return None


def _read_efi_map(folder: Folder) -> EfiMemoryMap:
    path = folder.path("efi-memmap.txt")
    return parse_efi_memmap(text_of(folder.read("efi-memmap.txt"), path), path=path)


def _read_cmdline(folder: Folder) -> CommandLine:
    return checked_cmdline(folder.read("cmdline.txt").decode("latin-1").rstrip("\n"), folder.path("cmdline.txt"))
