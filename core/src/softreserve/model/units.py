"""Numbers as the kernel reads and writes them. Linux: ``lib/cmdline.c``, ``lib/kstrtox.c``.

All functions take text that has already been decoded; sizes are bytes.
"""

from __future__ import annotations

from errno import EINVAL, ERANGE
from typing import Final

__all__ = [
    "EFI_PAGE_SIZE",
    "U32_MAX",
    "U64_MAX",
    "get_option",
    "kstrtobool",
    "kstrtoint",
    "kstrtoull",
    "mem_text",
    "memparse",
    "parse_option_str",
    "round_up",
    "signed",
    "simple_strtoull",
    "string_get_size",
]

U32_MAX: Final = (1 << 32) - 1
U64_MAX: Final = (1 << 64) - 1
EFI_PAGE_SIZE: Final = 4096

_INT_LIMIT: Final = 1 << 31
_SUFFIXES: Final = "KMGTPE"
_DIGITS: Final = "0123456789abcdef"


def round_up(value: int, align: int) -> int:
    """To a multiple of a power of two, modulo 2**64. Linux: ``include/linux/math.h``."""
    return (value + align - 1) & -align & U64_MAX


def signed(value: int, bits: int = 32) -> int:
    """What is left of a number in so many bits, the uppermost of which is the sign: a C ``int``."""
    half = 1 << bits - 1
    return (value + half) % (2 * half) - half


def mem_text(start: int, end: int, *, wide: bool = False) -> str:
    """A range (bytes, half open, modulo 2**64) as the kernel prints it: ``[mem 0x00001000-0x0009ffff]``.

    :param wide: with 16 digits, as some do.
    """
    last = (end - 1) & U64_MAX
    return f"[mem {start:#018x}-{last:#018x}]" if wide else f"[mem {start:#010x}-{last:#010x}]"


def _fixup_radix(text: str, base: int) -> tuple[int, int]:
    """The number base in force and how many characters its prefix takes.

    Linux: ``lib/kstrtox.c: _parse_integer_fixup_radix``.
    """
    prefix = text[:2].lower() == "0x"
    if base == 0:
        if text[:1] != "0":
            base = 10
        else:
            base = 16 if prefix and text[2:3] and text[2].lower() in _DIGITS else 8
    return base, 2 if base == 16 and prefix else 0


def _parse_integer(text: str, at: int, base: int) -> tuple[int, int]:
    """Read digits from position ``at``: ``(value without limit, position after the last digit)``."""
    value = 0
    while at < len(text):
        digit = _DIGITS.find(text[at].lower()) if text[at].isascii() else -1
        if not 0 <= digit < base:
            break
        value = value * base + digit
        at += 1
    return value, at


def simple_strtoull(text: str, base: int = 0, *, saturates: bool = False) -> tuple[int, str]:
    """Read a number at the start of ``text``: ``(value, rest of the text)``.

    No digit at all gives 0. Linux: ``lib/vsprintf.c: simple_strtoull``.

    :param saturates: one beyond 64 bits is the largest number, else it is taken modulo 2**64.
        :meth:`softreserve.model.kernel.Kernel.simple_strtoull` knows which.
    """
    radix, skip = _fixup_radix(text, base)
    value, end = _parse_integer(text, skip, radix)
    return (min(value, U64_MAX) if saturates else value & U64_MAX), text[end:]


def memparse(text: str, *, saturates: bool = False, digits_saturate: bool = False) -> tuple[int, str]:
    """Read ``nn[KMGTPE]``: ``(bytes, rest of the text)``.

    The base is found from the prefix (``0x`` hexadecimal, ``0`` octal); one suffix letter in either case
    multiplies by a power of 1024; nothing after it is looked at. Linux: ``lib/cmdline.c: memparse``.

    :param saturates: a product beyond 64 bits is the largest number, and a suffix needs a number before it; else the
        product is taken modulo 2**64, and a suffix alone is read as 0. :meth:`softreserve.model.kernel.Kernel.memparse`
        knows which.
    :param digits_saturate: so is the number before the suffix; what decompresses a kernel has digits that never do.
    """
    value, rest = simple_strtoull(text, 0, saturates=digits_saturate)
    if rest[:1] and rest[0].upper() in _SUFFIXES and not (saturates and rest == text):
        value <<= 10 * (_SUFFIXES.index(rest[0].upper()) + 1)
        rest = rest[1:]
    return (min(value, U64_MAX) if saturates else value & U64_MAX), rest


def kstrtoull(text: str, base: int = 0) -> int:
    """Read a whole string as an unsigned 64-bit number: the value, or ``-EINVAL`` or ``-ERANGE``.

    An optional ``+``, then digits, then at most one newline; nothing else. Too many digits are found before what
    follows them. Linux: ``lib/kstrtox.c: kstrtoull``.
    """
    return _kstrtoull(text[1:] if text[:1] == "+" else text, base)


def _kstrtoull(text: str, base: int) -> int:
    radix, skip = _fixup_radix(text, base)
    value, end = _parse_integer(text, skip, radix)
    if value > U64_MAX:
        return -ERANGE
    return value if end > skip and text[end:] in ("", "\n") else -EINVAL


def kstrtoint(text: str, base: int = 0) -> tuple[int, int]:
    """Read a whole string as a signed 32-bit number: ``(0, value)``, or ``(-EINVAL or -ERANGE, 0)``.

    As :func:`kstrtoull`, with a ``-`` allowed in the place of the ``+``. Linux: ``lib/kstrtox.c: kstrtoint``.
    """
    negative = text[:1] == "-"
    magnitude = _kstrtoull(text[1:], base) if negative else kstrtoull(text, base)
    if magnitude < 0:
        return magnitude, 0
    value = -magnitude if negative else magnitude
    return (0, value) if -_INT_LIMIT <= value < _INT_LIMIT else (-ERANGE, 0)


def kstrtobool(text: str, *, enabled: bool = False) -> bool | None:
    """Read a boolean by its first one or two characters; ``None`` where it is none (-EINVAL).

    Linux: ``lib/kstrtox.c: kstrtobool``.

    :param enabled: so is a word that begins as `enabled` or `disabled` do.
        :meth:`softreserve.model.kernel.Kernel.kstrtobool` knows.
    """
    first = text[:1].lower()
    if first in ("y", "t", "1") or text[:2].lower() == "on" or (enabled and first == "e"):
        return True
    if first in ("n", "f", "0") or text[:2].lower() == "of" or (enabled and first == "d"):
        return False
    return None


def parse_option_str(text: str, option: str) -> bool:
    """Whether a comma list holds exactly this word. Linux: ``lib/cmdline.c: parse_option_str``."""
    return option in text.split(",")


def get_option(text: str, *, saturates: bool = False) -> tuple[int, int, str]:
    """Read one number of a list: (what was found, the number as a signed 32-bit one, rest of the text).

    Found: 0 nothing, 1 a number, 2 a number and its comma, 3 a number before a ``-``. A minus sign is taken even where
    nothing is found. Linux: ``lib/cmdline.c: get_option``.

    :param saturates: see :func:`simple_strtoull`; :meth:`softreserve.model.kernel.Kernel.get_option` knows.
    """
    negative = text[:1] == "-"
    digits = text[1:] if negative else text
    value, rest = simple_strtoull(digits, saturates=saturates)
    if rest == digits:
        return 0, 0, digits
    value = ((-value if negative else value) + (1 << 31)) % (1 << 32) - (1 << 31)
    if rest[:1] == ",":
        return 2, value, rest[1:]
    return (3 if rest[:1] == "-" else 1), value, rest


def string_get_size(size: int) -> str:
    """``126 MiB``: three digits of a number of bytes, of the largest unit of which there is one.

    Linux: ``lib/string_helpers.c: string_get_size``, base 1024.
    """
    if not size:
        return "0 B"
    power = 0
    while size >> 32:
        size, power = size >> 10, power + 1
    remainder = 0
    while size >= 1024:
        size, remainder, power = size >> 10, size & 1023, power + 1
    digits = 0
    while size * 10 ** (digits + 1) < 1000:
        digits += 1
    remainder = (remainder * 1000 >> 10) + (500, 50, 5)[digits]
    if remainder >= 1000:
        remainder, size = remainder - 1000, size + 1
    fraction = f".{remainder:03}"[: digits + 1] if digits else ""
    return f"{size}{fraction} {('', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei')[power]}B"
