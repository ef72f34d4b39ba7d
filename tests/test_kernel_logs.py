"""Logs of recorded boots, in every form in which people keep them, give the machine that was recorded."""

from __future__ import annotations

import base64
import html
import json
import quopri
import re
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path

import attrs
import cases
import pytest
from softreserve.cli import main
from softreserve.config import load
from softreserve.config.log import parse_log, read_log
from softreserve.config.log.messages import Messages
from softreserve.config.log.options import read_options
from softreserve.model.scenario import Scenario
from softreserve.plugins.hooks import installed

MISSING = sorted({"x86", "arm64", "hmem"} - set(installed()))
if MISSING:
    pytest.skip(f"not installed here: softreserve-{', softreserve-'.join(MISSING)}", allow_module_level=True)

STAMP = "[    0.000000] "
CTIME = "Sat Nov 21 16:18:01 2026"
ISO = "2026-11-21T16:18:01.123456"
FULL = "Sat 2026-11-21 16:18:01 UTC"
TIME = "Nov 21 16:18:01"


def lines(said: Iterable[str]) -> str:
    """Lines of a file."""
    return "".join(f"{line}\n" for line in said)


def after(prefix: str) -> Callable[[list[str]], str]:
    """A form that puts the same before each message."""
    return lambda said: lines(prefix + x for x in said)


def journal(at: int, message: str) -> dict[str, str]:
    """An entry of journald's, with the kernel's message."""
    return {
        "__CURSOR": f"s=1;i={at}",
        "_TRANSPORT": "kernel",
        "SYSLOG_IDENTIFIER": "kernel",
        "PRIORITY": "6",
        "MESSAGE": message,
        "_HOSTNAME": "my-server",
    }


def exported(said: list[str]) -> str:
    """As ``journalctl -o export``: fields, and an empty line after each entry."""
    return lines(f"{lines(f'{name}={text}' for name, text in journal(*entry).items())}" for entry in enumerate(said))


def verbose(said: list[str]) -> str:
    """As ``journalctl -o verbose``."""
    return lines(
        f"{FULL} [s=1;i={at};b=2]\n" + "\n".join(f"    {name}={text}" for name, text in journal(at, x).items())
        for at, x in enumerate(said)
    )


def pstore(said: list[str]) -> str:
    """Parts of a dump, the last one first, as ``cat dmesg-efi-*`` gives them."""
    parts = reversed([said[at : at + 20] for at in range(0, len(said), 20)])
    return "".join(f"Panic#1 Part{at}\n" + after(f"<6>{STAMP}")(part) for at, part in enumerate(parts, 1))


#: A kernel log, message by message, as a file.
FORMS: dict[str, Callable[[list[str]], str]] = {
    "dmesg": after(STAMP),
    "dmesg -t": lines,
    "dmesg -T": after(f"[{CTIME}] "),
    "dmesg -x": after(f"kern  :info  : {STAMP}"),
    "dmesg -xT": after(f"kern  :info  : [{CTIME}] "),
    "dmesg -r": after(f"<6>{STAMP}"),
    "dmesg -H": lambda said: lines(("[Nov21 16:18] ", "[  +0.000000] ")[at > 0] + x for at, x in enumerate(said)),
    "dmesg -H, in colours": lambda said: lines(f"\x1b[32m[  +0.000000] \x1b[0m\x1b[33m{x}\x1b[0m" for x in said),
    "dmesg -d": after("[    0.000000 <    0.000000>] "),
    "dmesg --time-format=iso": after("2026-11-21T16:18:01,123456+00:00 "),
    "dmesg --time-format=delta": after("[<    0.000000>] "),
    "dmesg -J": lambda said: json.dumps({"dmesg": [{"pri": 6, "time": 0.0, "msg": x} for x in said]}, indent=3),
    "dmesg -J, on a line": lambda said: json.dumps({"dmesg": [{"pri": 6, "time": 0.0, "msg": x} for x in said]}),
    "callers": after("[    0.000000][    T0] "),
    "journalctl -k": lambda said: "-- Boot 1234 --\n" + after(f"{TIME} my-server kernel: ")(said),
    "journalctl --no-hostname": after(f"{TIME} kernel: "),
    "short-precise": after(f"{TIME}.000000 my-server kernel: "),
    "short-monotonic": after("[    0.000000] my-server kernel: "),
    "short-delta": lambda said: lines(
        ("[    0.000000                ] ", "[    0.000000 <    0.000000 >] ")[at > 0] + f"my-server kernel: {x}"
        for at, x in enumerate(said)
    ),
    "short-unix": after("1763741881.000000 my-server kernel: "),
    "short-iso": after("2026-11-21T16:18:01+0000 my-server kernel: "),
    "short-iso-precise": after("2026-11-21T16:18:01.000000+0000 my-server kernel: "),
    "short-full, with-unit": after(f"{FULL} my-server kernel: "),
    "journalctl -o json": lambda said: lines(json.dumps(journal(*entry)) for entry in enumerate(said)),
    "journalctl -o json-pretty": lambda said: lines(json.dumps(journal(*e), indent="\t") for e in enumerate(said)),
    "journalctl -o json-sse": lambda said: lines(f"data: {json.dumps(journal(*e))}\n" for e in enumerate(said)),
    "journalctl -o json-seq": lambda said: lines(f"\x1e{json.dumps(journal(*entry))}" for entry in enumerate(said)),
    "journalctl -o export": exported,
    "journalctl -o verbose": verbose,
    "rsyslog": after(f"{TIME} my-server kernel: {STAMP}"),
    "rsyslog, modern": after(f"{ISO}+00:00 my-server kernel: {STAMP}"),
    "RFC 5424": after(f"<6>1 {ISO}Z my-server kernel - - - {STAMP}"),
    "syslog": after(f"Nov  1 16:18:01 my-server kern.info kernel: {STAMP}"),
    "Talos": after("10.5.0.2: kern:    info: [2026-11-21T16:18:01.123456789Z]: "),
    "Talos, sent on": lambda said: lines(json.dumps({"msg": f"{x}\n", "facility": "kern"}) for x in said),
    "docker": lambda said: lines(json.dumps({"log": f"{STAMP}{x}\r\n", "stream": "stdout"}) for x in said),
    "a pod's": after(f"{ISO}789Z stdout F {STAMP}"),
    "Amazon's console": lambda said: json.dumps({"InstanceId": "i-1", "Output": "\r\n".join(STAMP + x for x in said)}),
    "Google's console": lambda said: json.dumps([{"textPayload": STAMP + x, "insertId": "1"} for x in said], indent=2),
    "serial console": lambda said: "\0\r\n" + "".join(f"{STAMP}{x}".ljust(120) + "\r\n" for x in said),
    "serial console, without ends of lines": lambda said: "".join(STAMP + x for x in said),
    "other output between": lambda said: lines(f"{STAMP}{x}\n[  OK  ] Started something." for x in said),
    "other output before": lambda said: lines(f"Loading ...{STAMP}{x}" for x in said),
    "pstore": pstore,
    "kmsg": lambda said: lines(f"6,{at},0,-;" + x.replace("\\", r"\x5c") for at, x in enumerate(said)),
    "mail": lambda said: "On Saturday you wrote:\n" + lines(f"> {STAMP}{x}" for x in said),
    "mail, quoted-printable": lambda said: (
        "From: a\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"
        + quopri.encodestring(lines(STAMP + x for x in said).encode()).decode()
    ),
    "a part of a mail": lambda said: quopri.encodestring(lines(STAMP + x for x in said).encode()).decode(),
    "mail, base64": lambda said: (
        "From: a\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
        + base64.encodebytes(lines(STAMP + x for x in said).encode()).decode()
    ),
    "a web page": lambda said: (
        f"<html><body><pre>{html.escape(lines(f'<6>{STAMP}{x}' for x in said))}</pre></body></html>"
    ),
    "a forum's page": lambda said: "[CODE]\n" + lines(f"[FONT=arial]{STAMP}{x}[/FONT]" for x in said) + "[/CODE]",
    "a bug tracker's list": lambda said: lines(f"  * `{STAMP}{x}`" for x in said),
    "grep -Hn": lambda said: lines(f"/var/log/dmesg.0:{at}:{STAMP}{x}" for at, x in enumerate(said, 1)),
    "UTF-16": lambda said: "\ufeff" + lines(STAMP + x for x in said),
    "UTF-16, without a mark": lambda said: lines(STAMP + x for x in said),
    "UTF-8 with a mark": lambda said: "\ufeff" + lines(STAMP + x for x in said),
    "Latin-1": lambda said: "\u00e9\n" + lines(STAMP + x for x in said),
}
ENCODINGS = {"UTF-16": "utf-16-le", "UTF-16, without a mark": "utf-16-le", "Latin-1": "latin-1"}


#: Kernels with each of the two ways to print e820, and one of arm64, have to do for all forms; all captures are read as
#: ``dmesg`` prints them.
FORMS_OF_CASES = [
    *((name, "dmesg") for name in cases.names()),
    *(
        (name, form)
        for name in ("x86-6.1-fake-one", "x86-7.3-la57", "arm64-64k-aligned")
        for form in FORMS
        if form != "dmesg"
    ),
]


@pytest.fixture(scope="module")
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Scenario, list[str]]:
    """A recorded case, and what its kernel said."""
    case = cases.unpack(request.param, tmp_path_factory.mktemp("recorded"))
    scenario = load(case)
    said = (case / "expected" / "log.txt").read_text().splitlines()
    if not any(line.startswith(("efi: mem", "efi:   0x")) for line in said):
        said = [*(case / "input" / "efi-memmap.txt").read_text().splitlines(), *said]
    version = f"Linux version {scenario.machine.kernel.release} (debian-kernel@lists.debian.org)"
    before = ["Booting Linux on physical CPU 0x0000000000 [0x411fd070]"] * (scenario.machine.arch == "arm64")
    cmdline = scenario.machine.cmdline.text
    after = [f"Command line: {cmdline}"] * (scenario.machine.arch == "x86_64") + [f"Kernel command line: {cmdline}"]
    order = {4096: 9, 16384: 7, 65536: 5}[scenario.machine.kernel.page_size]
    tables = f"Dentry cache hash table entries: 262144 (order: {order}, 2097152 bytes, linear)"
    return scenario, [*before, version, *after, tables, *said]


@pytest.mark.parametrize(("recorded", "form"), FORMS_OF_CASES, indirect=["recorded"])
def test_a_log_of_a_recorded_boot_is_read(recorded: tuple[Scenario, list[str]], form: str, tmp_path: Path) -> None:
    scenario, said = recorded
    path = tmp_path / "boot.log"
    path.write_text(FORMS[form](said), ENCODINGS.get(form, "utf-8"), newline="")
    read = read_log(str(path))
    machine, expected = read.machine, scenario.machine
    maps = ([attrs.astuple(d)[:4] for d in of.efi_map or ()] for of in (machine, expected))
    assert next(maps) == next(maps)
    assert (machine.cmdline, machine.kernel.release, machine.kernel.page_size, machine.arch) == (
        expected.cmdline,
        expected.kernel.release,
        expected.kernel.page_size,
        expected.arch,
    )
    if form != "dmesg -t":
        path.write_text(FORMS["dmesg -t"](said))
        assert attrs.evolve(read, path=None) == attrs.evolve(read_log(str(path)), path=None)


def wrapped(line: str, column: int) -> str:
    """A line as mailers break it: at the last blank before a column."""
    parts = []
    while len(line) > column and " " in line[20:column].rstrip():
        at = line.rindex(" ", 20, column)
        parts.append(line[:at])
        line = line[at + 1 :]
    return "\n".join([*parts, line])


@pytest.mark.parametrize("column", [72, 80])
@pytest.mark.parametrize("recorded", ["x86-6.1-fake-one", "x86-7.3-la57", "arm64-64k-aligned"], indirect=True)
def test_a_log_that_a_mailer_wrapped_is_read(recorded: tuple[Scenario, list[str]], column: int) -> None:
    _, said = recorded
    whole = parse_log(lines(STAMP + x for x in said)).machine
    assert parse_log(lines(wrapped(STAMP + x, column) for x in said)).machine == whole
    quoted = "\n".join(f"> > {x}" for line in said for x in wrapped(STAMP + line, column).split("\n"))
    assert parse_log(quoted).machine == whole


def of_older_kernels(scenario: Scenario, said: list[str]) -> dict[str, list[str]]:
    """The messages of a recorded boot as older releases of x86 printed them."""
    half_open = [re.sub(r"^(efi: mem.* range=\[0x\w+)-(0x\w+)\]", _exclusive, x) for x in said]
    numbers = [x for x in said if not x.startswith("efi: mem")]
    numbers[2:2] = [
        f"EFI: mem{at:02}: type={d.type}, attr={d.attribute:#x}, "
        f"range=[0x{d.start:016x}-0x{(d.start + d.size) % (1 << 64):016x}) ({d.pages >> 8}MB)"
        for at, d in enumerate(scenario.machine.efi_map or ())
    ]
    ends = [re.sub(r"^(BIOS-e820): \[mem 0x(\w+)-(0x\w+)\] +(.*)", _in_brackets, x) for x in numbers]
    return {"4.5": half_open, "3.18": numbers, "3.4": ends}


def _exclusive(found: re.Match[str]) -> str:
    return f"{found[1]}-0x{(int(found[2], 16) + 1) % (1 << 64):016x})"


def _in_brackets(found: re.Match[str]) -> str:
    words = found[4] if found[4].startswith("type") else f"({found[4]})"
    return f" {found[1]}: {found[2]} - {int(found[3], 16) + 1:016x} {words}"


@pytest.mark.parametrize("recorded", ["x86-6.1-fake-one", "x86-6.12-memmap-types"], indirect=True)
def test_lines_of_older_kernels_tell_the_same(recorded: tuple[Scenario, list[str]], tmp_path: Path) -> None:
    scenario, said = recorded
    new = parse_log(lines(said))
    bare = parse_log(lines(x for x in said if not x.startswith("efi: mem")))
    assert new.machine.efi_map
    assert bare.machine.e820
    for release, older in of_older_kernels(scenario, said).items():
        assert parse_log(lines(older)) == new, release
        assert parse_log(lines(x for x in older if not x.startswith(("efi: mem", "EFI: mem")))) == bare, release


LOG = """\
[    0.000000] Linux version 6.12.0 (x)
[    0.000000] Command line: quiet efi=debug
[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable
[    0.000000] BIOS-e820: [mem 0x0000000000100000-0x000000007fffffff] usable
[    0.000000] BIOS-e820: [mem 0x0000000100000000-0x000000017fffffff] soft reserved
"""
EFI_MAP = """\
[    0.000000] efi: mem00: [Conventional|   |WB|WT|WC|UC] range=[0x0000000000000000-0x000000000009ffff] (0MB)
[    0.000000] efi: mem01: [Conventional|   |WB|WT|WC|UC] range=[0x0000000000100000-0x000000007fffffff] (2047MB)
[    0.000000] efi: mem02: [Conventional|SP|WB|WT|WC|UC] range=[0x0000000100000000-0x000000017fffffff] (2048MB)
"""


@pytest.fixture
def log(tmp_path: Path) -> str:
    """A log without an EFI map."""
    path = tmp_path / "boot.log"
    path.write_text(LOG)
    return str(path)


@pytest.mark.parametrize("command", ["boot", "lint", "kexec", "export"])
@pytest.mark.parametrize(
    "words", ["+efi=nosoftreserve", "+noefi", "+add_efi_memmap", "quiet", "+efi_fake_mem=1G@4G:0x40000"]
)
def test_efi_words_are_not_answered_without_an_efi_map(
    log: str, command: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [str(tmp_path / "tree")] if command == "export" else []
    assert main([command, log, *more, "--cmdline", words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "depends on the EFI memory map, which is not there" in err.splitlines()[-1]
    assert not (tmp_path / "tree").exists()


@pytest.mark.parametrize("firmware", ["DMI: Bochs Bochs, BIOS Bochs 01/01/2011", "DMI not present or invalid."])
@pytest.mark.parametrize("efi", [False, True])
def test_what_a_bios_started_lacks_no_efi_map(firmware: str, efi: bool) -> None:
    """Who was started by EFI firmware says so before it looks for DMI."""
    said = ["Linux version 6.12.1 (gcc) #1 SMP", "BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable"]
    said += ["BIOS-e820: [mem 0x0000000000100000-0x000000003fffffff] usable"]
    said += ["efi: EFI v2.7 by EDK II"] if efi else []
    found = parse_log(lines([*said, firmware]))
    assert ("the EFI memory map" in {gap.missing for gap in found.gaps}) is efi


def test_efi_words_are_answered_with_an_efi_map(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    with open(log, "a") as file:
        file.write(EFI_MAP)
    assert main(["boot", log, "--cmdline", "+efi=nosoftreserve", "--emit", "iomem"]) == 0
    assert "100000000-17fffffff : System RAM" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["boot"], ["lint"], ["explain", "4G"], ["diff", "--cmdline", "+x"], ["kexec"]])
def test_an_answer_from_less_than_a_machine_says_so(
    log: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    name, *more = command
    main([name, log, *more])
    out, err = capsys.readouterr()
    assert "partial answer: without the EFI memory map, the number of CPUs, the ACPI tables" in out
    assert "softreserve: partial answer, without the EFI memory map: efi=debug on the command line makes" in err
    assert err.count("without the EFI memory map") == 1
    main([name, log, *more, "--json"])
    assert [gap["missing"] for gap in json.loads(capsys.readouterr().out)["gaps"]] == [
        "the EFI memory map",
        "the number of CPUs",
        "the ACPI tables SRAT, SLIT, HMAT, CEDT (--acpi DIR)",
        "the place of the kernel image",
        "the end of the log",
    ]
    main([name, "example:two-node", *more, "--json"])
    out, err = capsys.readouterr()
    assert json.loads(out)["gaps"] == []
    assert "partial" not in err


def test_a_log_of_an_architecture_that_nothing_boots_is_not_read_as_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "boot.log"
    path.write_text(
        "Linux version 6.12.1-loongarch64 (x)\nefi:   0x000080000000-0x0000bfffffff [Conventional|   |WB|  |  |  ]\n"
    )
    assert main(["boot", str(path)]) == 2
    assert "no installed plugin boots architecture 'loongarch64'" in capsys.readouterr().err


def owners(iomem: str) -> list[str]:
    """The lines of ``/proc/iomem`` that tell what is memory, and what must not be mapped."""
    return [line for line in iomem.splitlines() if line.endswith((" : System RAM", " : reserved")) and line[0] != " "]


@pytest.mark.parametrize(
    "recorded",
    ["arm64-16k-trace-3", "arm64-64k-aligned", "arm64-6.1-two-node-hmat", "arm64-6.12-trace-3", "arm64-7.3-readers"],
    indirect=True,
)
def test_without_a_map_memory_is_what_the_kernel_found(
    recorded: tuple[Scenario, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario, said = recorded
    path = tmp_path / "boot.log"
    path.write_text(lines(line for line in said if not line.startswith("efi:")))
    assert main(["boot", str(path), "--emit", "iomem"]) == 0
    out, err = capsys.readouterr()
    assert "without the EFI memory map: efi=debug" in err
    assert scenario.path is not None
    assert owners(out) == owners((Path(scenario.path) / "expected" / "iomem.txt").read_text())


FOUND = """\
Booting Linux on physical CPU 0x0000000000 [0x411fd070]
Linux version 6.12.0 (x) (aarch64-linux-gnu-gcc)
Kernel command line: quiet
Early memory node ranges
  node   0: [mem 0x0000000040000000-0x000000004000ffff]
  node   0: [mem 0x0000000040010000-0x000000005fffffff]
  node   0: [mem 0x0000000060000000-0x000000006000ffff]
  node   0: [mem 0x0000000070000000-0x000000007fffffff]
"""


def test_of_ranges_that_touch_every_other_one_is_not_mapped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "boot.log"
    path.write_text(FOUND)
    assert main(["boot", str(path), "--emit", "iomem"]) == 0
    assert owners(capsys.readouterr().out) == [
        "40000000-4000ffff : reserved",
        "40010000-5fffffff : System RAM",
        "60000000-6000ffff : reserved",
        "70000000-7fffffff : System RAM",
    ]
    path.write_text(FOUND.replace("quiet", "mem=1G"))
    main(["boot", str(path)])
    assert "without memory beyond mem=: the log tells of what was left" in capsys.readouterr().err
    path.write_text(FOUND[: FOUND.index("Early")])
    assert main(["boot", str(path)]) == 2
    assert "no memory map in the log" in capsys.readouterr().err


def test_what_efi_takes_out_of_e820_or_leaves_there_is_no_map(log: str) -> None:
    with open(log, "a") as file:
        file.write("[    0.0] efi: Remove mem61: MMIO range=[0xe0000000-0xefffffff] (256MB) from e820 map\n")
        file.write("[    0.0] efi: Not removing mem62: MMIO range=[0xfee00000-0xfee00fff] (4KB) from e820 map\n")
    read = read_log(log).machine
    assert read.efi_map is None
    assert read.e820 is not None
    assert len(read.e820) == 3


#: What firmware changes in e820: setup_data nodes (one told twice), MMIO, a MiB of RAM, ESRT, logo, graphics memory.
MARKED = """\
Linux version 6.6.0 (x)
Command line: quiet
BIOS-provided physical RAM map:
BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable
BIOS-e820: [mem 0x0000000000100000-0x000000007fffffff] usable
BIOS-e820: [mem 0x0000000080000000-0x00000000800fffff] reserved
BIOS-e820: [mem 0x00000000e0000000-0x00000000efffffff] reserved
BIOS-e820: [mem 0x0000000100000000-0x000000017fffffff] usable
e820: update [mem 0x70001018-0x70002017] usable ==> usable
e820: update [mem 0x70001018-0x70002017] usable ==> usable
e820: update [mem 0x70000018-0x70000fff] usable ==> usable
efi: Not removing mem07: MMIO range=[0x80000000-0x8001ffff] (128KB) from e820 map
efi: Remove mem09: MMIO range=[0xe0000000-0xefffffff] (256MB) from e820 map
e820: remove [mem 0xe0000000-0xefffffff] reserved
e820: update [mem 0x00000000-0x00000fff] usable ==> reserved
last_pfn = 0x180000 max_arch_pfn = 0x400000000
e820: update [mem 0x7ff00000-0xffffffff] usable ==> reserved
last_pfn = 0x7ff00 max_arch_pfn = 0x400000000
esrt: Reserving ESRT space from 0x0000000060000e98 to 0x0000000060000ed0.
e820: update [mem 0x60000000-0x60000fff] usable ==> reserved
Using GB pages for direct mapping
ACPI: RSDP 0x00000000000F0000 000024 (v02 X)
e820: update [mem 0x50000000-0x5001ffff] usable ==> reserved
Reserving Intel graphics memory at [mem 0xc0000000-0xc1ffffff]
smp: Brought up 1 node, 1 CPU
"""


def test_what_firmware_changes_in_e820_is_taken_from_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "boot.log"
    path.write_text(MARKED)
    assert main(["boot", str(path), "--emit", "log"]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("e820: ", "efi: ", "last_pfn"))]
    told = [line for line in MARKED.splitlines() if line.startswith(("e820: ", "efi: ", "last_pfn"))]
    told.insert(3, told[2])  # the second node, for kexec
    remove = told.index("last_pfn = 0x180000 max_arch_pfn = 0x400000000")
    told.insert(remove, "e820: remove [mem 0x000a0000-0x000fffff] usable")
    lost = told.index("last_pfn = 0x7ff00 max_arch_pfn = 0x400000000")
    told.insert(lost, "last_pfn = 0x180000 max_arch_pfn = 0x400000000")
    assert [line for line in said if "RAM buffer" not in line] == told
    assert main(["boot", str(path), "--emit", "iomem"]) == 0
    assert (
        capsys.readouterr().out
        == """\
00000000-00000fff : Reserved
00001000-0009ffff : System RAM
00100000-4fffffff : System RAM
50000000-5001ffff : Reserved
50020000-5fffffff : System RAM
60000000-60000fff : Reserved
60001000-70000017 : System RAM
70000018-70000fff : System RAM
70001000-70001017 : System RAM
70001018-70002017 : System RAM
70002018-7fefffff : System RAM
7ff00000-800fffff : Reserved
c0000000-c1ffffff : Reserved
100000000-17fffffff : System RAM
"""
    )


def test_without_pci_nobody_inserts_what_pci_devices_might_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "boot.log"
    path.write_text(LOG + "[    0.1] PCI: System does not support PCI\n")
    assert main(["boot", str(path), "--emit", "log"]) == 0
    out = capsys.readouterr().out
    assert "PCI: System does not support PCI" in out
    assert "RAM buffer" not in out


def test_a_machine_with_a_device_tree_has_no_acpi(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "boot.log"
    found = FOUND.replace("6.12.0", "6.6.0")
    path.write_text(found)
    main(["boot", str(path), "--emit", "log"])
    assert "NUMA: Failed to initialise from firmware" in capsys.readouterr().out
    path.write_text(found.replace("Kernel command", "Machine model: A board\nKernel command"))
    assert main(["boot", str(path), "--emit", "log"]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("NUMA: ")]
    assert said == [
        "NUMA: No NUMA configuration found",
        "NUMA: Faking a node at [mem 0x0000000040000000-0x000000007fffffff]",
    ]
    path.write_text(path.read_text().replace("6.6.0", "6.12.0"))
    main(["boot", str(path), "--emit", "log"])
    out = capsys.readouterr().out
    assert "No NUMA configuration" not in out
    assert "Remapping and enabling EFI services." in out


def test_a_machine_without_uefi_has_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "boot.log"
    path.write_text(FOUND.replace("Kernel command", "efi: UEFI not found.\nKernel command"))
    assert main(["boot", str(path), "--emit", "log"]) == 0
    out, err = capsys.readouterr()
    assert "partial answer, without the memory of the device tree: " in err
    assert "EFI memory map" not in err
    said = out.splitlines()
    assert said[0] == "efi: UEFI not found."
    assert "EFI services will not be available." in said
    assert "Remapping and enabling EFI services." not in said
    assert main(["export", str(path), str(tmp_path / "tree")]) == 0
    assert not (tmp_path / "tree" / "sys" / "firmware" / "efi").exists()


def test_the_boot_logo_is_in_nobodys_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is memory of boot services until ACPI tables are read: the crash kernel goes below."""
    path = tmp_path / "boot.log"
    said = MARKED.replace("quiet", "crashkernel=128M").replace("[mem 0x50000000-0x5001", "[mem 0x7e000000-0x7e01")
    path.write_text(said)
    assert main(["boot", str(path), "--emit", "log"]) == 0
    assert "Reserving 128MB of memory at 1888MB for crashkernel" in capsys.readouterr().out


def test_acpi_tables_of_the_initial_ram_disk_are_memory_of_acpi(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "boot.log"
    found = """\
ACPI: DSDT ACPI table found in initrd [kernel/firmware/acpi/dsdt.aml][0x1f00]
modified physical RAM map:
modified: [mem 0x0000000000100000-0x000000007fffdfff] usable
modified: [mem 0x000000007fffe000-0x000000007fffff00] ACPI NVS
"""
    path.write_text(LOG.replace("6.12.0", "6.6.0") + found)
    assert main(["boot", str(path), "--emit", "log"]) == 0
    out = capsys.readouterr().out
    assert "modified physical RAM map:\n" in out
    assert "e820: reserve RAM buffer [mem 0x7fffe000-0x7fffffff]" in out
    assert main(["boot", str(path), "--emit", "iomem"]) == 0
    assert "7fffe000-7fffff00 : ACPI Non-volatile Storage\n" in capsys.readouterr().out
    path.write_text(LOG + found.partition("\n")[2])
    assert read_log(str(path)).machine.marks.tables == ()


#: What a kernel without nodes, zone DMA32, memory hotplug and hibernation says, on x86.
SMALL = """\
Zone ranges:
  DMA      [mem 0x0000000000001000-0x0000000000ffffff]
  Normal   [mem 0x0000000001000000-0x000000017fffffff]
Movable zone start for each node
[mem 0x80000000-0xffffffff] available for PCI devices
setup_percpu: NR_CPUS:16 nr_cpumask_bits:16 nr_cpu_ids:4 nr_node_ids:1
Built 1 zonelists, mobility grouping on.  Total pages: 1032000
Kernel command line: quiet
devtmpfs: initialized
"""
SHOWN = """\
PM: hibernation: Registered nosave memory: [mem 0x00000000-0x00000fff]
Zone ranges:
  DMA      [mem 0x0000000000001000-0x0000000000ffffff]
  DMA32    empty
  Normal   [mem 0x0000000001000000-0x000000017fffffff]
  Device   empty
Movable zone start for each node
[mem 0x80000000-0xffffffff] available for PCI devices
Built 1 zonelists, mobility grouping on.  Total pages: 1032000
Policy zone: Normal
rcu: \tRCU restricting CPUs from NR_CPUS=8192 to nr_cpu_ids=4.
devtmpfs: initialized
x86/mm: Memory block size: 128MB
"""


@pytest.mark.parametrize(
    ("said", "options"),
    [
        ("", {}),
        (SMALL, {"NUMA": "n", "NR_CPUS": 16, "HIBERNATION": "n", "MEMORY_HOTPLUG": "n", "ZONE_DEVICE": "n"}),
        (SMALL, {"ZONE_DMA": "y", "ZONE_DMA32": "n"}),
        (SHOWN, {"NUMA": "y", "NR_CPUS": 8192, "HIBERNATION": "y", "MEMORY_HOTPLUG": "y", "ZONE_DEVICE": "y"}),
    ],
)
def test_options_show_in_lines_and_where_lines_are_missing(log: str, said: str, options: dict[str, str | int]) -> None:
    usual = read_log(log).machine.kernel.config
    with open(log, "a") as file:
        file.write(said)
    config = read_log(log).machine.kernel.config
    assert config == {**usual, **read_options(Messages(LOG + said))}
    assert options.items() <= config.items()
    assert bool(said) or config == usual


def test_a_kernel_without_nodes_says_nothing_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "boot.log"
    path.write_text(LOG.replace("soft reserved", "usable") + SMALL)
    assert main(["boot", str(path), "--emit", "log"]) == 0
    out = capsys.readouterr().out
    assert "Zone ranges:" in out
    for words in ("NUMA", "Faking", "Fallback order", "Policy zone", "Device", "DMA32", "Memory block", "nosave"):
        assert words not in out


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ("6.1.0-9-amd64 (debian-kernel@lists.debian.org) (gcc-12) #1 SMP Debian 6.1.27-1 (2023-05-08)", 27),
        (
            "5.4.0-148-generic (buildd@x) (gcc) #165-Ubuntu SMP Tue Apr 18 2023 (Ubuntu 5.4.0-148.165-generic 5.4.231)",
            231,
        ),
        ("6.1.0-9-amd64 (x) #1 SMP Debian 6.0.27-1 (2023-05-08)", None),
        ("6.1.0-9-amd64 (x)\n(y) #1 SMP Debian\n6.1.27-1 (2023-05-08)", 27),
        ("6.1.0-9-amd64 (x)\nCommand line: quiet Debian 6.1.27-1 ", None),
        ("6.1.0-9-amd64 (x) #1 SMP", None),
        ("6.1.30 (x) #1 SMP Debian 6.1.27-1 (2023-05-08)", 30),
        ("6.14.0-00004-g3c6568d9087b (x) #1 SMP", 0),
        ("6.14.0-10000-generic (x) #1 SMP", None),
        ("6.14.0-0.rc7.20250318git76b6905c11fd.57.fc43.x86_64 (x) #1 SMP", 0),
    ],
)
def test_a_version_tells_of_which_level_of_a_series_it_is(log: str, version: str, level: int | None) -> None:
    Path(log).write_text(LOG.replace("6.12.0 (x)", version))
    assert read_log(log).machine.kernel.version.patch == level


def test_what_the_kernel_brings_along_of_its_command_line_counts(log: str) -> None:
    with open(log, "a") as file:
        file.write("[    0.1] Kernel command line: memmap=1M$16M quiet efi=debug\n")
    assert read_log(log).machine.cmdline.text == "memmap=1M$16M quiet efi=debug"
    with open(log, "a") as file:
        file.write("[    0.1] Kernel command line: something else\n")
    assert read_log(log).machine.cmdline.text == "memmap=1M$16M quiet efi=debug"


def test_a_bus_that_is_narrower_ends_zone_dma(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A device tree says so, and of it only the zones are in the log."""
    path = tmp_path / "boot.log"
    zones = "Zone ranges:\n  DMA      [mem 0x0000000040000000-0x000000005fffffff]\n"
    path.write_text(FOUND.replace("Early memory", zones + "Early memory"))
    assert main(["boot", str(path), "--emit", "log"]) == 0
    out = capsys.readouterr().out
    assert "  DMA      [mem 0x0000000040000000-0x000000005fffffff]" in out
    assert "  DMA32    [mem 0x0000000060000000-0x000000007fffffff]" in out


def test_an_interrupt_translator_has_a_node_and_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "boot.log"
    path.write_text(FOUND + "SRAT: PXM 0 -> ITS 0 -> Node 0\n")
    assert read_log(str(path)).machine.arch == "arm64"


#: The same machine with specific purpose memory on a node of its own.
SET_ASIDE = MARKED.replace(
    "e820: update [mem 0x70001018",
    "BIOS-e820: [mem 0x0000000180000000-0x00000001ffffffff] soft reserved\ne820: update [mem 0x70001018",
    1,
).replace(
    "ACPI: RSDP",
    "ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0x17fffffff]\n"
    "ACPI: SRAT: Node 1 PXM 1 [mem 0x180000000-0x1ffffffff]\nACPI: RSDP",
)
IN_NEW_WORDS = """\
Linux version 7.0.12 (x)
Command line: quiet
BIOS-provided physical RAM map:
BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff]  System RAM
BIOS-e820: [gap 0x00000000000a0000-0x00000000000fffff]
BIOS-e820: [mem 0x0000000000100000-0x000000007fffffff]  System RAM
BIOS-e820: [mem 0x0000000080000000-0x00000000800fffff]  device reserved
BIOS-e820: [gap 0x0000000080100000-0x00000000dfffffff]
BIOS-e820: [mem 0x00000000e0000000-0x00000000efffffff]  device reserved
BIOS-e820: [gap 0x00000000f0000000-0x00000000ffffffff]
BIOS-e820: [mem 0x0000000100000000-0x000000017fffffff]  System RAM
BIOS-e820: [mem 0x0000000180000000-0x00000001ffffffff]  soft reserved
efi: Not removing mem07: MMIO range=[0x80000000-0x8001ffff] (128KB) from e820 map
efi: Remove mem09: MMIO range=[0xe0000000-0xefffffff] (256MB) from e820 map
e820: remove [mem 0xe0000000-0xefffffff] device reserved
e820: update [mem 0x00000000-0x00000fff] System RAM ==> device reserved
e820: remove [mem 0x000a0000-0x000fffff] System RAM
last_pfn = 0x180000 max_arch_pfn = 0x400000000
e820: update [mem 0x7ff00000-0xffffffff] System RAM ==> device reserved
last_pfn = 0x7ff00 max_arch_pfn = 0x400000000
e820: update [mem 0x60000000-0x60000fff] System RAM ==> device reserved
ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0x17fffffff]
ACPI: SRAT: Node 1 PXM 1 [mem 0x180000000-0x1ffffffff]
smp: Brought up 1 node, 1 CPU
"""


@pytest.mark.parametrize("marks", ["", ">>> "])
@pytest.mark.parametrize("said", [SET_ASIDE, IN_NEW_WORDS], ids=["5.14", "7.0"])
def test_changes_of_the_map_that_a_mailer_wrapped_are_read(said: str, marks: str, tmp_path: Path) -> None:
    path = tmp_path / "boot.log"
    path.write_text(said)
    whole = read_log(str(path)).machine
    assert whole.marks.mmio
    stamped = [f"[    0.000000] {line}" for line in said.splitlines()]
    cut = [textwrap.wrap(line, 72, break_on_hyphens=False, break_long_words=False) for line in stamped]
    assert sum(map(len, cut)) > len(cut) + 4
    path.write_text(lines(marks + piece for pieces in cut for piece in pieces))
    assert read_log(str(path)).machine == whole


@pytest.mark.parametrize(
    ("said", "owned"),
    [
        (
            SET_ASIDE.replace("6.6.0", "5.14.0-570.23.1.el9_6.x86_64"),
            """\
70002018-7fefffff : System RAM
7ff00000-800fffff : Reserved
c0000000-c1ffffff : Reserved
100000000-17fffffff : System RAM
180000000-1ffffffff : hmem.0
  180000000-1ffffffff : Soft Reserved
    180000000-1ffffffff : dax0.0
      180000000-1ffffffff : System RAM (kmem)
""",
        ),
        (
            IN_NEW_WORDS,
            """\
60000000-60000fff : Reserved
60001000-7fefffff : System RAM
7ff00000-800fffff : Reserved
100000000-17fffffff : System RAM
180000000-1ffffffff : dax0.0
  180000000-1ffffffff : System RAM (kmem)
""",
        ),
    ],
    ids=["5.14", "7.0"],
)
def test_every_range_of_an_old_and_of_a_new_log_has_its_owner(
    said: str, owned: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "boot.log"
    path.write_text(said)
    assert main(["boot", str(path), "--emit", "iomem"]) == 0
    assert capsys.readouterr().out.endswith(owned)
