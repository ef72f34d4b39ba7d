"""Segments that land where they do harm: in memory that a device owns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs
from softreserve.model.ranges import PhysRange

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.kexec import KexecImage

__all__ = ["with_warnings"]

_OWNED = re.compile(r"Soft Reserved|System RAM \(.*\)|dax\d+\.\d+|hmem\.\d+")


def with_warnings(system: System, image: KexecImage) -> KexecImage:
    """The image with a warning for each segment that overlaps specific purpose or driver-managed memory.

    Specific purpose memory that the running kernel itself takes for RAM counts as well: the firmware's map decides.
    """
    owned: list[tuple[PhysRange, str]] = []
    for _, res in system.iomem.walk():
        if res.name is not None and _OWNED.fullmatch(res.name):
            owned.append((PhysRange.from_resource(res.start, res.end), res.name))
    for descriptor in system.machine.efi_map or ():
        if descriptor.is_special_purpose and descriptor.size:
            owned.append((PhysRange.from_size(descriptor.start, descriptor.size), "EFI specific purpose memory"))
    warnings = list(image.warnings)
    for segment in image.segments:
        names = dict.fromkeys(name for where, name in owned if where.overlaps(segment.range))
        if names:
            place = f"{segment.range.start:#x}-{segment.range.last:#x}"
            warnings.append(f"segment {segment.what} at {place} lies in {', '.join(names)}")
    return attrs.evolve(image, warnings=tuple(warnings))
