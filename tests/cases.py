"""The recorded cases in ``data/captures``: listed, unpacked, and judged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import archives
from compare import Observation, compare
from softreserve.model.scenario import Scenario
from softreserve.model.steps import KexecScenario, Step
from softreserve.plugins.selection import Selection
from softreserve.views.observe import observe

ARCHIVES = Path(__file__).with_name("data") / "captures"
#: Cases whose steps were done by newer programs than Debian 12's.
NEWER = ARCHIVES.with_name("newer-clients")
#: What the names of machines with CXL have in them.
CXL = "-cxl-"


def names(archives_in: Path = ARCHIVES) -> list[str]:
    """Names of all cases in a folder."""
    return sorted(path.name.removesuffix(".tar.xz") for path in archives_in.glob("*.tar.xz"))


def unpack(name: str, where: Path, archives_in: Path = ARCHIVES) -> Path:
    """Unpack a case; returns its directory."""
    archives.unpack(archives_in / f"{name}.tar.xz", where)
    return where / name


def differences(case: Path, out: Path, skip: list[str]) -> list[Observation]:
    """What ``observe`` wrote and a kernel did not show, or the other way round."""
    found = compare(case / "expected", out, skip=skip)
    assert found, f"{case.name} has no observations"
    return [observation for observation in found if observation.result != "ok"]


def mistakes(case: Path, scenario: Scenario, out: Path) -> list[Observation]:
    """Where we predict an unpacked case wrongly, but for what comes after a step that takes a program."""
    observe(scenario, out, Selection().hooks_for)
    return differences(case, out, list(_beyond_reach(out, scenario.steps, scenario.kexec)))


def _beyond_reach(out: Path, steps: tuple[Step, ...], kexec: KexecScenario | None, prefix: str = "") -> Iterator[str]:
    """Observations that depend on a step that takes a program: that step was not run, and left no status."""
    reached = True
    for step in steps:
        where = f"{prefix}steps/{step.name}"
        reached = reached and (out / where / "status").exists()
        if not reached:
            yield f"{where}/*"
    if kexec is not None and not reached:
        yield f"{prefix}kexec/*"
    elif kexec is not None:
        yield from _beyond_reach(out, kexec.steps, kexec.kexec, f"{prefix}kexec/")
