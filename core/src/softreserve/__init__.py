"""softreserve: what Linux makes of EFI specific purpose memory, without a kernel, root or hardware.

What stands in ``__all__`` is the public interface, of scripts, tests and plugins; it is imported when it is first used.
Everything else may change from one release to the next.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing alone would take longer to import than all else here

if TYPE_CHECKING:
    from typing import Any, Final

    from softreserve.kernel.dax import DaxRegionMade, DaxRegionRequest
    from softreserve.kernel.driver_core.bus import Device
    from softreserve.kernel.early_param import MemoryLimit, common_handlers, parse_early_param
    from softreserve.kernel.efi.efi import EFI, Efi
    from softreserve.kernel.efi.efi_init import efi_init
    from softreserve.kernel.efi.libstub import place_image
    from softreserve.kernel.efi.runtime import enable_runtime_services
    from softreserve.kernel.initcalls import Initcall, Level
    from softreserve.kernel.kexec import KexecPolicy
    from softreserve.kernel.kexec.image import image_file_load, image_load
    from softreserve.kernel.mm.memblock_resources import (
        kernel_resources,
        request_standard_resources,
        reserved_regions_initcall,
    )
    from softreserve.kernel.modules import Module, Parameter
    from softreserve.kernel.numa.arch_numa import ARCH_NUMA, arch_numa
    from softreserve.kernel.numa.cpus_by_uid import UidCpu, map_cpus_to_nodes
    from softreserve.kernel.resource import (
        IORES_DESC_SOFT_RESERVED,
        IORESOURCE_BUSY,
        IORESOURCE_MEM,
        IORESOURCE_SYSTEM_RAM,
        Resource,
        ResourceTree,
        insert_resource,
        release_region,
        release_resource,
        request_region,
    )
    from softreserve.kernel.state import StashKey
    from softreserve.kernel.sysfs import Attribute, Directory, Link
    from softreserve.kernel.system import System
    from softreserve.live.session import Session, boot, load
    from softreserve.machine.kexec import load as kexec
    from softreserve.model.acpi.srat import RintcAffinity
    from softreserve.model.arch import ArchInfo
    from softreserve.model.cmdline import CommandLine, acpi_disabled
    from softreserve.model.dax import DaxCapacity, DaxDevice, DaxDriver, DaxOffer
    from softreserve.model.efi import EfiAttribute, EfiDescriptor, EfiMemoryMap, EfiType
    from softreserve.model.errors import ConfigError, InputError, MachineError, PluginError, SoftReserveError
    from softreserve.model.events import Event, Rule
    from softreserve.model.findings import Finding
    from softreserve.model.handoff import Handoff
    from softreserve.model.kernel import Kernel
    from softreserve.model.kexec import KexecImage, KexecRequest, KexecSegment
    from softreserve.model.machine import E820Entry, KernelImage, Machine
    from softreserve.model.nodes import NodeOffer
    from softreserve.model.outcome import Marked, NodeRow, Outcome, Part
    from softreserve.model.placement import Placement
    from softreserve.model.ranges import PhysRange
    from softreserve.model.release import Behaviour, Boundary
    from softreserve.model.scenario import Gap, Scenario
    from softreserve.plugins.api import API
    from softreserve.plugins.arches import for_arch
    from softreserve.plugins.extensions import Bar, Emitter, Importer, Lane, MachineSection
    from softreserve.plugins.hooks import hooks_of
    from softreserve.plugins.hookspecs import hookimpl
    from softreserve.views.lint import lint

#: The version of all wheels.
__version__ = "0.1.0"

KiB: Final = 1 << 10
MiB: Final = 1 << 20
GiB: Final = 1 << 30
TiB: Final = 1 << 40

#: Module, and the names in it that are public; ``there:here`` where it is called otherwise here.
_PLACES: Final = {
    "kernel.dax": "DaxRegionMade DaxRegionRequest",
    "kernel.driver_core.bus": "Device",
    "kernel.early_param": "MemoryLimit common_handlers parse_early_param",
    "kernel.efi.efi": "EFI Efi",
    "kernel.efi.efi_init": "efi_init",
    "kernel.efi.libstub": "place_image",
    "kernel.efi.runtime": "enable_runtime_services",
    "kernel.initcalls": "Initcall Level",
    "kernel.kexec": "KexecPolicy",
    "kernel.kexec.image": "image_file_load image_load",
    "kernel.mm.memblock_resources": "kernel_resources request_standard_resources reserved_regions_initcall",
    "kernel.modules": "Module Parameter",
    "kernel.numa.arch_numa": "ARCH_NUMA arch_numa",
    "kernel.numa.cpus_by_uid": "UidCpu map_cpus_to_nodes",
    "kernel.resource": (
        "IORESOURCE_BUSY IORESOURCE_MEM IORESOURCE_SYSTEM_RAM IORES_DESC_SOFT_RESERVED Resource ResourceTree"
        " insert_resource release_region release_resource request_region"
    ),
    "kernel.state": "StashKey",
    "kernel.sysfs": "Attribute Directory Link",
    "kernel.system": "System",
    "live.session": "Session boot load",
    "machine.kexec": "load:kexec",
    "model.acpi.srat": "RintcAffinity",
    "model.arch": "ArchInfo",
    "model.cmdline": "CommandLine acpi_disabled",
    "model.dax": "DaxCapacity DaxDevice DaxDriver DaxOffer",
    "model.efi": "EfiAttribute EfiDescriptor EfiMemoryMap EfiType",
    "model.errors": "ConfigError InputError MachineError PluginError SoftReserveError",
    "model.events": "Event Rule",
    "model.findings": "Finding",
    "model.handoff": "Handoff",
    "model.kernel": "Kernel",
    "model.kexec": "KexecImage KexecRequest KexecSegment",
    "model.machine": "E820Entry KernelImage Machine",
    "model.nodes": "NodeOffer",
    "model.outcome": "Marked NodeRow Outcome Part",
    "model.placement": "Placement",
    "model.ranges": "PhysRange",
    "model.release": "Behaviour Boundary",
    "model.scenario": "Gap Scenario",
    "plugins.api": "API",
    "plugins.arches": "for_arch",
    "plugins.extensions": "Bar Emitter Importer Lane MachineSection",
    "plugins.hooks": "hooks_of",
    "plugins.hookspecs": "hookimpl",
    "views.lint": "lint",
}

#: Public names that are on their way out: what to use instead, and the first version without them.
_DEPRECATED: Final[dict[str, tuple[str, str]]] = {}

__all__ = [  # noqa: RUF022 - by what they are for
    "__version__",
    # sizes, in bytes
    "KiB",
    "MiB",
    "GiB",
    "TiB",
    # describing, booting and using a machine
    "load",
    "boot",
    "Session",
    "lint",
    "kexec",
    "Scenario",
    "Gap",
    "Machine",
    "Kernel",
    "CommandLine",
    "EfiAttribute",
    "EfiDescriptor",
    "EfiMemoryMap",
    "EfiType",
    "E820Entry",
    "KernelImage",
    "PhysRange",
    # a running system
    "System",
    "Resource",
    "ResourceTree",
    "insert_resource",
    "release_resource",
    "request_region",
    "release_region",
    "IORESOURCE_MEM",
    "IORESOURCE_SYSTEM_RAM",
    "IORESOURCE_BUSY",
    "IORES_DESC_SOFT_RESERVED",
    "Event",
    "Finding",
    "Outcome",
    "Marked",
    "Part",
    "NodeRow",
    # for plugins
    "hookimpl",
    "API",
    "for_arch",
    "ArchInfo",
    "Behaviour",
    "Boundary",
    "hooks_of",
    "StashKey",
    "Rule",
    "Handoff",
    "Placement",
    "Initcall",
    "Level",
    "Module",
    "Parameter",
    "Attribute",
    "Directory",
    "Link",
    "Device",
    "DaxDevice",
    "DaxDriver",
    "DaxOffer",
    "DaxCapacity",
    "DaxRegionRequest",
    "DaxRegionMade",
    "NodeOffer",
    "MachineSection",
    "Importer",
    "Emitter",
    "Lane",
    "Bar",
    "KexecImage",
    "KexecPolicy",
    "KexecRequest",
    "KexecSegment",
    # for architectures: what those that boot from an EFI map and ACPI do alike
    "parse_early_param",
    "common_handlers",
    "MemoryLimit",
    "EFI",
    "Efi",
    "efi_init",
    "place_image",
    "enable_runtime_services",
    "ARCH_NUMA",
    "arch_numa",
    "acpi_disabled",
    "UidCpu",
    "map_cpus_to_nodes",
    "RintcAffinity",
    "kernel_resources",
    "request_standard_resources",
    "reserved_regions_initcall",
    "image_load",
    "image_file_load",
    # errors
    "SoftReserveError",
    "InputError",
    "ConfigError",
    "MachineError",
    "PluginError",
]


def __getattr__(name: str) -> Any:
    """Import a public name."""
    if name in _DEPRECATED:
        import warnings

        from softreserve.plugins.api import deprecated

        instead, until = _DEPRECATED[name]
        warnings.warn(deprecated(f"softreserve.{name}", f"softreserve.{instead}", until), stacklevel=2)
        return __getattr__(instead)
    for module, words in _PLACES.items():
        for word in words.split():
            there, _, here = word.partition(":")
            if name == (here or there):
                from importlib import import_module

                found = getattr(import_module(f"{__name__}.{module}"), there)
                globals()[name] = found
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
