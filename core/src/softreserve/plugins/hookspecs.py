"""What plugins can answer, in boot order. Names begin with ``softreserve_``; arguments are only ever added.

A plugin takes the subset of the arguments that it wants. Answers are checked by
:class:`softreserve.plugins.hooks.Hooks`.
Hook wrappers are refused: an answer always has one plugin that gave it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    from softreserve.kernel.dax import DaxRegionMade, DaxRegionRequest
    from softreserve.kernel.initcalls import Initcall
    from softreserve.kernel.kexec import KexecPolicy
    from softreserve.kernel.modules import Module
    from softreserve.kernel.system import System
    from softreserve.model.arch import ArchInfo
    from softreserve.model.dax import DaxCapacity, DaxDriver, DaxOffer
    from softreserve.model.findings import Finding
    from softreserve.model.handoff import Handoff
    from softreserve.model.kexec import KexecImage, KexecRequest
    from softreserve.model.machine import Machine
    from softreserve.model.nodes import NodeOffer
    from softreserve.model.outcome import Outcome
    from softreserve.model.placement import Placement
    from softreserve.model.ranges import PhysRange
    from softreserve.plugins.extensions import Emitter, Importer, Lane, MachineSection

__all__ = ["hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("softreserve")
hookimpl = pluggy.HookimplMarker("softreserve")


# ------------------------------------------------------------------------------------------------------- description


@hookspec
def softreserve_machine_sections() -> Sequence[MachineSection] | None:
    """Name tables of machine files that this plugin understands.

    Stage: description, when a machine file has a table that the core does not know, and for the schema.
    Calls: once per machine file and plugin, in the order of loading. A list; ``None`` and empty mean "none". Plugins of
    the machine are asked; where they do not know the table, the others that are installed, to name the one that does.
    Kernel: none.

    :returns: sections, each with the class that its table becomes; or ``None``.
    :raises MachineError: never in a sound plugin.
    """


@hookspec
def softreserve_importers() -> Sequence[Importer] | None:
    """Name further ways to read a machine.

    Stage: description, when a machine is named ``PREFIX:PLACE`` with a prefix that the core does not know.
    Calls: once per such machine and plugin, in the order of loading. A list; ``None`` and empty mean "none". Plugins
    that are wanted everywhere or named are asked; where they do not know the prefix, the others as above.
    Kernel: none.

    :returns: importers by prefix; or ``None``.
    :raises MachineError: never in a sound plugin.
    """


# --------------------------------------------------------------------------------------------------------- efi stub


@hookspec(firstresult=True)
def softreserve_arch_info(arch: str) -> ArchInfo | None:
    """Say what an architecture is.

    Stage: efi stub, before everything else; readers of descriptions, which boot nothing, ask the plugin that boots the
    architecture, too.
    Calls: once per boot, and by readers. First result wins; ``None`` means "not my architecture"; where nobody
    answers, everything is as on most architectures.
    Kernel: ``arch/*/Kconfig``, ``asm/sparsemem.h``; ``show_cpuinfo()``.

    :param arch: its name.
    :returns: the same object at every call; or ``None``.
    :raises PluginError: never.
    """


@hookspec(firstresult=True)
def softreserve_stub_handoff(machine: Machine) -> Handoff | None:
    """Say what the kernel is handed when it starts.

    Stage: efi stub, the first question of a boot, before :func:`softreserve_stub_place_image`.
    Calls: once per boot. First result wins; ``None`` means "not my architecture".
    Kernel: ``setup_e820()`` in ``drivers/firmware/efi/libstub/x86-stub.c`` (x86); ``update_fdt()`` in
    ``drivers/firmware/efi/libstub/fdt.c`` (arm64).

    :param machine: the machine as configured; frozen.
    :returns: the EFI map and, on x86, the zero page's e820 table (bytes); or ``None``.
    :raises MachineError: the machine lacks what its way of booting needs.
    """


@hookspec(firstresult=True)
def softreserve_stub_place_image(machine: Machine, seed: int | None) -> Placement | None:
    """Say where the kernel image may land, and where it lands for a seed.

    Stage: efi stub, after :func:`softreserve_stub_handoff`. Not asked where the machine says where its image is.
    Calls: once per boot, or once per seed. First result wins; ``None`` means "not my architecture".
    Kernel: ``efi_random_alloc()`` in ``drivers/firmware/efi/libstub/randomalloc.c``; ``choose_random_location()`` in
    ``arch/x86/boot/compressed/kaslr.c``.

    :param machine: the machine as configured; frozen.
    :param seed: 32 random bits, or ``None`` for "no randomness" (``nokaslr``).
    :returns: candidate slots per map range (bytes, half open) and the chosen address; or ``None``.
    :raises MachineError: the size of the image is not known.
    """


# -------------------------------------------------------------------------------------------------- early reservation


@hookspec(firstresult=True)
def softreserve_early_reserve(system: System) -> bool | None:
    """Do what the kernel does with its memory maps before it can allocate: fill ``system.memblock``.

    Stage: early reservation, after the efi stub stage, before :func:`softreserve_numa_info`.
    Calls: once per boot. First result wins; ``None`` means "not my architecture".
    Kernel: ``setup_arch()`` up to ``e820__memblock_setup()`` in ``arch/x86/kernel/setup.c`` (x86); ``efi_init()`` in
    ``drivers/firmware/efi/efi-init.c`` and ``arm64_memblock_init()`` (arm64).

    :param system: the kernel that boots; ``system.memblock`` holds bytes, base and size.
    :returns: ``True`` when done; or ``None``.
    :raises MachineError: this machine makes the kernel die here; the message says how.
    """


# --------------------------------------------------------------------------------------------------------- numa info


@hookspec(firstresult=True)
def softreserve_numa_info(system: System) -> bool | None:
    """Find nodes, distances and the address-to-node answers; lay out zones.

    Stage: numa info, after :func:`softreserve_early_reserve`, before :func:`softreserve_register_resources`: on arm64
    System RAM resources are split at node borders, so the kernel must know them first.
    Calls: once per boot. First result wins; ``None`` means "not my architecture".
    Kernel: ``initmem_init()`` in ``arch/x86/mm/numa_64.c``; ``bootmem_init()`` in ``arch/arm64/mm/init.c``.

    :param system: the kernel that boots; results go to ``system.nodes`` and ``system.memory``.
    :returns: ``True`` when done; or ``None``.
    :raises MachineError: this machine makes the kernel die here; the message says how.
    """


@hookspec
def softreserve_nodes(system: System) -> Sequence[NodeOffer] | None:
    """Bring nodes beside those of the firmware's tables: possible from boot on, online when memory is added to them.

    What the firmware names stays on the node that it has. With ``numa=off``, and without CONFIG_NUMA, no node comes.
    Such nodes have no proximity domain, hence no HMAT speaks of them: their performance is unknown, and their memory
    goes to the tier that the driver which adds it says. A kernel that is started by kexec asks its plugins anew: no
    table tells it of nodes that a plugin brought before.

    Stage: numa info, after :func:`softreserve_numa_info`, before :func:`softreserve_register_resources`.
    Calls: once per boot and plugin, in the order of loading. A list; ``None`` and empty mean "none".
    Kernel: as ``acpi_parse_cfmws()`` in ``drivers/acpi/numa/srat.c`` makes nodes of CXL windows.

    :param system: the kernel that boots; ``system.nodes.possible`` has the numbers that are taken.
    :returns: nodes with numbers that are free and below MAX_NUMNODES, their ranges in bytes, half open, overlapping no
        other's, their distances 11 to 255; or ``None``.
    :raises MachineError: never in a sound plugin.
    """


# --------------------------------------------------------------------------------------------------------- resources


@hookspec
def softreserve_register_resources(system: System) -> Sequence[Initcall] | None:
    """Add to the resource tree and the firmware map; name what is added later.

    Stage: resources, after :func:`softreserve_numa_info`.
    Calls: once per boot and plugin, in the order of loading. A list; ``None`` and empty mean "nothing later".
    Kernel: ``e820__reserve_resources()`` in ``arch/x86/kernel/e820.c``; ``request_standard_resources()`` in
    ``arch/arm64/kernel/setup.c``.

    :param system: the kernel that boots; ``system.iomem`` has inclusive ends, in bytes.
    :returns: initcalls that add the rest, with level and kernel file; or ``None``.
    :raises MachineError: this machine makes the kernel die here; the message says how.
    """


# ----------------------------------------------------------------------------------------------------------- dax bus


@hookspec
def softreserve_modules(system: System) -> Sequence[Module] | None:
    """Name the modules that this plugin models, built in or loadable as the configuration says.

    Stage: dax bus, before the initcalls run.
    Calls: once per boot and plugin, in the order of loading. A list; ``None`` and empty mean "none".
    Kernel: ``module_init()`` of the module's files.

    :param system: the kernel that boots.
    :returns: modules with their option, parameters and entry points; or ``None``.
    :raises MachineError: never in a sound plugin.
    """


@hookspec
def softreserve_dax_devices(system: System) -> Sequence[DaxOffer] | None:
    """Offer further ranges to the dax bus: memory that the firmware does not tell of.

    An offer is enough. The range becomes soft reserved memory, in ``/proc/iomem`` or where newer kernels keep it, and
    goes the way of all such memory, by the rules of the release: hmem device, region, dax device, drivers; a kernel
    that makes no hmem devices has it soft reserved, and no more. Options that decide whether ``EFI_MEMORY_SP`` counts
    decide nothing here. A range that one soft reserved resource holds already is offered as it stands, with the node of
    the offer; so a plugin may have put it into the tree itself.

    A range that meets anything else - System RAM, reserved memory, part of a soft reserved range or of a CXL window -
    is not taken: an event with the code ``dax-offer-not-free``, ``boot``, and the rule ``dax-offer-refused`` of
    ``lint`` say what is in the way. One that is not aligned is refused where the kernel refuses it. Offers that overlap
    are a mistake of the plugin, and so are half a page and a target node that is not possible; but where this kernel
    was told to have no nodes (``numa=off``), such a node is -1.

    Stage: dax bus, when the hmem devices are made (``hmem_init()``).
    Calls: once per boot and plugin, in the order of loading. A list; ``None`` and empty mean "nothing to offer". Not
    asked where no plugin brings the dax bus.
    Kernel: ``hmem_register_device()`` in ``drivers/dax/hmem/device.c`` and its callers.

    :param system: the kernel that boots.
    :returns: ranges in bytes, half open, each with a target node (-1: none); or ``None``.
    :raises MachineError: never in a sound plugin.
    """


@hookspec
def softreserve_dax_drivers(system: System) -> Sequence[DaxDriver] | None:
    """Name drivers that can bind to dax devices, each with the module that brings it.

    The kernel's rules decide. A device is offered to drivers in the order in which they were registered - built in: by
    link order, ``device_dax`` and ``kmem`` first; modules: as they are loaded - until one matches it whose probe
    succeeds; a driver that appears is offered every device that has none. A driver that goes leaves its devices without
    one, until somebody writes to ``bind`` or ``drivers_probe``. Before 6.3 ``device_dax`` matches every device, and
    other drivers what ``new_id`` names; from then on the type decides, beside ``new_id``.

    So in Linux a driver cannot say which devices are its own: one that is built apart from the kernel takes the type of
    its devices, answers -ENODEV in its probe for those of others, and has to be there first. A driver with ``match``
    stands for that and for what its package does beside it: its module is loaded before those that take what comes
    (``softdep kmem pre: NAME`` in ``modprobe.d``), and it is asked for devices of every type, for which the package
    would write to ``new_id``. Where ``kmem`` and ``device_dax`` are built in, they are there first all the same: the
    device has to be unbound, and bound to its driver by hand.

    Stage: dax bus; asked once, the drivers appear when their module is loaded.
    Calls: once per boot and plugin, in the order of loading. A list; ``None`` and empty mean "none".
    Kernel: ``dax_driver_register()`` in ``drivers/dax/bus.h`` and its callers.

    :param system: the kernel that boots.
    :returns: drivers; or ``None``.
    :raises MachineError: never in a sound plugin.
    """


# ----------------------------------------------------------------------------------------------------------- hotplug


@hookspec(firstresult=True)
def softreserve_memory_block_size(system: System) -> int | None:
    """Say how large a memory block is.

    Stage: running, when memory devices are made (``memory_dev_init()``).
    Calls: once per boot. First result wins; ``None`` means "not my architecture"; if nobody answers, one section.
    Kernel: ``memory_block_size_bytes()`` in ``drivers/base/memory.c``, ``arch/x86/mm/init_64.c``.

    :param system: the kernel that boots.
    :returns: bytes, a power of two; or ``None``.
    :raises MachineError: never in a sound plugin.
    """


@hookspec(firstresult=True)
def softreserve_online_policy(system: System) -> str | None:
    """Say what happens to memory blocks as they are added.

    Stage: running, before the first hot add.
    Calls: once per boot. First result wins; ``None`` means "as the kernel is configured".
    Kernel: ``mhp_default_online_type`` in ``mm/memory_hotplug.c``; what a distribution's udev rules do comes after it:
    ``--userspace``, and :func:`softreserve_memory_added`.

    :param system: the kernel that boots.
    :returns: ``"offline"``, ``"online"``, ``"online_kernel"`` or ``"online_movable"``; or ``None``.
    :raises MachineError: never in a sound plugin.
    """


@hookspec(firstresult=True)
def softreserve_memory_added(system: System, nid: int, start: int, size: int) -> str | None:
    """Say what user space does with memory that was just added: a udev rule, ``daxctl online-memory``, an agent.

    As udev sees it: the kernel's own policy has had its turn, and the write() or the loading of a module that added the
    memory is over. What is built in adds memory before user space runs: that is told when udev begins
    (``boot(userspace="udev")``, as ``udevadm trigger`` does it), and never without udev.

    Stage: running, after each hot add.
    Calls: once per added range, in the order of adding, never while another one is added. First result wins; ``None``
    means "leave it as it is", unless a distribution's rules are asked for (``--userspace``): they decide then.
    Kernel: ``drivers/base/memory.c: state_store``, for each block of the range that is still offline, lowest first.

    :param system: the kernel that runs.
    :param nid: the node that has the memory.
    :param start: first byte.
    :param size: bytes; whole memory blocks.
    :returns: ``"offline"``, ``"online"``, ``"online_kernel"`` or ``"online_movable"``; or ``None``.
    :raises MachineError: never in a sound plugin.
    """


# ----------------------------------------------------------------------------------------------------------- running


@hookspec
def softreserve_sysfs(system: System) -> None:
    """Put this plugin's directories and attributes into ``system.sysfs``.

    Stage: running, when every initcall has run.
    Calls: once per boot and plugin, in the order of loading. There is no result.
    Kernel: ``fs/sysfs``; attributes say their mode, what they show (text) and what they store (bytes or ``-errno``).

    :param system: the kernel that runs.
    :returns: ``None``.
    :raises MachineError: never in a sound plugin.
    """


@hookspec(firstresult=True)
def softreserve_dax_region(system: System, request: DaxRegionRequest) -> DaxRegionMade | None:
    """Make a dax region for another driver than those of soft reserved memory.

    Stage: running, when a driver binds to the device that has the memory.
    Calls: once per device and binding. First result wins; ``None`` means "no dax bus".
    Kernel: ``alloc_dax_region()`` in ``drivers/dax/bus.c``, called by ``drivers/dax/cxl.c``.

    :param system: the kernel that runs.
    :param request: whose memory, in bytes, half open, and the node that it would be.
    :returns: the region, or why there is none (``-errno``); or ``None``.
    :raises MachineError: never in a sound plugin.
    """


@hookspec(firstresult=True)
def softreserve_dax_claimed(system: System, where: PhysRange) -> str | None:
    """Say that another driver has a soft reserved range, so that no hmem device is made of it.

    Stage: running, when every driver had its chance; while booting, where they are built in.
    Calls: once per range that lies where another driver may have it. First result wins; ``None`` means "nobody".
    Kernel: ``cxl_region_contains_resource()`` in ``drivers/cxl/core/region.c``.

    :param system: the kernel that runs.
    :param where: bytes, half open.
    :returns: who has all of it, in words; or ``None``.
    :raises MachineError: never in a sound plugin.
    """


# ------------------------------------------------------------------------------------------------------------- kexec


@hookspec
def softreserve_kexec_policies(system: System) -> Sequence[KexecPolicy] | None:
    """Name policies for crossing a kexec.

    Stage: kexec, before :func:`softreserve_kexec_load`.
    Calls: once per kexec and plugin, in the order of loading. A list; ``None`` and empty mean "none".
    Kernel: none; a policy changes what user space or a patched kernel hands over.

    :param system: the kernel that runs.
    :returns: policies by name; or ``None``.
    :raises MachineError: never in a sound plugin.
    """


@hookspec(firstresult=True)
def softreserve_kexec_load(system: System, request: KexecRequest) -> KexecImage | None:
    """Load a second kernel: its memory map, where its segments go, what it is handed.

    Stage: kexec.
    Calls: once per kexec. First result wins; ``None`` means "not my architecture or system call".
    Kernel: ``kexec_load`` with kexec-tools, or ``kernel/kexec_file.c``.

    :param system: the kernel that runs.
    :param request: system call, policy, command line and sizes in bytes.
    :returns: the loaded image; or ``None``.
    :raises MachineError: the request cannot be carried out as asked.
    """


@hookspec(firstresult=True)
def softreserve_kexec_hardware(system: System, machine: Machine) -> Machine | None:
    """Say what the next kernel finds of devices that keep their state.

    Stage: kexec, after :func:`softreserve_kexec_load`.
    Calls: once per kexec. First result wins; ``None`` means "nothing changed".
    Kernel: none; no reset comes between two kernels.

    :param system: the kernel that runs.
    :param machine: what the next kernel sees.
    :returns: the same with devices as they are now; or ``None``.
    :raises MachineError: never in a sound plugin.
    """


# ------------------------------------------------------------------------------------------------------------- tools


@hookspec
def softreserve_lint(system: System, outcome: Outcome, onlined: Outcome) -> Sequence[Finding] | None:
    """Find mistakes of the firmware and surprises for the operator; say why memory is lost (``Finding.explains``).

    Stage: running, on request.
    Calls: once per request and plugin, in the order of loading. A list; ``None`` and empty mean "nothing found".
    Kernel: none.

    :param system: the kernel that runs.
    :param outcome: what became of its specific purpose memory.
    :param onlined: the same on a copy whose dax devices were all given to kmem, their memory online.
    :returns: findings with ranges in bytes, half open; or ``None``.
    :raises MachineError: never in a sound plugin.
    """


@hookspec(firstresult=True)
def softreserve_dax_capacity(system: System, where: PhysRange) -> DaxCapacity | None:
    """Say what alignment leaves of a range: for a dax device, and for System RAM made of that device.

    Stage: running, on request.
    Calls: any number of times per request. First result wins; ``None`` means "no dax bus".
    Kernel: ``alloc_dax_region()`` in ``drivers/dax/bus.c``; ``dax_kmem_range()`` in ``drivers/dax/kmem.c``.

    :param system: the kernel that runs.
    :param where: bytes, half open; it need not be soft reserved.
    :returns: both parts, the second inside the first; or ``None``.
    :raises MachineError: never in a sound plugin.
    """


@hookspec
def softreserve_report_lanes(system: System) -> Sequence[Lane] | None:
    """Show the address space in a way of your own, beside what the core shows of it.

    Stage: running, on request.
    Calls: once per request and plugin, in the order of loading. A list; ``None`` and empty mean "none".
    Kernel: none.

    :param system: the kernel that runs.
    :returns: lanes of disjoint bars in bytes, half open, ascending; or ``None``.
    :raises MachineError: never in a sound plugin.
    """


@hookspec
def softreserve_emitters() -> Sequence[Emitter] | None:
    """Name further ways to print a booted system.

    Stage: before any boot, when ``--emit`` names none of the core's, and for its help.
    Calls: once or twice per request and plugin, in the order of loading. A list; ``None`` and empty mean "none".
    Kernel: none.

    :returns: emitters by name; or ``None``.
    :raises MachineError: never in a sound plugin.
    """


@hookspec
def softreserve_cli(group: click.Group) -> None:
    """Add commands to the command line.

    Whatever a command prints, control characters in it are escaped: names and logs come from strangers. Colours, and
    lines that fit the terminal, are made by :mod:`softreserve.cli.terminal`.

    Stage: before any boot, when a command is none of the core's, and for the list of commands.
    Calls: once or twice per program and plugin, in the order of loading. There is no result.
    Kernel: none.

    :param group: a group for this plugin's commands, which stand beside the core's; none of those can be replaced.
    :returns: ``None``.
    :raises MachineError: never in a sound plugin.
    """
