"""Memory for a crash kernel. Linux: ``kernel/crash_reserve.c``; before 6.7 every architecture had its own.

Addresses and sizes are bytes.
"""

from __future__ import annotations

from errno import EINVAL, ENOENT
from typing import TYPE_CHECKING, Final, NamedTuple

from softreserve.kernel.early_param import REFUSED
from softreserve.kernel.numa.numa import NUMA_NO_NODE
from softreserve.kernel.resource import (
    IORESOURCE_BUSY,
    IORESOURCE_SYSTEM_RAM,
    Resource,
    adjust_resource,
    insert_resource,
    release_resource,
)
from softreserve.kernel.state import StashKey
from softreserve.model import behaviours
from softreserve.model.events import Rule
from softreserve.model.ranges import PhysRange
from softreserve.model.units import U64_MAX

if TYPE_CHECKING:
    from softreserve.kernel.mm.cma import ContiguousMemory
    from softreserve.kernel.mm.memblock import Memblock
    from softreserve.kernel.system import System
    from softreserve.model.kernel import Kernel

__all__ = ["CRASH", "Asked", "CrashLimits", "CrashReservation", "ParseError", "Parser"]

RESERVED: Final = Rule("crash-kernel", "memory for a crash kernel")
_FILE: Final = "kernel/crash_reserve.c"
_NAME: Final = "crashkernel="
_HIGH, _LOW, _CMA = ",high", ",low", ",cma"
_SZ_128M: Final = 128 << 20
_CMA_RANGES: Final = 4


class CrashLimits(NamedTuple):
    """Where an architecture can have a crash kernel: its alignment, and the ends of low and of all memory for it.

    :param low_size: how much low memory goes with a crash kernel that lies high.
    :param has_cma: whether ``,cma`` is looked at.
    """

    align: int
    low_max: int
    high_max: int
    low_size: int
    has_cma: bool


class Asked(NamedTuple):
    """What ``crashkernel=`` asks for; zeros where it does not."""

    size: int
    base: int = 0
    low_size: int = 0
    cma_size: int = 0
    high: bool = False


class ParseError(Exception):
    """Not understood; the kernel goes on without a reservation. ``errno``: ENOENT, it was not asked for, or EINVAL."""

    def __init__(self, text: str, errno: int = EINVAL) -> None:
        super().__init__(text)
        self.errno = errno


def _last(cmdline: str, suffix: str | None, suffixes: tuple[str, ...]) -> str | None:
    """The text behind the last ``crashkernel=`` with a suffix, or with none. Linux: ``get_last_crashkernel``."""
    found, at = None, cmdline.find(_NAME)
    while at >= 0:
        word = cmdline[at:].partition(" ")[0]
        if word.endswith(suffix) if suffix else not word.endswith(suffixes):
            found = word[len(_NAME) :]
        at = cmdline.find(_NAME, at + 1)
    return found


class Parser:
    """Reads ``crashkernel=``. Bytes; errors are :class:`ParseError`."""

    def __init__(self, kernel: Kernel, cmdline: str, system_ram: int) -> None:
        self._kernel = kernel
        self._cmdline = cmdline
        self.system_ram = system_ram
        self._suffixes = (_HIGH, _LOW, _CMA) if kernel.has(behaviours.CRASHKERNEL_CMA) else (_HIGH, _LOW)
        self.notes: list[str] = []
        self.auto = False

    def _number(self, text: str, problem: str) -> tuple[int, str]:
        value, rest = self._kernel.memparse(text)
        if rest == text:
            raise ParseError(problem)
        return value, rest

    def with_suffix(self, suffix: str) -> int:
        """``size,suffix``. Linux: ``parse_crashkernel_suffix``."""
        text = _last(self._cmdline, suffix, self._suffixes)
        if text is None:
            raise ParseError("", ENOENT)
        size, rest = self._number(text, "crashkernel: memory value expected")
        if rest != suffix:
            rest = rest.removeprefix(suffix)
            raise ParseError(f"crashkernel: unrecognized char: {rest[:1]}")
        return size

    def optional(self, suffix: str, default: int) -> int:
        """``size,suffix``, or a default where it is not there."""
        try:
            return self.with_suffix(suffix)
        except ParseError as error:
            if error.errno != ENOENT:
                raise
            return default

    def plain(self) -> tuple[int, int]:
        """Size and base of the form without a suffix; Red Hat knows ``auto``. Linux: ``__parse_crashkernel``."""
        text = _last(self._cmdline, None, self._suffixes)
        if text is None:
            raise ParseError("", ENOENT)
        auto = self._kernel.config.get("CRASH_AUTO_STR", "n")
        if auto != "n" and text.startswith("auto"):
            self.auto, text = True, str(auto)
        if ":" in text:
            return self._by_ranges(text)
        size, rest = self._number(text, "crashkernel: memory value expected")
        if rest[:1] == "@":
            return size, self._kernel.memparse(rest[1:])[0]
        if rest:
            raise ParseError(f"crashkernel: unrecognized char: {rest[:1]}")
        return size, 0

    def _by_ranges(self, text: str) -> tuple[int, int]:
        """``start-[end]:size[,...][@base]``: the size of the first range that holds all RAM. Linux: ``.._mem``."""
        total = -(-self.system_ram // _SZ_128M) * _SZ_128M
        chosen, rest = 0, f",{text}"
        while rest[:1] == ",":
            start, rest = self._number(rest[1:], "crashkernel: Memory value expected")
            if rest[:1] != "-":
                raise ParseError("crashkernel: '-' expected")
            rest, end = rest[1:], U64_MAX
            if rest[:1] != ":":
                end, rest = self._number(rest, "crashkernel: Memory value expected")
                if end <= start:
                    raise ParseError("crashkernel: end <= start")
            if rest[:1] != ":":
                raise ParseError("crashkernel: ':' expected")
            size, rest = self._number(rest[1:], "crashkernel: Memory value expected")
            if size >= total:
                raise ParseError("crashkernel: invalid size")
            if start <= total < end:
                chosen = size
                break
        if not chosen:
            self.notes.append("crashkernel size resulted in zero bytes")
            return 0, 0
        _, at, base = rest.partition("@")
        return chosen, self._number(base, "crashkernel: Memory value expected after '@'")[0] if at else 0


class CrashReservation:
    """What is kept for a crash kernel: one range, low memory beside it, and areas that it can have as RAM.

    :param memblock: where memory is looked for; see :class:`softreserve.kernel.mm.cma.ContiguousMemory`.
    """

    def __init__(self, system: System, memblock: Memblock, limits: CrashLimits) -> None:
        self.system = system
        self.memblock = memblock
        self.limits = limits
        self._counts_low = system.kernel.has(behaviours.KEXEC_CRASH_SIZE_COUNTS_LOW)
        self._flags = IORESOURCE_BUSY | IORESOURCE_SYSTEM_RAM
        self.region: Resource | None = None
        self.low: Resource | None = None
        self.cma_ranges: list[PhysRange] = []

    def reserve(self, cma: ContiguousMemory) -> None:
        """Do what ``crashkernel=`` asks for. Linux: ``arch_reserve_crashkernel``."""
        asked = self.parse()
        if asked is None:
            return
        self.reserve_memory(asked)
        if asked.cma_size and self.limits.has_cma:
            self._reserve_cma(asked.cma_size, cma)

    def parse(self) -> Asked | None:
        """What is asked for; ``None``: nothing, or nothing that can be done."""
        parser = Parser(self.system.kernel, self.system.cmdline.text, self.memblock.phys_mem_size())
        try:
            asked = self.parse_any(parser)
        except ParseError as error:
            asked, note = None, str(error)
            parser.notes += [note] if note else []
        if parser.auto:
            self.say("Using crashkernel=auto, the size chosen is a best effort estimation.")
        for note in parser.notes:
            self.refuse(note)
        return asked if asked is not None and self.fits(asked, parser.system_ram) else None

    def fits(self, asked: Asked, system_ram: int) -> bool:
        """Whether a size makes sense in a machine with so much memory (bytes)."""
        return 0 < asked.size < system_ram

    def parse_any(self, parser: Parser) -> Asked:
        """Whichever form there is. Linux: ``parse_crashkernel``."""
        low_size, high = 0, False
        try:
            size, base = parser.plain()
        except ParseError as error:
            if error.errno != ENOENT:
                raise
            size, base, high = parser.with_suffix(_HIGH), 0, True
            low_size = parser.optional(_LOW, self.limits.low_size)
        cma_size = 0
        if self.limits.has_cma:
            try:
                cma_size = parser.optional(_CMA, 0)
            except ParseError as error:
                parser.notes.append(str(error))
        return Asked(size, base, low_size, cma_size, high)

    def alloc(self, size: int, start: int, end: int, align: int | None = None) -> int:
        """Reserve memory in a range: the address, or 0. Where a kernel was seen to have it, if it can be had there."""
        align = align or self.limits.align
        for seen in self.system.machine.crash_kernel:
            if seen.size == size and start <= seen.start and seen.end <= (end or seen.end):
                base = self.memblock.alloc_range_nid(size, align, seen.start, seen.end, NUMA_NO_NODE)
                if base:
                    return base
        return self.memblock.alloc_range_nid(size, align, start, end, NUMA_NO_NODE)

    def reserve_memory(self, asked: Asked) -> None:
        """The range, and low memory beside it. Linux: ``reserve_crashkernel_generic``."""
        limits, size, low_size = self.limits, asked.size, asked.low_size
        low, high = (0, limits.low_max), (limits.low_max, limits.high_max)
        if asked.base:
            tries = [(asked.base, asked.base + size)]
        else:
            tries = [high, low] if asked.high else [low, high]
        for span in tries:
            base = self.alloc(size, *span)
            if base:
                break
        else:
            failed = "crashkernel reservation failed - memory is in use."
            self.refuse(failed if asked.base else f"cannot allocate crashkernel (size:{size:#x})")
            return
        if span == high and not asked.high:
            low_size = limits.low_size
        if base >= limits.low_max and low_size and not self.reserve_low(low_size):
            self.memblock.free(base, size)
            return
        self.show(base, size)

    def show(self, base: int, size: int) -> None:
        """Keep the range, and say so."""
        self.say(f"crashkernel reserved: {base:#018x} - {base + size:#018x} ({size >> 20} MB)")
        self.region = self.take(base, size)

    def reserve_low(self, size: int) -> bool:
        """Low memory: whether there is any. Linux: ``reserve_crashkernel_low``."""
        base = self.alloc(size, 0, self.limits.low_max)
        if not base:
            self.refuse(f"cannot allocate crashkernel low memory (size:{size:#x}).")
            return False
        self.say(f"crashkernel low memory reserved: {base:#010x} - {base + size:#010x} ({size >> 20} MB)")
        self.low = self.take(base, size)
        return True

    def _reserve_cma(self, size: int, cma: ContiguousMemory) -> None:
        """Areas that are RAM now and the crash kernel's when it runs. Linux: ``reserve_crashkernel_cma``."""
        kernel = self.system.kernel
        if not kernel.builtin("CMA"):
            self.refuse("crashkernel CMA reservation not supported")
            return
        page = kernel.page_size
        wanted, reserved = -(-size // page) * page, 0
        while size > reserved and len(self.cma_ranges) < _CMA_RANGES:
            found = cma.declare(wanted)
            if isinstance(found, int):
                if wanted <= page:
                    break
                wanted = -(-(wanted // 2) // page) * page
                continue
            self.cma_ranges.append(found)
            reserved += wanted
        ranges = f"in {len(self.cma_ranges)} ranges"
        if size > reserved:
            failed = f"{size >> 20} MB requested, {reserved >> 20} MB reserved {ranges}"
            self.refuse(f"crashkernel CMA reservation failed: {failed}")
        else:
            self.say(f"crashkernel CMA reserved: {reserved >> 20} MB {ranges}")

    def take(self, base: int, size: int) -> Resource:
        """Keep a range, and show it in ``/proc/iomem``."""
        self.system.memblock.reserve_kern(base, size, caller="memblock_alloc_range_nid")
        res = Resource(base, base + size - 1, "Crash kernel", self._flags)
        insert_resource(self.system.iomem.root, res)
        self.system.log.record(RESERVED, f"{_FILE}: reserve_crashkernel_generic", base, base + size)
        return res

    def refuse(self, text: str) -> None:
        """Print why there is not what was asked for."""
        self.system.log.printk(text, f"{_FILE}: reserve_crashkernel_generic", REFUSED, "crashkernel")

    def say(self, text: str) -> None:
        """Print a line."""
        self.system.printk(text, f"{_FILE}: reserve_crashkernel_generic")

    # --- what user space sees of it

    @property
    def size(self) -> int:
        """Bytes that are kept. Linux: ``crash_get_memory_size``."""
        counted = (self.region, self.low) if self._counts_low else (self.region,)
        return sum(res.size for res in counted if res is not None)

    def shrink(self, size: int) -> int:
        """Give memory back until ``size`` bytes (rounded up to pages) are kept: 0 or -EINVAL, for more than there is.

        Linux: ``kernel/kexec_core.c: crash_shrink_memory``.
        """
        page, before = self.system.kernel.page_size, self.size
        size = -(-size // page) * page
        if size >= before:
            return 0 if size == before else -EINVAL
        low = self.low.size if self.low is not None and self._counts_low else 0
        assert self.region is not None
        if low > size:
            assert self.low is not None
            self._shrink(self.region, 0)
            self.region, self.low = self.low, None
            self._shrink(self.region, size)
        else:
            self._shrink(self.region, size - low)
            if size == low:
                self.region, self.low = self.low, None
        if not size:
            self.region = None
        return 0

    def _shrink(self, res: Resource, size: int) -> None:
        """What is given back is System RAM within System RAM."""
        root = self.system.iomem.root
        ram = Resource(res.start + size, res.end, "System RAM", self._flags)
        if size:
            adjust_resource(res, res.start, size)
        else:
            release_resource(res)
        insert_resource(root, ram)


#: Where early boot leaves it.
CRASH: StashKey[CrashReservation] = StashKey("crash kernel")
