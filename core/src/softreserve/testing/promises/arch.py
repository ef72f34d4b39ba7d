"""What a plugin promises that boots an architecture: every byte that the firmware gave is where it belongs.

The machines must be sound: what firmware says of one byte is said once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

import attrs

from softreserve.kernel.mm.memblock import Memblock, MemblockType
from softreserve.kernel.numa.node_offers import nodes_are_off
from softreserve.kernel.resource import nesting_problem
from softreserve.machine.boot import boot
from softreserve.model.acpi.layout import Struct
from softreserve.model.acpi.srat import MemoryAffinity, Srat
from softreserve.model.cmdline import CommandLine
from softreserve.model.efi import EfiAttribute, EfiType
from softreserve.model.errors import SoftReserveError
from softreserve.model.kexec import KexecRequest
from softreserve.model.machine import KernelImage
from softreserve.model.ranges import PhysRange, merged, uncovered
from softreserve.model.units import U64_MAX
from softreserve.plugins.architectures import arch_info
from softreserve.plugins.selection import Selection
from softreserve.testing.booting import selection_of
from softreserve.testing.exercise import hexadecimal
from softreserve.testing.machines import firmware_memory, specific_purpose
from softreserve.testing.promises.every import exercised
from softreserve.testing.watch import watched

if TYPE_CHECKING:
    from softreserve.kernel.resource import Resource
    from softreserve.kernel.system import System
    from softreserve.model.kexec import KexecImage
    from softreserve.model.machine import Machine
    from softreserve.testing.apart import Board
    from softreserve.testing.subject import Subject

__all__ = [
    "declares_its_architecture",
    "describes_itself",
    "gives_memblock_ranges",
    "gives_soft_reserved_memory_back",
    "hears_limits_and_keeps_the_image",
    "lays_out_nodes_and_zones",
    "loads_the_next_kernel",
    "loses_and_invents_no_memory",
    "nests_resources",
    "places_the_image_in_memory",
    "puts_nodes_where_the_tables_say",
    "refuses_a_machine_without_a_map",
    "soft_reserves",
]

#: Types that are ordinary memory on every architecture.
_ORDINARY: Final = (
    EfiType.LOADER_CODE,
    EfiType.LOADER_DATA,
    EfiType.BOOT_SERVICES_CODE,
    EfiType.BOOT_SERVICES_DATA,
    EfiType.CONVENTIONAL,
)
#: Below it architectures keep memory for themselves.
_LOW: Final = 1 << 20
#: Parts of a kernel image.
_PARTS: Final = tuple(field.name for field in attrs.fields(KernelImage))
#: First byte that devices of 32 bits do not reach.
_REACH: Final = 1 << 32
#: Words of a command line that take memory away.
_TAKING: Final = ("mem=", "memmap=", "crashkernel=")
#: A word that the next kernel's command line has, and the lowest address that its segments have, in bytes.
_ASKED: Final = "root=/dev/asked"
_FROM: Final = 0x5000_0000
#: What kernels print wherever they run: nothing that tells an architecture.
_OF_EVERY_KERNEL: Final = (
    "Linux version 6.12.0 (builder@host) (gcc 14.2.0, GNU ld 2.44) #1 SMP PREEMPT_DYNAMIC",
    "Kernel command line: root=/dev/vda1 ro",
    "efi: EFI v2.7 by EDK II",
    "NUMA: Faking a node at [mem 0x0000000000000000-0x000000013fffffff]",
    "Zone ranges:",
    "Memory: 4026532K/4194304K available",
    "smp: Bringing up secondary CPUs ...",
    "pci 0000:00:00.0: [8086:1237] type 00 class 0x060000",
    "systemd[1]: Starting systemd-udevd.service",
)
_SEEDS: Final = (None, 0, 1, 0x7FFFFFFF, 0x80000000, 0xDEADBEEF, 0xFFFFFFFF)

Spans = list[tuple[int, int]]


def _kernel(subject: Subject, machine: Machine, board: Board) -> System:
    """Boot without user space: no driver has added memory."""
    hooks = subject.among_others(machine.arch)
    try:
        with watched(board):
            return boot(machine, hooks)
    except SoftReserveError as error:
        raise subject.because(error, f" (machine: {machine.name})") from error


def _spans(ranges: Iterable[PhysRange]) -> Spans:
    return merged((r.start, r.end) for r in ranges)


def _of(resources: Iterable[Resource]) -> Spans:
    return merged((r.start, r.end + 1) for r in resources)


def _missing(wanted: Spans, there: Spans) -> tuple[int, int] | None:
    """The first part of ``wanted`` that is not there."""
    return next((gap for span in wanted for gap in uncovered(*span, there)), None)


def _common(one: Spans, other: Spans) -> tuple[int, int] | None:
    """The first part that both have."""
    return next(
        ((max(a, c), min(b, d)) for a, b in one for c, d in other if max(a, c) < min(b, d)),
        None,
    )


def describes_itself(subject: Subject, board: Board) -> None:
    """What it says of the architecture (``ArchInfo``) is what the kernel and readers of descriptions can use."""
    where = "softreserve_arch_info"
    board.doing = where
    info = subject.alone().arch_info(subject.arch)
    if info is None:
        return
    machine = next(iter(subject.machines.values()))
    for name, ask, sound, wanted in (
        ("section_size", lambda: info.section_size(machine.kernel), _is_size, "a power of two of bytes"),
        ("physmem_bits", lambda: info.physmem_bits(machine), _is_width, "32 to 64 bits"),
        ("cpuinfo", lambda: info.cpuinfo(machine), _is_text, "text"),
        ("uname", lambda: info.uname, _is_text, "text"),
        ("image_parts", lambda: info.image_parts, _are_parts, f"some of {', '.join(_PARTS)}"),
        ("huge_pages", lambda: info.huge_pages(machine.kernel), _are_sizes, "sizes in bytes"),
        ("srat_processor", lambda: info.srat_processor(0, 0), _is_entry, "an entry of an ACPI table"),
        ("madt_processor", lambda: info.madt_processor(0), _is_entry, "an entry of an ACPI table"),
    ):
        try:
            found = ask()
        except SoftReserveError as error:
            raise subject.because(error) from error
        except Exception as error:
            raise subject.broken(where, f"{name} failed: {type(error).__name__}: {error}") from error
        if not sound(found):
            raise subject.broken(where, f"{name} is {found!r}, wanted {wanted}")
    if info.presumed:
        others = sorted(arch for arch in Selection().arches if arch != subject.arch and arch_info(arch).presumed)
        if others:
            words = f"presumed is True, and {others[0]} is presumed already where nothing tells the architecture"
            raise subject.broken(where, words)
    line = next((line for line in _OF_EVERY_KERNEL if info.log_marks and re.match(info.log_marks, line)), None)
    if line is not None:
        raise subject.broken(where, f"log_marks match {line!r}, a line that kernels of every architecture print")
    handoff = subject.alone().stub_handoff(machine)
    if handoff is None:
        return
    where = "softreserve_stub_handoff"
    if info.boots_from_e820 and handoff.e820 is None:
        raise subject.broken(where, "no e820 table, and ArchInfo says that the kernel boots from one")
    broken = next((entry for entry in handoff.e820 or () if entry.start < 0 or entry.size <= 0), None)
    if broken is not None:
        raise subject.broken(where, f"{broken!r} of the e820 table is no range")


def _is_size(value: object) -> bool:
    return type(value) is int and value > 0 and value.bit_count() == 1


def _is_width(value: object) -> bool:
    return type(value) is int and 32 <= value <= 64


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_parts(value: object) -> bool:
    return isinstance(value, tuple) and set(value) <= set(_PARTS)


def _are_sizes(value: object) -> bool:
    return isinstance(value, tuple) and all(map(_is_size, value))


def _is_entry(value: object) -> bool:
    return isinstance(value, Struct)


def loads_the_next_kernel(subject: Subject, board: Board) -> None:
    """What loads a kernel loads the one that is asked for, where it is asked for, and the firmware's tables stay."""
    loaded: dict[str, bool] = {}
    for machine in exercised(subject):
        system = _kernel(subject, machine, board)
        for call, loader in system.arch.kexec_loaders.items():
            where = f"softreserve_arch_info: loader of {call}"
            request = KexecRequest(call, cmdline=CommandLine(_ASKED))
            if call == "kexec_load":  # only kexec-tools know the lowest address
                request = attrs.evolve(request, mem_min=_FROM)
            board.doing = where
            try:
                image = loader(system, request)
            except SoftReserveError as error:
                raise subject.because(error, f" (machine: {machine.name})") from error
            loaded[call] = loaded.get(call, False) or not image.status
            if not image.status:
                problem = _image_problem(machine, image, request)
                if problem:
                    raise subject.broken(where, f"{problem} (machine: {machine.name})")
    never = [call for call, done in loaded.items() if not done]
    if never:
        words = "no kernel could be loaded on any machine"
        raise subject.broken(f"softreserve_arch_info: loader of {never[0]}", words)


def _image_problem(machine: Machine, image: KexecImage, request: KexecRequest) -> str | None:
    """What is not as it was asked for, or ``None``."""
    following = image.machine
    if following.boot != "kexec":
        return f"the next machine says that it was booted by {following.boot!r}, wanted 'kexec'"
    if _ASKED not in following.cmdline.text.split():
        return f"the next machine's command line is {following.cmdline.text!r}, wanted {_ASKED!r} in it"
    if machine.acpi and not following.acpi:
        return "the next machine has no ACPI tables, and this one has"
    low = next((segment for segment in image.segments if segment.range.start < request.mem_min), None)
    if low is not None:
        place = hexadecimal(low.range.start, low.range.end)
        return f"segment {low.what} at {place} is below {request.mem_min:#x} (mem_min), which was asked for"
    return None


def declares_its_architecture(subject: Subject, board: Board) -> None:
    """It is found by the name of the architecture."""
    if isinstance(subject.plugin, str) and subject.name not in selection_of(subject.plugin).arches.get(
        subject.arch, ()
    ):
        words = f"boots {subject.arch} and does not declare it: wanted an entry in the group softreserve.arches"
        raise subject.broken("", words)


def soft_reserves(subject: Subject, board: Board) -> None:
    """Specific purpose memory is soft reserved, and neither memory nor System RAM; nothing else is soft reserved."""
    marked_somewhere = False
    for machine in subject.machines.values():
        if "nosoftreserve" in machine.cmdline.text:
            continue
        marked = _spans(specific_purpose(machine))
        marked_somewhere = marked_somewhere or bool(marked)
        system = _kernel(subject, machine, board)
        reserved, ram = _of(system.find_soft_reserved()), _of(system.iomem.find("System RAM"))
        memory = merged((region.base, region.end) for region in system.memblock.memory)
        for words, hook, found in (
            ("is not soft reserved", "register_resources", _missing(marked, reserved)),
            ("is in memblock's memory", "early_reserve", _common(marked, memory)),
            ("is System RAM", "register_resources", _common(marked, ram)),
        ):
            if found is not None:
                place = f"specific purpose memory at {hexadecimal(*found)}"
                raise _wrong(subject, hook, f"{place} {words}", machine)
        found = _missing(reserved, marked)
        if found is not None:
            words = f"soft reserved {hexadecimal(*found)}, which firmware did not mark as specific purpose memory"
            raise _wrong(subject, "register_resources", words, machine)
    if not marked_somewhere:
        raise subject.broken("", "no machine that it was tested with has specific purpose memory")


def _wrong(subject: Subject, hook: str, words: str, machine: Machine) -> SoftReserveError:
    """The message; of a hook that the plugin does not have it speaks without its name."""
    where = f"softreserve_{hook}" if hook in subject.hooks else ""
    return subject.broken(where, f"{words} (machine: {machine.name})")


def gives_soft_reserved_memory_back(subject: Subject, board: Board) -> None:
    """``efi=nosoftreserve`` makes System RAM of it."""
    machine = next((m for m in subject.machines.values() if specific_purpose(m)), None)
    if machine is None:
        raise subject.broken("", "no machine that it was tested with has specific purpose memory")
    if "nosoftreserve" not in machine.cmdline.text:
        machine = attrs.evolve(machine, cmdline=machine.cmdline.appended("efi=nosoftreserve"))
    system = _kernel(subject, machine, board)
    reserved = _of(system.find_soft_reserved())
    if reserved:
        words = f"{hexadecimal(*reserved[0])} is soft reserved in spite of efi=nosoftreserve"
        raise _wrong(subject, "early_reserve", words, machine)
    gap = _missing(_spans(specific_purpose(machine)), _of(system.iomem.find("System RAM")))
    if gap is not None:
        words = f"with efi=nosoftreserve, {hexadecimal(*gap)} is not System RAM"
        raise _wrong(subject, "early_reserve", words, machine)


def gives_memblock_ranges(subject: Subject, board: Board) -> None:
    """What memblock is given is a range of addresses: others it passes over as the kernel does, without a word."""
    given = Memblock._add_range

    def looked_at(self: Memblock, type_: MemblockType, base: int, size: int, nid: int, flags: int) -> int:
        if not (0 <= base <= U64_MAX and 0 <= size <= U64_MAX + 1 - base):
            words = f"gave memblock {size:#x} bytes of {type_.name} at {base:#x}, wanted addresses of 64 bits"
            raise subject.broken("softreserve_early_reserve", words)
        return given(self, type_, base, size, nid, flags)

    Memblock._add_range = looked_at  # type: ignore[method-assign]  # the process is this promise's own
    try:
        for machine in subject.machines.values():
            _kernel(subject, machine, board)
    finally:
        Memblock._add_range = given  # type: ignore[method-assign]


def loses_and_invents_no_memory(subject: Subject, board: Board) -> None:
    """Ordinary memory of the firmware's map is System RAM, and nothing else is."""
    for machine in subject.machines.values():
        if machine.efi_map is None:
            continue
        system = _kernel(subject, machine, board)
        ram = _of(system.iomem.find("System RAM"))
        memory = merged((region.base, region.end) for region in system.memblock.memory if not region.is_nomap)
        persistent = [(d.start, d.end) for d in machine.efi_map if d.type == EfiType.PERSISTENT and d.pages]
        given = merged([*_spans(firmware_memory(machine)), *persistent])  # some architectures take both
        for words, hook, found in (
            ("memblock's memory", "early_reserve", _missing(memory, given)),
            ("System RAM", "register_resources", _missing(ram, given)),
        ):
            if found is not None:
                words = f"invents memory: {hexadecimal(*found)} is {words}, and firmware gives none there"
                raise _wrong(subject, hook, words, machine)
        if any(word in machine.cmdline.text for word in _TAKING):
            continue
        wanted = list(_ordinary(machine))
        for words, hook, found in (
            ("memblock's memory", "early_reserve", _missing(wanted, memory)),
            ("System RAM", "register_resources", _missing(wanted, ram)),
        ):
            if found is not None:
                words = f"loses memory: firmware gives {hexadecimal(*found)}, and it is not in {words}"
                raise _wrong(subject, hook, words, machine)


def _ordinary(machine: Machine) -> Iterator[tuple[int, int]]:
    """What must be memory: whole pages that can be cached, above what architectures keep for themselves."""
    page = machine.kernel.page_size
    given = [
        (d.start, d.end)
        for d in machine.efi_map or ()
        if d.type in _ORDINARY and d.attribute & EfiAttribute.WB and not d.is_special_purpose and d.pages
    ]
    for start, end in merged(given):
        low, high = max(-(-start // page) * page, _LOW), end // page * page
        if low < high:
            yield low, high


def lays_out_nodes_and_zones(subject: Subject, board: Board) -> None:
    """Nodes that are online are possible, memory is on one of them, every page of it is in a zone, blocks cover it."""
    hook = "numa_info"
    for machine in subject.machines.values():
        system = _kernel(subject, machine, board)
        nodes, page = system.nodes, machine.kernel.page_size
        for nid in sorted(nodes.online, key=repr):
            if type(nid) is not int or nid < 0 or nid not in nodes.possible:
                raise _wrong(subject, hook, f"node {nid!r} is online and not possible", machine)
        beyond = [nid for nid in nodes.possible if not 0 <= nid < machine.kernel.max_numnodes]
        if beyond:
            words = f"node {beyond[0]} is possible, and the kernel has {machine.kernel.max_numnodes} at most"
            raise _wrong(subject, hook, words, machine)
        for cpu, nid in nodes.cpu_to_node.items():
            if nid >= 0 and nid not in nodes.possible:
                raise _wrong(subject, hook, f"processor {cpu} is on node {nid}, which is not possible", machine)
        for region in system.memblock.memory:
            if region.nid not in nodes.online:
                place = hexadecimal(region.base, region.end)
                raise _wrong(subject, hook, f"memory at {place} is on node {region.nid}, which is not online", machine)
        pages = sum(max(r.end // page - -(-r.base // page), 0) for r in system.memblock.memory)
        present = sum(zone.present_pages for zone in system.memory.zones.populated_zones() if zone.name != "Device")
        if present != pages:
            words = f"zones have {present} pages of {page} bytes, memory has {pages}"
            raise _wrong(subject, hook, words, machine)
        _look_at_zones(subject, system)
        _look_at_blocks(subject, system)


def puts_nodes_where_the_tables_say(subject: Subject, board: Board) -> None:
    """Memory and processors of each proximity domain are on a node of their own; ``numa=off`` makes one of all."""
    hook = "numa_info"
    for machine in subject.machines.values():
        system = _kernel(subject, machine, board)
        nodes = system.nodes
        if "numa=off" in machine.cmdline.text:
            if nodes.online != {0}:
                raise _wrong(subject, hook, f"nodes {sorted(nodes.online)} are online in spite of numa=off", machine)
            continue
        if "SRAT" not in machine.acpi or nodes_are_off(system):
            continue
        entries = Srat.parse(machine.acpi["SRAT"]).entries
        domains = {entry.proximity_domain for entry in entries if isinstance(entry, MemoryAffinity)}
        if len(nodes.possible) < len(domains):
            words = f"nodes {sorted(nodes.possible)} are possible, and the SRAT has domains {sorted(domains)}"
            raise _wrong(subject, hook, words, machine)
        known = {domain: _nodes_of(system, entries, domain) for domain in domains}
        for domain, found in known.items():
            shared = next((other for other in domains if other != domain and known[other] & found), None)
            if len(found) > 1 or shared is not None:
                words = f"memory of the SRAT's domains is on nodes {known}: wanted one for each"
                raise _wrong(subject, hook, words, machine)
        home = {nid for domain in domains for nid in known[domain] if any(_is_processor(e, domain) for e in entries)}
        there = {nodes.cpu_to_node.get(cpu, -1) for cpu in range(system.cpus)}
        if there != home:
            words = f"processors are on nodes {sorted(there)}, wanted {sorted(home)}, as the SRAT says"
            raise _wrong(subject, hook, words, machine)


def _nodes_of(system: System, entries: Iterable[object], domain: int) -> set[int]:
    """The nodes that RAM of a domain is on."""
    ranges = [e for e in entries if isinstance(e, MemoryAffinity) and e.proximity_domain == domain]
    return {
        region.nid
        for region in system.memblock.memory
        if any(e.base < region.end and region.base < e.end for e in ranges)
    }


def _is_processor(entry: object, domain: int) -> bool:
    of_memory = isinstance(entry, MemoryAffinity)
    return not of_memory and getattr(entry, "proximity_domain", getattr(entry, "domain", None)) == domain


def hears_limits_and_keeps_the_image(subject: Subject, board: Board) -> None:
    """``mem=2G`` leaves no more than that; the kernel's image is reserved, and has resources of its own.

    x86 takes all memory back from the EFI map where that has specific purpose memory, after it has read the command
    line (``efi_memblock_x86_reserve_range``): nothing is said of what boots from e820.
    """
    for machine in subject.machines.values():
        system = _kernel(subject, machine, board)
        memory = sum(region.size for region in system.memblock.memory if not region.is_nomap)
        limited = "mem=2G" in machine.cmdline.text.split() and not system.arch.boots_from_e820
        if limited and memory > 2 << 30:
            raise _wrong(subject, "early_reserve", f"{memory:#x} bytes are memory in spite of mem=2G", machine)
        reserved = merged((region.base, region.end) for region in system.memblock.reserved)
        for name in _PARTS:
            part = getattr(machine.image, name)
            if part is None:
                continue
            gap = next(uncovered(part.start, part.end, reserved), None)
            if gap is not None:
                words = f"{hexadecimal(*gap)}, where the image's {name} is, is not reserved"
                raise _wrong(subject, "early_reserve", words, machine)
            shown = system.iomem.find(f"Kernel {name}")
            if name in system.arch.image_parts and not any(r.start <= part.start <= r.end for r in shown):
                words = f"there is no resource Kernel {name} at {part.start:#x}, where the image has it"
                raise _wrong(subject, "register_resources", words, machine)


def _look_at_zones(subject: Subject, system: System) -> None:
    """What devices of 32 bits reach is in zones of that name, where the kernel has them, and nothing else is."""
    page = system.kernel.page_size
    for zone in system.memory.zones.populated_zones():
        span = hexadecimal(zone.start_pfn * page, zone.end_pfn * page)
        words = f"zone {zone.name} of node {zone.nid} is {span}"
        if zone.name in ("DMA", "DMA32") and zone.end_pfn * page > _REACH:
            raise _wrong(subject, "numa_info", f"{words}, wanted it below {_REACH:#x}", system.machine)
        if zone.name == "Normal" and system.kernel.builtin("ZONE_DMA32") and zone.start_pfn * page < _REACH:
            raise _wrong(subject, "numa_info", f"{words}, wanted it from {_REACH:#x} on", system.machine)


def _look_at_blocks(subject: Subject, system: System) -> None:
    size = system.memory.block_size
    if size & (size - 1) or size < system.kernel.page_size:
        words = f"a memory block has {size:#x} bytes, wanted a power of two and at least a page"
        raise _wrong(subject, "memory_block_size", words, system.machine)
    blocks = merged((block.first * size, block.end * size) for block in system.memory.blocks)
    gap = _missing(merged((region.base, region.end) for region in system.memblock.memory), blocks)
    if gap is not None:
        words = f"memory at {hexadecimal(*gap)} is in no memory block"
        raise _wrong(subject, "memory_block_size", words, system.machine)


def nests_resources(subject: Subject, board: Board) -> None:
    """Resources are sorted, one in another and not across each other, with names that are words."""
    for machine in subject.machines.values():
        words = nesting_problem(_kernel(subject, machine, board).iomem.root)
        if words is not None:
            raise _wrong(subject, "register_resources", words, machine)


def places_the_image_in_memory(subject: Subject, board: Board) -> None:
    """Wherever the image may land is memory that the firmware gave, aligned, and never specific purpose memory."""
    hook = "softreserve_stub_place_image"
    hooks = subject.alone()
    board.doing = hook
    for machine in subject.machines.values():
        given = merged((r.start, r.end) for r in firmware_memory(machine))
        kept = [] if "nosoftreserve" in machine.cmdline.text else _spans(specific_purpose(machine))
        chosen: set[int | None] = set()
        for seed in _SEEDS:
            try:
                placement = hooks.stub_place_image(machine, seed)
            except SoftReserveError as error:
                raise subject.because(error, f" (machine: {machine.name})") from error
            if placement is None:
                return
            place = f"with seed {seed} (machine: {machine.name})"
            if seed is None and not placement.fixed and placement != hooks.stub_place_image(machine, 0):
                words = "chose a place without a seed, and does not say why none was asked (fixed)"
                raise subject.broken(hook, f"{words} {place}")
            if placement != hooks.stub_place_image(machine, seed):
                raise subject.broken(hook, f"not the same at two calls {place}")
            if not placement.fixed and placement.slots > 1:
                chosen.add(placement.address)
            addresses = [] if placement.address is None else [placement.address]
            for area in placement.areas:
                if area.slots and area.first is not None:
                    addresses += [area.first, area.first + (area.slots - 1) * placement.align]
            for address in addresses:
                image = [(address, address + placement.size)]
                if address % placement.align:
                    raise subject.broken(hook, f"{address:#x} is not aligned to {placement.align:#x} {place}")
                hit, gap = _common(image, kept), _missing(image, given)
                if hit is not None:
                    words = f"the image at {address:#x} lies in specific purpose memory at {hexadecimal(*hit)}"
                    raise subject.broken(hook, f"{words} {place}")
                if gap is not None:
                    words = f"the image at {address:#x} lies where firmware gives no memory, at {hexadecimal(*gap)}"
                    raise subject.broken(hook, f"{words} {place}")
        if len(chosen) == 1:
            words = f"chose {chosen.pop() or 0:#x} whatever the seed, and does not say why none was asked (fixed)"
            raise subject.broken(hook, f"{words} (machine: {machine.name})")


def refuses_a_machine_without_a_map(subject: Subject, board: Board) -> None:
    """What it cannot boot it refuses in words."""
    machine = attrs.evolve(next(iter(subject.machines.values())), efi_map=None)
    hooks = subject.among_others(machine.arch)
    with watched(board):
        try:
            boot(machine, hooks)
        except SoftReserveError as error:
            if error.exit_code == 2 and str(error).strip():
                return
            raise subject.because(error, " (a machine without a map: wanted a MachineError)") from error
    raise subject.broken("softreserve_early_reserve", "booted a machine that has no memory map, wanted a MachineError")
