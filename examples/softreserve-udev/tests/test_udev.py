"""What becomes of memory that kmem adds, on a machine with two devices on two nodes."""

from __future__ import annotations

from pathlib import Path

import pytest
import softreserve as sr
from softreserve.testing.bases import BaseImporter, BasePlugin, BasePolicy

MACHINE = """
cpus = 2
cmdline = "memhp_default_state=offline"

[kernel]
arch = "x86_64"
release = "6.12"

[[efi_map]]
start = "1M"
size = "2047M"

[[efi_map]]
start = "4G"
size = "1G"
attributes = "SP|WB"

[[efi_map]]
start = "8G"
size = "1G"
attributes = "SP|WB"

[acpi.srat]
cpus = [{ domain = 0, count = 2 }]
memory = [
    { domain = 0, start = "1M", size = "2047M" },
    { domain = 1, start = "4G", size = "1G" },
    { domain = 2, start = "8G", size = "1G" },
]
"""


def zones(path: Path, udev: str) -> list[str]:
    """The zone of each device's first block, ``-`` where it is offline."""
    path.write_text(MACHINE + udev)
    found = []
    with sr.Session(sr.boot(sr.load(path, plugins=["udev"]), plugins=["udev"])) as host:
        for block in (f"/sys/devices/system/memory/memory{start * sr.GiB // (128 * sr.MiB)}" for start in (4, 8)):
            online = host.read(f"{block}/state") == "online"
            found.append(host.read(f"{block}/valid_zones") if online else "-")
    return found


@pytest.mark.parametrize(
    ("udev", "wanted"),
    [
        ("", ["Movable", "Movable"]),
        ('[udev]\nstate = "offline"', ["-", "-"]),
        ('[udev]\nrules = [{ node = 2, state = "online_kernel" }]', ["Movable", "Normal"]),
        ('[udev]\nrules = [{ end = "6G", state = "offline" }]', ["-", "Movable"]),
        ('[udev]\nrules = [{ node = 1, start = "4608M", state = "offline" }]', ["Movable", "Movable"]),
    ],
)
def test_memory_goes_online_as_the_rules_say(tmp_path: Path, udev: str, wanted: list[str]) -> None:
    assert zones(tmp_path / "m.toml", udev) == wanted


def test_a_state_that_there_is_not_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(sr.ConfigError, match=r"m\.toml: line .*rules.*state"):
        zones(tmp_path / "m.toml", '[udev]\nrules = [{ state = "on" }]')


class Mine:
    @pytest.fixture
    def plugin_name(self) -> str:
        return "udev"


class TestPlugin(Mine, BasePlugin):
    pass


class TestPolicy(Mine, BasePolicy):
    pass


class TestSection(Mine, BaseImporter):
    pass
