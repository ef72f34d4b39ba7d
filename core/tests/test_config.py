"""Machines from capture directories, machine files and kernel logs; and what is said of bad ones."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softreserve.config import example_names, load
from softreserve.config.builds import default_config, rebuilt
from softreserve.config.log import parse_log
from softreserve.config.reader import parse_size
from softreserve.config.toml_lines import find_keys
from softreserve.model.acpi.hmat_tables import Hmat, Locality
from softreserve.model.acpi.slit import Slit
from softreserve.model.acpi.srat import MemoryAffinity, Srat
from softreserve.model.errors import ConfigError, InputError, MachineError
from softreserve.model.kernel import Kernel
from softreserve.model.ranges import PhysRange
from softreserve.model.scenario import Scenario
from softreserve.plugins.architectures import arch_infos, presumed_arch

MAP = (
    "efi: mem00: [Conventional|   |  |  |  |  |  |  |  |  |  |   |WB|WT|WC|UC] range=[0x0000000000000000-"
    "0x000000000009ffff] (0MB)\n"
)
KERNEL = 'release = "6.12"\narch = "x86_64"\n'
MACHINE = '[kernel]\narch = "x86_64"\n[[efi_map]]\nstart = 0\nsize = "4G"\n'


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A capture directory with nothing wrong."""
    directory = tmp_path / "case" / "input"
    directory.mkdir(parents=True)
    (directory / "efi-memmap.txt").write_text(MAP)
    (directory / "cmdline.txt").write_text("quiet\n")
    (directory / "kernel.toml").write_text(KERNEL)
    return directory


def problems(path: Path) -> list[str]:
    """What is said of a machine, without its path."""
    with pytest.raises(ConfigError) as caught:
        load(path)
    return [problem.replace(f"{path}/", "").replace(f"{path}: ", "") for problem in caught.value.problems]


def machine_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "machine.toml"
    path.write_text(text)
    return path


# ---------------------------------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (4096, 4096),
        ("4096", 4096),
        ("0x1000", 4096),
        ("4K", 4096),
        ("4k", 4096),
        ("4KiB", 4096),
        ("1 GiB", 1 << 30),
        ("16E", None),
        ("4G", 4 << 30),
        ("0x10G", 16 << 30),
    ],
)
def test_sizes_are_read_in_powers_of_1024(text: object, size: int | None) -> None:
    if size is None:
        with pytest.raises(ValueError, match="does not fit into 64 bits"):
            parse_size(text)
    else:
        assert parse_size(text) == size


def test_a_decimal_unit_is_refused_with_a_hint() -> None:
    with pytest.raises(ValueError, match="powers of 1024 here; write 4G or 4GiB"):
        parse_size("4GB")


@pytest.mark.parametrize("value", [-1, "-4K", "", "K", "4.5G", "four", None, True, 1.5, [], "0x"])
def test_what_is_no_size_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"negative|wanted a size"):
        parse_size(value)


@given(st.text(max_size=12))
def test_any_text_is_a_size_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert 0 <= parse_size(text) < 1 << 64


# --------------------------------------------------------------------------------------------------------------- lines


def test_keys_are_found_in_tables_arrays_and_inline() -> None:
    text = 'a = 1\n[t]\nb.c = 2\n[[x]]\nk = 1\n[[x]]\nk = [\n  1,\n]\n[x.sub]\nz = "=]"\n# k = 9\n'
    line_of = find_keys(text).line_of
    assert line_of(("a",)) == 1
    assert line_of(("t", "b", "c")) == 3
    assert line_of(("x", 0, "k")) == 5
    assert line_of(("x", 1, "k", 0)) == 8
    assert line_of(("x", 1, "sub", "z")) == 11
    assert line_of(("x", 1, "sub", "absent")) == 10
    assert line_of(("nowhere",)) == 1


def test_keys_in_strings_are_none() -> None:
    text = 'a = """\nb = 1\n[c]\n"""\n"q.r".s = \'\'\'\n[d]\n\'\'\'\n'
    text += 'w = [ # [\n { x = "]" }, { x = 2,\n y = "#" } ]\ne = 1\n'
    lines = find_keys(text).lines
    assert lines == {
        ("a",): 1,
        ("q.r",): 5,
        ("q.r", "s"): 5,
        ("w",): 8,
        ("w", 0): 9,
        ("w", 0, "x"): 9,
        ("w", 1): 9,
        ("w", 1, "x"): 9,
        ("w", 1, "y"): 10,
        ("e",): 11,
    }


@given(st.text(alphabet="ab.=[]{}\"'#\n ,1", max_size=60))
def test_any_text_is_looked_through(text: str) -> None:
    assert all(line <= text.count("\n") + 1 for line in find_keys(text).lines.values())


# ------------------------------------------------------------------------------------------------- capture directories


def test_a_case_and_its_input_are_the_same_machine(case: Path) -> None:
    assert load(case).machine == load(case.parent).machine
    machine = load(case.parent).machine
    assert (machine.name, machine.kernel.base, machine.cmdline.text, machine.cpus) == ("case", "6.12", "quiet", 1)


def test_everything_of_a_case_is_read(case: Path) -> None:
    (case / "kernel.toml").write_text(
        KERNEL
        + '[config]\nDAX = "y"\nNODES_SHIFT = 10\n[cpus]\ncount = 4\n'
        + '[image]\ncode = { start = "0x1000", size = "0x20" }\n'
    )
    (case / "kernel2.toml").write_text('[config]\nDAX = "m"\n')
    (case / "steps.toml").write_text(
        '[[step]]\nname = "01-load"\nrun = "modprobe dax"\n'
        '[[step]]\nname = "02-write"\nwrites = [["/sys/a", "1"], ["/sys/b", 4096]]\n'
        '[kexec]\nsyscall = "kexec_file_load"\nkernel = "6.1.0"\nsetup_data = [["0x1000", "0x1fff"]]\n'
        'append = "x"\n[[kexec.step]]\nrun = "true"\n[kexec.kexec]\nkernel = "6.12"\n'
    )
    scenario = load(case)
    assert scenario.machine.cpus == 4
    assert scenario.machine.image.code == PhysRange(0x1000, 0x1020)
    assert scenario.machine.kernel.number("NODES_SHIFT", 0) == 10
    load_step, write_step = scenario.steps
    assert (load_step.name, load_step.run) == ("01-load", "modprobe dax")
    assert write_step.writes == (("/sys/a", "1"), ("/sys/b", "4096"))
    kexec = scenario.kexec
    assert kexec is not None
    assert (kexec.syscall, kexec.kernel.base, kexec.append) == ("kexec_file_load", "6.1", "x")
    assert kexec.kernel.enabled("DAX")
    assert not kexec.kernel.builtin("DAX")
    assert kexec.setup_data == (PhysRange(0x1000, 0x2000),)
    assert kexec.steps[0].run == "true"
    assert kexec.kexec is not None
    assert kexec.kexec.kernel.builtin("DAX"), "the first kernel again, as it was built"


def test_a_boot_does_not_read_the_steps(case: Path) -> None:
    (case / "steps.toml").write_text("broken")
    assert load(case, with_steps=False).steps == ()


def test_a_machine_file_need_not_name_the_architecture_that_is_presumed(tmp_path: Path) -> None:
    path = tmp_path / "machine.toml"
    path.write_text(MACHINE.replace('arch = "x86_64"', ""))
    if presumed_arch():
        assert load(path).machine.arch == presumed_arch()
    else:
        assert problems(path) == ["line 1: kernel.arch: missing, and no plugin is installed that boots one"]


@pytest.mark.usefixtures("two_architectures")
def test_what_is_presumed_is_what_a_plugin_says() -> None:
    assert [info.name for info in arch_infos() if info.presumed] == [presumed_arch()]


@pytest.mark.usefixtures("two_architectures")
def test_the_page_size_follows_from_the_configuration(case: Path) -> None:
    (case / "kernel.toml").write_text('release = "6.1"\narch = "arm64"\n[config]\nARM64_64K_PAGES = "y"\n')
    assert load(case).machine.kernel.page_size == 65536


def test_a_capture_says_what_its_processors_are(case: Path) -> None:
    text = (case / "kernel.toml").read_text().partition("[cpus]")[0]
    said = 'count = 4\nhypervisor = false\nla57 = true\nvendor = "GenuineIntel"\nphys_bits = 40\n'
    (case / "kernel.toml").write_text(f"{text}[cpus]\n{said}")
    found = load(case).machine
    assert (found.cpus, found.hypervisor, found.la57, found.cpu_vendor, found.phys_bits) == (
        *(4, False, True),
        *("GenuineIntel", 40),
    )
    (case / "kernel.toml").write_text(f"{text}[cpus]\ncount = 4\n")
    found = load(case).machine
    assert (found.hypervisor, found.la57, found.cpu_vendor, found.phys_bits) == (True, False, "AuthenticAMD", 40)
    (case / "kernel.toml").write_text(f"{text}[cpus]\ncount = 4\nhypervisor = false\n")
    assert load(case).machine.phys_bits == 46
    (case / "kernel.toml").write_text(f"{text}[cpus]\ncount = 4\nphys_bits = 64\n")
    assert any("cpus.phys_bits: physical addresses have 32 to 52 bits, not 64" in found for found in problems(case))


def test_missing_and_empty_files_are_all_named_at_once(case: Path) -> None:
    (case / "kernel.toml").write_text("")
    (case / "cmdline.txt").unlink()
    (case / "efi-memmap.txt").write_text("\n\n")
    assert problems(case) == [
        "efi-memmap.txt: the file is empty",
        "cmdline.txt: No such file or directory",
        "kernel.toml: the file is empty",
    ]


@pytest.mark.parametrize("text", ["", "\n"])
def test_a_capture_without_steps_may_have_an_empty_file_of_them(case: Path, text: str) -> None:
    (case / "steps.toml").write_text(text)
    scenario = load(case)
    assert (scenario.steps, scenario.kexec) == ((), None)


def test_an_empty_directory_is_no_machine(tmp_path: Path) -> None:
    assert "efi-memmap.txt: No such file or directory" in problems(tmp_path)


def test_a_line_that_is_no_descriptor_is_named_by_its_number(case: Path) -> None:
    (case / "efi-memmap.txt").write_text(MAP + "hello\n")
    (found,) = problems(case)
    assert found.startswith("efi-memmap.txt: line 2: ")


def test_a_command_line_beyond_the_kernels_buffer_is_refused(case: Path) -> None:
    (case / "cmdline.txt").write_text("x" * 10_000_000)
    assert problems(case) == ["cmdline.txt: a command line of 10000000 characters; the kernel takes 2047"]


def test_a_table_that_was_cut_is_named_with_the_offset(case: Path) -> None:
    (case / "acpi").mkdir()
    whole = Srat([MemoryAffinity(proximity_domain=0, base=0, size_bytes=4096)]).sealed()
    (case / "acpi" / "SRAT.bin").write_bytes(whole[:60])
    (found,) = problems(case)
    assert found.startswith("acpi/SRAT.bin: offset 0x3c: SRAT cut off: ")
    assert "88 bytes" in found


@pytest.mark.parametrize("data", [b"", b"SRAT", b"\0" * 64, b"\xff" * 100, b"\x9c\x07\xf1\x42"])
def test_what_is_no_table_is_refused(case: Path, data: bytes) -> None:
    (case / "acpi").mkdir()
    (case / "acpi" / "SRAT.bin").write_bytes(data)
    assert problems(case)[0].startswith("acpi/SRAT.bin: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('release = "six"\narch = "x86_64"\n', "line 1: release: unknown kernel release 'six'"),
        ('release = "6.1"\n', "line 1: arch: missing"),
        ("release = 6\narch = 7\n", "line 1: release: wanted a string, not 6"),
        (KERNEL + "page_size = 5\n", "line 3: page_size: no page size of Linux: 5"),
        (KERNEL + "[cpus]\ncount = 0\n", "line 4: cpus.count: there is at least one CPU"),
        (KERNEL + "[image]\ncode = { start = 0, size = -1 }\n", "line 4: image.code.size: -1 is negative"),
        (KERNEL + "[image]\ncode = { start = 0 }\n", "line 4: image.code.size: missing"),
        (KERNEL + "[config]\nDAX = true\n", 'line 4: config.DAX: wanted "y", "m", "n", a number or a string'),
        (KERNEL + "oops", "line 3: Expected '=' after a key"),
        (KERNEL + "[cpus]\ncount = 1\ncount = 2", "line 5: cpus.count: is there twice; it was on line 4 before"),
        (KERNEL + "[cpus]\n[image]\n[cpus]\n", "line 5: cpus: is there twice; it was on line 3 before"),
        (KERNEL + "\nx = [\n1,\n", "line 5: Invalid value"),
    ],
)
def test_mistakes_in_kernel_toml_are_named_by_line_and_key(case: Path, text: str, said: str) -> None:
    (case / "kernel.toml").write_text(text)
    assert problems(case)[0].startswith(f"kernel.toml: {said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[step]]\n", "line 1: step[0].run: a step has either run or writes"),
        ('[[step]]\nrun = "a"\nwrites = []\n', "line 2: step[0].run: a step has either run or writes"),
        ("step = 3\n", "line 1: step: wanted an array, not 3"),
        ("step = [1]\n", "line 1: step[0]: wanted a table, not 1"),
        ('[[step]]\nwrites = [["a"]]\n', "line 2: step[0].writes[0]: wanted [path, value], not ['a']"),
        ('[[step]]\nwrites = [\n  ["/a", "1"],\n  ["/b"],\n]\n', "line 4: step[0].writes[1]: wanted [path, value]"),
        ('[[step]]\nname = "a"\nwritse = []\nrun = "b"', "line 3: step[0].writse: unknown key; did you mean 'writes'?"),
        ('[kexec]\nsycall = "kexec_load"\n', "line 2: kexec.sycall: unknown key; did you mean 'syscall'?"),
        ('[kexec]\ntools = "new"\n', "line 2: kexec.tools: wanted a version of kexec-tools, such as 2.0.25, not 'new'"),
        ('[kexec]\nsyscall = "reboot"\n', "line 2: kexec.syscall: unknown system call 'reboot'"),
        ('[kexec]\nkernel = "7"\n', "line 2: kexec.kernel: unknown kernel release '7'"),
        ("[kexec]\nsetup_data = [[1, 2]]\n", "line 2: kexec.setup_data[0]: wanted"),
    ],
)
def test_mistakes_in_steps_are_named_by_line_and_key(case: Path, text: str, said: str) -> None:
    (case / "steps.toml").write_text(text)
    assert problems(case)[0].startswith(f"steps.toml: {said}")


def test_what_a_capture_does_not_say_is_told(case: Path) -> None:
    lacking = ["the kernel's configuration", "the number of CPUs", "the place of the kernel image"]
    (case / "kernel.toml").write_text(KERNEL)
    assert [gap.missing for gap in load(case).gaps] == lacking
    (case / "kernel.toml").write_text(KERNEL + "[config]\n[cpus]\ncount = 1\n[image]\n")
    assert load(case).gaps == ()


# ------------------------------------------------------------------------------------------------------- machine files


@pytest.mark.parametrize("name", example_names())
def test_a_bundled_example_is_read(name: str) -> None:
    scenario = load(f"example:{name}")
    assert scenario.machine.name == name
    assert any(descriptor.is_special_purpose for descriptor in scenario.machine.efi_map or ())


def test_an_unknown_example_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"bundled: .*two-node.*; did you mean 'two-node'\?"):
        load("example:two-nodes")


def test_a_machine_without_more_is_small(tmp_path: Path) -> None:
    machine = load(machine_file(tmp_path, MACHINE)).machine
    assert (machine.name, machine.cpus, machine.boot, machine.kernel.base) == ("machine", 1, "stub", "6.12")
    assert machine.kernel.builtin("EFI_SOFT_RESERVE")


def test_tables_are_built_as_written(tmp_path: Path) -> None:
    text = MACHINE + (
        "[acpi.srat]\ncpus = [{ domain = 0, count = 3 }]\nmemory = [{ domain = 1, start = 0, size = 4096 }]\n"
        "[acpi.slit]\ndistances = [[10, 20], [20, 10]]\n"
        '[[acpi.hmat.locality]]\nkind = "read bandwidth"\ninitiators = [0]\ntargets = [0, 1]\nvalues = [[100000, -1]]\n'
    )
    machine = load(machine_file(tmp_path, text)).machine
    assert machine.cpus == 3
    *_, memory = Srat.parse(machine.acpi["SRAT"]).entries
    assert isinstance(memory, MemoryAffinity)
    assert (memory.proximity_domain, memory.size_bytes) == (1, 4096)
    assert Slit.parse(machine.acpi["SLIT"]).rows == (bytes([10, 20]), bytes([20, 10]))
    (locality,) = Hmat.parse(machine.acpi["HMAT"]).entries
    assert isinstance(locality, Locality)
    assert [locality.entry_base_unit * value for value in locality.entries] == [100000, 10 * 0xFFFF]


def test_a_machine_of_a_boot_loader_has_a_table_of_its_own(tmp_path: Path) -> None:
    text = (
        '[kernel]\narch = "x86_64"\n[[e820]]\nstart = 0\nsize = "1M"\n'
        '[[e820]]\nstart = "1M"\nsize = "1M"\ntype = "soft reserved"\n'
    )
    machine = load(machine_file(tmp_path, text)).machine
    assert machine.boot == "loader"
    assert machine.efi_map is None
    assert [entry.type for entry in machine.e820 or ()] == [1, 0xEFFFFFFF]


def test_files_are_looked_for_beside_the_machine_file(tmp_path: Path) -> None:
    (tmp_path / "map.txt").write_text(MAP)
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "SLIT").write_bytes(Slit([[10]]).sealed())
    text = 'efi_map_file = "map.txt"\nacpi_dir = "tables"\n[kernel]\narch = "x86_64"\n'
    machine = load(machine_file(tmp_path, text)).machine
    assert machine.efi_map is not None
    assert len(machine.efi_map) == 1
    assert list(machine.acpi) == ["SLIT"]


def test_all_mistakes_are_shown_together_each_with_its_place(tmp_path: Path) -> None:
    text = (
        "name = 3\nextra = 1\n[kernel]\nrelease = '6.12'\npage_size = 5\n"
        "[[efi_map]]\nstart = '4GB'\nsize = 5\ntype = 'convntional'\nattributes = 'SP|XX'\ncolour = 1\n"
    )
    found = problems(machine_file(tmp_path, text))
    assert any(problem.startswith("line 1: name: wanted a string, not 3") for problem in found)
    assert any(problem.startswith("line 2: extra: unknown key; known: kernel, words") for problem in found)
    assert "line 5: kernel.page_size: wanted one of 4096, 16384, 65536, not 5" in found
    assert "line 7: efi_map[0].start: '4GB': units are powers of 1024 here; write 4G or 4GiB" in found
    assert any("did you mean 'conventional'?" in problem for problem in found)
    assert any(problem.startswith("line 10: efi_map[0].attributes: unknown EFI attribute 'XX'") for problem in found)
    assert any(problem.startswith("line 11: efi_map[0].colour: unknown key; known: start") for problem in found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("x", "line 1: Expected '=' after a key"),
        ('[kernel]\nrelease = "6.12"\n', "no memory map: give efi_map, efi_map_file or e820"),
        (MACHINE.replace('"4G"', "4097"), "line 5: efi_map[0].size: 0x1001 is no multiple of an EFI page"),
        (MACHINE + "[acpi.slit]\ndistances = [[1]]\n[acpi.what]\n", "line 8: acpi.what: unknown key"),
        (
            MACHINE + "[acpi.slit]\ndistances = [[10, 1]]\n",
            "line 7: acpi.slit.distances: as many columns",
        ),
        (MACHINE.replace("[[efi_map]]", "[efi_map]"), "line 3: efi_map: wanted an array, not {"),
        (MACHINE.replace("[[efi_map]]", "[efi_map]"), "write [[efi_map]]"),
        (MACHINE + "plugins = 'x86'\n", "line 6: efi_map[0].plugins: unknown key"),
        ("plugins = 'x86'\n" + MACHINE, "line 1: plugins: wanted a list, such as [\"x86\"], not 'x86'"),
        (
            "plugins = ['x86', 'my.py']\n" + MACHINE,
            "line 1: plugins[1]: 'my.py' is code, and a machine names installed",
        ),
        ("acpi = [1]\n" + MACHINE, "line 1: acpi: wanted a table, not [1]"),
        (
            MACHINE
            + "[acpi.srat]\nmemory = [\n  { domain = 0, start = 0, size = 1 },\n  { domain = 0, start = 0 },\n]\n",
            "line 9: acpi.srat.memory[1].size: missing",
        ),
        (
            MACHINE + "[acpi.srat]\nmemory = [\n  { domain = -1, start = 0, size = 1 },\n]\n",
            "line 8: acpi.srat.memory[0].domain: wanted a number from 0 to 4294967295, not -1",
        ),
        (
            MACHINE + "[[acpi.hmat.locality]]\nkind = 'read latencies'\ninitiators = []\ntargets = []\nvalues = []\n",
            "line 7: acpi.hmat.locality[0].kind: wanted one of access latency, read latency",
        ),
        (
            MACHINE
            + "[[acpi.hmat.locality]]\nkind = 'read latency'\ninitiators = [0]\ntargets = [0]\nvalues = [[-2]]\n",
            "line 10: acpi.hmat.locality[0].values: wanted a number, or -1 for no entry, not -2",
        ),
        (MACHINE + "[[step]]\nrun = 'a'\ncolour = 1\n", "line 8: step[0].colour: unknown key; known: name, run"),
        (MACHINE + "[kernel]\n", "line 6: kernel: is there twice; it was on line 1 before"),
        (MACHINE.replace("x86_64", 'x86_64"\nrelease = "six'), "line 3: kernel.release: unknown kernel release 'six'"),
        ('efi_map_file = "nowhere"\n[kernel]\n', "No such file or directory"),
        (f'cmdline = "{"x" * 3000}"\n' + MACHINE, "line 1: cmdline: a command line of 3000 characters"),
    ],
)
def test_a_mistake_in_a_machine_file_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    found = problems(machine_file(tmp_path, text))
    assert any(said in problem for problem in found)
    assert all("\n" not in problem for problem in found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MACHINE + "[kernel2]\nx = 1\n", "line 6: kernel2: unknown key; known: "),
        (MACHINE + "[kernel2]\nx = 1\n", "did you mean 'kernel'?"),
        ("cmdlin = 'quiet'\n" + MACHINE, "line 1: cmdlin: unknown key; known: "),
    ],
)
def test_a_key_that_no_plugin_of_the_architecture_understands_is_unknown(
    demo: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.syspath_prepend(str(demo))
    (problem,) = problems(machine_file(demo, text.replace("x86_64", "riscv64")))
    assert said in problem
    assert "\n" not in problem


@given(st.binary(max_size=80))
def test_any_bytes_are_a_machine_or_said_to_be_none(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "machine.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError):
        load(path)


# ------------------------------------------------------------------------------------------------------------- kernels


@pytest.mark.usefixtures("two_architectures")
def test_another_release_of_the_same_kind_keeps_the_options() -> None:
    kernel = Kernel("6.1.0", "arm64", config={"DAX": "y", "ARM64_4K_PAGES": "y"})
    same = rebuilt(kernel, release="6.1.192", page_size=65536)
    assert (same.config["DAX"], same.config["ARM64_64K_PAGES"], same.config["ARM64_4K_PAGES"]) == ("y", "y", "n")
    assert rebuilt(kernel, release="6.12").config == default_config("arm64", "6.12")


def test_another_architecture_starts_with_small_pages() -> None:
    kernel = Kernel("6.1.0", "arm64", 65536)
    assert rebuilt(kernel, arch="x86_64").page_size == 4096


@pytest.mark.usefixtures("two_architectures")
def test_older_releases_have_the_oldest_options_known() -> None:
    assert default_config("x86_64", "5.8")["NUMA_MEMBLKS"] == "n"
    assert default_config("x86_64", "6.9") == default_config("x86_64", "6.1.0-56-amd64")
    assert default_config("x86_64", "7.9") == default_config("x86_64", "7.3")


#: What Debian's packages linux-config-6.12 (6.12.95-1~bpo12+1, 6.12.107-1 of Debian 13, 6.12.117-1~deb12u1) say.
POLICIES = [
    ("x86_64", "6.1.0-56-amd64", "n", "n"),
    ("x86_64", "6.12.95+deb12-amd64", "y", "n"),
    ("x86_64", "6.12.107+deb13-amd64", "y", "n"),
    ("arm64", "6.12.107+deb13-arm64", "n", "n"),
    ("arm64", "6.12.117+deb12-arm64", "n", "y"),
    ("arm64", "6.12", "n", "y"),
    ("arm64", "7.3.4+deb13-arm64", "n", "y"),
]


@pytest.mark.usefixtures("two_architectures")
@pytest.mark.parametrize(("arch", "release", "old", "new"), POLICIES)
def test_what_builds_do_with_added_memory_depends_on_their_level(arch: str, release: str, old: str, new: str) -> None:
    config = default_config(arch, release)
    assert (config["MEMORY_HOTPLUG_DEFAULT_ONLINE"], config["MHP_DEFAULT_ONLINE_TYPE_ONLINE_AUTO"]) == (old, new)


@pytest.mark.usefixtures("two_architectures")
def test_another_level_of_a_series_has_what_builds_have_unlike_and_else_the_same_options() -> None:
    kernel = Kernel("6.12.117+deb12-arm64", "arm64", config={**default_config("arm64", "6.12.117"), "DAX": "n"})
    other = rebuilt(kernel, release="6.12.107+deb13-arm64")
    assert (other.config["DAX"], other.config["MHP_DEFAULT_ONLINE_TYPE_ONLINE_AUTO"]) == ("n", "n")


# --------------------------------------------------------------------------------------------------------- kernel logs


DMESG = """\
[    0.000000] Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org)
[    0.000000] Command line: BOOT_IMAGE=/vmlinuz quiet
[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable
[    0.000000] BIOS-e820: [mem 0x0000000100000000-0x000000013fffffff] soft reserved
[    0.000000] Hypervisor detected: KVM
[    0.010000] ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0x0009ffff]
[    0.010000] ACPI: SRAT: Node 1 PXM 1 [mem 0x100000000-0x13fffffff] hotplug
[    0.010000] SRAT: PXM 0 -> APIC 0x00 -> Node 0
[    0.100000] smp: Brought up 1 node, 4 CPUs
"""


#: The firmware's map of that machine, whole.
DMESG_MAP = (
    "[    0.000000] efi: mem00: [Conventional|   |WB|WT|WC|UC] range=[0x0000000000000000-0x000000000009ffff] (0MB)\n"
    "[    0.000000] efi: mem01: [Conventional|SP|WB|WT|WC|UC] range=[0x0000000100000000-0x000000013fffffff] (1024MB)\n"
)


def missing(scenario: Scenario) -> list[str]:
    """What a scenario lacks."""
    return [gap.missing for gap in scenario.gaps]


def test_a_log_without_an_efi_map_gives_the_loaders_table() -> None:
    scenario = parse_log(DMESG)
    machine = scenario.machine
    assert (machine.arch, machine.boot, machine.cpus, machine.hypervisor) == ("x86_64", "loader", 4, True)
    assert machine.cmdline.text == "BOOT_IMAGE=/vmlinuz quiet"
    assert [(entry.start, entry.size, entry.type) for entry in machine.e820 or ()] == [
        (0, 0x9FC00, 1),
        (4 << 30, 1 << 30, 0xEFFFFFFF),
    ]
    memory = [entry for entry in Srat.parse(machine.acpi["SRAT"]).entries if isinstance(entry, MemoryAffinity)]
    assert [(entry.proximity_domain, entry.base) for entry in memory] == [(0, 0), (1, 4 << 30)]
    assert missing(scenario) == [
        "the EFI memory map",
        "the ACPI tables SLIT, HMAT, CEDT (--acpi DIR)",
        "the place of the kernel image",
    ]


def test_a_command_line_over_several_lines_of_the_log_is_one() -> None:
    """As 7.0 and later print a long one; ``init/main.c: print_kernel_cmdline``."""
    pieces = ["quiet a=1 \\", "b=2 \\", "c=3 \\x"]
    lines = "\n".join(f"Kernel command line: {piece}" for piece in pieces)
    text = ARM64.replace("[    0.000000] Kernel command line: quiet", lines)
    assert parse_log(text).machine.cmdline.text == "quiet a=1 b=2 c=3 \\x"


def test_a_log_with_efi_debug_gives_the_firmwares_map() -> None:
    scenario = parse_log(DMESG + DMESG_MAP)
    assert scenario.machine.boot == "stub"
    assert scenario.machine.e820 is None
    assert len(scenario.machine.efi_map or ()) == 2
    assert "the EFI memory map" not in missing(scenario)


@pytest.mark.parametrize(
    ("efi_map", "why"),
    [
        (MAP, "it lacks 0x100000000-0x13fffffff, which the kernel has"),
        (
            DMESG_MAP.replace("mem01", "mem07"),
            "of its first 8 entries, 6 are missing: mem07 (line 11) follows mem00",
        ),
        (
            DMESG_MAP.replace("mem01", "mem02").replace("mem00", "mem01"),
            "of its first 3 entries, 1 is missing: mem01 (line 10) follows its beginning",
        ),
    ],
)
def test_e820_stands_in_for_an_efi_map_that_is_not_whole(efi_map: str, why: str) -> None:
    scenario = parse_log(DMESG + efi_map)
    assert (scenario.machine.boot, scenario.machine.efi_map) == ("loader", None)
    assert len(scenario.machine.e820 or ()) == 2
    assert why in str(scenario.gaps[0])
    assert scenario.gaps[0].missing == "the EFI memory map"


NEW_E820 = """\
Linux version 7.3.0 (x)
BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff]  System RAM
BIOS-e820: [gap 0x00000000000a0000-0x00000000000fffff]
BIOS-e820: [mem 0x0000000000100000-0x000000007fffffff]  device reserved
BIOS-e820: [gap 0x0000000080000000-0x00000000ffffffff]
BIOS-e820: [mem 0x0000000100000000-0x000000013fffffff]  persistent RAM (type 12)
"""


def test_newer_kernels_name_types_anew_and_print_gaps() -> None:
    assert [entry.type for entry in parse_log(NEW_E820).machine.e820 or ()] == [1, 2, 12]
    for number in (2, 3, 4, 5):
        lines = NEW_E820.splitlines(keepends=True)
        del lines[number - 1]
        with pytest.raises(InputError, match=r"its e820 table is not whole: nothing tells of 0x"):
            parse_log("".join(lines))
    with pytest.raises(InputError, match="line 3: no range of memory"):
        parse_log(NEW_E820.replace("0x00000000000fffff]", "0x0000000000000000]"))


ARM64 = """\
[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x411fd070]
[    0.000000] Linux version 6.12.1-custom (x)
[    0.000000] efi:   0x000040000000-0x00007fffffff [Conventional|   |WB|  |  |  ]
[    0.000000] efi:   0x000080000000-0x0000bfffffff [Conventional|SP|WB|  |  |  ]
[    0.000000] Early memory node ranges
[    0.000000]   node   0: [mem 0x0000000040000000-0x000000007fffffff]
[    0.000000] Kernel command line: quiet
[    0.010000] Dentry cache hash table entries: 262144 (order: 5, 2097152 bytes, linear)
[    0.100000] smp: Brought up 1 node, 8 CPUs
"""


@pytest.mark.usefixtures("two_architectures")
def test_page_size_and_architecture_are_read_from_what_the_kernel_says_of_itself() -> None:
    scenario = parse_log(ARM64)
    assert (scenario.machine.arch, scenario.machine.kernel.page_size) == ("arm64", 65536)
    assert scenario.machine.kernel.config["ARM64_64K_PAGES"] == "y"
    assert missing(scenario) == [
        "the kernel's configuration",
        "the ACPI tables SRAT, SLIT, HMAT, CEDT (--acpi DIR)",
        "the place of the kernel image",
    ]


def test_a_map_that_ends_before_the_memory_does_is_refused_where_nothing_stands_in_for_it() -> None:
    text = ARM64.replace("-0x000000007fffffff]", "-0x00000000ffffffff]")
    with pytest.raises(InputError, match="its EFI map is not whole: it lacks 0xc0000000-0xffffffff"):
        parse_log(text)
    text = DMESG + "[    0.000000]   node   0: [mem 0x0000000000001000-0x000000007fffffff]\n"
    with pytest.raises(InputError, match="its e820 table is not whole: it lacks 0xa0000-0x7fffffff"):
        parse_log(text)


@pytest.mark.parametrize(
    ("mark", "arch"),
    [
        ("riscv: base ISA extensions acdfim", "riscv64"),
        ("SBI specification v2.0 detected", "riscv64"),
        ("64-bit Loongson Processor probed (LA464 Core)", "loongarch64"),
        ("CPU features: detected: GIC system register CPU interface", "arm64"),
        ("CPU: ARMv7 Processor [412fc0f1] revision 1 (ARMv7), cr=10c5387d", "arm"),
    ],
)
def test_a_log_is_read_as_that_of_the_architecture_that_wrote_it(mark: str, arch: str) -> None:
    text = ARM64.split("\n", 1)[1] + mark
    assert parse_log(text).machine.arch == arch


@pytest.mark.parametrize(
    ("version", "arch"),
    [
        ("6.12.1-riscv64 (x)", "riscv64"),
        ("6.12.1 (x) (riscv64-linux-gnu-gcc-12 (Debian 12.2.0-14) 12.2.0)", "riscv64"),
        ("6.12.1 (x) (aarch64-linux-gnu-gcc-12 (Debian 12.2.0-14) 12.2.0)", "arm64"),
        ("6.12.1-200.fc41.aarch64 (x)", "arm64"),
        ("6.12.1-1-loong64 (x)", "loongarch64"),
    ],
)
def test_release_and_compiler_tell_the_architecture(version: str, arch: str) -> None:
    text = ARM64.split("\n", 1)[1].replace("6.12.1-custom (x)", version)
    assert parse_log(text).machine.arch == arch


@pytest.mark.usefixtures("two_architectures")
def test_what_a_log_does_not_tell_is_said_to_be_assumed() -> None:
    text = "Linux version 6.12.1-custom (x)\nefi:   0x000040000000-0x00007fffffff [Conventional|   |WB|  |  |  ]\n"
    assert missing(parse_log(text)) == [
        "the architecture",
        "the command line",
        "the number of CPUs",
        "the page size",
        "the kernel's configuration",
        "the ACPI tables SRAT, SLIT, HMAT, CEDT (--acpi DIR)",
        "the place of the kernel image",
        "the end of the log",
    ]


def test_tables_that_the_log_names_and_nobody_has_are_missing() -> None:
    listed = DMESG + "[    0.0] ACPI: HMAT 0x000000007F77B000 0001F0 (v02 BOCHS  BXPC     00000001 BXPC 00000001)\n"
    assert "the ACPI tables HMAT (--acpi DIR)" in missing(parse_log(listed))
    assert "the ACPI tables HMAT (--acpi DIR)" in missing(parse_log(listed, {"SRAT": b""}))
    assert not any("ACPI" in part for part in missing(parse_log(listed, {"HMAT": b""})))


def test_the_last_boot_of_a_log_counts() -> None:
    first = DMESG.replace("4 CPUs", "8 CPUs").replace("quiet", "loud")
    scenario = parse_log(first + DMESG)
    assert (scenario.machine.cpus, scenario.machine.cmdline.text) == (4, "BOOT_IMAGE=/vmlinuz quiet")
    assert len(scenario.machine.e820 or ()) == 2
    assert "the other boots" in missing(scenario)


def test_messages_that_were_lost_are_said() -> None:
    scenario = parse_log(DMESG + "** 12 printk messages dropped **\n")
    assert "some messages" in missing(scenario)


@pytest.mark.parametrize(
    "line",
    [
        "who knows BIOS-e820: [mem 0x0000000040000000-0x000000007fffffff] usable",
        "[    0.000000] BIOS-e820: [mem 0x0000000040000000-",
        "[    0.000000] BIOS-e820: 0000000000000000 - 000000000009f800 (what)",
        "[    0.000000] BIOS-e820: 0000000000000000 - 000000000009f800 usable",
        "[    0.000000] Xen: [mem 0x0000000040000000-0x000000007fffffff] what",
        "[    0.000000] BIOS-e820: [mem 0x0000000040000000-0x000000007fffffff] what",
        "??? efi: mem00: [Conventional|   |WB|WT|WC|UC] range=[0x0000000000000000-0x000000000009ffff] (0MB)",
        "range=[0x0000000000000000-0x000000000009ffff] (0MB)",
        "[    0.000000] efi:  mem00: type=7, attr=, range=[0x0-0x1000) (0MB)",
        "[    0.010000] ACPI: SRAT: Node 1 PXM 1 [mem 0x100000000-",
        "[    0.010000] ACPI: SRAT: PXM 1 -> APIC",
        "x ACPI: NUMA: SRAT: PXM 0 -> MPIDR 0x0 -> Node 0",
    ],
)
def test_a_line_of_a_map_that_cannot_be_read_is_a_mistake(line: str) -> None:
    with pytest.raises(InputError, match="line 10: "):
        parse_log(DMESG + line + "\n")


@pytest.mark.parametrize(
    "line",
    [
        "efi: mem03: [Reserved|attr=0x0000000000000000] range=[0x0000000000000000-0xffffffffffffffff] (invalid)",
        "SRAT: PXM 1 -> X2APIC 0x0400 ignored",
        "SRAT: PXM 1 -> ITS 4 -> Node 1",
        "e820: remove [mem 0xffc00000-0xffffffff] reserved",
        "user: [mem 0x0000000000000000-0x000000000009fbff] usable",
    ],
)
def test_lines_that_only_look_like_a_map_are_passed_over(line: str) -> None:
    assert parse_log(DMESG + f"[    0.000000] {line}\n").machine == parse_log(DMESG).machine


def test_tables_at_hand_are_taken_instead_of_what_the_log_says() -> None:
    assert parse_log(DMESG, {"SLIT": b""}).machine.acpi == {"SLIT": b""}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello\n",
        "Linux version 6.1.0\n",
        "Linux version nine\n" + MAP,
        DMESG.split("\n", 1)[1],
        f"Linux version 6.1.0-686-pae\n{MAP}",
    ],
)
def test_what_is_no_log_of_a_boot_is_refused(text: str) -> None:
    with pytest.raises((InputError, MachineError)):
        parse_log(text)
