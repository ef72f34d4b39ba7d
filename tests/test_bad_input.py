"""Hostile and careless users: a spoiled case is one clear line per mistake, exit code 2, and nothing written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import cases
import pytest
from small_machines import machine, settled
from softreserve.cli import main
from softreserve.live.rootfs import RootFs
from softreserve.machine.snapshot import FILES
from softreserve.model.machine import CPUS_MAX
from softreserve.plugins.hooks import installed

MISSING = sorted({"x86", "arm64", "hmem", "kexec"} - set(installed()))
if MISSING:
    pytest.skip(f"not installed here: softreserve-{', softreserve-'.join(MISSING)}", allow_module_level=True)

EXAMPLE = "example:two-node"
KERNEL = 'release = "6.12"\narch = "x86_64"\n'
SP_TO_THE_TOP = (
    "efi:   0xffffffff00000000-0xffffffffffffffff [Conventional|   |  |  |SP|  |  |  |  |  |  |   |WB|WT|WC|UC]\n"
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    where = tmp_path_factory.mktemp("recorded")
    names = {"x86": "x86-6.12-trace-1", "arm64": "arm64-6.12-two-node-hmat"}
    return {arch: cases.unpack(name, where) / "input" for arch, name in names.items()}


Spoil = Callable[..., Path]


@pytest.fixture
def spoil(recorded: dict[str, Path], tmp_path: Path) -> Spoil:
    """Copy a recorded case's input and put other content into some of its files; ``None`` takes a file away."""

    def spoil(files: dict[str, bytes | str | None], arch: str = "x86") -> Path:
        case = tmp_path / "case"
        shutil.copytree(recorded[arch], case)
        for name, content in files.items():
            path = case / name
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return case

    return spoil


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[str]]:
    """Exit code, and the lines on standard error."""
    status = main([str(argument) for argument in arguments])
    return status, capsys.readouterr().err.splitlines()


# ------------------------------------------------------------------------------------------------------- input files


SPOILED: list[tuple[Mapping[str, bytes | str | None], str]] = [
    ({"efi-memmap.txt": None}, "efi-memmap.txt: No such file or directory"),
    ({"efi-memmap.txt": ""}, "efi-memmap.txt: the file is empty"),
    ({"efi-memmap.txt": "x" * 10_000_000}, "efi-memmap.txt: line 1: not a line of an EFI memory map: 'xxx"),
    ({"efi-memmap.txt": b"\xff\xfeefi"}, "efi-memmap.txt: byte 0: not a text file (UTF-8)"),
    ({"cmdline.txt": None}, "cmdline.txt: No such file or directory"),
    ({"cmdline.txt": "x" * 10_000_000}, "cmdline.txt: a command line of 10000000 characters; the kernel takes 2047"),
    ({"cmdline.txt": "quiet\0mem=1G"}, "cmdline.txt: byte 5: a zero byte, where the kernel stops reading"),
    ({"acpi/SRAT.bin": b"SRAT"}, "acpi/SRAT.bin: offset 0x4: SRAT cut off: 4 bytes, a header has 36"),
    ({"acpi/SRAT.bin": b""}, "acpi/SRAT.bin: offset 0x0"),
    ({"kernel.toml": KERNEL + "x = " + "9" * 5000}, "kernel.toml: line 3: a number has too many digits"),
    ({"kernel.toml": KERNEL + "x = " + "[" * 5000}, "kernel.toml: line 3: tables or arrays are nested too deeply"),
    ({"kernel.toml": KERNEL + "a." * 100_000 + "b = 1"}, "kernel.toml: line 3: tables or arrays are nested too deeply"),
    (
        {"kernel.toml": f'release = "{"9" * 5000}.1"\narch = "x86_64"\n'},
        "kernel.toml: line 1: release: unknown kernel release '99999",
    ),
    (
        {"kernel.toml": 'release = "6.12"\narch = "vax"\n'},
        "no installed plugin boots architecture 'vax'; known: arm64,",
    ),
    ({"kernel.toml": KERNEL + "page_size = 65536\n"}, "x86_64 has pages of 4096 bytes, not 65536"),
    (
        {"kernel.toml": KERNEL + "[cpus]\ncount = 100000\n"},
        "line 4: cpus.count: Linux has at most 8192 CPUs, not 100000",
    ),
    (
        {"kernel.toml": KERNEL + "[config]\nNODES_SHIFT = -1\n"},
        "line 4: config.NODES_SHIFT: Linux has numbers from 0 to 10 here, not -1",
    ),
    (
        {"kernel.toml": KERNEL + '[config]\nPHYSICAL_ALIGN = "0x300000"\n'},
        "line 4: config.PHYSICAL_ALIGN: Linux has multiples of 0x200000 here, not '0x300000'",
    ),
    ({"kernel.toml": KERNEL + '[config]\nNODES_SHIFT = "ten"\n'}, "config.NODES_SHIFT: wanted a number, not 'ten'"),
    (
        {"kernel2.toml": 'arch = "arm64"\n', "steps.toml": "[kexec]\n"},
        "kernel2.toml: line 1: arch: a kexec starts a kernel of the running one's architecture, x86_64",
    ),
    *(
        ({"steps.toml": f"[[step]]\nname = '{name}'\nwrites = []\n"}, "line 2: step[0].name: wanted a name for a dir")
        for name in ("../evil", "/tmp/evil", "..", "a/b", "x" * 300)
    ),
    ({"steps.toml": '[[step]]\nname = "a\\u0000b"\nwrites = []\n'}, "line 2: step[0].name: wanted a name for a dir"),
    (
        {"steps.toml": "[[step]]\nname = 'a'\nwrites = []\n" * 2},
        "line 5: step[1].name: another step is called 'a', too",
    ),
    (
        {"steps.toml": '[[step]]\nencoding = "latin-1"\nwrites = [["/sys/x", "☃"]]\n'},
        "line 3: step[0].writes[0]: latin-1 has no '☃'",
    ),
    (
        {"steps.toml": '[[step]]\nencoding = "ebcdic"\nwrites = []\n'},
        "line 2: step[0].encoding: unknown encoding 'ebcdic'; known: utf-8, latin-1",
    ),
    (
        {"steps.toml": f"[kexec]\ncommand_line = '{'x' * 3000}'\n"},
        "line 2: kexec.command_line: a command line of 3000 characters",
    ),
    (
        {"steps.toml": "".join(f"[{'.'.join(['kexec'] * depth)}]\n" for depth in range(1, 103))},
        "kexec: more than 100 kexecs in a row",
    ),
]


@pytest.mark.parametrize(("files", "said"), SPOILED, ids=range(len(SPOILED)))
def test_a_spoiled_case_is_one_line_that_says_where_and_nothing_is_written(
    spoil: Spoil,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    files: dict[str, bytes | str | None],
    said: str,
) -> None:
    status, lines = run(capsys, "observe", spoil(files), "--out", tmp_path / "out")
    assert status == 2
    assert len(lines) == 1
    assert said in lines[0]
    assert lines[0].startswith("softreserve: ")
    assert len(lines[0]) < 400
    assert [path.name for path in tmp_path.iterdir()] == ["case"]


@pytest.mark.parametrize("kind", ["directory", "dangling link"])
def test_a_table_that_is_no_file_is_not_passed_over(
    spoil: Spoil, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    case = spoil({"acpi/SRAT.bin": None})
    if kind == "directory":
        (case / "acpi" / "SRAT.bin").mkdir()
    else:
        (case / "acpi" / "SRAT.bin").symlink_to("nowhere")
    status, lines = run(capsys, "boot", case)
    assert (status, len(lines)) == (2, 1)
    assert "acpi/SRAT.bin: " in lines[0]


SECRET = "root:x:0:0:secret"


FILES_OF_A_CASE = ["efi-memmap.txt", "cmdline.txt", "kernel.toml", "steps.toml", "acpi/SRAT.bin"]


@pytest.mark.parametrize("name", [*FILES_OF_A_CASE, "acpi"])
def test_links_out_of_a_capture_are_not_followed(
    spoil: Spoil, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    case = spoil({} if name == "acpi" else {name: None})
    elsewhere = tmp_path / "elsewhere"
    if name == "acpi":
        shutil.move(case / name, elsewhere)
    else:
        elsewhere.write_text(SECRET)
    (case / name).symlink_to(elsewhere)
    status, lines = run(capsys, "observe", case, "--out", tmp_path / "out")
    assert (status, len(lines)) == (2, 1 if name != "acpi" else len(lines))
    assert f"{case}/{name}" in lines[0]
    assert lines[0].endswith(": leads out of the directory of the description; only files in it are read")
    assert "secret" not in lines[0]


def test_links_within_a_capture_are_followed(spoil: Spoil, capsys: pytest.CaptureFixture[str]) -> None:
    case = spoil({})
    (case / "acpi" / "SRAT.bin").rename(case / "srat")
    (case / "acpi" / "SRAT.bin").symlink_to("../srat")
    assert run(capsys, "boot", case, "--emit", "iomem") == (0, [])


@pytest.mark.parametrize("name", FILES_OF_A_CASE)
@pytest.mark.parametrize("kind", ["pipe", "large"])
def test_only_regular_files_of_some_size_are_read(
    spoil: Spoil, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, kind: str
) -> None:
    case = spoil({name: None})
    if kind == "pipe":
        os.mkfifo(case / name)
    else:
        with (case / name).open("wb") as file:
            file.truncate(3 << 30)
    status, lines = run(capsys, "observe", case, "--out", tmp_path / "out")
    assert (status, len(lines)) == (2, 1)
    said = "not a regular file" if kind == "pipe" else "larger than 64 MiB"
    assert lines[0].startswith(f"softreserve: {case}/{name}: {said}")


@pytest.mark.parametrize("key", ["efi_map_file", "acpi_dir"])
@pytest.mark.parametrize("way", ["../elsewhere", "{tmp}/elsewhere", "link"])
def test_a_machine_file_reaches_no_file_outside_its_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, way: str
) -> None:
    elsewhere, here = tmp_path / "elsewhere", tmp_path / "here"
    here.mkdir()
    if key == "acpi_dir":
        elsewhere.mkdir()
        (elsewhere / "SRAT").write_text(SECRET)
    else:
        elsewhere.write_text(SECRET)
    (here / "link").symlink_to(elsewhere)
    machine = here / "machine.toml"
    machine.write_text(f'{key} = "{way.format(tmp=tmp_path)}"\ne820 = [{{ start = 0, size = 4096 }}]\n')
    status, lines = run(capsys, "boot", machine)
    assert (status, len(lines)) == (2, 1)
    assert lines[0].endswith(": leads out of the directory of the description; only files in it are read")
    assert "secret" not in lines[0]


def test_what_an_editor_adds_does_no_harm(spoil: Spoil, capsys: pytest.CaptureFixture[str]) -> None:
    case = spoil({})
    for name in ("efi-memmap.txt", "kernel.toml", "steps.toml"):
        path = case / name
        path.write_text("\ufeff" + path.read_text().replace("\n", "\r\n"), newline="")
    assert run(capsys, "boot", case, "--emit", "iomem") == (0, [])


def test_every_problem_of_a_case_is_told_at_once(spoil: Spoil, capsys: pytest.CaptureFixture[str]) -> None:
    case = spoil({"efi-memmap.txt": "x", "cmdline.txt": None, "acpi/SRAT.bin": b"S", "kernel.toml": "x"})
    status, lines = run(capsys, "boot", case)
    assert status == 2
    assert [line.split(": ")[1].removeprefix(f"{case}/") for line in lines] == [
        "efi-memmap.txt",
        "cmdline.txt",
        "acpi/SRAT.bin",
        "kernel.toml",
    ]


# -------------------------------------------------------------------------- kernels that hang, die or cannot be loaded


def test_a_kernel_that_would_walk_for_ever_is_said_to(spoil: Spoil, capsys: pytest.CaptureFixture[str]) -> None:
    case = spoil({}, "arm64")
    with (case / "efi-memmap.txt").open("a") as file:
        file.write(SP_TO_THE_TOP)
    status, lines = run(capsys, "boot", case)
    assert (status, lines) == (
        2,
        ["softreserve: the kernel walks /proc/iomem for ever: Soft Reserved ends at 2^64"],
    )


def test_a_kernel_without_a_node_is_said_to_die(capsys: pytest.CaptureFixture[str]) -> None:
    """RAM from 64 TiB on, which no node covers, is too much for both attempts to find nodes."""
    status, lines = run(capsys, "boot", EXAMPLE, "--cmdline", "memmap=0xfffffff000000000@4G")
    assert status == 2
    assert len(lines) == 1
    assert "the kernel dies without a NUMA node that is online; its log: NUMA: no nodes coverage for" in lines[0]


def test_a_second_kernel_that_panics_takes_nothing_from_the_first(
    spoil: Spoil, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = spoil({"steps.toml": "[kexec]\ncommand_line = 'memmap=exactmap'\n"})
    status, lines = run(capsys, "observe", case, "--out", tmp_path / "out")
    assert status == 0
    assert lines == ["softreserve: not run: kexec: Kernel panic - not syncing: Invalid user supplied memory map"]
    assert (tmp_path / "out" / "iomem.txt").exists()
    assert (tmp_path / "out" / "kexec" / "load" / "status").read_text() == "0\n"


def test_a_chain_ends_where_the_command_line_is_full(capsys: pytest.CaptureFixture[str]) -> None:
    status, lines = run(capsys, "kexec", EXAMPLE, "--append", "x" * 3000)
    assert status == 2
    assert "characters; the next kernel takes 2047" in lines[-1]


# --------------------------------------------------------------------------------------------------- what is written


def test_bytes_that_are_no_text_come_out_of_a_step_as_they_went_in(
    spoil: Spoil, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = '[[step]]\nname = "a"\nencoding = "latin-1"\nwrites = [["/sys/nowhere", "\\u00ff"]]\n'
    case = spoil({"steps.toml": text})
    assert run(capsys, "observe", case, "--out", tmp_path / "out") == (0, [])
    assert (tmp_path / "out" / "steps" / "a" / "output.txt").read_bytes() == b"/sys/nowhere <- \xff : -ENOENT\n"
    assert main(["run", str(case)]) == 0


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_an_export_that_cannot_be_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    (tmp_path / "file").write_text("mine")
    status, lines = run(capsys, "export", EXAMPLE, tmp_path / place)
    assert (status, len(lines)) == (2, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


# --------------------------------------------------------------------------------------------------------- the streams


PROGRAM = [sys.executable, "-m", "softreserve"]


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["boot", "--help"], ["boot", EXAMPLE], ["boot", EXAMPLE, "--emit", "log"], ["lint", EXAMPLE]],
)
def test_a_reader_that_leaves_is_neither_a_finding_nor_a_traceback(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run([*PROGRAM, *arguments], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_a_full_disk_behind_the_output_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        ended = subprocess.run([*PROGRAM, "boot", EXAMPLE], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, "softreserve: No space left on device\n")


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (f"boot {EXAMPLE} --emit iomem >&-", 0),
        ("boot nowhere 2>&-", 2),
        ("boot nowhere >&- 2>&-", 2),
        ("boot --from-dmesg - <&-", 2),
    ],
)
def test_closed_streams_change_nothing_but_what_is_seen(words: str, status: int) -> None:
    ended = subprocess.run(f"{sys.executable} -m softreserve {words}", shell=True, capture_output=True, check=False)
    assert ended.returncode == status
    assert b"internal error" not in ended.stderr
    assert ended.stdout == b""


def test_characters_that_the_terminal_lacks_are_spelled_out(tmp_path: Path) -> None:
    path = tmp_path / "café.toml"
    path.write_text(f'name = "café"\n[kernel]\n{KERNEL}[[efi_map]]\nstart = 0\nsize = "4G"\n')
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run([*PROGRAM, "boot", path], env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("caf\\xe9: Linux 6.12")


def test_messages_do_not_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    _, lines = run(capsys, "boot", "\x1b[31mred\nnew")
    assert len(lines) == 1
    assert lines[0].startswith("softreserve: \\x1b[31mred new: no such machine: wanted ")


# ------------------------------------------------------------------------------------------------------------- limits


def test_as_many_cpus_as_linux_has_are_not_too_many() -> None:
    system = settled(machine(cpus=CPUS_MAX))
    assert "/sys/devices/system/node/node0/cpulist = 0-8191" in FILES["nodes.txt"](system)
    topology = f"/sys/devices/system/cpu/cpu{CPUS_MAX - 1}/topology"
    assert RootFs(system).tree.read(f"{topology}/package_cpus_list") == b"0-8191\n"
