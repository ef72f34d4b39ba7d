"""What a machine showed of itself, for a prediction to be compared with. Frozen."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from softreserve.model.log_text import LogLine

__all__ = ["Observed"]


@attrs.frozen
class Observed:
    """A kernel's log and files, as far as somebody has them.

    :param log: the messages of one boot, in order, with their places in the file.
    :param files: text by name, as in a capture's ``expected/``: ``"iomem.txt"``.
    :param hidden: what is not known, by name, and why: ``"iomem.txt"``: addresses are shown to root only.
    :param running: whether user space ran before somebody looked: it changes what can be changed.
    :param selected: whether somebody chose from the log, kind by kind, what is kept of it.
    """

    log: tuple[LogLine, ...] = ()
    files: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    hidden: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    running: bool = True
    selected: bool = False
