"""What versions of kexec-tools do otherwise, worked out by hand from their sources.

kexec-tools: ``kexec/kexec.c: main``, ``kexec/arch/x86_64/kexec-bzImage64.c: do_bzImage64_load``.
"""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from softreserve.machine import kexec
from softreserve.model.errors import MachineError
from softreserve.model.kernel import Kernel
from softreserve.model.kexec import KexecRequest, KexecTools
from softreserve.model.ranges import PhysRange

M = 1 << 20


@pytest.mark.parametrize(
    ("version", "file_load", "syscall"),
    [
        ("2.0.25", "y", "kexec_load"),
        ("2.0.26", "y", "kexec_load"),
        ("2.0.27", "y", "kexec_file_load"),
        ("2.0.32", "y", "kexec_file_load"),
        ("2.0.32", "n", "kexec_load"),
        ("2.1", "y", "kexec_file_load"),
    ],
)
def test_the_system_call_depends_on_version_and_kernel(version: str, file_load: str, syscall: str) -> None:
    kernel = Kernel("6.12", "x86_64", config={"KEXEC_FILE": file_load})
    assert KexecTools(version).syscall(kernel) == syscall


@pytest.mark.parametrize(
    ("option", "syscall", "status", "words"),
    [
        # recorded with 2.0.32 on Debian's 7.3.4 for arm64
        ("KEXEC_FILE", "kexec_file_load", 253, "syscall kexec_file_load not available."),
        # from the source: kexec.c: my_load
        ("KEXEC", "kexec_load", 255, "kexec_load failed: Function not implemented"),
    ],
)
def test_a_kernel_without_the_system_call_loads_nothing(
    lab: Any, option: str, syscall: str, status: int, words: str
) -> None:
    machine = lab.x86("S")
    kernel = attrs.evolve(machine.kernel, config={**machine.kernel.config, option: "n"})
    system = lab.boot(attrs.evolve(machine, kernel=kernel))
    image = kexec.load(system, KexecRequest(syscall))
    assert (image.status, image.output, image.segments) == (status, (words,), ())
    (other,) = {"kexec_load", "kexec_file_load"} - {syscall}
    assert kexec.load(system, KexecRequest(other)).status == 0


@pytest.mark.parametrize("version", ["", "2", "2.0.x", "2.0.25-3", "v2.0.25", "\u0662.0.25"])
def test_what_is_no_version_is_said(version: str) -> None:
    with pytest.raises(MachineError, match=r"wanted a version of kexec-tools, such as 2\.0\.25"):
        KexecTools(version)


@pytest.mark.parametrize(
    ("version", "top", "kernel"),
    [
        # 0x9000 bytes of purgatory and 0x6000 of setup lie on top; the kernel ends on the next 2 MiB below
        ("2.0.25", 64 * M, 42 * M),
        ("2.0.30", 64 * M, 42 * M),
        ("2.0.25", 32 * M, 10 * M),
        ("2.0.29", 32 * M, 10 * M),
        ("2.0.30", 32 * M, None),
        ("2.0.30", 38 * M, 16 * M),
    ],
)
def test_from_2_0_30_a_kernel_lies_no_lower_than_it_prefers(
    lab: Any, version: str, top: int, kernel: int | None
) -> None:
    """CONFIG_PHYSICAL_START is 16 MiB; the kernel takes 20 MiB."""
    request = KexecRequest(tools=KexecTools(version), mem_max=top - 1, kernel_size=20 * M, initrd_size=0)
    image = kexec.load(lab.boot(lab.x86("S")), request)
    found = {segment.what: segment.range for segment in image.segments}
    if kernel is None:
        assert (image.status, found) == (255, {})
        assert image.output[-2:] == (
            "Could not find a free area of memory of 0x1400000 bytes...",
            "locate_hole failed",
        )
    else:
        assert found["kernel"] == PhysRange.from_size(kernel, 20 * M)
