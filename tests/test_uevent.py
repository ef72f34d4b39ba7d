"""Words written to ``uevent``: what real kernels answered and printed, 7.3.4 and 6.12.117, on a machine in QEMU."""

from __future__ import annotations

import errno

import pytest
from small_machines import X86, machine, settled
from softreserve.kernel.system import System

#: With and without a final newline, words and the answer of both kernels (0: taken).
ANSWERS = {
    "add": 0,
    "change": 0,
    "remove": 0,
    "offline": 0,
    "synth": -errno.EINVAL,
    "add fe4d7c9d-b8c6-4a70-9ef1-3d8a58d18eed A=1": 0,
    "add x": -errno.EINVAL,
}
ARGUMENTS = "incorrect uevent action arguments"
ACTION = "unknown uevent action string"


@pytest.fixture(scope="module")
def system() -> System:
    return settled(machine(X86, "7.3"))


@pytest.mark.parametrize(
    ("path", "device"),
    [
        ("/devices/platform/hmem_platform.0/hmem.0/dax0.0", "kmem dax0.0"),
        ("/devices/system/memory/memory0", "memory memory0"),
        ("/devices/system/node/node0", "node node0"),
        ("/devices/virtual/memory_tiering/memory_tier4", "memory_tiering memory_tier4"),
        ("/bus/dax", None),
        ("/bus/dax/drivers/kmem", None),
        ("/bus/memory", None),
        ("/module/kmem", None),
    ],
)
def test_an_event_is_taken_or_refused_with_the_kernel_s_words(system: System, path: str, device: str | None) -> None:
    refused = 0
    for words, answer in ANSWERS.items():
        for data in (f"{words}\n".encode(), words.encode()):
            before = len(system.log.lines)
            assert system.sysfs.write(f"/sys{path}/uevent", data) == (answer or len(data)), words
            said = system.log.lines[before:]
            if not answer:
                assert said == []
                continue
            refused += 1
            about = f"synth uevent: {path}: {ARGUMENTS if words == 'add x' else ACTION}"
            assert said == [about, *([f"{device}: uevent: failed to send synthetic uevent: -22"] if device else [])]
    assert refused == 4


@pytest.mark.parametrize(
    ("data", "taken"),
    [
        (b"bind", True),
        (b"unbind\0", True),
        (b"add\n\n", False),
        (b"\n", False),
        (b" add", False),
        (b"ADD", False),
        (b"add ", False),
        (b"add fe4d7c9d-b8c6-4a70-9ef1-3d8a58d18eed", True),
        (b"add FE4D7C9D-B8C6-4A70-9EF1-3D8A58D18EED", True),
        (b"add fe4d7c9d-b8c6-4a70-9ef1-3d8a58d18eed ", False),
        (b"add fe4d7c9d-b8c6-4a70-9ef1-3d8a58d18eed A=1 B=2\n", True),
        (b"add fe4d7c9d-b8c6-4a70-9ef1-3d8a58d18eed A=", False),
        (b"add fe4d7c9d-b8c6-4a70-9ef1-3d8a58d18eed =1", False),
        (b"add fe4d7c9d-b8c6-4a70-9ef1-3d8a58d18eed A_B=1", False),
        (b"add fe4d7c9db8c64a709ef13d8a58d18eed", False),
    ],
)
def test_words_are_read_as_in_the_source(system: System, data: bytes, taken: bool) -> None:
    """By hand from ``lib/kobject_uevent.c``."""
    assert system.sysfs.write("/sys/bus/dax/uevent", data) == (len(data) if taken else -errno.EINVAL)


def test_the_error_is_named_from_6_1_on() -> None:
    """By hand from ``drivers/base/core.c: uevent_store``."""
    said = []
    for release in ("5.10", "6.1"):
        system = settled(machine(X86, release))
        system.sysfs.write("/sys/devices/system/node/node0/uevent", b"no")
        said.append(system.log.lines[-1])
    assert said == [f"node node0: uevent: failed to send synthetic uevent{end}" for end in ("", ": -22")]
