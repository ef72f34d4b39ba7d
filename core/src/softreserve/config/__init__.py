"""From what a person names to a :class:`~softreserve.model.scenario.Scenario`.

A capture directory, a TOML machine file, ``example:NAME``, ``dmesg:FILE``, ``-``: standard input, or ``PREFIX:PLACE``
for what a plugin reads.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from softreserve.model.errors import InputError, nearest
from softreserve.model.scenario import Scenario

if TYPE_CHECKING:
    from softreserve.config.reader import StrPath

__all__ = [
    "EXAMPLE",
    "LOG",
    "PREFIXED",
    "PREFIXES",
    "STDIN",
    "NoMachineError",
    "example_file",
    "example_names",
    "example_path",
    "has_host_files",
    "load",
]

#: What the name of a bundled example begins with.
EXAMPLE = "example:"
#: What the name of a kernel log begins with.
LOG = "dmesg:"
#: Standard input.
STDIN = "-"

_EXAMPLES = os.path.join(os.path.dirname(__file__), "examples")
_SUFFIX = ".toml"
#: Prefixes that are known without plugins.
PREFIXES: Final = (EXAMPLE.removesuffix(":"), LOG.removesuffix(":"))
#: What names a machine that a plugin reads.
PREFIXED: Final = r"[A-Za-z0-9-]+:"
#: What some line of a TOML file looks like.
_TOML: Final = rb"(?m)^[ \t]*(?:\[[\w \t\"'.\[\]-]+\]|[\w\"'.-]+[ \t]*=)"
#: What the map of a UEFI shell begins with.
_SHELL_MAP: Final = r"(?mi)^\s*(?:Type +Start +End +(?:# )?Pages +Attributes|MemoryMap, ?\")"
#: What a tar archive that is not packed has in its first block, and where that ends. POSIX: ``pax``, "ustar".
_TAR_MAGIC: Final = b"ustar"
_TAR_MAGIC_END: Final = 262
#: How near the name of a machine is to that of an example that was meant.
_TYPING_ERROR = 0.9
_OWN_TABLES = "--acpi goes with a kernel log: machine files and captures have tables of their own"
_WANTED = "wanted a capture directory, a tar of a host, a TOML file, example:NAME, dmesg:FILE or - (standard input)"


class NoMachineError(InputError):
    """A file that is something else than a machine."""


def example_names() -> tuple[str, ...]:
    """Names of the bundled example machines."""
    return tuple(sorted(name[: -len(_SUFFIX)] for name in os.listdir(_EXAMPLES) if name.endswith(_SUFFIX)))


def example_path(name: str) -> str:
    """The file of a bundled example machine."""
    return os.path.join(_EXAMPLES, name + _SUFFIX)


def load(
    spec: StrPath, *, with_steps: bool = True, acpi: StrPath | None = None, release: str | None = None
) -> Scenario:
    """Read a machine; without ``with_steps`` only what a boot needs.

    :param spec: a capture directory (``CASE`` or ``CASE/input``), a directory or tar archive of a host's files, a
        machine file, the map of a UEFI shell, ``example:NAME``, ``dmesg:FILE`` or ``-``. A file whose name does not end
        in ``.toml``, and standard input, may be a log as well.
    :param acpi: a directory with ACPI tables, for a log, which has none.
    :param release: which kernel wrote a log that does not tell.
    :raises InputError: there is no such machine, or it is no log and ``acpi`` was given.
    :raises ConfigError: everything that is wrong with its files.
    :raises PluginError: a plugin that was asked failed.
    """
    path = os.fspath(spec)
    if path.startswith(EXAMPLE):
        path = example_file(path)
    elif path.startswith(LOG):
        return _log(path.removeprefix(LOG), acpi, release)
    elif path != STDIN and not os.path.isdir(path) and not os.path.exists(path):
        return _imported(path, acpi)
    elif path == STDIN or not (os.path.isdir(path) or path.endswith(_SUFFIX)):
        if not _is_archive(path):
            return _recognised(path, acpi, release)
        if acpi is None:
            return _host(path, with_steps=with_steps)
    if acpi is not None:
        raise InputError(_OWN_TABLES, path=spec)
    if os.path.isdir(path):
        if has_host_files(path):
            return _host(path, with_steps=with_steps)
        from softreserve.config.capture import read_capture

        return read_capture(path, with_steps=with_steps)
    from softreserve.config.machine_file import read_machine_file

    return read_machine_file(path)


def has_host_files(path: str) -> bool:
    """Whether a directory or an archive has a host's files, or is a capture that somebody packed."""
    if not os.path.isdir(path):
        return not path.endswith(_SUFFIX) and _is_archive(path)
    # most directories are captures, and a boot of one is fast
    if any(os.path.exists(os.path.join(path, name)) for name in ("input", "kernel.toml")):
        return False
    from softreserve.config.host.sources import is_host

    return is_host(path)


def _is_archive(path: str) -> bool:
    """Whether a file is a tar archive, packed or not."""
    from softreserve.config.packed import packer

    if path == STDIN or not os.path.isfile(path):
        return False
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            beginning = file.read(_TAR_MAGIC_END) or b""
    except (OSError, ValueError):
        return False
    if packer(beginning) is None and not beginning.endswith(_TAR_MAGIC):
        return False
    from softreserve.config.host.archive import is_archive

    return is_archive(path)


def _host(path: str, *, with_steps: bool) -> Scenario:
    """A machine of a host's files, or of a capture that somebody packed."""
    from softreserve.config.capture import read_capture
    from softreserve.config.host.sources import host_case

    return read_capture(path, with_steps=with_steps, files=host_case(path).files)


def _log(path: str, acpi: StrPath | None, release: str | None) -> Scenario:
    from softreserve.config.log import read_log

    return read_log(path, acpi, release=release)


def _recognised(path: str, acpi: StrPath | None, release: str | None) -> Scenario:
    """A log or a machine file, by what stands in it."""
    from softreserve.config.log import is_log, log_text, read_log
    from softreserve.config.reader import path_words, read_bytes

    data = read_bytes(path)
    text = log_text(data, path)
    if is_log(text):
        return read_log(path, acpi, text, release=release)
    if re.search(_SHELL_MAP, text):
        from softreserve.config.firmware_map import bare_machine

        if acpi is not None:
            raise InputError(_OWN_TABLES, path=path_words(path))
        return bare_machine(data, path, release)
    if not re.search(_TOML, data):
        raise NoMachineError("neither a kernel log nor a machine file (TOML)", path=path_words(path))
    if acpi is not None:
        raise InputError(_OWN_TABLES, path=path_words(path))
    from softreserve.config.machine_file import read_machine_file

    return read_machine_file(path, data)


def _imported(path: str, acpi: StrPath | None) -> Scenario:
    """What a plugin reads: ``PREFIX:PLACE``."""
    missing = f"no such machine: {_WANTED}"
    if not re.match(PREFIXED, path):
        raise InputError(f"{missing}{_near(path)}", path=path)
    from softreserve.config.importers import imported, importer_hint

    scenario = imported(path, PREFIXES)
    if scenario is None:
        hint = _near(path) or importer_hint(path)
        raise InputError(f"{missing}{hint}", path=path)
    if acpi is not None:
        raise InputError(_OWN_TABLES, path=path)
    return scenario


def _near(path: str) -> str:
    """A machine that may be meant: an example, or what stands where it was looked for."""
    directory = os.path.dirname(path)
    try:
        beside = [os.path.join(directory, name) for name in os.listdir(directory or os.curdir)]
    except (OSError, ValueError):
        beside = []
    examples = [f"{EXAMPLE}{name}" for name in example_names()]
    return nearest(path, [*beside, *examples]) or nearest(EXAMPLE + path.removesuffix(_SUFFIX), examples, _TYPING_ERROR)


def example_file(spec: str) -> str:
    """The file of a bundled machine that is named ``example:NAME``; an ``InputError`` where there is none."""
    name = spec.removeprefix(EXAMPLE)
    names = example_names()
    if name not in names:
        raise InputError(f"no such example; bundled: {', '.join(names)}{nearest(name, names)}", path=spec)
    return example_path(name)
