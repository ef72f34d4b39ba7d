"""The ten lines that a tool's author begins with."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import hosts
import pytest
import softreserve as sr
import wheels
from softreserve.live.fuse import FuseError, check_fuse
from softreserve.plugins.selection import Selection

pytestmark = [pytest.mark.clients, pytest.mark.fuse]


@pytest.fixture(autouse=True)
def _needs() -> None:
    hosts.need("daxctl")
    if not {"x86", "hmem"} <= set(Selection().installed):
        pytest.skip("not installed here: softreserve-x86, softreserve-hmem")
    try:
        check_fuse()
    except FuseError as error:
        hosts.unavailable(str(error))


def test_my_tool_sees_devdax() -> None:
    """From 6.3 on the bind is -ENODEV, as kmem is the driver for it; daxctl calls a device without a driver devdax."""
    machine = sr.load("example:two-node", cmdline="+memhp_default_state=offline")
    with sr.Session(sr.boot(machine)) as host:
        assert host.system.iomem.find("Soft Reserved")[0].start == 4 * sr.GiB
        host.write("/sys/bus/dax/drivers/kmem/unbind", "dax0.0")
        host.write("/sys/bus/dax/drivers/device_dax/bind", "dax0.0")
        assert host.json("daxctl list")[0]["mode"] == "devdax"


def test_a_program_that_fails_says_so_with_its_output() -> None:
    with sr.Session(sr.boot(sr.load("example:two-node"))) as host:
        with pytest.raises(subprocess.CalledProcessError, match="status 7") as caught:
            host.run("echo no; exit 7")
        assert caught.value.output == "no\n"
        assert host.json("true") == []


def test_the_example_of_the_documentation_does_what_it_says() -> None:
    text = (wheels.ROOT / "docs" / "python.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)
    names["test_my_tool_sees_devdax"]()
