"""The recorded cases in ``data/captures``: listed, unpacked, and judged."""

from __future__ import annotations

import tarfile
from pathlib import Path

from compare import Observation, compare

ARCHIVES = Path(__file__).with_name("data") / "captures"


def names() -> list[str]:
    """Names of all cases."""
    return sorted(path.name.removesuffix(".tar.xz") for path in ARCHIVES.glob("*.tar.xz"))


def unpack(name: str, where: Path) -> Path:
    """Unpack a case; returns its directory."""
    with tarfile.open(ARCHIVES / f"{name}.tar.xz") as archive:
        archive.extractall(where, filter="data")
    return where / name


def differences(case: Path, out: Path, skip: list[str]) -> list[Observation]:
    """What ``observe`` wrote and a kernel did not show, or the other way round."""
    found = compare(case / "expected", out, skip=skip)
    assert found, f"{case.name} has no observations"
    return [observation for observation in found if observation.result != "ok"]
