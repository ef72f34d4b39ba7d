"""What a machine showed of itself, beside the description of it: what ``verify`` compares."""

from __future__ import annotations

import os
from collections.abc import Mapping

from softreserve.config import LOG, STDIN, has_host_files, load
from softreserve.config.log import is_log, read_log
from softreserve.config.log.content import log_text
from softreserve.config.log.messages import Messages
from softreserve.config.reader import StrPath, path_words, read_bytes
from softreserve.model.errors import InputError
from softreserve.model.log_text import LogLine, log_lines
from softreserve.model.observed import Observed
from softreserve.model.scenario import Scenario

__all__ = ["host_observed", "load_observed"]

_LOG = "log.txt"
#: What a capture's ``expected/`` has of a boot.
FILES = (
    "iomem.txt",
    "firmware-memmap.txt",
    "dax.txt",
    "memory-blocks.txt",
    "nodes.txt",
    "memory-tiers.txt",
    _LOG,
)
_NOTHING = "nothing to compare with: neither a capture with expected/ nor a kernel log (--log FILE)"


def load_observed(
    spec: str | None, log: str | None = None, acpi: StrPath | None = None, release: str | None = None
) -> tuple[Scenario, Observed]:
    """Read a machine, and what it showed.

    :param spec: as of :func:`softreserve.config.load`: a capture, or a log; ``None``: the machine is that of ``log``.
    :param log: a kernel log to compare with; else what ``spec`` itself has.
    :param acpi: a directory with ACPI tables, for a log.
    :param release: which kernel wrote a log that does not tell.
    :raises SoftReserveError: there is no such machine or log, nothing to compare with, or something is wrong with them.
    """
    if log is None and spec is not None:
        if acpi is None and has_host_files(spec):
            return host_observed(spec)
        if os.path.isdir(spec):
            return _of_case(spec, load(spec, with_steps=False, acpi=acpi))
    if log is not None and spec is not None:
        described = load(spec, with_steps=False, acpi=acpi, release=release)
        return described, Observed(_messages(log_text(read_bytes(log), log), log))
    path = (log or spec or "").removeprefix(LOG)
    if log is None and path == spec and path != STDIN and not os.path.exists(path):
        load(path, with_steps=False, acpi=acpi, release=release)  # says so if there is no such machine
        raise InputError(_NOTHING, path=spec)
    text = log_text(read_bytes(path), path)
    if log is None and path == spec and not is_log(text):
        raise InputError(_NOTHING, path=path_words(path))
    return read_log(path, acpi, text, release=release), Observed(_messages(text, path))


def host_observed(path: str) -> tuple[Scenario, Observed]:
    """A host by copies of its files, or a packed capture, and what it showed; ``/`` is the machine that this runs on.

    :raises SoftReserveError: there are no files of a host, or something is wrong with them.
    """
    from softreserve.config.capture import read_capture
    from softreserve.config.host import collect
    from softreserve.config.host.sources import host_case, host_tree

    case = collect(host_tree()) if os.path.realpath(path) == "/" else host_case(path)
    described = read_capture(path, with_steps=False, files=case.files)
    return described, _shown(case.files, case.hidden, described, path)


def _of_case(path: str, described: Scenario) -> tuple[Scenario, Observed]:
    """A capture: what its machine showed after the boot is beside ``input/``."""
    case = path if os.path.isdir(os.path.join(path, "input")) else os.path.dirname(os.path.abspath(path))
    paths = {name: os.path.join(case, name) for name in ("capture.toml", *(f"expected/{name}" for name in FILES))}
    files = {name: read_bytes(where, inside=case) for name, where in paths.items() if os.path.isfile(where)}
    from softreserve.config.host.sources import hidden_of

    return described, _shown(files, hidden_of(files.get("capture.toml", b"")), described, case)


def _shown(files: Mapping[str, bytes], hidden: Mapping[str, str], described: Scenario, case: str) -> Observed:
    """What the files of a capture say that its machine showed."""
    found = {name: files[f"expected/{name}"] for name in FILES if f"expected/{name}" in files}
    if not found:
        raise InputError(_NOTHING, path=case)
    hidden = {**{name: "it is not there" for name in FILES if name not in found}, **hidden}
    log = tuple(log_lines(log_text(found.pop(_LOG, b""), os.path.join(case, "expected", _LOG))))
    texts = {name: data.decode("utf-8", "replace") for name, data in found.items()}
    return Observed(log, texts, hidden, running=not described.recorded, selected=described.recorded)


def _messages(text: str, path: str) -> tuple[LogLine, ...]:
    """The messages of the last boot."""
    return tuple(Messages(text, path_words(path)).said)
