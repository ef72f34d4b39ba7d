"""A change of a machine's input, as a value: what to write otherwise, and the machine with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import attrs

from softreserve.kernel.system import System
from softreserve.model.machine import Machine
from softreserve.model.outcome import Part
from softreserve.model.userspace import Userspace
from softreserve.views.explain.subjects import Subject

__all__ = ["Change", "Edit", "Maker", "Place"]


class Edit(NamedTuple):
    """One place of a file of the input, as a :doc:`capture </captures>` has it: what stands there, and what is to.

    ``before`` is empty where something is added, ``after`` where it is taken away; bytes are hexadecimal.
    """

    file: str
    place: str
    before: str
    after: str


@attrs.frozen
class Change:
    """Something that a person could do otherwise.

    :param kind: what is changed: ``"command line"``, ``"user space"``, ``"EFI descriptor"``, ...
    :param words: what to change.
    :param machine: the machine with it.
    :param options: what to give a command for it; empty: files have to be changed.
    :param edits: what to change in files.
    :param userspace: what has run after the kernel; ``None``: as before.
    :param devices: who gets the dax devices: ``"kmem"``, ``"device_dax"``, or ``""``: as before.
    """

    kind: str
    words: str
    machine: Machine = attrs.field(repr=False)
    options: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()
    userspace: Userspace | None = None
    devices: str = ""

    def after(self, first: Change) -> Change:
        """Both: this one was made from the machine that the first one left; they are of unlike kinds."""
        return attrs.evolve(
            self,
            kind=f"{first.kind}, {self.kind}",
            words=f"{first.words}; and {self.words}",
            options=(*first.options, *self.options),
            edits=(*first.edits, *self.edits),
            userspace=self.userspace or first.userspace,
        )


class Place(NamedTuple):
    """A subject on a booted machine, and what lies around it.

    :param pieces: the subject's memory as pieces with one fate each, the largest first; a few.
    :param map_known: whether the firmware's map is known; else something stands in for it.
    """

    system: System
    subject: Subject
    pieces: tuple[Part, ...]
    map_known: bool = True

    @property
    def machine(self) -> Machine:
        """The machine as it is described."""
        return self.system.machine


#: Makes changes of one kind, the smallest first.
Maker = Callable[[Place], Iterator[Change]]
