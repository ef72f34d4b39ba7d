"""The module tools. Expected texts: kmod 30 (Debian 12)."""

from __future__ import annotations

import pytest
from softreserve.kernel.denied import Denied
from softreserve.kernel.modules import Module, Parameter
from softreserve.kernel.system import System
from softreserve.machine import kmod
from softreserve.model.cmdline import CommandLine
from softreserve.model.kernel import Kernel
from softreserve.model.machine import Machine
from softreserve.plugins.hooks import load


@pytest.fixture
def system() -> System:
    kernel = Kernel("6.1", "x86_64", config={"DAX": "y", "DEV_DAX": "m", "DEV_DAX_HMEM": "m", "DEV_DAX_KMEM": "m"})
    system = System(Machine("toy", kernel), load([]))
    system.modules.add(
        [
            Module("dax", "DAX", "drivers/dax/super.c"),
            Module("device_dax", "DEV_DAX", "drivers/dax/device.c", depends=("dax",)),
            Module("kmem", "DEV_DAX_KMEM", "drivers/dax/kmem.c", init=lambda: -12),
            Module(
                "dax_hmem",
                "DEV_DAX_HMEM",
                "drivers/dax/hmem/hmem.c",
                parameters=(Parameter("region_idle"),),
                depends=("device_dax",),
            ),
        ]
    )
    return system


def ask(system: System, words: str) -> tuple[int, str]:
    reply = kmod.run(system, words.split())
    return reply.status, reply.text


def test_a_module_is_loaded_with_what_it_needs_and_listed_with_its_users(system: System) -> None:
    assert ask(system, "modprobe dax-hmem region_idle=1") == (0, "")

    status, text = ask(system, "/sbin/lsmod")

    assert status == 0
    assert [line.split() for line in text.splitlines()] == [
        ["Module", "Size", "Used", "by"],
        ["dax_hmem", "16384", "0"],
        ["device_dax", "16384", "1", "dax_hmem"],
    ]
    assert system.sysfs.read("/sys/module/dax_hmem/parameters/region_idle") == b"Y\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("modprobe nix", "modprobe: FATAL: Module nix not found in directory /lib/modules/6.1\n"),
        ("modprobe -q nix", ""),
        ("modprobe kmem", "modprobe: ERROR: could not insert 'kmem': Cannot allocate memory\n"),
        ("modprobe -r nix", "modprobe: FATAL: Module nix not found.\n"),
        ("rmmod device_dax", "rmmod: ERROR: Module device_dax is not currently loaded\n"),
        ("insmod", "insmod: ERROR: missing filename.\n"),
        ("insmod /tmp/nix.ko", "insmod: ERROR: could not load module /tmp/nix.ko: No such file or directory\n"),
        ("modinfo nix", "modinfo: ERROR: Module nix not found.\n"),
        ("kmod remove kmem", "rmmod: ERROR: Module kmem is not currently loaded\n"),
    ],
)
def test_what_cannot_be_done_is_said_as_the_real_tools_say_it(system: System, words: str, text: str) -> None:
    assert ask(system, words) == (1, text)


def test_a_module_in_use_is_not_removed(system: System) -> None:
    ask(system, "modprobe dax_hmem")

    assert ask(system, "modprobe -r device_dax") == (1, "modprobe: FATAL: Module device_dax is in use.\n")
    assert ask(system, "rmmod device_dax") == (1, "rmmod: ERROR: Module device_dax is in use by: dax_hmem\n")
    assert ask(system, "modprobe -r dax_hmem") == (0, "")
    assert ask(system, "modprobe --remove device_dax") == (0, "")
    assert system.modules.live() == []


def test_insmod_loads_one_module_and_nothing_for_it(system: System) -> None:
    missing = "insmod: ERROR: could not insert module dax_hmem.ko: Unknown symbol in module\n"
    assert ask(system, "insmod dax_hmem.ko") == (1, missing)
    assert ask(system, "insmod device_dax.ko") == (0, "")
    assert ask(system, "insmod dax_hmem.ko") == (0, "")


def test_insmod_knows_no_soft_dependencies(system: System) -> None:
    system.modules.add([Module("second", "DEV_DAX", "second.c", soft_depends=("device_dax",))])
    assert ask(system, "insmod second.ko") == (0, "")
    assert system.modules.live() == ["second"]
    assert ask(system, "rmmod second") == (0, "")
    assert ask(system, "modprobe second") == (0, "")
    assert system.modules.live() == ["device_dax", "second"]


def test_a_module_that_is_there_already_is_an_error_for_insmod_only(system: System) -> None:
    assert ask(system, "insmod /lib/device_dax.ko.xz") == (0, "")
    assert ask(system, "insmod device_dax.ko") == (
        1,
        "insmod: ERROR: could not insert module device_dax.ko: File exists\n",
    )
    assert ask(system, "modprobe device_dax") == (0, "")


def test_only_words_that_can_change_something_are_marked_for_the_record(system: System) -> None:
    assert kmod.run(system, ["modprobe", "device_dax"]).changes
    assert kmod.run(system, ["/sbin/modprobe", "-r", "device_dax"]).changes
    assert kmod.changing_words(["/sbin/modprobe", "-r", "device_dax"]) == "modprobe -r device_dax"
    assert kmod.changing_words(["kmod", "insert", "a b"]) == "modprobe 'a b'"
    assert kmod.changing_words(["/sbin/lsmod"]) == kmod.changing_words(["kmod", "list"]) == ""
    assert not kmod.run(system, ["lsmod"]).changes
    assert not kmod.run(system, ["modprobe", "-n", "dax_hmem"]).changes
    assert system.modules.live() == []


def test_modinfo_tells_a_module_from_what_is_built_in(system: System) -> None:
    """A file is called as its module; what is built in counts for nothing among what a module needs."""
    shown = ask(system, "modinfo dax_hmem")[1]
    assert "filename:       /lib/modules/6.1/kernel/drivers/dax/hmem/dax_hmem.ko\n" in shown
    assert "depends:        device_dax\n" in shown
    assert "parm:           region_idle:bool\n" in shown
    assert "depends:        \n" in ask(system, "modinfo device_dax")[1]
    assert "filename:       (builtin)" in ask(system, "modinfo dax")[1]


def denying(cmdline: str, **config: str) -> System:
    kernel = Kernel("6.12", "x86_64", config={"DAX": "m", "DEV_DAX": "m", **config})
    system = System(Machine("toy", kernel, CommandLine(cmdline)), load([]))
    dax = Module("dax", "DAX", "drivers/dax/super.c", init_name="dax_core_init")
    system.modules.add([dax, Module("device_dax", "DEV_DAX", "drivers/dax/device.c", depends=("dax",))])
    return system


NOT_PERMITTED = "modprobe: ERROR: could not insert 'device_dax': Operation not permitted\n"


def test_the_kernel_refuses_a_module_of_its_list_whoever_asks() -> None:
    """Lines and status as of 6.12.117."""
    system = denying("module_blacklist=nix,device_dax")
    assert ask(system, "modprobe device_dax") == (1, NOT_PERMITTED)
    assert ask(system, "modprobe -b device_dax") == (1, NOT_PERMITTED)
    insmod = "insmod: ERROR: could not insert module device_dax.ko: Operation not permitted\n"
    assert ask(system, "insmod device_dax.ko") == (1, insmod)
    assert system.log.lines == ["Module device_dax is blacklisted"] * 3
    assert system.modules.live() == ["dax"]


def test_a_module_without_what_it_needs_is_not_tried() -> None:
    """As 6.1.192 of arm64, where DAX is a module."""
    system = denying("module_blacklist=dax")
    assert ask(system, "modprobe device_dax") == (1, NOT_PERMITTED)
    missing = "insmod: ERROR: could not insert module device_dax.ko: Unknown symbol in module\n"
    assert ask(system, "insmod device_dax.ko") == (1, missing)
    assert system.log.lines == ["Module dax is blacklisted"]
    assert system.modules.live() == []


def test_a_module_whose_function_is_not_called_is_not_there() -> None:
    system = denying("initcall_blacklist=dax_core_init initcall_blacklist=nix")
    assert ask(system, "modprobe device_dax") == (1, NOT_PERMITTED)
    assert system.log.lines == ["initcall dax_core_init blacklisted"]
    assert system.modules.live() == []
    assert ask(denying("initcall_blacklist=dax_core_init", KALLSYMS="n"), "modprobe device_dax") == (0, "")


def test_modprobe_passes_over_its_own_list_only_where_it_is_asked_to() -> None:
    system = denying("modprobe.blacklist=device_dax,dax")
    assert ask(system, "modprobe -b device_dax") == (0, "")
    assert ask(system, "modprobe -a --use-blacklist device_dax") == (0, "")
    system.modules.coldplug()
    assert system.modules.live() == []
    assert ask(system, "modprobe device_dax") == (0, "")
    assert system.modules.live() == ["dax", "device_dax"]


def test_what_another_module_needs_is_loaded_whatever_modprobe_was_told() -> None:
    system = denying("modprobe.blacklist=dax")
    system.modules.coldplug()
    assert system.modules.live() == ["dax", "device_dax"]


def test_what_is_built_in_is_kept_back_by_its_function_alone() -> None:
    words = {"module_blacklist=dax": "", "modprobe.blacklist=dax": "", "initcall_blacklist=dax_core_init": "dax"}
    for word, kept in words.items():
        assert denying(word, DAX="y").modules.kept_back("dax") == (word if kept else "")
    assert denying("module_blacklist=dax").modules.kept_back("dax") == "module_blacklist=dax"


@pytest.mark.parametrize(
    ("cmdline", "names"),
    [
        ("a modprobe.blacklist=dax_hmem,kmem b", ("dax_hmem", "kmem")),
        ('modprobe.blacklist="dax_hmem,kmem" x', ('"dax_hmem', 'kmem"')),
        ('"modprobe.blacklist=dax_hmem,kmem"', ('"dax_hmem', 'kmem"')),
        ("x -- modprobe.blacklist=zz1", ("zz1",)),
        ("modprobe.black-list=zz2 modprobe.blacklist", ()),
        ("modprobe.blacklist=a-b,,c_d modprobe.blacklist=e", ("a-b", "", "c_d", "e")),
        ('"x y" modprobe.blacklist=zz3', ("zz3",)),
        ('x="a b" modprobe.blacklist=zz4', ("zz4",)),
        ("modprobe.blacklist=a=b.c,d", ("a=b.c", "d")),
    ],
)
def test_the_list_of_modprobe_is_read_as_kmod_reads_it(cmdline: str, names: tuple[str, ...]) -> None:
    """Expected: ``modprobe -c`` of kmod 30 with that /proc/cmdline."""
    assert Denied.of(CommandLine(cmdline), Kernel("6.12", "x86_64")).by_alias == names


@pytest.mark.parametrize(
    ("cmdline", "names"),
    [
        ("module_blacklist=a,b module-blacklist=c", ("c",)),
        ("module_blacklist=a module_blacklist", ("a",)),
        ("module_blacklist=a module_blacklist=" + 1025 * "b", ("a",)),
        ("module_blacklist=a -- module_blacklist=b", ("a",)),
    ],
)
def test_the_last_list_of_the_kernel_counts(cmdline: str, names: tuple[str, ...]) -> None:
    """Linux: ``kernel/params.c: param_set_charp``; the last one, as 6.12.117 did."""
    assert Denied.of(CommandLine(cmdline), Kernel("6.12", "x86_64")).modules == names


def test_modinfo_shows_one_field_where_one_is_asked_for(system: System) -> None:
    """As kmod 30 does: values alone, one a line; nothing for what a module does not have."""
    for words in ("-F name dax_hmem", "--field name dax_hmem", "dax_hmem --field=name", "-Fname dax_hmem"):
        assert ask(system, f"modinfo {words}") == (0, "dax_hmem\n")
    assert ask(system, "modinfo -F author dax_hmem") == (0, "")
