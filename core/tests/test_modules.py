"""Modules: parameters from the command line and from modprobe."""

from __future__ import annotations

from errno import ENOENT

from softreserve.kernel.modules import Module, Parameter
from softreserve.kernel.system import System
from softreserve.model.cmdline import CommandLine
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.plugins.hooks import load
from softreserve.testing.memory import boot_memory


def system_with(cmdline: str, parameter: Parameter) -> System:
    kernel = Kernel("6.12", "x86_64", config={"DEV_DAX_HMEM": "m"})
    system = System(Machine("modules", kernel, CommandLine(cmdline)), load([]))
    system.modules.add([Module("dax_hmem", "DEV_DAX_HMEM", "drivers/dax/hmem/hmem.c", parameters=(parameter,))])
    return system


def test_parameters_of_the_command_line_are_handed_over_and_unknown_ones_are_named() -> None:
    """As a real 6.12 printed it for ``dax_hmem.disable``, which belongs to another module."""
    idle = Parameter("region_idle")
    system = system_with("dax-hmem.region_idle=1 dax_hmem.disable=1", idle)
    assert system.modules.load("dax-hmem") == 0
    assert idle.value
    assert system.log.lines == ["dax_hmem: unknown parameter 'disable' ignored"]


def test_what_modprobe_is_told_wins_over_the_command_line() -> None:
    idle = Parameter("region_idle")
    system = system_with("dax_hmem.region_idle=1", idle)
    assert system.modules.load("dax_hmem", {"region_idle": "N", "nix": None}) == 0
    assert not idle.value
    assert system.log.lines == ["dax_hmem: unknown parameter 'nix' ignored"]


def test_a_value_that_is_none_keeps_the_module_out() -> None:
    system = system_with("", Parameter("region_idle"))
    assert system.modules.load("dax_hmem", {"region_idle": "perhaps"}) == -22
    assert system.modules.live() == []


def test_a_module_built_apart_from_the_kernel_can_always_be_loaded() -> None:
    system = boot_memory()
    system.modules.add([Module("apart", "", "drivers/apart.c"), Module("absent", "NO_SUCH_OPTION", "drivers/absent.c")])
    assert system.modules.initcalls() == []
    assert (system.modules.load("apart"), system.modules.load("absent")) == (0, -ENOENT)
    assert system.modules.live() == ["apart"]
    assert system.sysfs.read("/sys/module/apart/initstate") == b"live\n"
