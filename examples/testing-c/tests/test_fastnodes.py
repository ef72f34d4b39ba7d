"""A C program that reads the machine: built once, run on several, live and on a tree of files."""

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "fastnodes.c"


@pytest.fixture(scope="session")
def fastnodes(tmp_path_factory):
    """The program, built."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler: apt install gcc libc6-dev")
    program = tmp_path_factory.mktemp("build") / "fastnodes"
    subprocess.run(["cc", "-Wall", "-Werror", "-o", program, SOURCE], check=True)
    return program


@pytest.mark.softreserve("example:xeon-max", kernel=["6.12", "7.3"])
def test_high_bandwidth_memory_is_the_fastest(fastnodes, softreserve_host):
    assert softreserve_host.run([fastnodes], check=True).stdout == "2,3\n"


@pytest.mark.softreserve("example:two-node", mode=["live", "export"])
def test_another_root_is_read_as_the_machine_itself(fastnodes, softreserve_host):
    assert softreserve_host.run([fastnodes, softreserve_host.root], check=True).stdout == "0\n"


@pytest.mark.softreserve("example:no-hmat")
def test_a_machine_that_tells_no_bandwidth_is_told(fastnodes, softreserve_host):
    done = softreserve_host.run([fastnodes])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "fastnodes: the kernel tells no bandwidths\n"
