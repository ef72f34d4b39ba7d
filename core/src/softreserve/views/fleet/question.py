"""A question that is put to every machine of a fleet: what is to be different, and whether it goes through a kexec."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any, NamedTuple

from softreserve.config.changes import Changes
from softreserve.model.errors import MachineError, nearest, shown
from softreserve.model.kexec import KEXEC_TOOLS, KexecTools
from softreserve.model.release import Release
from softreserve.model.userspace import Userspace

__all__ = ["Crossing", "Question", "crossing"]


class Crossing(NamedTuple):
    """A kexec: the words of ``softreserve kexec``. ``None``: as that does it."""

    policy: str = "default"
    syscall: str | None = None
    kexec_tools: str | None = None
    to_kernel: str | None = None
    append: str | None = None


class Question(NamedTuple):
    """What is asked of a machine; nothing at all: how it does as it is described.

    :param kexec: what follows the boot; ``None``: nothing does.
    :param layout: where its specific purpose memory is to lie: see :mod:`softreserve.views.fleet.layout`.
    """

    changes: Changes = Changes()
    userspace: Userspace | None = None
    kexec: Crossing | None = None
    layout: str | None = None

    @property
    def words(self) -> str:
        """The options that ask it, as a shell takes them; empty: there is none."""
        return shlex.join(self._options())

    def _options(self) -> Iterator[str]:
        for name, value in self.changes._asdict().items():
            for one in value if isinstance(value, tuple) else [value] if value is not None else []:
                yield from (f"--{name.replace('_', '-')}", one)
        if self.userspace is not None:
            yield from ("--userspace", self.userspace)
        if self.kexec is not None:
            said = {name.replace("_", "-"): value for name, value in self.kexec._asdict().items() if value is not None}
            policy = said.pop("policy")
            yield from ("--kexec", ",".join((policy, *(f"{name}={value}" for name, value in said.items()))))
        if self.layout is not None:
            yield from ("--over", f"layout={self.layout}")

    def as_json(self) -> dict[str, Any]:
        """As :meth:`of_json` takes it."""
        kexec = None if self.kexec is None else self.kexec._asdict()
        values = {"userspace": self.userspace, "layout": self.layout}
        return {"changes": self.changes._asdict(), "kexec": kexec, **values}

    @classmethod
    def of_json(cls, told: dict[str, Any]) -> Question:
        """What :meth:`as_json` told."""
        changes = Changes(**told["changes"])
        if changes.config is not None:
            changes = changes._replace(config=tuple(changes.config))
        kexec = told["kexec"]
        return cls(changes, told["userspace"], None if kexec is None else Crossing(**kexec), told["layout"])


def crossing(text: str) -> Crossing:
    """A kexec from ``POLICY,KEY=VALUE,...``: the keys are options of ``softreserve kexec``.

    :raises MachineError: another key, or a value that cannot be.
    """
    values: dict[str, str] = {}
    for number, word in enumerate(text.split(",")):
        key, equals, value = word.strip().partition("=")
        if not equals and not number:
            key, value = "policy", key
        name = key.replace("-", "_")
        if name not in Crossing._fields or not value:
            known = [field.replace("_", "-") for field in Crossing._fields]
            hint = nearest(key, known) if name not in Crossing._fields else ""
            raise MachineError(f"--kexec: wanted POLICY or KEY=VALUE of {', '.join(known)}, not {shown(word)}{hint}")
        values[name] = value
    if (syscall := values.get("syscall")) not in (None, "kexec_load", "kexec_file_load"):
        raise MachineError(f"--kexec: syscall is kexec_load or kexec_file_load, not {shown(syscall)}")
    KexecTools(values.get("kexec_tools", KEXEC_TOOLS))
    if "to_kernel" in values:
        Release.parse(values["to_kernel"])
    return Crossing(**values)
