"""Policies for crossing a kexec: what user space, or a patched kernel, may do to what the next kernel is handed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from softreserve.kernel.system import System
    from softreserve.model.kexec import KexecRequest
    from softreserve.model.machine import Machine

__all__ = ["KexecPolicy"]


@attrs.frozen
class KexecPolicy:
    """A policy by name: changes the request before, or the next machine after the load."""

    name: str
    words: str
    prepare: Callable[[System, KexecRequest], KexecRequest] = lambda system, request: request
    finish: Callable[[System, Machine], Machine] = lambda system, machine: machine
