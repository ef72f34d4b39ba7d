"""What is said of how behaviours are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import run_vectors
from softreserve.model.behaviours import BEHAVIOURS, Behaviour
from softreserve.model.kernel import Kernel

FILES = sorted((Path(__file__).with_name("data") / "vectors").glob("*.jsonl.xz"))
HELD_BY_VECTORS = [b for b in BEHAVIOURS if b.known_by == "vectors"]


def test_names_are_unique() -> None:
    assert len(Behaviour.names()) == len(BEHAVIOURS)


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda b: b.name)
def test_what_both_pinned_releases_do_is_known_from_history(behaviour: Behaviour) -> None:
    same = behaviour.applies_to("6.1") == behaviour.applies_to("6.12")
    assert (behaviour.known_by == "from history") is same
    assert behaviour.known_by in ("captured", "vectors", "source read", "from history")


def noticed(monkeypatch: pytest.MonkeyPatch, name: str, release: str) -> bool:
    """Whether vectors of a release fail when it behaves the other way."""
    asked: list[str] = []

    def has(kernel: Kernel, behaviour: str) -> bool:
        asked.append(behaviour)
        return (behaviour in kernel.behaviours) != (behaviour == name and kernel.base == release)

    monkeypatch.setattr(Kernel, "has", has)
    for path in FILES:
        asked.clear()
        for at, right in enumerate(answers(path)):
            if not right:
                return True
            if at == _ENOUGH_TO_ASK and name not in asked:
                break
    return False


#: Cases after which a file that never asked for a behaviour is left.
_ENOUGH_TO_ASK = 20


def answers(path: Path) -> Iterator[bool]:
    """For every case of a file, whether we answer as the kernel does."""
    family = run_vectors.family_of(path)
    assert family is not None
    try:
        module = run_vectors.module_of(family)
    except ModuleNotFoundError:
        return
    for _, case in run_vectors.cases(path):
        yield not run_vectors.judge(case, run_vectors.answer(module, case))


@pytest.mark.parametrize("behaviour", HELD_BY_VECTORS, ids=lambda b: b.name)
def test_vectors_of_both_sides_hold_what_they_are_said_to_hold(
    behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("softreserve_x86")
    pytest.importorskip("softreserve_arm64")
    for release in ("6.1", "6.12"):
        assert noticed(monkeypatch, behaviour.name, release), release
