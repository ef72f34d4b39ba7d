"""What plugins bring that is no part of a kernel: importers, sections, emitters, lanes; nodes, and memory's policy."""

# A table: a row is a line or two.
# fmt: off
from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from errno import EINVAL
from types import SimpleNamespace

import attrs
import softreserve as sr
from softreserve.testing.machines import sample_machine

from wrong import right, toy, wrong

GIB = sr.GiB


def example(place: str) -> sr.Machine:
    """A machine that an importer reads: always the same."""
    return sample_machine(toy.ARCH, info=toy.TOY)


def importer(**changes: object) -> Callable[[], list[object]]:
    """An importer that is right but for these."""
    return lambda: [sr.Importer(**{"prefix": "toy", "read": example, "words": "a toy's machines", **changes})]


def imports(name: str, how: str, says: str, /, **changes: object) -> None:
    """A wrong importer."""
    seen = changes.pop("seen", "commands")
    wrong(name, "importer", how, says, seen=seen, importers=importer(**changes))


def _raise(error: BaseException) -> None:
    raise error

right("importer", "importer", importers=importer())
right("importer-that-cannot", "importer", importers=importer(
    read=lambda place: _raise(sr.InputError("no such toy", path=place)) if place != "place" else example(place)))
imports("importer-of-the-cores-prefix", "a prefix that is the core's", "example|twice", prefix="example")
imports("importer-prefix-empty", "no prefix", "prefix", prefix="")
imports("importer-prefix-with-colon", "a prefix with a colon", "prefix", prefix="toy:box")
imports("importer-prefix-is-none", "the prefix None", "prefix", prefix=None)
imports("importer-read-is-text", "read is text", "read", read="machine")
imports("importer-raises", "read raises ValueError", "read", read=lambda place: _raise(ValueError("bad toy")))
imports("importer-exits", "read ends the program", "read", read=lambda place: _raise(SystemExit(0)))
imports("importer-answers-none", "read answers None", "read", read=lambda place: None)
imports("importer-answers-a-dict", "read answers a dict", "read", read=lambda place: {"name": place})
imports("importer-answers-a-path", "read answers the name of a file", "read", read=lambda place: "example:two-node")
imports("importer-answers-a-lookalike", "read answers what only looks like a machine", "read",
    read=lambda place: SimpleNamespace(
    **{n: getattr(example(place), n) for n in ("kernel", "name", "efi_map", "arch")}))
def reads(name: str, how: str, field: str, value: object) -> None:
    """An importer of a machine with a value that no machine can have."""
    imports(name, how, field, read=lambda place: attrs.evolve(example(place), **{field: value}))


reads("importer-kernel-is-none", "the machine has no kernel", "kernel", None)
reads("importer-cmdline-is-text", "its command line is text", "cmdline", "quiet")
reads("importer-map-is-a-list", "its map is a list", "efi_map", [1])
reads("importer-map-of-tuples", "its map has tuples for descriptors", "efi_map",
    sr.EfiMemoryMap(((7, 0, 1, 15),)))
reads("importer-map-of-floats", "its map has floats", "efi_map", sr.EfiMemoryMap((sr.EfiDescriptor(7, 0.0, 1.0, 15),)))
reads("importer-acpi-is-text", "an ACPI table is text", "acpi", {"SRAT": "table"})
reads("importer-cpus-are-negative", "it has -1 processors", "cpus", -1)
reads("importer-cpus-are-text", "it has '2' processors", "cpus", "2")
reads("importer-image-is-none", "it has no image", "image", None)
reads("importer-image-is-text", "the image's code is at a text", "image", sr.KernelImage(code="code"))
imports("importer-takes-nothing", "read takes no place", "read", read=lambda: example(""))
imports("importer-prints", "read prints", "print|stdout", seen="kit", read=lambda place: print("toy") or example(place))
imports("importer-hangs", "read loops for ever", "time|second", seen="kit", read=lambda place: time.sleep(3600))
imports("importer-reads-something-else-every-time", "read answers another machine every time", "twice|same", seen="kit",
    read=lambda place: attrs.evolve(example(place), cpus=1 + time.time_ns() % 97))
wrong("importers-of-one-prefix", "importer", "two importers of one prefix", "twice|toy",
    importers=lambda: importer()() * 2)
wrong("importers-are-a-dict", "importer", "importers by prefix", "list|dict", importers=lambda: {"toy": example})
wrong("importer-alone", "importer", "one importer, no list", "list|importer", importers=lambda: importer()()[0])


@attrs.frozen
class Toy:
    """A table of a machine file."""

    size: int
    words: str = ""


@attrs.define
class Changing:
    """A table that can be changed."""

    size: int = 0


@attrs.frozen
class Strange:
    """A table with a field of a type that no file can have."""

    size: complex = 0j


@attrs.frozen
class Untyped:
    """A table whose field has no type."""

    size = attrs.field(default=0)


@attrs.frozen
class Fussy:
    """A table that cannot be made."""

    size: int = attrs.field(default=0)

    def __attrs_post_init__(self) -> None:
        raise KeyError("fussy")


def section(**changes: object) -> Callable[[], list[object]]:
    """A section that is right but for these."""
    return lambda: [sr.MachineSection(**{"name": "toy", "kind": Toy, "words": "what a toy is", **changes})]


def sections(name: str, how: str, says: str, /, **changes: object) -> None:
    """A wrong section."""
    wrong(name, "section", how, says, machine_sections=section(**changes))

right("section", "section", machine_sections=section())
sections("section-of-the-cores-name", "a section that machine files have: kernel", "kernel|twice", name="kernel")
sections("section-name-empty", "a section without a name", "name", name="")
sections("section-name-with-dots", "a section named 'toy.box'", "name", name="toy.box")
sections("section-kind-is-a-dict", "no attrs class", "attrs|kind|class", kind=dict)
sections("section-kind-is-an-instance", "an object, no class", "attrs|kind|class", kind=Toy(1))
sections("section-kind-can-be-changed", "a class that is not frozen", "frozen", kind=Changing)
sections("section-of-complex-numbers", "a field of a type that no file can have", "complex|type", kind=Strange)
sections("section-without-types", "a field without a type", "type", kind=Untyped)
sections("section-cannot-be-made", "making its class raises KeyError", "fussy", kind=Fussy)
wrong("sections-of-one-name", "section", "two sections of one name", "twice|toy",
    machine_sections=lambda: section()() * 2)
wrong("sections-are-classes", "section", "classes instead of sections", "machinesection|type",
    machine_sections=lambda: [Toy])


def emitter(**changes: object) -> Callable[[], list[object]]:
    """An emitter that is right but for these."""
    return lambda: [sr.Emitter(**{"name": "toy", "lines": lambda system: ["toy"], "words": "a toy's lines", **changes})]


def emits(name: str, how: str, says: str, /, **changes: object) -> None:
    """A wrong emitter."""
    seen, at = changes.pop("seen", "commands"), changes.pop("at", "boot --emit toy")
    wrong(name, "emitter", how, says, at=at, seen=seen, emitters=emitter(**changes))


def _breaks(system: sr.System) -> Iterator[str]:
    yield "one"
    raise ValueError("no second line")


def _endless(system: sr.System) -> Iterator[str]:
    while True:
        yield "toy"

right("emitter", "emitter", at="boot --emit toy", emitters=emitter())
right("emitter-of-a-generator", "emitter", at="boot --emit toy", emitters=emitter(lines=lambda system: iter(["toy"])))
emits("emitter-of-the-cores-name", "an emitter named iomem", "iomem|twice", name="iomem", at="boot --emit iomem")
emits("emitter-name-empty", "an emitter without a name", "name", name="")
emits("emitter-name-with-spaces", "an emitter named 'to y'", "name", name="to y")
emits("emitter-lines-is-text", "lines is text", "lines", lines="toy")
emits("emitter-raises", "lines raises", "lines|emitter", lines=lambda system: _raise(ValueError("no lines")))
emits("emitter-breaks-off", "lines raise after the first one", "no second line", lines=_breaks)
emits("emitter-answers-none", "lines gives None", "lines|emitter", lines=lambda system: None)
emits("emitter-answers-text", "lines gives one text, whose letters are no lines", "lines|str",
    lines=lambda system: "toy")
emits("emitter-answers-bytes", "lines are bytes", "lines|bytes", lines=lambda system: [b"toy"])
emits("emitter-answers-numbers", "lines are numbers", "lines|int", lines=lambda system: [1, 2])
emits("emitter-answers-none-inside", "None among the lines", "lines|none", lines=lambda system: ["toy", None])
emits("emitter-lines-have-newlines", "lines have newlines in them", "newline|lines", lines=lambda system: ["toy\nbox"])
emits("emitter-exits", "lines end the program", "lines|emitter", lines=lambda system: _raise(SystemExit(0)))
emits("emitter-prints", "prints instead of giving lines", "print|stdout", seen="kit",
    lines=lambda system: print("toy") or [])
emits("emitter-is-endless", "lines have no end", "time|second|lines", seen="kit", lines=_endless)
emits("emitter-changes-the-system", "changes what it shows", "changed", seen="kit",
    lines=lambda system: [str(system.modules.unload("kmem")), "toy"])
wrong("emitters-of-one-name", "emitter", "two emitters of one name", "twice|toy", at="boot --emit toy",
    emitters=lambda: emitter()() * 2)


def lane(*bars: object, **changes: object) -> Callable[[], list[object]]:
    """A lane that is right but for these."""
    return lambda: [sr.Lane(**{"name": "toys", "bars": tuple(bars), "words": "where toys are", **changes})]


def lanes(name: str, how: str, says: str, /, *bars: object, **changes: object) -> None:
    """A wrong lane."""
    wrong(name, "lane", how, says, report_lanes=lambda: lane(*bars, **changes)())

right("lane", "lane", report_lanes=lane(sr.Bar(0, GIB, "one"), sr.Bar(GIB, 2 * GIB, "two")))
lanes("bars-overlap", "bars that overlap", "overlap", sr.Bar(0, 2 * GIB, "one"), sr.Bar(GIB, 3 * GIB, "two"))
lanes("bars-descend", "bars that descend", "ascend|order|overlap", sr.Bar(GIB, 2 * GIB, "two"), sr.Bar(0, GIB, "one"))
wrong("bar-inverted", "lane", "a bar that ends before it begins", "bar|range",
    report_lanes=lambda: lane(sr.Bar(GIB, 0, "toy"))())
wrong("bar-negative", "lane", "a bar below 0", "bar|range", report_lanes=lambda: lane(sr.Bar(-GIB, GIB, "toy"))())
wrong("bar-beyond", "lane", "a bar beyond 2**64", "bar|range", report_lanes=lambda: lane(sr.Bar(0, 1 << 65, "toy"))())
wrong("bar-label-is-none", "lane", "a bar without words", "label", report_lanes=lambda: lane(sr.Bar(0, GIB, None))())
wrong("bars-are-tuples", "lane", "bars as plain tuples", "bar|tuple", report_lanes=lambda: lane((0, GIB, "toy"))())
wrong("lane-name-empty", "lane", "a lane without a name", "name", report_lanes=lambda: lane(name="")())
wrong("lanes-of-one-name", "lane", "two lanes of one name", "twice|toys", report_lanes=lambda: lane()() * 2)
wrong("lanes-raise", "lane", "raises", "no lanes", report_lanes=lambda: _raise(ValueError("no lanes")))


def node(nid: object = 5, source: object = "toy", **more: object) -> Callable[[], list[object]]:
    """A node that is right but for these."""
    return lambda: [sr.NodeOffer(nid, source, **more)]


def nodes(name: str, how: str, says: str, /, **changes: object) -> None:
    """A wrong node."""
    wrong(name, "numa", how, says, nodes=lambda: node(**changes)())

right("node", "numa", nodes=node(ranges=(sr.PhysRange(64 * GIB, 65 * GIB),), distances={0: 30}))
nodes("node-taken", "a number that firmware's tables have", "0|taken|twice", nid=0)
nodes("node-below-zero", "node -1", "-1", nid=-1)
nodes("node-beyond", "node 5000", "5000", nid=5000)
nodes("node-is-bool", "node True", "bool|true", nid=True)
nodes("node-is-a-text", "node '5'", "str|'5'", nid="5")
nodes("node-is-a-float", "node 5.0", "float|5.0", nid=5.0)
nodes("node-from-nowhere", "a node from nowhere", "source", source=None)
nodes("node-distance-five", "a distance below 10", "distance|5", distances={0: 5})
nodes("node-distance-beyond", "a distance above 255", "distance|300", distances={0: 300})
nodes("node-distance-to-itself", "a distance of 20 to itself", "distance", distances={5: 20})
nodes("node-distance-to-nobody", "a distance to a node that is not there", "distance|77", distances={77: 20})
nodes("node-distances-are-a-list", "distances in a list", "distances", distances=[10, 20])
nodes("node-distance-is-text", "a distance '30'", "distance", distances={0: "30"})
nodes("node-ranges-are-pairs", "ranges as pairs of numbers", "range", ranges=((64 * GIB, 65 * GIB),))
nodes("node-ranges-overlap", "two ranges of it overlap", "overlap",
    ranges=(sr.PhysRange(64 * GIB, 66 * GIB), sr.PhysRange(65 * GIB, 67 * GIB)))
right("node-of-others-memory", "numa", nodes=node(ranges=(sr.PhysRange(0, 4 * GIB),)))  # an event: it is not heard
nodes("node-range-beyond", "its range is beyond 2**64", "beyond|range|address",
    ranges=(sr.PhysRange(1 << 64, (1 << 64) + GIB),))
wrong("nodes-of-one-number", "numa", "two nodes of one number", "twice|5", nodes=lambda: node()() * 2)
wrong("nodes-are-numbers", "numa", "numbers instead of nodes", "nodeoffer|int", nodes=lambda: [5])
wrong("nodes-raise", "numa", "raises", "no nodes", nodes=lambda: _raise(ValueError("no nodes")))
wrong("nodes-at-a-whim", "numa", "another number at every call", "twice|same", seen="kit",
    nodes=lambda: node(3 + time.time_ns() % 5)())


def added(name: str, how: str, says: str, answer: Callable[..., object], **more: object) -> None:
    """A wrong policy for memory that was added."""
    wrong(name, "policy", how, says, memory_added=answer, **more)

right("added", "policy", memory_added=lambda nid, start, size: "online_movable")
right("added-unanswered", "policy", memory_added=lambda: None)
added("added-unknown-word", "a word that no kernel knows", "movable", lambda: "movable")
added("added-true", "answers True", "bool|str", lambda: True)
added("added-errno", "answers -22", "int|str", lambda: -EINVAL)
added("added-raises", "raises", "no memory", lambda: _raise(ValueError("no memory")))
added("added-raises-machine-error", "raises MachineError", "machineerror|no toy",
    lambda: _raise(sr.MachineError("no toy")))
added("added-misspelt", "an argument that the hook does not have", "node", lambda system, node: None)
added("added-at-random", "another word every time", "twice|same",
    lambda: ("online", "offline")[time.time_ns() // 1000 % 2], seen="kit")
added("added-asks-for-more", "removes a module while it is asked", "changed|unload",
    lambda system: system.modules.unload("dax_hmem") and None, seen="kit")
