"""Where many boots would put the kernel image: draws from a ``Placement``, only counted.

Nothing grows with the number of draws: every map range is cut at the borders of a few address buckets, and a draw
only adds one to the count of its piece.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from random import Random

import attrs

from softreserve.model.placement import Placement, SlotArea

__all__ = ["Bucket", "Sample", "sample"]

_BUCKETS = 16  # at most this many, and one for the border
_CHUNK = 1 << 14  # draws at a time
_SEED_BITS = 32  # random bits that a scaling choice looks at
_LONG_BITS = 64  # and those that a remainder is taken of


@attrs.frozen
class Bucket:
    """A piece of the address space (bytes, half open) with the slots that begin in it, and how often one was drawn."""

    start: int
    end: int
    slots: int
    hits: int


@attrs.frozen
class Sample:
    """``hits``: per area of the placement, in its order. ``buckets``: those with slots, by address."""

    count: int
    hits: tuple[int, ...]
    buckets: tuple[Bucket, ...]


@attrs.frozen
class _Piece:
    """Slots of one area whose addresses are in one bucket; ``start`` counts through all areas."""

    area: int
    bucket: int
    start: int
    slots: int


def sample(placement: Placement, count: int, random: Random, step: Callable[[int], object] = int) -> Sample:
    """Draw ``count`` seeds. Where the seed is not asked, every draw is the one address.

    Memory does not depend on ``count``.

    :param step: is told how many more have been drawn, again and again.
    """
    width = _bucket_width(placement.areas, placement.align)
    pieces = [piece for number, area in enumerate(placement.areas) for piece in _cut(number, area, placement, width)]
    starts = _cumulative(pieces)
    if not pieces:
        hits: Counter[int] = Counter()
    elif placement.fixed:
        hits = Counter({_piece_of(placement, pieces, width): count})
    else:
        hits = _draw(placement, starts, count, random, step)
    return _counted(placement, pieces, hits, count, width)


def _bucket_width(areas: Iterable[SlotArea], align: int) -> int:
    ends = [(area.first, area.first + (area.slots - 1) * align) for area in areas if area.first is not None]
    width = align
    if ends:
        span = max(last for _, last in ends) - min(first for first, _ in ends)
        while span > width * _BUCKETS:
            width *= 2
    return width


def _cut(number: int, area: SlotArea, placement: Placement, width: int) -> Iterable[_Piece]:
    if area.first is None:
        return
    slot = 0
    while slot < area.slots:
        address = area.first + slot * placement.align
        bucket = address // width
        room = -(((bucket + 1) * width - address) // -placement.align)  # slots up to the bucket's end, rounded up
        slots = min(room, area.slots - slot)
        yield _Piece(number, bucket, slot, slots)
        slot += slots


def _cumulative(pieces: Iterable[_Piece]) -> list[int]:
    """Number of the first slot of each piece, counted through all areas."""
    starts, total = [], 0
    for piece in pieces:
        starts.append(total)
        total += piece.slots
    return starts


def _piece_of(placement: Placement, pieces: list[_Piece], width: int) -> int:
    """The piece that holds the one address, or -1: it is in none."""
    address = placement.address
    for index, piece in enumerate(pieces):
        first = placement.areas[piece.area].first
        if first is not None and address is not None:
            offset = address - first - piece.start * placement.align
            if 0 <= offset < piece.slots * placement.align:
                return index
    return -1


def _draw(
    placement: Placement, starts: list[int], count: int, random: Random, step: Callable[[int], object]
) -> Counter[int]:
    """Hits by number of piece. The loop over the draws is the interpreter's own ``map``."""
    total = placement.slots
    if placement.scaled:
        # the slot is seed * total >> 32 and grows with the seed: compare seeds with that at which each piece begins
        borders = [-((-start << _SEED_BITS) // total) for start in starts]
    else:
        borders = starts
    piece_after: Callable[[int], int] = partial(bisect_right, borders)
    hits: Counter[int] = Counter()
    for chunk in _seeds(count, random, _SEED_BITS if placement.scaled else _LONG_BITS):
        step(len(chunk))
        hits.update(map(piece_after, chunk if placement.scaled else map(total.__rmod__, chunk)))
    return Counter({after - 1: number for after, number in hits.items()})


def _seeds(count: int, random: Random, bits: int) -> Iterable[memoryview]:
    while count > 0:
        number = min(count, _CHUNK)
        drawn = random.getrandbits(number * bits).to_bytes(number * bits // 8, sys.byteorder)
        yield memoryview(drawn).cast("I" if bits == _SEED_BITS else "Q")
        count -= number


def _counted(placement: Placement, pieces: list[_Piece], by_piece: Counter[int], count: int, width: int) -> Sample:
    hits = [0] * len(placement.areas)
    slots_in: Counter[int] = Counter()
    hits_in: Counter[int] = Counter()
    for index, piece in enumerate(pieces):
        hits[piece.area] += by_piece[index]
        slots_in[piece.bucket] += piece.slots
        hits_in[piece.bucket] += by_piece[index]
    buckets = (Bucket(b * width, (b + 1) * width, slots_in[b], hits_in[b]) for b in sorted(slots_in))
    return Sample(count, tuple(hits), tuple(buckets))
