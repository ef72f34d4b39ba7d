"""Architectures that lose memory or invent it, and what else can be wrong with a boot."""

# A table: a row is a line or two.
# fmt: off
from __future__ import annotations

from collections.abc import Callable
from errno import EINVAL
from types import SimpleNamespace

import attrs
import softreserve as sr

from wrong import Seen, right, toy, wrong

GIB, MIB = sr.GiB, sr.MiB

right("arch", "arch")


def _then(change: Callable[[sr.System], object]) -> Callable[[sr.System], bool]:
    """Memory as it should be, and a mistake after it."""

    def early_reserve(system: sr.System) -> bool:
        toy.setup_bootmem(system)
        change(system)
        return True

    return early_reserve


def memory(name: str, how: str, says: str, change: Callable[[sr.System], object], seen: Seen = "commands") -> None:
    """An architecture that has its memory wrong."""
    wrong(name, "arch", how, says, seen=seen, early_reserve=_then(change))


def _marked(system: sr.System) -> sr.EfiDescriptor:
    return next(d for d in system.machine.efi_map or () if d.is_special_purpose)


def _plain(system: sr.System) -> sr.EfiDescriptor:
    """The largest descriptor that is ordinary memory."""
    usable = (d for d in system.machine.efi_map or () if d.type == sr.EfiType.CONVENTIONAL and not d.is_special_purpose)
    return max(usable, key=lambda d: d.size)

memory("loses-a-gibibyte", "takes the upper half of a descriptor out of memory", "memory",
    lambda system: system.memblock.remove(_plain(system).start + _plain(system).size // 2, _plain(system).size // 2))
memory("loses-all-but-one-descriptor", "forgets every descriptor but the first one", "memory",
    lambda system: [system.memblock.remove(r.base, r.size) for r in list(system.memblock.memory)[1:]])
memory("loses-a-page", "forgets the last page of a descriptor", "memory",
    lambda system: system.memblock.remove(_plain(system).start + _plain(system).size - 4096, 4096))
memory("invents-a-gibibyte", "adds memory where the firmware has none", "memory",
    lambda system: system.memblock.add(1 << 42, GIB))
memory("invents-below-a-hole", "fills the holes of the map", "memory",
    lambda system: system.memblock.add(0, system.memblock.end_of_dram()))
memory("marks-are-ignored", "adds specific purpose memory as ordinary memory", "specific purpose",
    lambda system: system.memblock.add(_marked(system).start, _marked(system).size))
memory("memory-beyond-64-bits", "adds memory beyond 2**64", "memory", lambda system: system.memblock.add(1 << 64, GIB),
    seen="kit")
memory("memory-of-negative-size", "adds memory of negative size", "memory",
    lambda system: system.memblock.add(GIB, -4096), seen="kit")
memory("memory-below-zero", "adds memory below 0", "memory", lambda system: system.memblock.add(-GIB, GIB))
memory("memory-of-a-float", "adds memory of a float's size", "memory",
    lambda system: system.memblock.add(1 << 42, float(GIB)))
memory("memory-descends", "regions of memory descend", "ascend",
    lambda system: system.memblock.memory.regions.reverse())
memory("memory-unaligned", "takes half a page out of memory", "memory",
    lambda system: system.memblock.remove(_plain(system).start + 512, 512))
memory("runtime-services-are-ram", "gives the runtime services' memory to the kernel", "memory",
    lambda system: [setattr(region, "flags", 0) for region in system.memblock.memory if region.is_nomap])
memory("mem-is-not-heard", "takes memory back that mem= took away", "mem=", seen="kit",
    change=lambda system: [system.memblock.add(d.start, d.size) for d in system.machine.efi_map or ()
    if system.cmdline.has("mem") and d.type == sr.EfiType.CONVENTIONAL and not d.is_special_purpose])
memory("image-is-not-reserved", "forgets to reserve the kernel's image", "image", seen="kit",
    change=lambda system: system.memblock.free(system.machine.image.code.start, system.machine.image.code.size))
wrong("no-memory-at-all", "arch", "fills no memblock", "memory",
    early_reserve=lambda system: (toy.setup_bootmem(system),
    [system.memblock.remove(r.base, r.size) for r in list(system.memblock.memory)])[0])
wrong("does-nothing", "arch", "says that it is done, and did nothing", "memory", early_reserve=lambda system: True)


def _soft_reserved_everything(system: sr.System) -> bool:
    """Mark the largest piece of ordinary memory before the kernel looks."""
    d = _plain(system)
    marked = attrs.evolve(d, attribute=d.attribute | int(sr.EfiAttribute.SP))
    map_ = system.handoff.efi_map
    assert map_ is not None
    system.handoff = attrs.evolve(system.handoff, efi_map=map_.replaced(marked if o == d else o for o in map_))
    return toy.setup_bootmem(system)

wrong("marks-ordinary-memory", "arch", "marks ordinary memory as specific purpose", "specific purpose|ordinary",
    early_reserve=_soft_reserved_everything)


def handed(change: Callable[[sr.EfiDescriptor], sr.EfiDescriptor | None]) -> Callable[[sr.Machine], sr.Handoff]:
    """Hand over a map in which descriptors were changed."""

    def stub_handoff(machine: sr.Machine) -> sr.Handoff:
        assert machine.efi_map is not None
        return sr.Handoff(machine.efi_map.replaced(filter(None, map(change, machine.efi_map))))

    return stub_handoff

wrong("handoff-forgets-the-marked", "arch", "forgets specific purpose descriptors on the way", "descriptor",
    stub_handoff=handed(lambda d: None if d.is_special_purpose else d))
wrong("handoff-unmarks", "arch", "takes EFI_MEMORY_SP away on the way", "specific purpose",
    stub_handoff=handed(lambda d: attrs.evolve(d, attribute=d.attribute & ~int(sr.EfiAttribute.SP))))
wrong("handoff-marks", "arch", "marks ordinary memory on the way", "specific purpose",
    stub_handoff=handed(lambda d: attrs.evolve(d,
    attribute=d.attribute | int(sr.EfiAttribute.SP)) if d.type == sr.EfiType.CONVENTIONAL else d))
wrong("handoff-forgets-small-ones", "arch", "forgets descriptors below 1 MiB", "memory",
    stub_handoff=handed(lambda d: None if d.start < MIB else d))
wrong("handoff-shrinks", "arch", "hands over half of every descriptor", "memory",
    stub_handoff=handed(lambda d: attrs.evolve(d, pages=d.pages // 2)))
wrong("handoff-grows", "arch", "hands over twice of the last descriptor", "memory",
    stub_handoff=handed(lambda d: attrs.evolve(d, pages=d.pages * 2) if d.is_special_purpose else d))
wrong("handoff-retypes", "arch", "makes reserved memory of boot services data", "memory",
    stub_handoff=handed(lambda d: attrs.evolve(d, type=0) if d.type == sr.EfiType.BOOT_SERVICES_DATA else d))
wrong("handoff-makes-ram", "arch", "makes conventional memory of runtime services data", "memory",
    stub_handoff=handed(lambda d: attrs.evolve(d,
    type=int(sr.EfiType.CONVENTIONAL)) if d.type == sr.EfiType.RUNTIME_SERVICES_DATA else d))


def nodes(
    name: str, how: str, says: str, change: Callable[[sr.System], object], *, seen: Seen = "commands"
) -> None:
    """An architecture that has its nodes or zones wrong."""

    def numa_info(system: sr.System) -> bool:
        toy.misc_mem_init(system)
        change(system)
        return True

    wrong(name, "arch", how, says, seen=seen, numa_info=numa_info)

wrong("no-nodes", "arch", "sets up no nodes", "node", numa_info=lambda system: True)
wrong("no-zones", "arch", "sets up no zones", "zone", numa_info=lambda system: (
    system.stash[sr.ARCH_NUMA].arch_numa_init(), True)[1])
nodes("node-online-but-impossible", "a node is online and not possible", "node|possible",
    lambda system: system.nodes.online.add(3))
nodes("node-negative", "node -1 is online", "node|-1", lambda system: system.nodes.online.add(-1))
nodes("node-beyond-the-kernels", "node 5000 is possible", "node|5000", lambda system: system.nodes.possible.add(5000))
nodes("node-is-text", "node '1' is online", "node|str", lambda system: system.nodes.online.add("1"))
nodes("node-is-true", "node True is online", "node|bool", lambda system: (system.nodes.online.clear(),
    system.nodes.online.add(True)))
nodes("memory-on-an-impossible-node", "memory is on a node that is not possible", "node",
    lambda system: system.memblock.memory.regions.__getitem__(0).__setattr__("nid", 7))
nodes("cpu-on-an-impossible-node", "a processor is on node 9", "node|9", lambda system: system.nodes.set_cpu_node(0, 9))


def _one_node(system: sr.System) -> None:
    """All memory on node 0, and no other node."""
    for region in system.memblock.memory:
        region.nid = 0
    for numbers in (system.nodes.possible, system.nodes.online):
        numbers &= {0}


nodes("srat-is-not-heard", "reads no SRAT: all memory is on node 0", "srat|domain", _one_node, seen="kit")
nodes("numa-off-is-not-heard", "has a second node in spite of numa=off", "numa=off", seen="kit",
    change=lambda system: [numbers.add(1) for numbers in (system.nodes.possible, system.nodes.online)
    if "numa=off" in system.cmdline.text])


def _zones(system: sr.System, **limits: int) -> bool:
    system.stash[sr.ARCH_NUMA].arch_numa_init()
    system.memory.zones.free_area_init(limits)
    return True

wrong("zones-of-nothing", "arch", "zones that end at 0: no page is in one", "zone",
    numa_info=lambda system: _zones(system, DMA32=0, Normal=0))
wrong("zones-descend", "arch", "zones whose ends descend, behind what they can hold", "zone", seen="kit",
    numa_info=lambda system: _zones(system, DMA32=1 << 22, Normal=1 << 20))
wrong("zones-are-negative", "arch", "a zone that ends at -1", "zone",
    numa_info=lambda system: _zones(system, DMA32=-1, Normal=1 << 40))
wrong("zones-in-bytes", "arch", "zones in bytes instead of page frames", "zone", seen="kit",
    numa_info=lambda system: _zones(system, DMA32=1 << 32, Normal=system.memblock.end_of_dram()))
wrong("zones-half", "arch", "zones that end in the midst of memory", "zone",
    numa_info=lambda system: _zones(system, DMA32=(1 << 32) // 4096, Normal=system.memblock.end_of_dram() // 2 // 4096))


def resources(name: str, how: str, says: str, change: Callable[[sr.System], object], seen: Seen = "commands") -> None:
    """An architecture that has its resources wrong."""

    def register_resources(system: sr.System) -> list[sr.Initcall]:
        calls = toy.init_resources(system)
        change(system)
        return calls

    wrong(name, "arch", how, says, seen=seen, register_resources=register_resources)


def _drop(system: sr.System, name: str) -> None:
    for res in system.iomem.find(name):
        system.iomem.root.children.remove(res)

wrong("no-resources", "arch", "registers no resource", "system ram", register_resources=lambda system: [])
wrong("no-soft-reserved", "arch", "forgets the soft reserved resources", "soft reserved",
    register_resources=lambda system: (toy.init_resources(system), [])[1])
resources("ram-of-other-size", "System RAM is larger than memory", "system ram",
    lambda system: setattr(system.iomem.find("System RAM")[-1], "end", system.iomem.find("System RAM")[-1].end + GIB))
resources("ram-forgotten", "one System RAM is not there", "system ram",
    lambda system: system.iomem.root.children.remove(system.iomem.find("System RAM")[-1]))
resources("ram-inverted", "a resource that ends before it begins", "resource",
    lambda system: setattr(system.iomem.find("System RAM")[0], "end", 1))
resources("ram-with-a-float", "a resource that ends at a float", "float",
    lambda system: setattr(system.iomem.find("System RAM")[0], "end", float(GIB)))
resources("image-without-resources", "has no resource for the kernel's code", "kernel code", seen="kit",
    change=lambda system: [res.parent.children.remove(res) for res in system.iomem.find("Kernel code")])
resources("processors-on-no-node", "forgets the nodes of processors", "processor", seen="kit",
    change=lambda system: system.nodes.cpu_to_node.clear())
resources("resource-is-its-own-child", "a resource that is its own child", "children",
    lambda system: system.iomem.root.children[0].children.append(system.iomem.root.children[0]))
resources("resource-is-text", "a text among the resources", "children",
    lambda system: system.iomem.root.children.append("RAM"))
resources("resource-without-a-name", "a resource whose name is 7", "name",
    lambda system: setattr(system.iomem.find("System RAM")[0], "name", 7))
resources("resources-unsorted", "the children of the tree are upside down", "sorted",
    lambda system: system.iomem.root.children.reverse())
resources("resource-with-a-newline", "a name with a newline, which makes a line of its own in /proc/iomem", "name",
    lambda system: sr_insert(system, sr.Resource(1 << 44, (1 << 44) + 4095, "toy\n0-ffffffff : System RAM", 0x200)))


def sr_insert(system: sr.System, resource: sr.Resource) -> None:
    """Put a resource at the end of the tree."""
    system.iomem.root.children.append(resource)
    resource.parent = system.iomem.root

resources("resource-overlaps", "a resource that overlaps another one", "overlap",
    lambda system: sr_insert(system, sr.Resource(5 * GIB // 2, 20 * GIB, "toy device", 0x200)))


# --- says different things at two calls

_SAID: list[int] = []
wrong("says-something-else-every-time", "arch", "loses a different descriptor at every boot", "memory", seen="commands",
    early_reserve=_then(lambda system: (_SAID.append(1),
    system.memblock.remove([r.base for r in system.memblock.memory][len(_SAID) % len(system.memblock.memory)],
    1 << 20))))
wrong("answers-once", "arch", "answers at the first call only", "handoff|second|twice", seen="kit",
    stub_handoff=lambda machine: None if _SAID_ONCE else (_SAID_ONCE.append(1), sr.Handoff(machine.efi_map))[1])
_SAID_ONCE: list[int] = []


# --- kexec of an architecture


def kexec(name: str, how: str, says: str, loader: object, **more: str) -> None:
    """An architecture whose kexec is wrong."""
    info = toy.TOY._replace(kexec_loaders={"kexec_load": loader, "kexec_file_load": loader})
    wrong(name, "arch", how, says, at=more.get("at", "kexec"),
        arch_info=lambda arch: info if arch == toy.ARCH else None)


def _image(change: Callable[[sr.System, sr.KexecImage], sr.KexecImage]) -> object:
    return lambda system, request: change(system, sr.image_load(system, request))


def _segments(change: Callable[[sr.System, sr.PhysRange], sr.PhysRange]) -> object:
    """The first segment somewhere else."""

    def changed(system: sr.System, image: sr.KexecImage) -> sr.KexecImage:
        first, *rest = image.segments
        return attrs.evolve(image, segments=(attrs.evolve(first, range=change(system, first.range)), *rest))

    return _image(changed)

kexec("loader-is-no-function", "a loader that is text", "kexec_loaders", "image_load")
kexec("loader-raises", "a loader that raises", "kexec", lambda system, request: {}["segments"])
kexec("loader-answers-none", "a loader without an answer", "kexec", lambda system, request: None)
kexec("loader-answers-status", "a loader that answers -EINVAL", "kexec|int", lambda system, request: -EINVAL)
kexec("segments-overlap", "two segments on the same place", "overlap",
    _image(lambda system, image: attrs.evolve(image, segments=(*image.segments, image.segments[0]))))
kexec("segments-unaligned", "a segment in the midst of a page", "page",
    _segments(lambda system, r: sr.PhysRange(r.start + 100, r.end + 100)))
kexec("segments-in-specific-purpose-memory", "a segment in specific purpose memory", "specific purpose",
    _segments(lambda system, r: sr.PhysRange(_marked(system).start, _marked(system).start + r.size)))
kexec("segments-outside-of-ram", "a segment where no memory is", "ram",
    _segments(lambda system, r: sr.PhysRange(1 << 45, (1 << 45) + r.size)))
kexec("segments-are-tuples", "segments as pairs", "kexecsegment",
    _image(lambda system,
    image: attrs.evolve(image, segments=tuple((s.range.start, s.range.end) for s in image.segments))))
kexec("no-segments", "loads no segment at all", "segment", _image(lambda system,
    image: attrs.evolve(image, segments=())))
kexec("status-is-no-status", "a status of 400, which no program ends with", "status",
    _image(lambda system, image: attrs.evolve(image, status=400)))
kexec("status-is-text", "a status 'ok'", "status", _image(lambda system, image: attrs.evolve(image, status="ok")))
kexec("output-is-text", "output is one text, whose letters are no lines", "output",
    _image(lambda system, image: attrs.evolve(image, output="loaded")))
kexec("next-machine-of-another-arch", "the next machine is x86_64", "arch",
    _image(lambda system,
    image: attrs.evolve(image,
    machine=attrs.evolve(image.machine, kernel=attrs.evolve(image.machine.kernel, arch="x86_64")))))
kexec("next-machine-has-less-memory", "the next machine has lost a descriptor", "memory",
    _image(lambda system,
    image: attrs.evolve(image,
    machine=attrs.evolve(image.machine, efi_map=image.machine.efi_map.replaced(list(image.machine.efi_map)[:-1])))))
kexec("next-machine-has-more-memory", "the next machine has memory that this one has not", "memory",
    _image(lambda system,
    image: attrs.evolve(image,
    machine=attrs.evolve(image.machine,
    efi_map=image.machine.efi_map.replaced(
    [*image.machine.efi_map, attrs.evolve(next(iter(image.machine.efi_map)), start=1 << 43)])))))
kexec("next-machine-has-no-map", "the next machine has no map at all", "map",
    _image(lambda system, image: attrs.evolve(image, machine=attrs.evolve(image.machine, efi_map=None))))
kexec("next-machine-is-a-namespace", "the next machine is no Machine", "machine",
    _image(lambda system, image: attrs.evolve(image, machine=SimpleNamespace(kernel=image.machine.kernel))))
kexec("next-machine-has-less-cpus", "the next machine has no processor", "cpus",
    _image(lambda system, image: attrs.evolve(image, machine=attrs.evolve(image.machine, cpus=0))))


def follows(name: str, how: str, says: str, /, at: str = "kexec", **changes: Callable[[sr.Machine], object]) -> None:
    """A kexec whose next machine is not the one that was asked for."""
    kexec(name, how, says, at=at, loader=_image(lambda system, image: attrs.evolve(image,
        machine=attrs.evolve(image.machine, **{field: change(image.machine) for field, change in changes.items()}))))

follows("next-machine-forgets-the-command-line", "the next kernel has another command line than was asked for",
    "cmdline|command line", at="kexec --append toy=1", cmdline=lambda machine: sr.CommandLine("quiet"))
follows("next-machine-is-another-release", "the next kernel is another one than was asked for", "kernel|release",
    kernel=lambda machine: attrs.evolve(machine.kernel, release="5.4"))
follows("next-machine-boots-by-the-stub", "the next machine says that it was not booted by kexec", "boot|kexec",
    boot=lambda machine: "stub")
follows("next-machine-forgets-acpi", "the next machine has no ACPI tables", "acpi", acpi=lambda machine: {})
follows("next-machine-unmarks", "the next machine's map has no mark any more", "specific purpose|memory",
    efi_map=lambda machine: machine.efi_map.replaced(
    attrs.evolve(d, attribute=d.attribute & ~int(sr.EfiAttribute.SP)) for d in machine.efi_map))
kexec("ignores-mem-min", "segments below the lowest address that was asked for", "mem_min|lowest|below",
    _segments(lambda system, r: sr.PhysRange(1 << 20, (1 << 20) + r.size)), at="kexec --mem-min 0x30000000")
kexec("segments-are-huge", "a segment of 2**60 bytes", "segment|ram|memory",
    _segments(lambda system, r: sr.PhysRange(r.start, r.start + (1 << 60))))
kexec("segment-without-words", "a segment that is nothing", "what|segment",
    _image(lambda system,
    image: attrs.evolve(image, segments=tuple(attrs.evolve(s, what=None) for s in image.segments))))
kexec("warnings-are-text", "warnings is one text", "warnings",
    _image(lambda system, image: attrs.evolve(image, warnings="w")))
kexec("image-that-failed-with-segments", "a status of -12 without a word", "status|output",
    _image(lambda system, image: attrs.evolve(image, status=-12)))
