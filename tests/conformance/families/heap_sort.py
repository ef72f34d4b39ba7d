"""``lib/sort.c``: where equal elements end up. ``order`` are positions in ``keys``."""

from __future__ import annotations

from typing import Any

from softreserve.kernel.sort import sort
from softreserve.model.behaviours import SORT_TAKES_PAIRS

from families._common import by_release, kernel


def compute(in_: dict[str, Any]) -> dict[str, Any]:
    keys = in_["keys"]

    def one(release: str) -> dict[str, Any]:
        order = list(range(len(keys)))
        sort(order, keys.__getitem__, pairs=kernel(release).has(SORT_TAKES_PAIRS))
        return {"order": order}

    return by_release(in_, one)
