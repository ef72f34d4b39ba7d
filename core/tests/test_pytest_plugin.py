"""The pytest plugin for authors of tools: which machines a test gets, and what it is told where that cannot be."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from _pytest.pytester import SysModulesSnapshot
from softreserve.plugins.selection import Selection

pytest_plugins = ["pytester"]

pytestmark = pytest.mark.skipif(
    not {"x86", "hmem"} <= set(Selection().installed), reason="not installed here: softreserve-x86, softreserve-hmem"
)

PLUGIN = "softreserve.testing.pytest"
UNBIND = '"/sys/bus/dax/drivers/kmem/unbind", "dax0.0"'


@pytest.fixture(autouse=True)
def _our_modules_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test in a test imports is not imported again by others: they would have two of each class."""

    def snapshot(_: object) -> SysModulesSnapshot:
        return SysModulesSnapshot(preserve=lambda name: name.startswith("softreserve"))

    monkeypatch.setattr(pytest.Pytester, "_Pytester__take_sys_modules_snapshot", snapshot)


@pytest.fixture(autouse=True)
def _with_the_plugin(_our_modules_stay: None, pytester: pytest.Pytester) -> None:
    """As with the wheel that names it to pytest, which is not in every environment."""
    pytester.plugins = [PLUGIN]
    pytester.makeini(f"[pytest]\naddopts = -p {PLUGIN} -p no:cacheprovider --strict-markers\n")


def ids(result: pytest.RunResult) -> list[str]:
    """What tests ran for, or would."""
    return re.findall(r"\[(.*)\]", "\n".join(line for line in result.outlines if line.startswith("test_")))


def test_nothing_is_imported_until_a_test_asks(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    code = (
        f"import pytest, sys; assert pytest.main(['-q', '-p', {PLUGIN!r}]) == 0;"
        " print(sorted(name for name in sys.modules if name.startswith('softreserve')))"
    )
    run = pytester.run(sys.executable, "-c", code)
    assert run.outlines[-1] == "['softreserve', 'softreserve.testing', 'softreserve.testing.pytest']"


def test_lists_run_a_test_for_each_and_ids_say_what_for(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.softreserve(["example:two-node", "example:xeon-max"], kernel=["6.1", None], cmdline="+quiet")
        def test_each(softreserve_machine): pass
        @pytest.mark.softreserve("example:two-node", mode=["live", "export"], plugins=["no:cxl"])
        def test_modes(softreserve_host): pass
        @pytest.mark.softreserve("example:two-node", kernel=["6.1", "7.3"])
        def test_none(): pass
        """
    )
    found = ids(pytester.runpytest("--collect-only", "-q"))
    assert found == ["two-node-6.1", "two-node-as-is", "xeon-max-6.1", "xeon-max-as-is", "live", "export"]


def test_marks_at_one_place_are_alternatives_and_what_an_inner_one_says_counts(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        pytestmark = pytest.mark.softreserve("example:two-node", kernel="6.1", cmdline="+quiet")
        class TestIt:
            pytestmark = pytest.mark.softreserve(kernel="6.12")
            @pytest.mark.softreserve(arch="arm64")
            @pytest.mark.softreserve(cmdline=None)
            def test_it(self, softreserve_machine, request):
                print(request.node.callspec.params["_softreserve_wanted"])
        """
    )
    result = pytester.runpytest("-q", "-s", "-k", "not arm64")
    result.stdout.fnmatch_lines(["{'machine': 'example:two-node', 'kernel': '6.12', 'cmdline': None}*"])
    result.assert_outcomes(passed=1, deselected=1)


def test_parameters_and_own_fixtures_name_machines_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest, softreserve as sr
        MARK = pytest.mark.softreserve("example:two-node", kernel="6.1")
        @MARK
        @pytest.mark.parametrize("softreserve_machine", ["example:xeon-max", {"kernel": "7.3"}], indirect=True)
        def test_indirect(softreserve_machine, softreserve_host):
            found = softreserve_host.system.machine
            assert (found.name, found.kernel.release) in [("xeon-max", "6.1"), ("two-node", "7.3")]
        @MARK
        @pytest.mark.parametrize("softreserve_machine", ["example:xeon-max", sr.load("example:xeon-max")])
        def test_direct(softreserve_host):
            assert softreserve_host.system.machine.name == "xeon-max"
            assert softreserve_host.system.kernel.release == "6.1"
        @pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.softreserve("example:xeon-max"))])
        def test_param(softreserve_host, n):
            assert softreserve_host.system.machine.name == "xeon-max"
        class TestOwn:
            @pytest.fixture
            def softreserve_machine(self):
                return sr.load("example:xeon-max", kernel="6.12").machine
            @pytest.mark.softreserve(cmdline="quiet", userspace="none")
            def test_own(self, softreserve_host):
                assert softreserve_host.read("/proc/cmdline") == "quiet"
                assert softreserve_host.listdir("/sys/bus/dax/drivers") == []
        """
    )
    pytester.runpytest("-q").assert_outcomes(passed=6)
    assert ids(pytester.runpytest("--collect-only", "-q", "-k", "indirect")) == ["xeon-max", "7.3"]


def test_a_choice_has_marks_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        LATER = pytest.param("7.3", marks=pytest.mark.xfail(strict=True))
        @pytest.mark.softreserve("example:two-node", kernel=["6.1", LATER])
        def test_each(softreserve_host):
            assert softreserve_host.system.kernel.release == "6.1"
        @pytest.mark.softreserve(pytest.param("example:two-node", marks=pytest.mark.skip(reason="not yet")))
        def test_one(softreserve_machine): pass
        """
    )
    pytester.runpytest("-q").assert_outcomes(passed=1, xfailed=1, skipped=1)


def test_files_are_looked_for_beside_the_test(pytester: pytest.Pytester) -> None:
    folder = pytester.mkdir("inner")
    (folder / "own.toml").write_text('efi_map = [{ start = 0, size = "2G" }]\n')
    (folder / "test_it.py").write_text(
        "import pytest\n@pytest.mark.softreserve('own.toml')\n"
        "def test_it(softreserve_machine, monkeypatch): assert softreserve_machine.machine.name == 'own'\n"
    )
    pytester.runpytest("-q", "inner").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ('"example:two-node", kernl="7.3"', "kernl: no such word; known: kernel, *; did you mean 'kernel'[?]"),
        ('"example:two-node", kernel=7.3', 'kernel: wanted text, not 7.3: write "7.3"'),
        ('"example:two-node", kernel=[]', "kernel: an empty list"),
        ('"example:two-node", mode="exprt"', "mode: 'exprt' is not one of live, export; did you mean 'export'[?]"),
        ('"example:two-node", plugins=[1]', "plugins: wanted text, or a list of it, not [[]1[]]"),
        ('"example:two-nod"', "example:two-nod: no such example; *did you mean 'two-node'[?]"),
        ('"example:two-node", kernel="7.x"', "*7.x*"),
        ('"example:two-node", arch="vax"', "*vax*"),
        (
            '"example:two-node", userspace="udef"',
            "no user space 'udef'*did you mean 'udev'[?]*",
        ),
        ('"example:two-node", kernel="6.12,7.3"', "--kernel: wanted letters, digits and *, not '6.12,7.3'"),
        ('""', "machine: an empty name"),
        ('"-"', "*: a test has no machine on standard input: name a file"),
        ("", 'which machine? Name one: @pytest.mark.softreserve("example:two-node")'),
    ],
)
def test_what_is_wrong_is_told_in_a_line_without_a_traceback(
    pytester: pytest.Pytester, mark: str, message: str
) -> None:
    pytester.makepyfile(f"import pytest\n@pytest.mark.softreserve({mark})\ndef test_it(softreserve_host): pass\n")
    result = pytester.runpytest("-q", "-rN")
    assert result.ret in (1, 2)
    told = [line for line in result.outlines if line and not re.match(r"=|_|!|E +\[|1 error|ERROR ", line)]
    assert len(told) == 1, told
    result.stdout.fnmatch_lines([f"test_what_is_wrong_is_told_in_a_line_without_a_traceback.py:2: *{message}"])


def test_parameters_of_the_host_say_which_machine_it_is(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        NAMES = ["example:two-node", {"machine": "example:xeon-max", "kernel": "6.1"}]
        @pytest.mark.parametrize("softreserve_host", NAMES, indirect=True)
        def test_it(softreserve_host, request):
            found = softreserve_host.system.machine
            assert request.node.name == f"test_it[{found.name}{'-6.1' * (found.kernel.release == '6.1')}]"
        class TestBoth:
            @pytest.fixture
            def softreserve_machine(self):
                return "example:two-node"
            @pytest.mark.parametrize("softreserve_host", NAMES[:1], indirect=True)
            def test_it(self, softreserve_host): pass
        """
    )
    result = pytester.runpytest("-q")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*: softreserve_machine is given here, so softreserve_host takes no parameters"])


FAILING = f"""
import pytest
@pytest.mark.softreserve("example:two-node", kernel="7.3", cmdline="+quiet memhp_default_state=offline")
def test_it(softreserve_host):
    assert softreserve_host.write({UNBIND}) == 6
    assert softreserve_host.write("/sys/bus/dax/drivers/kmem/bind", "dax9.9") == -19
    assert 0
"""


def commands(result: pytest.RunResult) -> list[list[str]]:
    """What a report says to type, as programs that this interpreter has."""
    said = [
        line.partition(": ")[2] for line in result.outlines if ": softreserve " in line or " -m softreserve " in line
    ]
    return [
        [sys.executable, "-m", "softreserve", *words[words.index("softreserve") + 1 :]]
        for words in map(shlex.split, said)
    ]


@pytest.mark.parametrize("keep", [None, "kept/here"])
def test_what_a_failed_test_did_is_kept_with_the_command_that_does_it_again(
    pytester: pytest.Pytester, keep: str | None
) -> None:
    pytester.makepyfile(test_tool=FAILING)
    result = pytester.runpytest("-q", *([] if keep is None else ["--softreserve-keep", keep]))
    result.assert_outcomes(failed=1)
    again, _ = commands(result)
    run = subprocess.run(again, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert [line for line in run.stdout.splitlines() if line.startswith("#")] == ["# 0001: 0", "# 0002: 0"]
    record = Path(again[5])
    assert record.name == ("record.toml" if keep is None else "test_tool.py-test_it.toml")
    assert keep is None or record.parent == pytester.path / keep


@pytest.mark.parametrize("is_ours", [True, False])
def test_the_command_is_that_of_the_environment_in_which_the_test_ran(
    pytester: pytest.Pytester, is_ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program of that name on the path may be another, or none that works."""
    folder = pytester.mkdir("bin")
    (folder / "softreserve").write_text("#!/bin/sh\nexit 1\n")
    (folder / "softreserve").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    if is_ours:
        monkeypatch.setattr(sys, "executable", str(folder / "python"))
    pytester.makepyfile(FAILING)
    program = "softreserve" if is_ours else f"{sys.executable} -m softreserve"
    pytester.runpytest("-q").stdout.fnmatch_lines(
        [f"to do again what was done to it: {program} run example:two-node *"]
    )


@pytest.mark.fuse
def test_one_can_go_on_where_a_test_failed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(FAILING)
    _, shell = commands(pytester.runpytest("-q"))
    run = subprocess.run([*shell, "--", "ls", "/sys/bus/dax/drivers/kmem"], capture_output=True, text=True)
    assert (run.returncode, "dax0.0" in run.stdout) == (0, False)


def test_nothing_is_left_of_a_test_that_passes_and_no_run_offered_where_nothing_was_done(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(FAILING.replace("assert 0", ""))
    pytester.runpytest("-q", "--basetemp=base").assert_outcomes(passed=1)
    assert list((pytester.path / "base").iterdir()) == []
    pytester.makepyfile(FAILING.replace("    assert softreserve", "    #"))
    result = pytester.runpytest("-q")
    (shell,) = commands(result)
    assert shell[3:] == [
        "shell",
        "example:two-node",
        "--kernel",
        "7.3",
        "--cmdline",
        "+quiet memhp_default_state=offline",
    ]


def test_what_fails_before_or_after_the_test_itself_has_its_record_too(pytester: pytest.Pytester) -> None:
    around = """
    import pytest
    @pytest.fixture
    def around(softreserve_host):
        assert softreserve_host.write("/sys/bus/dax/drivers/kmem/unbind", "dax0.0") == WRITTEN
        yield
        assert softreserve_host.write("/sys/bus/dax/drivers/kmem/bind", "dax9.9") == 7
    @pytest.mark.softreserve("example:two-node", cmdline="+memhp_default_state=offline")
    def test_it(around): pass
    """
    for written, steps in (("7", 1), ("6", 2)):
        pytester.makepyfile(around.replace("WRITTEN", written))
        again, _ = commands(pytester.runpytest("-q"))
        assert Path(again[5]).read_text().count("[[step]]") == steps


def test_machines_are_gone_with_their_tests(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import gc, pytest, weakref
        SEEN = []
        @pytest.mark.softreserve("example:two-node")
        @pytest.mark.parametrize("n", range(3))
        def test_it(softreserve_host, n):
            gc.collect()
            assert len([seen for seen in SEEN if seen() is not None]) <= 1  # pytest keeps the one before
            SEEN.append(weakref.ref(softreserve_host.system))
        """
    )
    pytester.runpytest("-q").assert_outcomes(passed=3)


def test_a_machine_that_the_test_made_has_a_record_and_no_command(pytester: pytest.Pytester) -> None:
    made = "import softreserve as sr\n@pytest.fixture\ndef softreserve_machine(): return sr.load('example:two-node')\n"
    pytester.makepyfile(FAILING.replace('"example:two-node", ', "").replace("import pytest", f"import pytest\n{made}"))
    result = pytester.runpytest("-q")
    assert commands(result) == []
    result.stdout.fnmatch_lines(["the test made it, so no command does", "what was done to it: *record.toml"])


RUNS = """
import pytest
@pytest.mark.softreserve("example:two-node")
def test_it(softreserve_host):
    assert "efi=debug" in softreserve_host.run(["cat", "/proc/cmdline"]).stdout
"""


@pytest.mark.parametrize(("option", "outcome"), [([], "skipped"), (["--softreserve-require"], "failed")])
def test_where_programs_cannot_be_run_a_test_is_skipped_or_fails_with_the_reason(
    pytester: pytest.Pytester, option: list[str], outcome: str
) -> None:
    pytester.makeconftest(
        """
        from softreserve.live import session
        from softreserve.live.fuse import FuseError
        def refuse(*_, **__): raise FuseError("mounting needs /dev/fuse: modprobe fuse")
        session.Programs = refuse
        """
    )
    pytester.makepyfile(RUNS)
    result = pytester.runpytest_subprocess("-q", "-rs", *option)
    result.assert_outcomes(**{outcome: 1})
    told = [line for line in result.outlines if line.startswith(("SKIPPED", "mounting")) and "/dev/fuse" in line]
    assert len(told) == 1  # and not once more for where it was found


@pytest.mark.fuse
def test_programs_run_in_parallel(pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist", reason="needs pytest-xdist: pip install pytest-xdist")
    pytester.makepyfile(RUNS.replace('-node"', '-node", kernel=["6.1", "6.12", "7.3"]'))
    pytester.runpytest("-q", "-n", "2", "--softreserve-require").assert_outcomes(passed=3)


@pytest.mark.clients
def test_programs_that_take_another_root_read_an_exported_tree(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        import errno, pytest
        ROOTS = set()
        @pytest.mark.softreserve("example:two-node", mode="export")
        def test_first(softreserve_host): ROOTS.add(softreserve_host.root)
        @pytest.mark.softreserve("example:two-node", kernel=["6.12", "7.3"], mode="export")
        def test_others(softreserve_host): ROOTS.add(softreserve_host.root)
        @pytest.mark.softreserve("example:two-node", mode="export")
        def test_it(softreserve_host):
            ROOTS.add(softreserve_host.root)
            assert len(ROOTS) == 3
            host = softreserve_host
            assert [row["size"] for row in host.json(["lsmem", "--json"])["memory"]] == ["2G", "2G"]
            assert host.run("lsmem --bytes --json").count("2147483648") == 2
            assert "NUMANode" in host.run(["lstopo-no-graphics", "--of", "console"], check=True).stdout
            assert host.read("/sys/devices/system/node/online") == "0-1"
            assert (host.root / "sys/devices/system/node/online").read_text() == "0-1\\n"
            assert host.write({UNBIND}) == -errno.EROFS
            refused = host.run(["/usr/sbin/modprobe", "-r", "kmem"])
            assert (refused.returncode, refused.stderr) == (126, "softreserve: modprobe reads no exported tree\\n")
            with pytest.raises(FileNotFoundError):
                host.run(["nix"])
        """
    )
    pytester.runpytest("-q", "--basetemp=base").assert_outcomes(passed=4)
    assert list((pytester.path / "base").iterdir()) == []


def test_what_is_kept_of_tests_with_long_names_is_a_file_for_each(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_tool="""
        import pytest

        @pytest.mark.softreserve("example:two-node")
        @pytest.mark.parametrize("x", ["a" + "\\u6f22" * 230, "b" + "\\u6f22" * 230, "../" * 90 + "up"], ids=str)
        def test_it(softreserve_host, x):
            softreserve_host.write("/sys/devices/system/memory/auto_online_blocks", "offline")
            assert 0
        """
    )
    unescaped = "disable_test_id_escaping_and_forfeit_all_rights_to_community_support=true"
    result = pytester.runpytest("-q", "-o", unescaped, "--softreserve-keep", "kept")
    result.assert_outcomes(failed=3)
    result.stdout.no_fnmatch_line("*File name too long*")
    assert len([*(pytester.path / "kept").iterdir()]) == 3
