"""A broken address axis: a hole of 4 KiB and a range of 1 TiB are both seen on it.

Between two neighbouring cuts (addresses at which something begins or ends) the axis is linear; how long such a piece is
drawn grows with the logarithm of its size. Lengths are whole numbers of a unit that whoever draws chooses.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise

import attrs

__all__ = ["Axis", "Piece"]

_PAGE_BITS = 12


@attrs.frozen
class Piece:
    """What lies between two cuts (bytes, half open), drawn from ``at`` on for ``length``.

    ``empty``: nothing is there, and the axis is broken. ``folded`` is how many cuts it has inside that are not drawn.
    """

    start: int
    end: int
    at: int
    length: int
    empty: bool = False
    folded: int = 0


@attrs.frozen
class Axis:
    """Pieces from the lowest cut to the highest, without gaps between them; none: there is nothing to show.

    Places are exact, as addresses have more digits than a floating point number.
    """

    pieces: tuple[Piece, ...]

    @classmethod
    def over(
        cls,
        cuts: Mapping[int, int],
        spans: Sequence[tuple[int, int]],
        *,
        least: int = 16,
        step: float = 1.5,
        most: int | None = None,
    ) -> Axis:
        """An axis.

        :param cuts: addresses, each with how much it matters that it is drawn: 0, 1 ...
        :param spans: what is not empty: disjoint, ascending, half open (bytes); they begin and end at cuts.
        :param least: how long each piece is at the least; a page is that long.
        :param step: by how much one is longer that is twice the size.
        :param most: of how many pieces at the most it consists; cuts that matter less are folded away where it had
            more.
        """
        kept = _kept(cuts, most)
        every = sorted(cuts)
        ends = [end for _, end in spans]
        pieces = []
        at = 0
        for start, end in pairwise(kept):
            nearest = bisect_right(ends, start)
            empty = nearest == len(spans) or spans[nearest][0] >= end
            folded = bisect_left(every, end) - bisect_right(every, start)
            length = least + round(step * max((end - start).bit_length() - 1 - _PAGE_BITS, 0))
            pieces.append(Piece(start, end, at, length, empty, folded))
            at += length
        return cls(tuple(pieces))

    @property
    def length(self) -> int:
        """Of the whole axis."""
        return self.pieces[-1].at + self.pieces[-1].length if self.pieces else 0

    def place(self, address: int) -> Fraction:
        """Where an address is; those before and behind the axis are at its ends."""
        number = bisect_right(self.pieces, address, key=lambda piece: piece.start) - 1
        if number < 0:
            return Fraction(0)
        piece = self.pieces[number]
        return piece.at + piece.length * min(Fraction(address - piece.start, piece.end - piece.start), Fraction(1))

    def address(self, place: Fraction | int) -> int:
        """Which address is at a place; those before and behind the axis are the first and the last cut.

        :raises ValueError: there is nothing on the axis.
        """
        if not self.pieces:
            raise ValueError("an axis without pieces has no address")
        number = max(bisect_right(self.pieces, place, key=lambda piece: piece.at) - 1, 0)
        piece = self.pieces[number]
        share = min(max(Fraction(place - piece.at) / piece.length, Fraction(0)), Fraction(1))
        return piece.start + int((piece.end - piece.start) * share)

    def between(self, start: int, end: int) -> range:
        """Numbers of the pieces that have a byte of a range (half open)."""
        first = bisect_right(self.pieces, start, key=lambda piece: piece.end)
        return range(first, max(first, bisect_left(self.pieces, end, key=lambda piece: piece.start)))


def _kept(cuts: Mapping[int, int], most: int | None) -> list[int]:
    """The cuts that are drawn: those that matter more first; of those that matter the same, evenly chosen ones."""
    found = sorted(cuts)
    room = len(found) if most is None else most + 1
    if len(found) <= room:
        return found
    kept = {found[0], found[-1]}
    for weight in sorted(set(cuts.values()), reverse=True):
        alike = [cut for cut in found if cuts[cut] == weight and cut not in kept]
        free = max(room - len(kept), 0)
        kept.update(alike if len(alike) <= free else _spread(alike, free))
    return sorted(kept)


def _spread(items: Sequence[int], count: int) -> Iterator[int]:
    """So many of them, evenly."""
    return (items[number * len(items) // count] for number in range(count))
