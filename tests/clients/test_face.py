"""The ten lines that a tool's author begins with."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import hosts
import pytest
import softreserve as sr
import wheels
from softreserve.live import device
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


#: Looks when it is told to, at what it has looked at just before.
LOOKS = """
import os, sys
place, asked, answers = sys.argv[1:]
with open(asked) as asked, open(answers, "w", buffering=1) as answers:
    for _ in asked:
        print(os.path.isdir(place), file=answers)
"""


def test_what_is_written_from_python_is_seen_by_a_program_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "_CALM", 0)  # names of devices are kept
    (tmp_path / "looks.py").write_text(LOOKS)
    for name in ("asked", "answers"):
        os.mkfifo(tmp_path / name)
    region = "/sys/devices/platform/hmem.0"
    with sr.Session(sr.boot(sr.load("example:two-node", kernel="6.1.0-56-amd64"), userspace="none")) as host:
        for module in ("dax_hmem", "device_dax"):
            host.run(f"modprobe {module}")
        host.write("/sys/bus/dax/drivers/device_dax/unbind", "dax0.0")
        host.write(f"{region}/dax0.0/size", "0")
        words = f"{sys.executable} {tmp_path}/looks.py {region}/dax0.1 {tmp_path}/asked {tmp_path}/answers"
        running = threading.Thread(target=host.run, args=[words])
        running.start()
        with open(tmp_path / "asked", "w", buffering=1) as asked, open(tmp_path / "answers") as answers:

            def there() -> bool:
                asked.write("?\n")
                return answers.readline() == "True\n"

            for _ in range(20):
                assert host.write(f"{region}/dax_region/create", "1") == 1
                assert (there(), there()) == (True, True)
                assert host.write(f"{region}/dax_region/delete", "dax0.1") == 6
                assert not there()
        running.join()
