"""The real kexec on the emulated machine lists the ranges that our model of it lists."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import cases
import pytest
from hosts import Host, need
from softreserve.machine import kexec
from softreserve.model.kexec import KexecRequest
from softreserve.testing.machines import static_elf

pytestmark = [pytest.mark.clients, pytest.mark.fuse]

RANGE = re.compile(r"[0-9a-f]{16}-[0-9a-f]{16} \(\d+\)")


def listed(lines: list[str]) -> list[str]:
    """What is said about types and sources, and the list under MEMORY RANGES."""
    found = [line for line in lines if line.startswith(("Unknown type", "Parsing the /sys/firmware"))]
    for line in lines[lines.index("MEMORY RANGES") + 1 :]:
        if not RANGE.fullmatch(line):
            break
        found.append(line)
    return found


@pytest.mark.parametrize("release", ["6.1.0-56-amd64", "6.12.117+deb12-amd64", "7.3.4+deb13-amd64"])
@pytest.mark.parametrize(
    ("spec", "cmdline"),
    [
        ("example:two-node", ""),
        ("example:two-node", "add_efi_memmap"),  # /proc/iomem is the source
        ("example:two-node", "efi=nosoftreserve"),
        ("example:two-node", "memmap=64M$0x50000000 memmap=128M!0x60000000"),
        ("example:unaligned", ""),
        ("example:unaligned", "add_efi_memmap memmap=16M#0x50000000"),
        ("example:xeon-max", ""),
    ],
)
def test_memory_ranges(hosts: Callable[..., Host], tmp_path: Path, spec: str, cmdline: str, release: str) -> None:
    need("kexec")
    kernel = tmp_path / "kernel"
    kernel.write_bytes(static_elf())
    # memory that a driver manages must show in neither list
    host = hosts(spec, release, cmdline=cmdline, modules="dax_hmem device_dax kmem")

    _, output = host.run(f"kexec -d -l --type=elf-x86_64 {kernel}")

    model = kexec.load(host.system, KexecRequest("kexec_load"))
    assert listed(output.splitlines()) == listed(list(model.output))


#: What ``kexec -d -p`` of 2.0.32 printed on real 7.3.4, on the machine of that case with ``crashkernel=192M``.
CRASH_RANGES = """\
0000000000000000-0000000000000fff (1)
0000000000001000-000000000009ffff (0)
0000000000100000-0000000000805fff (0)
0000000000806000-0000000000807fff (3)
0000000000808000-000000000080ffff (0)
0000000000810000-00000000008fffff (3)
0000000000900000-000000006effffff (0)
000000007b000000-000000007ea89fff (0)
000000007ea8a000-000000007eb8bfff (1)
000000007eb8c000-000000007f4ebfff (0)
000000007f4ec000-000000007f76bfff (1)
000000007f76c000-000000007f77dfff (2)
000000007f77e000-000000007f7fdfff (3)
000000007f7fe000-000000007feebfff (0)
000000007feec000-000000007ff6ffff (1)
000000007ff70000-000000007fffffff (3)
00000000b0000000-00000000bfffffff (1)
0000000100000000-000000017fffffff (0)
"""


def test_a_crash_kernel_is_told_of_all_memory_but_its_own(hosts: Callable[..., Host], tmp_path: Path) -> None:
    """Memory that kmem has is in the dump. What comes after the list are addresses of a kernel's own data."""
    need("kexec")
    case = cases.unpack("x86-7.3-kexec-tools-2.0.32", tmp_path)
    kernel = tmp_path / "kernel"
    kernel.write_bytes(static_elf(0x70000000))
    host = hosts(str(case), modules="dax_hmem device_dax kmem", cmdline="crashkernel=192M")

    _, output = host.run(f"kexec -d -p --type=elf-x86_64 --args-linux {kernel}")

    assert CRASH_RANGES in output.partition("CRASH MEMORY RANGES\n")[2]
