"""daxctl's configuration: what comes of its sections, and what daxctl does not take as it was meant.

ndctl up to version 85: ``daxctl/device.c: parse_config_reconfig``, ``parse_device_options``; ``util/parse-configs.c``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from softreserve.model.daxctl_conf import COMMAND
from softreserve.model.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from softreserve.kernel.system import System
    from softreserve.model.daxctl_conf import DaxctlSection
    from softreserve.model.outcome import Outcome

__all__ = ["check"]

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BY: Final = "nvdimm.uuid"
_MODES: Final = ("system-ram", "devdax")
_TRUTHS: Final = ("online", "movable")
#: What a truth begins with.
_YES, _NO = "tTyY1", "fFnN0"


def check(system: System, outcome: Outcome, onlined: Outcome) -> Iterator[Finding]:
    """Look at the sections, where somebody said what there is."""
    sections = system.machine.userspace.daxctl
    if not sections:
        return
    for section in sections:
        for problem in _problems(section):
            message = f"daxctl's configuration ({section.place}): [{section.name}] {problem}"
            yield Finding("warning", "daxctl-conf-mistake", message)
    times = Counter(dict(section.keys).get(_BY, "") for section in sections)
    for uuid in sorted(uuid for uuid, number in times.items() if uuid and number > 1):
        places = ", ".join(section.place for section in sections if dict(section.keys).get(_BY) == uuid)
        message = (
            f"daxctl's configuration: several sections are for {uuid} ({places}): in one file the first counts; "
            "values out of several files are strung together, and no mode is called that"
        )
        yield Finding("warning", "daxctl-conf-mistake", message)
    yield from _without_effect(system, outcome, sections)


def _without_effect(system: System, outcome: Outcome, sections: Sequence[DaxctlSection]) -> Iterator[Finding]:
    """No memory that firmware marks is a namespace of an NVDIMM, and nothing else has a section."""
    devices = list(dict.fromkeys(part.device for part in outcome.parts if part.device))
    if not devices or not any(section.name.split()[:1] == [COMMAND] for section in sections):
        return
    names = ", ".join(devices[:3]) + (f" and {len(devices) - 3} others" if len(devices) > 3 else "")
    nobody = " (and Debian has no daxdev-reconfigure@.service that its rule could start)"
    message = (
        f"daxctl's configuration changes nothing of {names}: daxctl reconfigure-device --check-config, which "
        f"90-daxctl-device.rules starts{nobody if system.userspace == 'debian' else ''}, finds a section by the UUID "
        "of an NVDIMM's namespace alone, and soft reserved memory is none; a unit of one's own that runs daxctl "
        "reconfigure-device --mode=system-ram does it"
    )
    yield Finding("warning", "daxctl-conf-unused", message)


def _problems(section: DaxctlSection) -> Iterator[str]:
    """What daxctl does not take as it was meant, in words."""
    if section.name.split()[:1] != [COMMAND]:
        yield f"is read by nobody: daxctl has [{COMMAND} NAME] only"
        return
    keys = dict(section.keys)
    uuid, mode = keys.get(_BY, ""), keys.get("mode", "")
    if not uuid:
        yield f"has no {_BY}, by which daxctl finds its device, and is for none"
    elif not _UUID.fullmatch(uuid):
        yield f"is for no device: {_BY} is compared letter by letter with a UUID in lower case, not {uuid!r}"
    if not mode:
        yield "has no mode, and daxctl takes it for missing: the default that its manual speaks of is not there"
    elif mode not in _MODES:
        yield f"has a mode that daxctl refuses (EINVAL): {mode!r}, not one of {', '.join(_MODES)}"
    for name in _TRUTHS:
        if name in keys and keys[name][:1] not in _YES + _NO:
            yield f"has a value of {name} that daxctl does not heed: {keys[name]!r}, wanted true or false"
    if mode == "devdax" and keys.get("online", "")[:1] in tuple(_NO):
        yield "is refused (EINVAL): online = false is for system-ram"
    unknown = [name for name in keys if name not in (_BY, "mode", *_TRUTHS)]
    if unknown:
        yield f"has keys that daxctl does not read: {', '.join(unknown)}"
