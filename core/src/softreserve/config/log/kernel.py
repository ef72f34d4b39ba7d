"""What a log tells of the kernel that wrote it: release, architecture, size of a page, command line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from softreserve.config.builds import built, page_sizes
from softreserve.config.log.messages import VERSION, Messages
from softreserve.config.log.options import read_options
from softreserve.config.parts import CMDLINE_GAP, PAGE_SIZE_GAP, checked_cmdline
from softreserve.model.cmdline import CommandLine
from softreserve.model.errors import InputError, MachineError
from softreserve.model.kernel import Kernel
from softreserve.model.log_text import LogLine
from softreserve.model.profile import MAINLINE
from softreserve.plugins.architectures import arch_infos

__all__ = ["read_arch", "read_cmdline", "read_kernel"]

_CMDLINE: Final = re.compile(r"(?:Kernel command line|Command line): ?(.*)")
#: Comes later, and has what the kernel brings along of it besides.
_WHOLE_CMDLINE: Final = re.compile(r"Kernel command line: ?(.*)")
#: Long command lines go on with the next such line; from 7.0 on.
_CONTINUED: Final = " \\"
#: What distributions add to the version of a build: of which level of the stable series it is.
_LEVEL: Final = re.compile(r" Debian (\d+\.\d+)\.(\d{1,4})[-+~ ]| \(Ubuntu \S+ (\d+\.\d+)\.(\d{1,4})\)\s*$")
#: Into how many lines a mailer wraps a version.
_WRAPPED: Final = 5
_HASH: Final = re.compile(r"\S.* hash table entries: \d+ \(order: (\d+), (\d+) bytes")


def read_cmdline(log: Messages) -> CommandLine:
    """The command line; an empty one, and a gap, where there is none in the log."""
    lines = log.matching(_CMDLINE)
    pieces: list[LogLine] = []
    for line in lines:
        pieces.append(line)
        if not line.message.endswith(_CONTINUED):
            break
    if not pieces:
        log.gaps.append(CMDLINE_GAP)
    said = [_CMDLINE.sub(r"\1", line.message) for line in pieces]
    if len(pieces) == 1:
        _compare(log, pieces[0], lines[1:])
    text = " ".join([*(part.removesuffix(_CONTINUED) for part in said[:-1]), *said[-1:]])
    whole = log.first(_WHOLE_CMDLINE)
    if whole is not None and text and text in whole and not whole.endswith(_CONTINUED):
        text = whole
    return checked_cmdline(text, log.path)


def _compare(log: Messages, first: LogLine, others: Sequence[LogLine]) -> None:
    """See what a command line is worth that something wrapped or tore: x86 says it twice, each broken elsewhere."""
    texts = ["".join(_CMDLINE.sub(r"\1", line.message).split()) for line in (first, *others)]
    for other, text in zip(others, texts[1:], strict=False):
        if text not in texts[0] and texts[0] not in text:  # the kernel may have words of its own
            log.gap("a certain command line", f"line {other.number} tells another one than line {first.number}")
            return
    if first.parts > 1 and texts.count(texts[0]) == 1:
        end = first.number + first.parts - 1
        log.gap("the command line in one piece", f"lines {first.number} to {end} are taken for one")


def read_arch(log: Messages) -> str:
    """The architecture whose kernel wrote this, by what only its kernels say.

    :raises InputError: one that is not emulated at all.
    """
    known = tomllib.loads(Path(__file__).with_name("architectures.toml").read_text())
    for what, marks in known["refused"].items():
        if any(re.match(marks, line.message) for line in log.said):
            raise log.error(f"a log of a {what} kernel; only 64-bit ones are emulated")
    described = {info.name: info.log_marks for info in arch_infos() if info.log_marks}
    for arch, marks in {**known["marks"], **described}.items():
        if any(re.match(marks, line.message) for line in log.said):
            return str(arch)
    names: dict[str, str] = {**known["names"], **{arch: arch for arch in described}}
    version = next((line.message for line in log.said if VERSION.match(line.message)), "")
    named = re.search(rf"[-._+( ]({'|'.join(map(re.escape, names))})(?![a-z0-9])", version)
    if named:
        return names[named[1]]
    assumed = str(known["assumed"])
    log.gap("the architecture", f"no line of the log tells it; {assumed} is assumed")
    return assumed


def read_kernel(log: Messages, arch: str, assumed: str | None = None) -> Kernel:
    """The kernel by its release, with the options that such a build has.

    :param assumed: the release where the log tells none.
    :raises InputError: a release that is none.
    """
    release = log.first(VERSION) or assumed or ""
    sizes = set(log.each(_HASH, _page_size)) & set(page_sizes(arch))
    page_size = next(iter(sizes)) if len(sizes) == 1 else 4096
    if len(sizes) != 1 and len(page_sizes(arch)) > 1:
        log.gaps.append(PAGE_SIZE_GAP)
    try:
        kernel = built(release, arch, page_size, read_options(log))
    except MachineError as error:
        raise InputError(str(error), path=log.path) from None
    if kernel.profile.options is None and kernel.profile is not MAINLINE:
        log.gap("the kernel's configuration", f"the options of {kernel.options_of}'s build are assumed")
    level = _level(log, kernel.base)
    return kernel if level is None else attrs.evolve(kernel, level=level)


def _level(log: Messages, base: str) -> int | None:
    """The level of the stable series that the log tells beside the release; ``None``: it does not tell any."""
    at = next((at for at, line in enumerate(log.said) if VERSION.match(line.message)), None)
    if at is None:
        return None
    said = [line.message for line in log.said[at : at + _WRAPPED]]
    version = next((n for n, message in enumerate(said) if _CMDLINE.match(message)), len(said))
    found = _LEVEL.search(" ".join(said[:version]))
    if found is None or base != (found[1] or found[3]):
        return None
    return int(found[2] or found[4])


def _page_size(found: re.Match[str]) -> int:
    """Bytes of a page, of the size of a hash table in pages (as a power of two) and in bytes."""
    order, size = int(found[1][:3]), int(found[2][:20])
    return size >> order
