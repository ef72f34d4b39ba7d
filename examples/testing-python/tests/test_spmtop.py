"""A Python tool: all of it as a program on several machines, and a part of it in the test's own process."""

import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1]
COMMAND = [sys.executable, SOURCE / "spmtop.py"]
GIB = 1 << 30


@pytest.mark.softreserve(["example:two-node", "example:xeon-max"], kernel=["6.1", "6.12", "7.3"])
def test_all_that_is_reserved_is_in_devices(softreserve_host):
    found = softreserve_host.json(COMMAND)
    in_devices = sum(device["size"] for device in found["devices"].values())
    assert in_devices >= 2 * GIB
    # 7.3 does not list it, which is what this test is for
    is_listed = not softreserve_host.system.kernel.release.startswith("7.")
    assert found["soft_reserved"] == (in_devices if is_listed else 0)


@pytest.mark.softreserve("example:two-node", cmdline="+memhp_default_state=offline")
def test_a_device_that_changes_hands_is_followed(softreserve_host):
    assert softreserve_host.json(COMMAND)["devices"]["dax0.0"]["driver"] == "kmem"
    assert softreserve_host.write("/sys/bus/dax/drivers/kmem/unbind", "dax0.0") == len("dax0.0")
    assert softreserve_host.json(COMMAND)["devices"]["dax0.0"] == {"size": 2 * GIB, "node": 1, "driver": None}


@pytest.mark.softreserve("example:two-node", cmdline="+efi=nosoftreserve")
def test_a_machine_without_any_ends_with_1(softreserve_host):
    assert softreserve_host.run(COMMAND).returncode == 1


@pytest.mark.softreserve("example:two-node", arch=["x86_64", "arm64"])
def test_a_part_of_it_needs_no_program_to_run(softreserve_host, monkeypatch):
    monkeypatch.syspath_prepend(SOURCE)
    from spmtop import soft_reserved

    assert soft_reserved(softreserve_host.read("/proc/iomem")) == 2 * GIB
