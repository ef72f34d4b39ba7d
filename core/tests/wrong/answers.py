"""Answers of a wrong type, size or word."""

# A table: a row is a line or two.
# fmt: off
from __future__ import annotations

from enum import Enum
from fractions import Fraction

import attrs
import softreserve as sr
from softreserve.model.dax import DaxCapacity

from wrong import anywhere, toy, wrong

wrong("handoff-is-a-dict", "arch", "hands over a dict", "handoff|dict", stub_handoff=lambda machine: {"efi_map": 1})
wrong("handoff-is-true", "arch", "hands over True", "handoff|bool", stub_handoff=lambda machine: True)
wrong("handoff-of-a-list", "arch", "the map that is handed over is a list, no EfiMemoryMap", "efi_map|list",
    stub_handoff=lambda machine: sr.Handoff(list(machine.efi_map)))
wrong("handoff-without-a-map", "arch", "hands no map over where the firmware has one", "map", seen="commands",
    stub_handoff=lambda machine: sr.Handoff(None))
wrong("handoff-with-e820-of-dicts", "arch", "hands over an e820 table of tuples", "e820",
    stub_handoff=lambda machine: sr.Handoff(machine.efi_map, e820=((0, 4096, 1),)))
wrong("handoff-counts-wrong", "arch", "more entries in the extension of the e820 table than there are", "ext_entries",
    stub_handoff=lambda machine: sr.Handoff(machine.efi_map, e820=(), ext_entries=3))
wrong("handoff-is-the-class", "arch", "answers the class Handoff instead of one", "type",
    stub_handoff=lambda machine: sr.Handoff)
wrong("placement-is-a-number", "arch", "answers an address", "placement|int", at="kaslr",
    stub_place_image=lambda machine, seed: 1 << 21)
wrong("early-reserve-answers-false", "arch", "answers False", "true", early_reserve=lambda system: False)
wrong("early-reserve-answers-one", "arch", "answers 1 instead of True", "int",
    early_reserve=lambda system: int(toy.setup_bootmem(system)))
wrong("early-reserve-answers-text", "arch", "answers 'done'", "str",
    early_reserve=lambda system: toy.setup_bootmem(system) and "done")
wrong("numa-answers-false", "arch", "answers False after the work was done", "true",
    numa_info=lambda system: not toy.misc_mem_init(system))
wrong("numa-answers-none", "arch", "does the work and forgets to say so", "none",
    numa_info=lambda system: (toy.misc_mem_init(system), None)[1])
wrong("resources-are-a-generator", "arch", "answers a generator", "list|generator",
    register_resources=lambda system: (call for call in toy.init_resources(system)))
wrong("resources-have-a-none", "arch", "None among the initcalls", "nonetype",
    register_resources=lambda system: [*toy.init_resources(system), None])
wrong("resources-are-one-initcall", "arch", "answers one initcall, not a list of them", "list|initcall",
    register_resources=lambda system: toy.init_resources(system)[0])
wrong("resources-are-text", "arch", "answers text, which is a sequence too", "list|str",
    register_resources=lambda system: (toy.init_resources(system), "")[1])
wrong("resources-are-a-dict", "arch", "answers a dict", "list|dict",
    register_resources=lambda system: {call.name: call for call in toy.init_resources(system)})
wrong("initcall-of-no-level", "arch", "an initcall of level 99", "level",
    register_resources=lambda system: [c._replace(level=99) for c in toy.init_resources(system)])
wrong("initcall-without-a-function", "arch", "an initcall that cannot be called", "call",
    register_resources=lambda system: [c._replace(call=None) for c in toy.init_resources(system)])
wrong("initcall-of-no-file", "arch", "an initcall whose kernel file is 7", "source",
    register_resources=lambda system: [c._replace(source=7) for c in toy.init_resources(system)])
wrong("initcall-of-a-folder", "arch", "an initcall whose kernel file is 'arch/x', which has no place", "source",
    register_resources=lambda system: [c._replace(source="arch/x") for c in toy.init_resources(system)])


async def _later(system: sr.System) -> bool:
    return True

wrong("a-coroutine", "arch", "the hook is a coroutine function", "coroutine", early_reserve=_later)


def _endless_yield(system: sr.System) -> object:
    yield True

wrong("a-generator-function", "arch", "the hook has a yield", "generator", early_reserve=_endless_yield)

wrong("arch-info-is-a-dict", "arch", "describes itself by a dict", "archinfo|dict",
    arch_info=lambda arch: {"name": arch} if arch == toy.ARCH else None)
wrong("arch-info-of-another-name", "arch", "describes another architecture than was asked for", "toy64|other64",
    arch_info=lambda arch: toy.TOY._replace(name="other64") if arch == toy.ARCH else None)
wrong("arch-info-for-everybody", "arch", "describes whatever it is asked for", "x86_64|other", seen="kit",
    arch_info=lambda arch: toy.TOY._replace(name=arch))
wrong("arch-info-changes", "arch", "describes itself anew at every call: never the same object", "same", seen="kit",
    arch_info=lambda arch: toy.TOY._replace(uname=str(id(object()))) if arch == toy.ARCH else None)
wrong("page-size-of-3000", "arch", "a page of 3000 bytes", "page",
    arch_info=lambda arch: toy.TOY._replace(page_sizes={3000: ""}) if arch == toy.ARCH else None)
wrong("section-of-zero", "arch", "sections of 0 bytes", "section_size",
    arch_info=lambda arch: toy.TOY._replace(section_size=lambda kernel: 0) if arch == toy.ARCH else None)
wrong("section-of-100-mib", "arch", "sections of 100 MiB", "section_size",
    arch_info=lambda arch: toy.TOY._replace(section_size=lambda kernel: 100 << 20) if arch == toy.ARCH else None)
wrong("section-size-fails", "arch", "its section_size raises", "section_size",
    arch_info=lambda arch: toy.TOY._replace(section_size=lambda kernel: {}["sections"]) if arch == toy.ARCH else None)
wrong("physmem-of-minus-one", "arch", "-1 bits of physical addresses", "physmem_bits",
    arch_info=lambda arch: toy.TOY._replace(physmem_bits=lambda machine: -1) if arch == toy.ARCH else None)
wrong("physmem-is-text", "arch", "'48' bits of physical addresses", "physmem_bits",
    arch_info=lambda arch: toy.TOY._replace(physmem_bits=lambda machine: "48") if arch == toy.ARCH else None)
wrong("nodes-shift-is-negative", "arch", "nodes_shift is -1", "nodes_shift",
    arch_info=lambda arch: toy.TOY._replace(nodes_shift=-1) if arch == toy.ARCH else None)
wrong("log-marks-is-no-pattern", "arch", "log_marks is no regular expression", "log_marks",
    arch_info=lambda arch: toy.TOY._replace(log_marks="riscv: (") if arch == toy.ARCH else None)
wrong("image-parts-unknown", "arch", "image_parts names a part that no image has", "image_parts",
    arch_info=lambda arch: toy.TOY._replace(image_parts=("code", "txet")) if arch == toy.ARCH else None)
wrong("cpuinfo-is-bytes", "arch", "cpuinfo gives bytes", "cpuinfo", at="export",
    arch_info=lambda arch: toy.TOY._replace(cpuinfo=lambda machine: b"isa") if arch == toy.ARCH else None)
wrong("uname-is-none", "arch", "uname is None", "uname", arch_info=lambda arch: toy.TOY._replace(
    uname=None) if arch == toy.ARCH else None)
wrong("page-sizes-is-a-list", "arch", "page_sizes is a list", "page_sizes",
    arch_info=lambda arch: toy.TOY._replace(page_sizes=[4096]) if arch == toy.ARCH else None)

wrong("block-size-is-negative", "size", "a memory block of -2 MiB", "power of two",
    memory_block_size=lambda: -(2 << 20))
wrong("block-size-is-odd", "size", "a memory block of 100 MiB", "power of two", memory_block_size=lambda: 100 << 20)
wrong("block-size-is-true", "size", "a memory block of True", "bool", memory_block_size=lambda: True)
wrong("block-size-is-zero", "size", "a memory block of 0", "power of two", memory_block_size=lambda: 0)
wrong("block-size-is-float", "size", "a memory block of 128e6 as a float", "float",
    memory_block_size=lambda: 134217728.0)
wrong("block-size-is-huge", "size", "a memory block of 2**70 bytes", "power of two", memory_block_size=lambda: 1 << 70)
wrong("block-size-of-a-section-less", "size", "a memory block smaller than a section", "power of two",
    memory_block_size=lambda: 1 << 20)
wrong("policy-word-unknown", "policy", "an online policy 'movable'", "online_movable", online_policy=lambda: "movable")
wrong("policy-word-in-capitals", "policy", "an online policy 'ONLINE'", "online", online_policy=lambda: "ONLINE")
wrong("policy-is-a-tuple", "policy", "an online policy that is a tuple", "tuple", online_policy=lambda: ("online",))
wrong("policy-is-empty", "policy", "an online policy ''", "''", online_policy=lambda: "")


class _Text(str):
    """A text that equals every text."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__

wrong("policy-equals-everything", "policy", "a str subclass that equals every word", "_text",
    online_policy=lambda: _Text("whatever"))
wrong("lint-is-one-finding", "lint", "answers one finding, not a list", "list|finding", at="lint",
    lint=lambda system: sr.Finding("note", "toy-one", "one finding"))
wrong("lint-has-text", "lint", "answers sentences", "finding|str", at="lint", lint=lambda system: ["memory is lost"])
wrong("lint-has-a-none", "lint", "None among the findings", "finding|none", at="lint", lint=lambda system: [None])
wrong("lint-is-a-generator", "lint", "has a yield instead of a list", "list|generator", at="lint",
    lint=lambda system: (sr.Finding("note", "toy-one", "one") for _ in "1"))
wrong("lint-severity-unknown", "lint", "a severity 'fatal'", "fatal", at="lint",
    lint=lambda system: [sr.Finding("fatal", "toy-fatal", "memory is lost")])


def _unsound(**changes: object) -> sr.Finding:
    """A finding changed behind the back of its validators."""
    found = sr.Finding("note", "toy-unsound", "something")
    for name, value in changes.items():
        object.__setattr__(found, name, value)
    return found

wrong("lint-severity-smuggled", "lint", "a severity that its class would refuse", "severity", at="lint",
    lint=lambda system: [_unsound(severity="fatal")])
wrong("lint-rule-is-none", "lint", "a finding whose rule is None", "rule", at="lint",
    lint=lambda system: [sr.Finding("note", None, "something")])
wrong("lint-rule-is-a-sentence", "lint", "a rule with spaces and control characters", "rule", at="lint",
    lint=lambda system: [sr.Finding("note", "my rule\x1b[31m", "something")])
wrong("lint-message-is-empty", "lint", "a finding without words", "message", at="lint",
    lint=lambda system: [sr.Finding("note", "toy-empty", "")])
wrong("lint-message-is-bytes", "lint", "a finding whose message is bytes", "message", at="lint",
    lint=lambda system: [sr.Finding("note", "toy-bytes", b"something")])
wrong("lint-explains-what-is-no-use", "lint", "explains a use that does not exist", "explains", at="lint",
    lint=lambda system: [sr.Finding("note", "toy-explains", "something", explains="gone")])
wrong("lint-subclass-of-finding", "lint", "a subclass of Finding whose severity changes", "severity", at="lint",
    lint=lambda system: [_Moody("note", "toy-moody", "something")])


@attrs.frozen
class _Moody(sr.Finding):
    """Note when it is made, nothing known when it is looked at."""

    def __getattribute__(self, name: str) -> object:
        return "grave" if name == "severity" else super().__getattribute__(name)

wrong("modules-have-names", "module", "answers names of modules", "module|str", modules=lambda: ["toy_module"])
wrong("module-option-is-none", "module", "a module without an option", "option",
    modules=lambda: [sr.Module("toy", None, "drivers/dax/toy.c")])
wrong("module-name-is-empty", "module", "a module without a name", "name",
    modules=lambda: [sr.Module("", "DAX", "drivers/dax/toy.c")])
wrong("module-name-has-a-slash", "module", "a module named '../etc'", "name",
    modules=lambda: [sr.Module("../etc", "DAX", "drivers/dax/toy.c")])
wrong("module-init-is-no-function", "module", "a module whose init is 0", "init",
    modules=lambda: [sr.Module("toy", "DAX", "drivers/dax/toy.c", init=0)])
wrong("module-depends-on-text", "module", "depends is 'dax', whose letters are no modules", "depends",
    modules=lambda: [sr.Module("toy", "DAX", "drivers/dax/toy.c", depends="dax")])
wrong("module-level-unknown", "module", "a module of level 42", "level",
    modules=lambda: [sr.Module("toy", "DAX", "drivers/dax/toy.c", level=42)])
wrong("module-depends-on-itself", "module", "a module that depends on itself", "depends",
    modules=lambda: [sr.Module("toy", "DEV_DAX", "drivers/dax/toy.c", depends=("toy",))])
wrong("sysfs-answers", "sysfs", "answers a list of attributes, though there is no result", "none",
    sysfs=lambda system: ["attribute"])
wrong("claimed-is-true", "claim", "claims by True, not by words", "str|bool", seen="kit",
    dax_claimed=lambda where: True)
wrong("claimed-is-empty", "claim", "claims in the name of nobody", "''", seen="kit",
    dax_claimed=lambda where: "")
wrong("capacity-is-a-pair", "capacity", "a pair of numbers is no capacity", "daxcapacity|tuple", seen="kit",
    dax_capacity=lambda system, where: (where.start, where.end))
wrong("cli-answers", "cli", "returns a command instead of adding it", "none", at="toy-command",
    cli=lambda group: "toy-command")
wrong("hardware-is-an-image", "kexec", "answers text where a machine is wanted", "machine|str", at="kexec",
    kexec_hardware=lambda system, machine: machine.name)
wrong("policies-are-a-dict", "kexec", "policies by name, in a dict", "list|dict", at="kexec",
    kexec_policies=lambda: {"toy": sr.KexecPolicy("toy", "a policy")})
wrong("policies-are-names", "kexec", "names of policies", "kexecpolicy|str", at="kexec", kexec_policies=lambda: ["toy"])
wrong("policy-without-a-name", "kexec", "a kexec policy without a name", "name", at="kexec",
    kexec_policies=lambda: [sr.KexecPolicy("", "a policy")])
wrong("prepare-is-no-function", "kexec", "a kexec policy whose prepare is text", "prepare", at="kexec --policy toy",
    kexec_policies=lambda: [sr.KexecPolicy("toy", "a policy", prepare="x")])
wrong("numa-answers-elsewhere", "arch", "does the NUMA setup of every architecture", "other", seen="kit",
    numa_info=anywhere(lambda system: True))
wrong("handoff-answers-elsewhere", "arch", "hands over for every architecture", "other", seen="kit",
    stub_handoff=anywhere(lambda machine: sr.Handoff(machine.efi_map)))
wrong("placement-answers-elsewhere", "arch", "places images of every architecture", "other", seen="kit",
    stub_place_image=anywhere(lambda machine, seed: toy.relocate_kernel(
    attrs.evolve(machine, kernel=attrs.evolve(machine.kernel, arch=toy.ARCH)), seed)))
wrong("block-size-elsewhere", "arch", "says of every architecture how large a memory block is", "other", seen="kit",
    memory_block_size=anywhere(lambda system: 1 << 31))


# --- subclasses and lookalikes


class _Two(list):
    """A list whose second reading differs from its first."""

    def __iter__(self) -> object:
        self.append(None)
        return iter(list.copy(self)[: len(self) - 1] if len(self) < 3 else [None])


class _Even(int):
    """A number that passes for any power of two."""

    def bit_count(self) -> int:
        return 1

    def __ge__(self, other: object) -> bool:
        return True

wrong("list-changes-while-read", "module", "a list whose second reading differs", "modules",
    modules=lambda: _Two([sr.Module("toy", "DEV_DAX", "drivers/dax/toy.c")]), seen="kit")
wrong("block-size-passes-for-one", "size", "an int subclass that passes for a power of two", "power of two|_even",
    memory_block_size=lambda: _Even(1000))
wrong("block-size-is-a-fraction", "size", "a memory block that is a Fraction", "fraction",
    memory_block_size=lambda: Fraction(1 << 27))
wrong("block-size-is-not-a-number", "size", "a memory block of nan bytes", "float",
    memory_block_size=lambda: float("nan"))
wrong("policy-is-an-enum", "policy", "an online policy that is a member of an enum", "enum|policy",
    online_policy=lambda: Enum("Policy", "online").online)
wrong("policy-has-a-newline", "policy", "an online policy 'online\\n', as a file would show", "online",
    online_policy=lambda: "online\n")
wrong("lint-message-of-lines", "lint", "a finding of many lines", "message|line", at="lint",
    lint=lambda system: [sr.Finding("note", "toy-lines", "one\ntwo\nthree")])
wrong("lint-message-of-ten-megabytes", "lint", "a finding of 10 MB", "message", at="lint",
    lint=lambda system: [sr.Finding("note", "toy-long", "x" * 10_000_000)])
wrong("lint-finding-twice", "lint", "the same finding twice", "twice|toy-twice", at="lint",
    lint=lambda system: [sr.Finding("note", "toy-twice", "something")] * 2)
wrong("lint-message-has-control-characters", "lint", "a message with escape sequences", "message", at="lint",
    lint=lambda system: [sr.Finding("note", "toy-escapes", "\x1b[2Jgone")])
wrong("lint-range-beyond-the-machine", "lint", "a finding about addresses that no machine has", "range|bits|address",
    at="lint", seen="kit", lint=lambda system: [sr.Finding("note", "toy-far", "something", 1 << 62, (1 << 62) + 4096)])
wrong("capacity-outside", "capacity", "a device outside of the range that was asked for", "range|inside", seen="kit",
    dax_capacity=lambda where: DaxCapacity(sr.PhysRange(where.end, where.end + (1 << 30)), None))
wrong("capacity-memory-outside-of-the-device", "capacity", "memory outside of its device", "inside|device", seen="kit",
    dax_capacity=lambda where: DaxCapacity(None, where))
wrong("claims-by-a-huge-text", "claim", "claims in 10 MB of words", "claim|word", seen="kit",
    dax_claimed=lambda where: "x" * 10_000_000)


# --- what an architecture says that it is


def describes(name: str, how: str, says: str, /, *, at: str = "boot", seen: str = "commands",
    **changes: object) -> None:
    """An architecture that describes itself wrongly."""
    wrong(name, "arch", how, says, at=at, seen=seen, arch_info=lambda arch: toy.TOY._replace(
        **changes) if arch == toy.ARCH else None)

describes("arch-presumed", "wants every machine that names no architecture, as another one does", "presumed",
    seen="kit", presumed=True)
describes("log-marks-match-everything", "log_marks claims the logs of all others", "log_marks", seen="kit",
    log_marks=".*")
describes("log-marks-is-bytes", "log_marks is bytes", "log_marks", log_marks=b"toy: ")
describes("image-parts-is-text", "image_parts is 'code', whose letters are no parts", "image_parts", image_parts="code")
describes("parameters-is-a-list", "parameters is a list", "parameters", parameters=["toy"])
describes("options-have-none", "an option that is None", "options", options={"": {"DAX": None}})
describes("options-of-no-release", "options of a release 'next'", "options|next", options={"next": {"DAX": "y"}})
describes("numbers-are-pairs", "bounds as a pair of texts", "numbers", numbers={"TOY": ("1", "2")})
describes("huge-pages-is-text", "huge_pages gives text", "huge_pages", huge_pages=lambda kernel: "2M", at="export")
describes("cpuinfo-raises", "cpuinfo raises", "cpuinfo", cpuinfo=lambda machine: {}["isa"], at="export")
describes("physmem-raises", "physmem_bits raises", "physmem_bits", physmem_bits=lambda machine: {}["bits"])
describes("physmem-of-200-bits", "200 bits of physical addresses", "physmem_bits", physmem_bits=lambda machine: 200)
describes("section-is-true", "sections of True bytes", "section_size", section_size=lambda kernel: True)
describes("section-size-is-a-number", "section_size is a number, no function", "section_size", section_size=1 << 27)
describes("srat-processor-raises", "srat_processor raises", "srat_processor", seen="kit", srat_processor=lambda number,
    domain: {}["hart"])
describes("srat-processor-answers-none", "srat_processor gives None", "srat_processor", seen="kit",
    srat_processor=lambda number, domain: None)
describes("uname-has-a-newline", "uname has a newline", "uname", uname="toy\n64")
describes("name-of-bytes", "its name is bytes", "name", name=b"toy64")
describes("nodes-shift-of-64", "nodes_shift of 64", "nodes_shift", nodes_shift=64)
describes("kexec-loaders-is-a-list", "kexec_loaders is a list", "kexec_loaders", kexec_loaders=[sr.image_load])
describes("boots-from-e820-without-one", "says that it boots from e820 and hands none over", "e820",
    boots_from_e820=True)
wrong("handoff-of-broken-entries", "arch", "e820 entries of negative size", "e820|size",
    stub_handoff=lambda machine: sr.Handoff(machine.efi_map, e820=(sr.E820Entry(0, -4096, 1),)))
wrong("handoff-of-broken-descriptors", "arch", "descriptors of negative size", "descriptor|pages|memory",
    stub_handoff=lambda machine: sr.Handoff(
    machine.efi_map.replaced(attrs.evolve(d, pages=-1) for d in machine.efi_map)))
wrong("handoff-of-wide-attributes", "arch", "attributes of more than 64 bits", "attribute|descriptor",
    stub_handoff=lambda machine: sr.Handoff(
    machine.efi_map.replaced(attrs.evolve(d, attribute=1 << 70) for d in machine.efi_map)))
wrong("handoff-moves", "arch", "hands over every descriptor a page higher", "memory|descriptor",
    stub_handoff=lambda machine: sr.Handoff(
    machine.efi_map.replaced(attrs.evolve(d, start=d.start + 4096) for d in machine.efi_map)))
wrong("early-reserve-elsewhere", "arch", "fills memblock for every architecture", "other", seen="kit",
    early_reserve=anywhere(lambda system: toy.setup_bootmem(system) or True))
wrong("resources-elsewhere", "arch", "registers resources of every architecture", "other", seen="kit",
    register_resources=anywhere(lambda system: [sr.Initcall(sr.Level.LATE, "drivers/toy.c", "toy", lambda: None)]))
