"""What the decompressor reads on the command line. Linux: ``kaslr.c`` and ``cmdline.c`` of ``arch/x86/boot``.

The decompressor has parsers of its own, which understand less than the kernel's: that is where the quirks come from.
All sizes and addresses are bytes.
"""

from __future__ import annotations

from errno import EINVAL
from typing import Final

from softreserve.model.cmdline import CommandLine
from softreserve.model.efi import EfiAttribute
from softreserve.model.kernel import Kernel
from softreserve.model.units import kstrtoull, simple_strtoull

from softreserve_x86 import behaviours

__all__ = ["COMMAND_LINE_SIZE", "MAX_MEMMAP_REGIONS", "MemOptions", "cmdline_find_option", "cmdline_find_option_bool"]

#: Bytes, the closing NUL included. Linux: ``arch/x86/include/asm/setup.h``.
COMMAND_LINE_SIZE: Final = 2048
#: How many ranges of ``memmap=`` (and ``efi_fake_mem=``) can be avoided.
MAX_MEMMAP_REGIONS: Final = 4

_PUD_SIZE: Final = 1 << 30
_SP: Final = int(EfiAttribute.SP)


def _words(text: str) -> list[str]:
    """The words as the boot code splits them: at every character up to the blank; quotes mean nothing."""
    return [word for word in "".join(c if c > " " else " " for c in text).split(" ") if word]


def cmdline_find_option_bool(text: str, option: str) -> bool:
    """Whether ``option`` is a word of the command line. Linux: ``arch/x86/boot/cmdline.c``, the same function."""
    return option in _words(text)


def cmdline_find_option(text: str, option: str) -> str | None:
    """The value of the last ``option=value``, or ``None``. Linux: ``arch/x86/boot/cmdline.c``, the same function."""
    prefix = f"{option}="
    values = [word[len(prefix) :] for word in _words(text) if word.startswith(prefix)]
    return values[-1] if values else None


def memory_words(kernel: Kernel) -> tuple[str, ...]:
    """The parameters by which boot code knows that memory was taken away, in the order in which it asks for them."""
    fake_mem = ("efi_fake_mem",) if kernel.has(behaviours.EFI_FAKE_MEM) else ()
    return ("mem", "memmap", *fake_mem, "hugepages")


class MemOptions:
    """What ``mem=``, ``memmap=``, ``efi_fake_mem=`` and ``hugepages=`` mean for the placement.

    :param mem_limit: first address that the kernel cannot use at all.
    """

    __slots__ = ("_gbpage_sz", "_kernel", "avoid", "max_gb_huge_pages", "mem_limit", "memmap_too_large", "messages")

    def __init__(self, kernel: Kernel, mem_limit: int) -> None:
        self._kernel = kernel
        self._gbpage_sz = False
        self.mem_limit = mem_limit
        #: Ranges to avoid as (start, size): at most :data:`MAX_MEMMAP_REGIONS`.
        self.avoid: list[tuple[int, int]] = []
        #: More ranges in one parameter than can be avoided.
        self.memmap_too_large = False
        #: Pages of 1 GiB to be left alone.
        self.max_gb_huge_pages = 0
        self.messages: list[str] = []

    def handle_mem_options(self, text: str) -> None:
        """Read the whole command line. Linux: the same function.

        A value that is missing is read as an empty one; the real code reads from address 0 then.
        """
        fake_mem = "efi_fake_mem" in memory_words(self._kernel)
        for parameter in CommandLine(text[: COMMAND_LINE_SIZE - 1]):
            name, value = parameter.name, parameter.value
            if name == "memmap":
                self._mem_avoid_memmap(value, efi=False)
            elif "hugepages" in name:
                self._parse_gb_huge_pages(name, value or "")
            elif name == "mem":
                if value == "nopentium":
                    continue
                size = self._memparse(value or "")[0]
                if size == 0:
                    break  # and the rest of the line is not read
                self.mem_limit = min(self.mem_limit, size)
            elif name == "efi_fake_mem" and fake_mem:
                self._mem_avoid_memmap(value, efi=True)

    def _mem_avoid_memmap(self, value: str | None, *, efi: bool) -> None:
        """Read the elements of one parameter. A start of 0 means "no start": the size is a limit then.

        Linux: ``mem_avoid_memmap``.
        """
        if len(self.avoid) >= MAX_MEMMAP_REGIONS:
            return
        rest = value
        while rest is not None and len(self.avoid) < MAX_MEMMAP_REGIONS:
            element, comma, tail = rest.partition(",")
            parsed = self._parse_memmap(element, efi=efi)
            if isinstance(parsed, int):
                break
            rest = tail if comma else None
            start, size = parsed
            if start:
                self.avoid.append((start, size))
            elif size:
                self.mem_limit = min(self.mem_limit, size)
        if len(self.avoid) >= MAX_MEMMAP_REGIONS and rest is not None:
            self.memmap_too_large = True

    def _parse_memmap(self, element: str, *, efi: bool) -> tuple[int, int] | int:
        """Read one element: ``(start, size)`` or ``-EINVAL``. ``%`` is not known and read as "no start".

        Linux: ``parse_memmap``.
        """
        if element.startswith("exactmap"):
            return -EINVAL
        size, rest = self._memparse(element)
        if rest == element:
            return -EINVAL
        if rest[:1] in ("#", "$", "!"):
            return self._memparse(rest[1:])[0], size
        if rest[:1] != "@":
            return 0, size
        if efi:
            start, rest = self._memparse(rest[1:])
            attribute = kstrtoull(rest[1:]) if rest[:1] == ":" else 0
            if attribute > 0 and attribute & _SP:
                return start, size
        return 0, 0

    def _memparse(self, text: str) -> tuple[int, str]:
        """The decompressor has ``lib/cmdline.c`` of its kernel, but ``simple_strtoull()`` of its own."""
        return self._kernel.memparse(text, decompressing=True)

    def _parse_gb_huge_pages(self, name: str, value: str) -> None:
        """Count pages of 1 GiB; ``hugepages=`` counts only after ``hugepagesz=1G``. Linux: the same function."""
        if name == "hugepagesz":
            gigantic = self._memparse(value)[0] == _PUD_SIZE
            if gigantic and self._gbpage_sz:
                self.messages.append("Repeatedly set hugeTLB page size of 1G!")
            self._gbpage_sz = gigantic
        elif name == "hugepages" and self._gbpage_sz:
            self._count_huge_pages(value)

    def _count_huge_pages(self, value: str) -> None:
        if not self._kernel.has(behaviours.KASLR_HUGEPAGES_STRICT):
            self.max_gb_huge_pages = simple_strtoull(value)[0]
            return
        count = kstrtoull(value)
        if count < 0:
            self.messages.append("Failed to parse hugepages= boot parameter")
        else:
            self.max_gb_huge_pages = count
