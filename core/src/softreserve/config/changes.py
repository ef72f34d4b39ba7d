"""A "what if": what is to be different from a machine as it is described."""

from __future__ import annotations

import re

from softreserve.model.cmdline import CommandLine
from softreserve.model.errors import MachineError, shown
from softreserve.model.kernel import Kernel
from softreserve.model.names import release_problem
from softreserve.model.scenario import EFI_MAP, Scenario
from softreserve.model.value import NamedTuple
from softreserve.plugins.selection import Selection

__all__ = ["EFI_WORDS", "Changes"]

#: Words of the command line that the EFI code reads.
EFI_WORDS = ("efi", "noefi", "add_efi_memmap", "efi_fake_mem")


class Changes(NamedTuple):
    """What is to be different from the machine as described. ``None``: nothing."""

    arch: str | None = None
    kernel: str | None = None
    cmdline: str | None = None
    page_size: str | None = None
    config: tuple[str, ...] | None = None

    def __bool__(self) -> bool:
        return any(value is not None for value in self)

    def apply(self, scenario: Scenario, selection: Selection) -> Scenario:
        """The scenario with the changes.

        :raises SoftReserveError: a change that cannot be made.
        """
        if not self:
            return scenario
        import attrs

        machine = scenario.machine
        kernel = self._kernel(machine.kernel, selection)
        cmdline = machine.cmdline
        if self.cmdline is not None:
            cmdline = self._cmdline(cmdline)
            _check_answerable(scenario, cmdline)
        return attrs.evolve(scenario, machine=attrs.evolve(machine, kernel=kernel, cmdline=cmdline))

    def _kernel(self, kernel: Kernel, selection: Selection) -> Kernel:
        if (self.arch, self.kernel, self.page_size) != (None, None, None):
            from softreserve.config.builds import rebuilt

            # of what begins otherwise it is said below that there is no such release
            release = self.kernel if self.kernel is not None and self.kernel[:1].isdigit() else ""
            if release and (problem := release_problem(release)) is not None:
                raise MachineError(f"--kernel: {problem}")
            arch = selection.arch(self.arch) if self.arch is not None else None
            kernel = rebuilt(kernel, release=self.kernel, arch=arch, page_size=self._page_size())
        if self.config is not None:
            from softreserve.config.builds import with_options

            kernel = with_options(kernel, dict(map(_option, self.config)))
        return kernel

    def _page_size(self) -> int | None:
        from softreserve.config.kernel_toml import PAGE_SIZES
        from softreserve.config.reader import parse_size

        if self.page_size is None:
            return None
        try:
            size = parse_size(self.page_size)
        except ValueError as error:
            raise MachineError(f"--page-size: {error}") from None
        if size not in PAGE_SIZES:
            raise MachineError(f"--page-size: Linux has no pages of {self.page_size}; 4K, 16K or 64K")
        return size

    def _cmdline(self, cmdline: CommandLine) -> CommandLine:
        from softreserve.config.parts import checked_cmdline

        text = self.cmdline or ""
        changed = cmdline.appended(text[1:].lstrip()) if text.startswith("+") else CommandLine(text)
        return checked_cmdline(changed.text)


def _option(text: str) -> tuple[str, str]:
    """``NAME=VALUE``, with ``CONFIG_`` before it or not.

    :raises MachineError: it is none.
    """
    match = re.fullmatch(r"(?:CONFIG_)?([A-Za-z0-9_]+)=(.*)", text)
    if match is None:
        raise MachineError(f"--config: wanted NAME=VALUE, as EFI_SOFT_RESERVE=n, not {shown(text)}")
    return match[1], match[2].strip('"') or "n"


def _check_answerable(scenario: Scenario, cmdline: CommandLine) -> None:
    """Refuse what would be answered wrongly: without the firmware's map the EFI stub cannot be asked again.

    :raises MachineError: an EFI word of the command line changes, and there is no EFI map.
    """
    was, now = ([word for word in text if word.name in EFI_WORDS] for text in (scenario.machine.cmdline, cmdline))
    if was != now and any(gap.missing == EFI_MAP for gap in scenario.gaps):
        words = dict.fromkeys(word.name if word.value is None else f"{word.name}={word.value}" for word in (*now, *was))
        raise MachineError(
            f"{scenario.machine.name}: what {', '.join(words)} does depends on {EFI_MAP}, which is not there; the log "
            "of a boot with efi=debug has it"
        )
