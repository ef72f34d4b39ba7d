"""Ranges that are none, overlap, are unaligned, lie nowhere; nodes that cannot be."""

# A table: a row is a line or two.
# fmt: off
from __future__ import annotations

import attrs
import softreserve as sr

from wrong import Seen, right, toy, wrong

GIB = sr.GiB


def above(system: sr.System) -> int:
    """The first multiple of 4 GiB above all that the firmware tells of, in bytes."""
    end = max(d.start + d.size for d in system.machine.efi_map or () if d.start + d.size < 1 << 44)
    return -(-end // (4 * GIB)) * 4 * GIB


def offer(start: int = 0, end: int = GIB, node: object = 0, source: object = "toy accelerator") -> object:
    """An offer whose range counts from :func:`above`."""
    return lambda system: [sr.DaxOffer(above(system) + start, above(system) + end, node,
        source)]


def offered(name: str, how: str, says: str, start: int = 0, end: int = GIB, node: object = 0, **more: object) -> None:
    """A wrong offer."""
    wrong(name, "dax", how, says, dax_devices=offer(start, end, node, **more))

right("offer", "dax", dax_devices=offer())
right("offer-without-a-node", "dax", dax_devices=offer(node=-1))

offered("offer-inverted", "an offer that ends before it begins", "range|end", GIB, 0)
offered("offer-empty", "an offer of no bytes", "range|empty", GIB, GIB)
wrong("offer-negative", "dax", "an offer that begins below 0", "range|-0x",
    dax_devices=lambda: [sr.DaxOffer(-GIB, GIB, 0, "toy")])
wrong("offer-beyond-64-bits", "dax", "an offer beyond 2**64", "range|beyond",
    dax_devices=lambda: [sr.DaxOffer(1 << 64, (1 << 64) + GIB, 0, "toy")])
wrong("offer-beyond-the-bits-of-the-machine", "dax", "an offer beyond what the processor can address", "bits",
    dax_devices=lambda: [sr.DaxOffer(1 << 60, (1 << 60) + GIB, 0, "toy")])
offered("offer-unaligned", "an offer of half a page", "page|align", 0, 2048)
offered("offer-begins-unaligned", "an offer that begins in the midst of a page", "page|align", 512, GIB)
wrong("offers-overlap", "dax", "two offers that overlap", "overlap",
    dax_devices=lambda system: [sr.DaxOffer(above(system), above(system) + 2 * GIB, 0, "one"),
    sr.DaxOffer(above(system) + GIB, above(system) + 3 * GIB, 0, "two")])
wrong("offer-twice", "dax", "the same offer twice", "overlap|twice",
    dax_devices=lambda system: [sr.DaxOffer(above(system), above(system) + GIB, 0, "one")] * 2)
right("offer-of-ram", "dax",  # an event and a rule of lint say that it is not taken
    dax_devices=lambda system: [sr.DaxOffer(64 << 20, 128 << 20, 0, "toy")])
offered("offer-node-impossible", "a node that is not possible", "node|possible", node=63)
offered("offer-node-huge", "node 2**40", "node|possible", node=1 << 40)
offered("offer-node-minus-two", "node -2", "node|-2", node=-2)
offered("offer-node-is-true", "node True", "node|bool", node=True)
offered("offer-node-is-text", "node '0'", "node|str", node="0")
offered("offer-node-is-none", "node None", "node|none", node=None)
offered("offer-source-is-none", "from nowhere", "source", source=None)
offered("offer-source-is-empty", "from ''", "source", source="")
wrong("offer-of-floats", "dax", "bytes as floats", "float", dax_devices=lambda system: [
    sr.DaxOffer(float(above(system)), float(above(system) + GIB), 0, "toy")])
wrong("offer-of-text", "dax", "addresses as text", "str", dax_devices=lambda: [
    sr.DaxOffer("0x400000000", "0x440000000", 0, "toy")])
wrong("offer-is-a-pair", "dax", "a plain tuple", "daxoffer|tuple",
    dax_devices=lambda system: [(above(system), above(system) + GIB, 0, "toy")])
wrong("offer-alone", "dax", "an offer that is not in a list", "list|daxoffer",
    dax_devices=lambda system: sr.DaxOffer(above(system), above(system) + GIB, 0, "toy"))
wrong("offers-none", "dax", "None in the list", "daxoffer|none", dax_devices=lambda: [None])


def finding(start: object, end: object) -> object:
    """A lint rule that finds a range."""
    return lambda: [sr.Finding("warning", "toy-range", "something is there", start, end)]


def found(name: str, how: str, says: str, start: object, end: object) -> None:
    """A finding about no range."""
    wrong(name, "lint", how, says, at="lint", lint=finding(start, end))

right("finding", "lint", at="lint", lint=finding(4 * GIB, 5 * GIB))
right("finding-of-the-machine", "lint", at="lint", lint=finding(None, None))
found("finding-inverted", "a finding that ends before it begins", "range", 2 * GIB, GIB)
found("finding-negative", "a finding below 0", "range", -GIB, GIB)
found("finding-empty", "a finding about no bytes", "range", GIB, GIB)
found("finding-half", "a finding with a start and no end", "end", GIB, None)
found("finding-beyond", "a finding beyond 2**64", "range|beyond", GIB, 1 << 65)
found("finding-of-floats", "a finding from 1e9 on", "float", 1e9, 2e9)
found("finding-of-text", "a finding at '4G'", "str", "4G", "5G")
found("finding-of-bools", "a finding from False to True", "bool", False, True)


def policy(answer: object) -> object:
    """An online policy."""
    return lambda: answer

right("policy", "policy", online_policy=lambda: "online_movable")
right("policy-of-the-kernel", "policy", online_policy=lambda: None)


# --- an architecture's placement


def placed(name: str, how: str, says: str, answer: object, seen: Seen = "commands") -> None:
    """A wrong place for the image."""
    wrong(name, "arch", how, says, at="kaslr --seed 12345", seen=seen, stub_place_image=answer)


def _at(machine: sr.Machine, seed: int | None, **changes: object) -> sr.Placement:
    return attrs.evolve(toy.relocate_kernel(machine, seed), **changes)


def _marked(machine: sr.Machine) -> int:
    return next(d.start for d in machine.efi_map or () if d.is_special_purpose)

placed("image-in-specific-purpose-memory", "puts the image into specific purpose memory", "specific purpose",
    lambda machine, seed: _at(machine, seed, address=_marked(machine)))
placed("image-outside-of-memory", "puts the image where no memory is", "memory", lambda machine,
    seed: _at(machine, seed, address=1 << 45))
placed("image-below-zero", "puts the image below 0", "address", lambda machine, seed: _at(machine, seed, address=-4096))
placed("image-unaligned", "puts the image beside its own alignment", "align", lambda machine,
    seed: _at(machine, seed, address=toy.relocate_kernel(machine, seed).address + 1))
placed("image-of-no-size", "an image of 0 bytes", "size", lambda machine, seed: _at(machine, seed, size=0))
placed("image-of-negative-size", "an image of -1 bytes", "size", lambda machine, seed: _at(machine, seed, size=-1))
placed("image-aligned-to-zero", "an alignment of 0", "align", lambda machine, seed: _at(machine, seed, align=0))
placed("image-of-few-slots", "counts its slots wrongly: the place is in none of them", "slot", lambda machine,
    seed: _at(machine, seed, areas=()))
placed("image-slots-negative", "areas with -5 slots", "slots", lambda machine,
    seed: _at(machine, seed,
    areas=tuple(attrs.evolve(area, slots=-5) for area in toy.relocate_kernel(machine, seed).areas)))
placed(
    "image-slots-in-specific-purpose-memory",
    "offers slots in specific purpose memory to seeds",
    "specific purpose",
    lambda machine, seed: _at(machine, seed, areas=tuple(attrs.evolve(area, slots=512,
        first=area.range.start) if area.range.start == _marked(machine) else area for area in toy.relocate_kernel(
        machine, seed).areas)),
)
placed("image-ignores-the-seed-of-none", "with no randomness it still chooses at random", "seed", lambda machine,
    seed: toy.relocate_kernel(machine, 12345 if seed is None else seed), seen="kit")
placed("image-hears-no-seed", "puts the image to one place, whatever the seed", "seed", lambda machine,
    seed: toy.relocate_kernel(machine, None if seed is None else 5), seen="kit")
placed("image-address-is-text", "an address '0x200000'", "address|str", lambda machine,
    seed: _at(machine, seed, address="0x200000"))
placed("image-areas-is-a-list", "areas in a generator", "areas", lambda machine,
    seed: _at(machine, seed, areas=(area for area in ())))
