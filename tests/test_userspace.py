"""Memory that kmem adds, under the udev rules of distributions.

What each rule writes is by hand from the rules; :mod:`softreserve.model.online_rules` says where to read them.
"""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
import softreserve as sr
from small_machines import needs_x86
from softreserve.cli import main
from softreserve.kernel.mm.added_memory import USER_SPACE_ONLINES
from softreserve.machine.boot import boot
from softreserve.model.online_rules import DISTRIBUTIONS
from softreserve.model.userspace import Userspace, UserspaceFacts, Virt
from softreserve.plugins.hooks import load
from softreserve.plugins.hookspecs import hookimpl
from softreserve.plugins.selection import Selection

#: The first block of the memory that kmem adds: node 1's, at 4 GiB.
BLOCK = "/sys/devices/system/memory/memory32"
#: Debian's kernel leaves added memory offline up to 6.11.
OFFLINE = "6.3"
GIB = 1 << 30

MACHINE = """
hypervisor = false
cpus = 2
kernel = { release = "6.3", arch = "x86_64" }
efi_map = [{ start = "1M", size = "2047M" }, { start = "4G", size = "1G", attributes = "SP|WB" }]
[acpi.srat]
cpus = [{ domain = 0, count = 2 }]
memory = [{ domain = 0, start = "1M", size = "2047M" }, { domain = 1, start = "4G", size = "1G" }]
"""


def zone(system: sr.System) -> str:
    """The zone of the first added block; ``offline`` where it is."""
    if system.sysfs.read(f"{BLOCK}/state") != b"online\n":
        return "offline"
    found = system.sysfs.read(f"{BLOCK}/valid_zones")
    assert isinstance(found, bytes)
    return found.decode().strip()


def booted(userspace: Userspace, virt: Virt, *, cmdline: str | None = None) -> sr.System:
    machine = sr.load("example:two-node", kernel=OFFLINE, cmdline=cmdline).machine
    return sr.boot(attrs.evolve(machine, userspace=UserspaceFacts(virt=virt)), userspace=userspace)


@pytest.mark.parametrize(
    ("userspace", "on_metal", "in_kvm", "on_hyper_v"),
    [
        ("udev", "offline", "offline", "offline"),
        ("systemd", "offline", "offline", "offline"),
        ("debian", "offline", "offline", "offline"),
        ("ubuntu", "offline", "offline", "Normal"),
        ("fedora", "offline", "offline", "offline"),
        ("rhel8", "Movable", "Normal", "Normal"),
        ("rhel9", "Movable", "Normal", "Normal"),
        ("rhel10", "Movable", "Normal", "Normal"),
        ("sles15", "Normal", "Normal", "Normal"),
        ("sles16", "Normal", "Normal", "Normal"),
        ("opensuse", "Normal", "Normal", "Normal"),
    ],
)
@needs_x86
def test_a_rule_takes_offline_memory_online_as_its_distribution_has_it(
    userspace: Userspace, on_metal: str, in_kvm: str, on_hyper_v: str
) -> None:
    found = [zone(booted(userspace, virt)) for virt in ("none", "kvm", "microsoft")]
    assert found == [on_metal, in_kvm, on_hyper_v]


@needs_x86
def test_a_rule_leaves_alone_what_the_kernel_took_online() -> None:
    system = booted("rhel9", "none", cmdline="+memhp_default_state=online_kernel")
    assert zone(system) == "Normal"
    assert not system.log.of(USER_SPACE_ONLINES)


@needs_x86
def test_a_rule_acts_on_memory_that_is_added_later_too() -> None:
    system = booted("rhel9", "none")
    with sr.Session(system) as host:
        for number in range(32, 48):
            assert host.write(f"/sys/devices/system/memory/memory{number}/state", "offline") > 0
        for driver in ("kmem/unbind", "kmem/bind"):
            assert host.write(f"/sys/bus/dax/drivers/{driver}", "dax0.0") > 0
    assert zone(system) == "Movable"


@needs_x86
def test_without_user_space_no_rule_acts() -> None:
    system = booted("none", "none")
    assert system.modules.load("kmem") == 0 == system.modules.load("dax_hmem")
    assert zone(system) == "offline"


@needs_x86
def test_a_plugin_counts_before_the_rule_and_the_rule_where_the_plugin_says_nothing() -> None:
    class Agent:
        def __init__(self, answer: str | None) -> None:
            self.answer = answer

        @hookimpl
        def softreserve_memory_added(self) -> str | None:
            return self.answer

    machine = sr.load("example:two-node", kernel=OFFLINE, cmdline="").machine
    for answer, wanted in (("offline", "offline"), ("online_movable", "Movable"), (None, "Normal")):
        hooks = load(Selection().names(machine.arch), extra=[("agent", Agent(answer))])
        assert zone(boot(machine, hooks, userspace="opensuse")) == wanted


@pytest.mark.parametrize(("virt", "words"), [("none", "on bare metal"), ("kvm", "in a guest")])
@needs_x86
def test_the_heading_says_who_took_memory_online(
    virt: str, words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "m.toml"
    path.write_text(f'{MACHINE}[userspace]\npolicy = "rhel9"\nvirt = "{virt}"\n')
    assert main(["boot", str(path)]) == 0
    written = "online_movable" if virt == "none" else "online"
    assert f"; 1 GiB {written} by 40-redhat.rules, line 21 (rhel9, {words})\n" in capsys.readouterr().out
    assert main(["boot", str(path), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["onlined_by"]
    assert row == {"size": GIB, "by": f"40-redhat.rules, line 21 (rhel9, {words})", "online_type": written}
    assert main(["boot", str(path), "--userspace", "debian"]) == 0
    assert " GiB online" not in capsys.readouterr().out
    assert main(["boot", str(path), "--kernel", "6.12"]) == 0
    assert "; 1 GiB online by the kernel (auto_online_blocks)\n" in capsys.readouterr().out


#: Kernels by the options of their distributions' builds, and what their user space makes of memory in a guest.
WHOLE: list[tuple[str, Userspace, str]] = [
    ("5.14.0-503.el9.x86_64", "rhel9", "40-redhat.rules"),
    ("6.12.0-55.9.1.el10_0.x86_64", "rhel10", "40-redhat-hotplug.rules"),
    ("6.8.0-31-generic", "ubuntu", "the kernel"),
    ("6.11.4-301.fc41.x86_64", "fedora", "the kernel"),
    ("6.17.1-300.fc43.x86_64", "fedora", "the kernel"),
    ("6.17.5-1-default", "opensuse", "80-hotplug-cpu-mem.rules"),
    ("6.12.41+deb13-amd64", "debian", "the kernel"),
    ("6.1.0-56-amd64", "debian", ""),
]


@pytest.mark.parametrize(("release", "userspace", "who"), WHOLE)
@needs_x86
def test_kernel_and_rules_of_a_distribution_decide_together(release: str, userspace: Userspace, who: str) -> None:
    system = sr.boot(sr.load("example:two-node", kernel=release, cmdline=""), userspace=userspace)
    found = [written.who for written in system.memory.added.onlined.values()]
    assert [name.startswith(who) for name in found] == ([True] if who else [])


def test_show_input_tells_what_was_understood_of_user_space(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "dax.conf").write_text("[reconfigure-device x]\nmode = system-ram\n")
    (tmp_path / "m.toml").write_text(
        f'{MACHINE}[userspace]\npolicy = "rhel9"\nvirt = "kvm"\ndaxctl_conf = "dax.conf"\n'
    )
    assert main(["show-input", str(tmp_path / "m.toml")]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "user space: rhel9" in shown
    assert "virtualized by: kvm" in shown
    assert "daxctl's configuration: 1 sections" in shown
    assert "dax.conf" in shown


@needs_x86
def test_explain_names_the_line_of_the_rule_and_what_another_user_space_makes_of_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["explain", "example:two-node", "dax0.0", "--kernel", OFFLINE]
    assert main([*arguments, "--userspace", "sles15"]) == 0
    shown = capsys.readouterr().out
    assert (
        "user space writes to the state of its memory blocks: 80-hotplug-cpu-mem.rules, line 20 (sles15) -> online"
        in shown
    )
    assert "system RAM, offline" in shown
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "--userspace opensuse" in shown
    assert "--userspace rhel9" in shown


@needs_x86
def test_the_rule_that_a_kernel_comes_with_is_named_where_it_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.toml"
    path.write_text(MACHINE.replace("6.3", "5.14.0-503.el9.x86_64"))
    main(["lint", str(path)])
    words = "RHEL 9.5 has one, 40-redhat.rules, line 21, which would write online_movable; --userspace rhel9"
    assert words in capsys.readouterr().out
    main(["lint", str(path), "--userspace", "rhel9"])
    assert "userspace-unlike-kernel" not in capsys.readouterr().out


@needs_x86
def test_a_user_space_that_there_is_not_is_an_error_from_python_too() -> None:
    with pytest.raises(sr.SoftReserveError, match=r"no user space 'rhel7': wanted one of .*; did you mean 'rhel"):
        sr.boot(sr.load("example:two-node"), userspace="rhel7")  # type: ignore[arg-type]


def test_help_lists_user_spaces_without_a_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boot", "--userspace", "help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["name", "none", "udev", *DISTRIBUTIONS]
    assert "not verified" in next(line for line in lines if line.startswith("ubuntu"))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('policy = "rhel"', "userspace.policy"),
        ('virt = "bochs"', "userspace.virt"),
        ("rules = 1", "userspace.rules"),
    ],
)
def test_what_a_machine_file_cannot_say_of_user_space_is_refused_with_its_place(
    table: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.toml"
    path.write_text(f"{MACHINE}[userspace]\n{table}\n")
    assert main(["boot", str(path)]) == 2
    said = capsys.readouterr().err
    assert f"m.toml: line 10: {words}" in said
    assert "Traceback" not in said
