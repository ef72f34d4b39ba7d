"""What the EFI stubs of all architectures share. Linux: ``drivers/firmware/efi/libstub/efi-stub-helper.c``."""

from __future__ import annotations

from softreserve.model import behaviours
from softreserve.model.cmdline import CommandLine
from softreserve.model.kernel import Kernel
from softreserve.model.units import parse_option_str
from softreserve.model.value import NamedTuple

__all__ = ["StubOptions"]


class StubOptions(NamedTuple):
    """What the stub makes of the command line. It compares names exactly: ``-`` and ``_`` are different here."""

    nosoftreserve: bool = False
    nokaslr: bool = False
    soft_reserve_enabled: bool = False

    @classmethod
    def parse(cls, cmdline: CommandLine, kernel: Kernel) -> StubOptions:
        """Read the command line as the stub does. Linux: ``efi_parse_options``.

        Each ``efi=`` sets the switch anew, so that a later one without ``nosoftreserve`` takes it back; in the kernel
        proper it stays set.
        """
        configured = kernel.has(behaviours.EFI_SOFT_RESERVE)
        nosoftreserve = nokaslr = False
        for parameter in cmdline:
            if parameter.name == "nokaslr":
                nokaslr = True
            elif parameter.name == "efi" and parameter.value is not None:
                nosoftreserve = configured and parse_option_str(parameter.value, "nosoftreserve")
        return cls(nosoftreserve, nokaslr, configured and not nosoftreserve)
