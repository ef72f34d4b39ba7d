"""The kernel's heap sort, which orders equal elements in its own way. Linux: ``lib/sort.c``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

__all__ = ["sort"]

T = TypeVar("T")


def _sift_down(items: list[T], root: int, length: int, key: Callable[[T], int], pairs: bool) -> None:
    """Bring ``items[root]`` to its place in the heap ``items[root:length]``.

    Bottom up, as the kernel does, for that decides about equal elements: down to a leaf along the larger children, then
    up again to the first element that is larger than the one to place. Of equal children the older variant takes the
    left one, the newer the right one.
    """
    at = root
    while (right := 2 * at + 2) < length:
        left = right - 1
        left_key, right_key = key(items[left]), key(items[right])
        at = left if left_key > right_key or (left_key == right_key and not pairs) else right
    if right == length:  # the last leaf has no sibling
        at = right - 1
    while at != root and key(items[root]) >= key(items[at]):
        at = (at - 1) // 2
    place = at
    while at != root:
        at = (at - 1) // 2
        items[at], items[place] = items[place], items[at]


def sort(items: list[T], key: Callable[[T], int], *, pairs: bool = False) -> None:
    """Sort in place, ascending. ``pairs``: the newer variant, which takes the two largest elements off at a time."""
    length = len(items)
    if length < 2:
        return
    for root in reversed(range(length // 2)):
        _sift_down(items, root, length, key, pairs)
    if pairs:
        _extract_pairs(items, key)
        return
    for last in reversed(range(1, length)):
        items[0], items[last] = items[last], items[0]
        _sift_down(items, 0, last, key, pairs)


def _extract_pairs(items: list[T], key: Callable[[T], int]) -> None:
    left = len(items)
    while left > 3:
        left -= 1
        items[0], items[left] = items[left], items[0]
        second = 2 if key(items[1]) <= key(items[2]) else 1
        left -= 1
        items[second], items[left] = items[left], items[second]
        _sift_down(items, second, left, key, True)
        _sift_down(items, 0, left, key, True)
    left -= 1
    items[0], items[left] = items[left], items[0]
    if left == 2 and key(items[0]) > key(items[1]):
        items[0], items[1] = items[1], items[0]
