"""``import softreserve``: what is listed is there, typed, and costs nothing until it is used."""

from __future__ import annotations

import ast
import doctest
import errno
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import pytest
import softreserve as sr
from softreserve.plugins.selection import Selection

SOURCE = Path(str(sr.__file__))
#: Where the package is found without ``site``, which imports things of its own.
PATHS = {"PYTHONPATH": str(SOURCE.parents[1])}


@pytest.mark.parametrize("name", sr.__all__)
def test_a_listed_name_is_there_and_says_what_it_is(name: str) -> None:
    found = getattr(sr, name)
    if not isinstance(found, int | str) and name != "hookimpl":
        assert found.__doc__


def test_type_checkers_are_told_the_same_names_from_the_same_places() -> None:
    (block,) = (node for node in ast.parse(SOURCE.read_text()).body if isinstance(node, ast.If))
    told = {
        (node.module, alias.name, alias.asname or alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module != "typing"
        for alias in node.names
    }
    imported = {
        (f"softreserve.{module}", there, here or there)
        for module, words in sr._PLACES.items()
        for there, _, here in (word.partition(":") for word in words.split())
    }
    assert told == imported
    assert {here for _, _, here in told} == set(sr.__all__) - {"__version__", "KiB", "MiB", "GiB", "TiB"}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'boots'"):
        sr.boots  # noqa: B018


def test_the_import_brings_nothing_along() -> None:
    code = "import sys; before = set(sys.modules); import softreserve; print(sorted(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, env=PATHS)
    assert run.stdout == "['__future__', 'softreserve']\n"


def need_the_example() -> None:
    """Skip where nothing boots ``example:two-node``, or gives it devices."""
    if not {"x86", "hmem"} <= set(Selection().installed):
        pytest.skip("not installed here: softreserve-x86, softreserve-hmem")


def with_examples() -> list[str]:
    """Modules of the core that show how something of them is used."""
    found = [path for path in SOURCE.parent.rglob("*.py") if ">>> " in path.read_text()]
    return sorted(".".join(path.relative_to(SOURCE.parents[1]).with_suffix("").parts) for path in found)


@pytest.mark.parametrize("module", with_examples())
def test_the_examples_in_docstrings_do_what_they_say(module: str) -> None:
    need_the_example()
    results = doctest.testmod(import_module(module))
    assert results.attempted
    assert results.failed == 0


@pytest.fixture
def host() -> sr.Session:
    need_the_example()
    return sr.Session(sr.boot(sr.load("example:two-node", cmdline="+memhp_default_state=offline")))


def test_files_of_a_machine_are_read_and_written(host: sr.Session) -> None:
    assert host.listdir("/sys/bus/dax/devices") == ["dax0.0"]
    assert host.write("/sys/bus/dax/drivers/kmem/unbind", "dax0.0") == 6
    assert host.read("/sys/bus/dax/devices/dax0.0/target_node") == "1"


def test_paths_are_strings_or_what_pathlib_makes_and_values_text_or_bytes(host: sr.Session) -> None:
    dax = Path("/sys/bus/dax")
    assert host.write(dax / "drivers" / "kmem" / "unbind", b"dax0.0\n") == 7
    assert host.listdir(dax / "devices") == ["dax0.0"]
    assert host.read(dax / "devices" / "dax0.0" / "target_node") == "1"


def test_what_the_kernel_refuses_is_a_result_of_a_write_and_an_oserror_of_a_read(host: sr.Session) -> None:
    assert host.write("/sys/nothing", "1") == -errno.ENOENT
    assert host.write("/sys/bus/dax/drivers/kmem/unbind", "dax9.9") == -errno.ENODEV
    with pytest.raises(FileNotFoundError, match="/sys/nothing"):
        host.read("/sys/nothing")
    with pytest.raises(NotADirectoryError):
        host.listdir("/sys/devices/system/node/online")


def test_plugins_and_user_space_are_chosen(host: sr.Session) -> None:
    machine = sr.load("example:two-node")
    assert sr.boot(machine, plugins=["no:hmem"]).sysfs.node("/sys/bus/dax") is None
    assert sr.Session(sr.boot(machine, userspace="none")).listdir("/sys/bus/dax/drivers") == []
    assert sorted(host.listdir("/sys/bus/dax/drivers")) == ["device_dax", "kmem"]


@pytest.mark.fuse
def test_a_list_runs_a_program_as_subprocess_does(host: sr.Session, tmp_path: Path) -> None:
    with host:
        done = host.run(
            ["sh", "-c", "cat; echo b > /dev/stderr; echo $TOOL; pwd; exit 3"], input="a\n", env={"TOOL": "t"}
        )
        assert (done.returncode, done.stdout, done.stderr) == (3, f"a\nt\n{Path.cwd()}\n", "b\n")
        assert host.run(["sh", "-c", "kill -9 $$"], cwd=tmp_path).returncode == -9
        assert len(host.run(["head", "-c", "300000", "/dev/zero"]).stdout) == 300_000  # more than a pipe holds
        assert host.run(["sh", "-c", "sleep 60 & echo on"]).stdout == "on\n"  # and nobody waits for that
        with pytest.raises(subprocess.TimeoutExpired) as late:
            host.run(["sh", "-c", "echo begun; sleep 60"], timeout=0.5)
        assert late.value.output == "begun\n"
        with pytest.raises(subprocess.CalledProcessError) as failed:
            host.run(["cat", "/nothing"], check=True)
        assert "/nothing" in failed.value.stderr
        assert "/nothing" in failed.value.__notes__[0]
        for words, where, missing in ((["nix"], None, "nix"), (["true"], "/nothing", "/nothing")):
            with pytest.raises(FileNotFoundError) as lost:
                host.run(words, cwd=where)
            assert lost.value.filename == missing
        assert host.run(["cat", "/sys/devices/system/node/possible"]).stdout == "0-1\n"  # it goes on after all that
        assert host.json(["echo", "[1]"]) == [1]
        assert host.json(["true"]) == []
        with pytest.raises(TypeError, match="give a list"):
            host.run("true", check=False)


@pytest.mark.fuse
def test_calls_that_were_written_for_subprocess_do(host: sr.Session) -> None:
    with host:
        assert host.run(["echo", "a"], capture_output=True, text=True, check=True).stdout == "a\n"
        done = host.run(["sh", "-c", "cat; printf '\\376' >&2"], input=b"\xff\0", text=False)
        assert (done.stdout, done.stderr) == (b"\xff\0", b"\xfe")
        with pytest.raises(subprocess.TimeoutExpired) as late:
            host.run(["sh", "-c", "printf '\\376'; sleep 60"], text=False, timeout=0.5)
        assert late.value.output == b"\xfe"
        for wrong in ({"env": {"TOOL": 1}}, {"stderr": subprocess.STDOUT}, {"capture_output": False}):
            with pytest.raises(TypeError):
                host.run(["true"], **wrong)
        with pytest.raises(ValueError, match="null byte"):
            host.run(["echo", "a\0b"])
        assert host.run(["echo", "fine"]).stdout == "fine\n"


@pytest.mark.fuse
def test_a_string_takes_what_a_list_takes(host: sr.Session, tmp_path: Path) -> None:
    with host:
        assert host.run("cat; echo $TOOL; pwd", input="a\n", env={"TOOL": "t"}, cwd=tmp_path) == f"a\nt\n{tmp_path}\n"
        assert host.run("pwd", check=True) == "/\n"
        with pytest.raises(subprocess.TimeoutExpired) as late:
            host.run("echo begun; echo so >&2; sleep 60", timeout=0.5)
        assert late.value.output == "begun\nso\n"
        with pytest.raises(subprocess.CalledProcessError) as killed:
            host.run("kill -9 $$")
        assert (killed.value.returncode, killed.value.cmd) == (137, "kill -9 $$")


@pytest.mark.fuse
def test_what_a_script_says_to_dev_stderr_is_in_its_place(host: sr.Session) -> None:
    with host:
        assert host.run("echo a; echo b > /dev/stderr; echo c; echo d | tee /dev/stdout") == "a\nb\nc\nd\nd\n"


@pytest.mark.fuse
@pytest.mark.parametrize("words", ["sleep 60; echo old; exit 5", ["sh", "-c", "sleep 60; echo old; exit 5"]])
def test_after_an_interrupted_program_the_next_one_answers_for_itself(
    host: sr.Session, words: str | list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A timeout of the test runner interrupts one test, and the next one has the same machine."""
    from softreserve.live import shell

    def interrupted(*files: object) -> None:
        raise KeyboardInterrupt

    with host:
        with monkeypatch.context() as patch:
            patch.setattr(shell, "_read_until", interrupted)
            with pytest.raises(KeyboardInterrupt):
                host.run(words)
        host.write("/sys/devices/system/memory/auto_online_blocks", "online")
        assert host.run("echo new; cat /sys/devices/system/memory/auto_online_blocks") == "new\nonline\n"
        assert host.run(["echo", "new"]).stdout == "new\n"


@pytest.mark.fuse
@pytest.mark.parametrize("together", [True, False])
def test_what_goes_on_in_the_background_may_go_on_saying_something(
    host: sr.Session, together: bool, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    words = f"(sleep 0.3; echo late; echo later; echo alive > {told}) & echo begun"
    with host:
        begun = host.run(words) if together else host.run(["sh", "-c", words]).stdout
        assert begun == "begun\n"
        assert host.run(f"for i in $(seq 50); do test -s {told} && break; sleep 0.1; done; cat {told}") == "alive\n"


@pytest.mark.fuse
def test_threads_run_programs_one_after_the_other(host: sr.Session) -> None:
    with host, ThreadPoolExecutor(8) as pool:
        said = pool.map(lambda number: host.run(["sh", "-c", f"sleep 0.01; echo {number}"]).stdout, range(16))
        assert list(said) == [f"{number}\n" for number in range(16)]


def test_what_is_done_is_recorded_and_gone_on_with(host: sr.Session, tmp_path: Path) -> None:
    machine = host.system.machine
    record = tmp_path / "record.toml"
    with sr.Session(sr.boot(machine), record=record) as first:
        assert first.record == record
        assert first.write("/sys/bus/dax/drivers/kmem/unbind", "dax0.0") == 6
    assert record.read_text().count("[[step]]") == 1
    with sr.Session(sr.boot(machine), record=record) as second:
        assert second.write("/sys/bus/dax/drivers/kmem/unbind", "dax0.0") == -errno.ENODEV
    with pytest.raises(sr.InputError, match="another machine"):
        sr.Session(sr.boot(sr.load(machine, cmdline="quiet")), record=record)


def test_a_machine_is_loaded_with_all_the_words_of_the_command_line(tmp_path: Path) -> None:
    need_the_example()
    machine = sr.load("example:two-node", config=["DEV_DAX=n"])
    assert sr.Session(sr.boot(machine)).listdir("/sys/bus/dax/drivers") == ["kmem"]
    changed = sr.load(machine, kernel="7.3", cmdline="+quiet")
    assert changed.machine.kernel.release == "7.3"
    assert changed.machine.cmdline.text.endswith(" quiet")
    efi_map = tmp_path / "map.txt"
    efi_map.write_text("[    0.0] efi: mem00: [Conventional|   |  |  |] range=[0x0-0x3fffffff] (1024MB)\n")
    assert [descriptor.size for descriptor in sr.load(machine, efi_map=efi_map).machine.efi_map or []] == [sr.GiB]
