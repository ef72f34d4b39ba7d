"""Every hook says when it is asked, how often, what it stands for, and what goes in and out."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from softreserve.model.events import STAGES
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.model.placement import Placement, SlotArea
from softreserve.model.ranges import PhysRange
from softreserve.plugins import hookspecs
from softreserve.plugins.arches import for_arch
from softreserve.plugins.hooks import Hooks, load

SPECS = {name: spec for name, spec in vars(hookspecs).items() if name.startswith("softreserve_")}


def options(spec: Callable[..., object]) -> dict[str, object]:
    found: dict[str, object] = vars(spec)["softreserve_spec"]
    return found


def test_there_are_hooks() -> None:
    assert len(SPECS) > 10


@pytest.mark.parametrize("name", SPECS)
class TestDocumentation:
    def test_all_parts_are_there_and_in_order(self, name: str) -> None:
        text = inspect.getdoc(SPECS[name]) or ""
        assert re.match(r"[A-Z][^\n]*[.?]\n\n", text), "one line first"
        places = [text.find(part) for part in ("\nStage: ", "\nCalls: ", "\nKernel: ", "\n:returns: ", "\n:raises ")]
        assert -1 not in places
        assert places == sorted(places)

    def test_every_parameter_is_there(self, name: str) -> None:
        text = inspect.getdoc(SPECS[name]) or ""
        wanted = list(inspect.signature(SPECS[name]).parameters)
        assert re.findall(r"^:param (\w+): \S", text, re.MULTILINE) == wanted

    def test_what_none_means_is_said_as_the_hook_is_marked(self, name: str) -> None:
        calls = re.search(r"^Calls: (.*?)^Kernel: ", inspect.getdoc(SPECS[name]) or "", re.MULTILINE | re.DOTALL)
        assert calls
        if options(SPECS[name])["firstresult"]:
            assert "First result wins" in calls[1]
            assert "``None``" in calls[1]
        else:
            assert "in the order of loading" in calls[1]

    def test_everything_has_a_type(self, name: str) -> None:
        signature = inspect.signature(SPECS[name])
        assert signature.return_annotation is not inspect.Signature.empty
        assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values())

    def test_there_is_a_typed_call(self, name: str) -> None:
        call = getattr(Hooks, name.removeprefix("softreserve_"))
        assert list(inspect.signature(call).parameters)[1:] == list(inspect.signature(SPECS[name]).parameters)


def test_hooks_stand_in_boot_order() -> None:
    """Of descriptions first, of a boot in the order of the stages, of tools (on request, before any boot) last."""
    order = []
    for spec in SPECS.values():
        stage = re.search(r"^Stage: ([a-z ]+)(, on request)?", inspect.getdoc(spec) or "", re.MULTILINE)
        assert stage
        stages = ("description", *STAGES)
        is_tool = stage[2] or stage[1].strip() not in stages
        order.append(len(stages) if is_tool else stages.index(stage[1].strip()))
    assert order == sorted(order)


def test_a_hook_for_an_architecture_answers_for_no_other_and_keeps_its_arguments() -> None:
    @hookspecs.hookimpl
    @for_arch("riscv64")
    def softreserve_stub_place_image(machine: Machine, seed: int | None) -> Placement:
        return Placement((SlotArea(PhysRange(0, 1 << 16), 16, 0, ""),), machine.cpus, 4096, 4096 * (seed or 0))

    hooks = load([], extra=[("one", SimpleNamespace(softreserve_stub_place_image=softreserve_stub_place_image))])
    own, other = (Machine("m", Kernel("6.12", arch), cpus=3) for arch in ("riscv64", "arm64"))
    placed = hooks.stub_place_image(own, 7)
    assert placed is not None
    assert (placed.size, placed.address) == (3, 7 * 4096)
    assert hooks.stub_place_image(other, 7) is None
