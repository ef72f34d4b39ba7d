"""The toy architecture, hook by hook: wrong architectures are made of it, with one answer replaced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from softreserve.testing.toy import TOY_INFO, ToyArch

__all__ = ["ARCH", "HOOKS", "TOY", "init_resources", "misc_mem_init", "relocate_kernel", "setup_bootmem"]

#: Not the name that the kit's own toy has: both are loaded at the same time.
ARCH: Final = "toy64"
TOY: Final = TOY_INFO._replace(name=ARCH)
_RIGHT: Final = ToyArch(TOY)

relocate_kernel = _RIGHT.softreserve_stub_place_image
setup_bootmem = _RIGHT.softreserve_early_reserve
misc_mem_init = _RIGHT.softreserve_numa_info
init_resources = _RIGHT.softreserve_register_resources

#: What the architecture answers, by the name of the hook without ``softreserve_``.
HOOKS: Final[dict[str, Callable[..., object]]] = {
    "arch_info": _RIGHT.softreserve_arch_info,
    "stub_handoff": _RIGHT.softreserve_stub_handoff,
    "stub_place_image": relocate_kernel,
    "early_reserve": setup_bootmem,
    "numa_info": misc_mem_init,
    "register_resources": init_resources,
}
