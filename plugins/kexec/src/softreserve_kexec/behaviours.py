"""Behaviours of kexec; see :mod:`softreserve.model.release`."""

from __future__ import annotations

from typing import Final

from softreserve.model.release import Behaviour, Boundary

KEXEC_FILE_SKIPS_DRIVER_MANAGED: Final = Behaviour(
    "kexec-file-skips-driver-managed",
    "kexec_file_load passes over memory that a driver manages",
    since=Boundary(
        "5.8",
        "kexec_file: don't place kexec images on IORESOURCE_MEM_DRIVER_MANAGED",
        "from history",
        "source read 6.1.192",
    ),
)

KEXEC_FILE_WALKS_TOP_DOWN: Final = Behaviour(
    "kexec-file-walks-top-down",
    "kexec_file_load looks for a top-down hole in the highest range first; before, in the lowest",
    since=Boundary(
        "6.8", "kexec_file: load kernel at top of system RAM if required", "source read 6.1.192", "source read 6.12.117"
    ),
)

KEXEC_FILE_EXACT_TOP: Final = Behaviour(
    "kexec-file-exact-top",
    "a top-down hole may end at the very end of its range; before, one byte short of it",
    since=Boundary(
        "6.8",
        "kexec: modify the meaning of the end parameter in kimage_is_destination_range()",
        "source read 6.1.192",
        "source read 6.12.117",
    ),
)

KEXEC_FILE_ABOVE_PREF_ADDRESS: Final = Behaviour(
    "kexec-file-above-pref-address",
    "kexec_file_load puts an x86 kernel no lower than its preferred address",
    since=Boundary("6.12", "", "source read 6.1.192", "source read 6.12.117", after="6.1"),
)
