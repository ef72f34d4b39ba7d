"""Hypothesis strategies: firmware maps and machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from softreserve.model.efi import EfiDescriptor, EfiType
from softreserve.testing.machines import CACHEABLE, SPECIFIC_PURPOSE, descriptor, sample_machine

if TYPE_CHECKING:
    from softreserve.model.arch import ArchInfo
    from softreserve.model.machine import Machine

__all__ = ["descriptors_above_4g", "machines"]

_BASE = 4 << 30
_PAGE = 4096
_HUGE = 2 << 20

_KINDS = (
    (EfiType.CONVENTIONAL, CACHEABLE),
    (EfiType.CONVENTIONAL, SPECIFIC_PURPOSE),
    (EfiType.BOOT_SERVICES_DATA, CACHEABLE),
    (EfiType.RESERVED, CACHEABLE),
    (EfiType.ACPI_NVS, CACHEABLE),
)


@st.composite
def descriptors_above_4g(draw: st.DrawFn) -> tuple[EfiDescriptor, ...]:
    """Up to eight disjoint descriptors from 4 GiB on, ascending, with or without holes, aligned to 4 KiB or 2 MiB."""
    found = []
    at = _BASE
    for _ in range(draw(st.integers(1, 8))):
        unit = draw(st.sampled_from((_PAGE, _HUGE)))
        at = -(-at // unit) * unit + unit * draw(st.sampled_from((0, 0, 1, 64)))
        size = unit * draw(st.integers(1, 1024))
        kind, attribute = draw(st.sampled_from(_KINDS))
        found.append(descriptor(at, size, kind, attribute))
        at += size
    return tuple(found)


def machines(arch: str, info: ArchInfo | None = None) -> st.SearchStrategy[Machine]:
    """Machines of an architecture with all kinds of memory above 4 GiB, of both releases that were recorded.

    :param info: what the architecture is, where no installed plugin says it.
    """
    return st.builds(
        lambda above, release: sample_machine(arch, release=release, above=above, info=info),
        descriptors_above_4g(),
        st.sampled_from(("6.1", "6.12")),
    )
