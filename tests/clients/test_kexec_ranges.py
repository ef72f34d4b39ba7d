"""The real kexec on the emulated machine lists the ranges that our model of it lists."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hosts import Host, need, static_elf
from softreserve.machine import kexec
from softreserve.model.kexec import KexecRequest

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
