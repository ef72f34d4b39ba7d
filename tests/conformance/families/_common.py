"""Conventions of the vector files, shared by the families."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from softreserve.model.efi import EfiDescriptor, EfiMemoryMap
from softreserve.model.kernel import Kernel

RELEASES = ("6.1", "6.12")


def number(text: str) -> int:
    """A lower-case hex string."""
    return int(text, 16)


def kernel(release: str, arch: str = "x86_64", page_size: int = 4096, **config: str | int) -> Kernel:
    """The kernel that the vectors assume: NUMA with 64 nodes, soft reservation on."""
    options: dict[str, str | int] = {
        "EFI": "y",
        "EFI_STUB": "y",
        "EFI_SOFT_RESERVE": "y",
        "NUMA": "y",
        "NODES_SHIFT": 6,
        "NUMA_KEEP_MEMINFO": "y",
        "MEMORY_HOTPLUG": "y",
        "MEMORY_HOTREMOVE": "y",
    }
    return Kernel(release=release, arch=arch, page_size=page_size, config=options | config)


def efi_map(items: Iterable[dict[str, Any]], desc_size: int = 40) -> EfiMemoryMap:
    """Descriptors as the vectors write them."""
    return EfiMemoryMap(
        tuple(EfiDescriptor(d["type"], number(d["start"]), number(d["pages"]), number(d["attr"])) for d in items),
        desc_size,
    )


def by_release(in_: Any, compute: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """The result fields of a case.

    A case that names its ``release`` has ``out``. Others are of two releases: ``out_6.1`` whole and ``out_6.12`` as
    the difference from it (``"same"``; ``null``: absent in 6.12).
    """
    if isinstance(in_, dict) and "release" in in_:
        return {"out": compute(in_["release"])}
    old, new = (compute(release) for release in RELEASES)
    delta = {key: new.get(key) for key in [*new, *(k for k in old if k not in new)] if new.get(key) != old.get(key)}
    delta |= {key: value for key, value in new.items() if key not in old}
    return {"out_6.1": old, "out_6.12": delta or "same"}
