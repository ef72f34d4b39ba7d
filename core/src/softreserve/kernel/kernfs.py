"""The order in which the kernel lists a directory of sysfs. Linux: ``fs/kernfs/dir.c``, ``include/linux/stringhash.h``.

Clients do not sort: ``daxctl list`` prints devices in the reverse of this order, and onlines memory blocks in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

__all__ = ["in_readdir_order", "name_hash"]

_U64 = (1 << 64) - 1
_INT_MAX = (1 << 31) - 1
#: Linux: ``include/linux/hash.h: GOLDEN_RATIO_64``.
_GOLDEN_RATIO = 0x61C8864680B583EB


@lru_cache(maxsize=65536)
def name_hash(name: str) -> int:
    """Hash of a name that belongs to no namespace. Linux: ``fs/kernfs/dir.c: kernfs_name_hash``."""
    state = 0
    for byte in name.encode():
        state = (state + (byte << 4) + (byte >> 4)) * 11 & _U64
    found = (state * _GOLDEN_RATIO & _U64) >> 32 & _INT_MAX
    # 0, 1 and INT_MAX stand for ".", ".." and the end.
    if found < 2:
        found += 2
    return min(found, _INT_MAX - 1)


def in_readdir_order(names: Iterable[str]) -> list[str]:
    """Names as ``readdir()`` gives them, without ``.`` and ``..``. Linux: ``kernfs_sd_compare``."""
    return sorted(names, key=lambda name: (name_hash(name), name))
