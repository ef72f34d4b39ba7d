"""A shell tool that changes the machine: what it does, what it says, and what is left of it."""

from pathlib import Path

import pytest

TOOL = Path(__file__).parents[1] / "spm-movable"

pytestmark = pytest.mark.softreserve("example:xeon-max", cmdline="+memhp_default_state=offline")


@pytest.mark.softreserve(kernel=["6.12", "7.3"])
def test_all_memory_of_dax_devices_is_movable_afterwards(softreserve_host):
    done = softreserve_host.run([TOOL], check=True)
    assert sorted(done.stdout.splitlines()) == ["dax0.0: node 2", "dax1.0: node 3"]

    for node in (2, 3):
        folder = f"/sys/devices/system/node/node{node}"
        blocks = [name for name in softreserve_host.listdir(folder) if name.removeprefix("memory").isdecimal()]
        assert len(blocks) == 32
        assert {softreserve_host.read(f"{folder}/{block}/valid_zones") for block in blocks} == {"Movable"}


def test_a_second_run_changes_nothing(softreserve_host):
    softreserve_host.run([TOOL], check=True)
    before = softreserve_host.record.read_text()
    softreserve_host.run([TOOL], check=True)
    assert softreserve_host.record.read_text() == before


@pytest.mark.softreserve(kernel="6.1")  # leaves them to device_dax
@pytest.mark.softreserve(cmdline="+efi=nosoftreserve")  # has none
def test_where_none_is_used_as_memory_that_is_said(softreserve_host):
    done = softreserve_host.run([TOOL])
    assert (done.returncode, done.stderr) == (1, "spm-movable: no dax device is used as memory\n")
