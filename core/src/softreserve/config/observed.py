"""What a machine showed of itself, beside the description of it: what ``verify`` compares."""

from __future__ import annotations

import os

from softreserve.config import EXAMPLE, LOG, load
from softreserve.config.log import is_log, read_log
from softreserve.config.log.content import log_text
from softreserve.config.log.messages import Messages
from softreserve.config.reader import StrPath, path_words, read_bytes
from softreserve.model.errors import InputError
from softreserve.model.log_text import LogLine
from softreserve.model.observed import Observed
from softreserve.model.scenario import Scenario

__all__ = ["load_observed"]

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
    if log is not None:
        text = log_text(read_bytes(log), log)
        described = (
            read_log(log, acpi, text, release=release)
            if spec is None
            else load(spec, with_steps=False, acpi=acpi, release=release)
        )
        return described, Observed(_messages(text, log))
    if spec is None:
        raise InputError(_NOTHING)
    if spec.startswith(LOG):
        return load_observed(None, spec.removeprefix(LOG), acpi, release)
    if spec.startswith(EXAMPLE) or os.path.isdir(spec):
        raise InputError(_NOTHING, path=spec)
    text = log_text(read_bytes(spec), spec)
    if not is_log(text):
        raise InputError(_NOTHING, path=path_words(spec))
    return read_log(spec, acpi, text, release=release), Observed(_messages(text, spec))


def _messages(text: str, path: str) -> tuple[LogLine, ...]:
    """The messages of the last boot."""
    return tuple(Messages(text, path_words(path)).said)
