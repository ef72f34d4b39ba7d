"""Steps and kexec, as ``steps.toml`` and machine files say them. The format is described in ``docs/captures.md``."""

from __future__ import annotations

import errno

from softreserve.config.builds import built
from softreserve.config.parts import checked_cmdline, image_parts
from softreserve.config.reader import Document, Problems, StrPath, Table
from softreserve.model.cmdline import CommandLine
from softreserve.model.errors import InputError, MachineError, shown
from softreserve.model.kernel import Kernel
from softreserve.model.kexec import KEXEC_TOOLS, KexecTools
from softreserve.model.machine import KernelImage
from softreserve.model.ranges import PhysRange
from softreserve.model.steps import KexecScenario, Step

__all__ = ["read_steps", "scenario_steps"]

_SYSCALLS = ("kexec_load", "kexec_file_load")
_CHAIN_MAX = 100  # kexecs in a row
_ENCODINGS = ("utf-8", "latin-1")

#: Bytes of a file's name. Linux: ``include/uapi/linux/limits.h``.
_NAME_MAX = 255


def read_steps(path: StrPath, kernel: Kernel) -> tuple[tuple[Step, ...], KexecScenario | None]:
    """Read a file of steps for a machine with that kernel.

    :raises ConfigError: everything that is wrong with it.
    """
    problems = Problems()
    document = Document(path, problems)
    found = scenario_steps(document.read(), kernel, None)
    document.check_keys()
    problems.check()
    return found


def scenario_steps(top: Table, kernel: Kernel, second: Kernel | None) -> tuple[tuple[Step, ...], KexecScenario | None]:
    """``[[step]]``, and ``[kexec]`` after them. ``second``: the other kernel's build, if there is another."""
    table = top.table("kexec")
    return _steps(top), _kexec(table, kernel, second, {kernel.release: kernel}) if table is not None else None


def _steps(table: Table) -> tuple[Step, ...]:
    found: dict[str, Step] = {}
    for number, item in enumerate(table.tables("step"), 1):
        step = _step(item, number)
        if step.name in found:
            item.problem("name", f"another step is called {shown(step.name)}, too")
        found[step.name] = step
    return tuple(found.values())


def _step(table: Table, number: int) -> Step:
    name = table.get("name", str) or f"{number:02d}"
    if not _is_file_name(name):
        table.problem("name", f"wanted a name for a directory, not {shown(name)}")
    run = table.get("run", str)
    items = table.get("writes", list)
    if (run is None) == (items is None):
        table.problem("name" if "name" in table else "run", "a step has either run or writes")
    if items is None:
        _only_with(table, "writes", ("result", "encoding"))
        return Step(name, run=run or "", status=table.get("status", int), output=table.get("output", str))
    _only_with(table, "run", ("status", "output"))
    encoding = table.get("encoding", str) or _ENCODINGS[0]
    if encoding not in _ENCODINGS:
        table.problem("encoding", f"unknown encoding {shown(encoding)}; known: {', '.join(_ENCODINGS)}")
        encoding = _ENCODINGS[0]
    writes = []
    for index, item in enumerate(items):
        if not isinstance(item, list) or [type(part) for part in item] not in ([str, str], [str, int]):
            table.problem_in("writes", index, f"wanted [path, value], not {shown(item)}")
            continue
        try:
            writes.append((item[0], _as_written(str(item[1]), encoding)))
        except UnicodeEncodeError as error:
            table.problem_in("writes", index, f"{encoding} has no {error.object[error.start]!r}")
    return Step(name, writes=tuple(writes), results=_results(table, len(items)))


def _only_with(table: Table, what: str, keys: tuple[str, ...]) -> None:
    """An expectation that nobody would look at is a mistake."""
    for key in keys:
        if key in table:
            table.problem(key, f"goes with {what}")


def _results(table: Table, writes: int) -> tuple[int, ...] | None:
    """What the writes are expected to give: one answer for all of them, or one for each."""
    if "result" not in table:
        return None
    value = table.value("result")
    found = [_result(item) for item in (value if isinstance(value, list) else [value] * writes)]
    results = tuple(result for result in found if result is not None)
    if len(results) < len(found):
        table.problem("result", f'wanted 0, a number of bytes, -errno or "-EBUSY" and the like, not {shown(value)}')
        return None
    if len(results) != writes:
        table.problem("result", f"wanted {writes} answers, one for each write, not {len(results)}")
        return None
    return results


def _result(value: object) -> int | None:
    if isinstance(value, str) and value.startswith("-"):
        number = getattr(errno, value[1:], None) if value[1:].startswith("E") else None
        return -number if isinstance(number, int) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _is_file_name(name: str) -> bool:
    """Whether a directory can have that name, and a terminal can show it."""
    return name.isprintable() and "/" not in name and name not in (".", "..") and len(name.encode()) <= _NAME_MAX


def _as_written(value: str, encoding: str) -> str:
    """The value as UTF-8 can hold it; a record writes bytes that are no text as Latin-1.

    :raises UnicodeEncodeError: the encoding does not have a character.
    """
    return value.encode(encoding).decode("utf-8", "surrogateescape")


def _kexec(table: Table, running: Kernel, second: Kernel | None, builds: dict[str, Kernel]) -> KexecScenario:
    tools = _tools(table)
    syscall = table.get("syscall", str) or tools.syscall(running)
    if syscall not in _SYSCALLS:
        table.problem("syscall", f"unknown system call {shown(syscall)}; known: {', '.join(_SYSCALLS)}")
    kernel = _next_kernel(table, running, second, builds)
    image_table = table.table("image")
    next_table = table.table("kexec")
    if len(table.key) > _CHAIN_MAX:
        table.document.problem(("kexec",), f"more than {_CHAIN_MAX} kexecs in a row")
        next_table = None
    return KexecScenario(
        syscall=syscall,
        kernel=kernel,
        cmdline=_cmdline(table),
        load=table.get("load", str, "") or "",
        tools=tools,
        reuse_cmdline=bool(table.get("reuse_cmdline", bool, True)),
        append=table.get("append", str, "") or "",
        image=image_parts(image_table) if image_table is not None else KernelImage(),
        setup_data=_setup_data(table),
        steps=_steps(table),
        kexec=_kexec(next_table, kernel, second, builds) if next_table is not None else None,
    )


def _tools(table: Table) -> KexecTools:
    try:
        return KexecTools(table.get("tools", str) or KEXEC_TOOLS)
    except MachineError as error:
        table.problem("tools", str(error))
        return KexecTools()


def _cmdline(table: Table) -> CommandLine | None:
    text = table.get("command_line", str)
    try:
        return None if text is None else checked_cmdline(text)
    except InputError as error:
        table.problem("command_line", str(error))
        return None


def _next_kernel(table: Table, running: Kernel, second: Kernel | None, builds: dict[str, Kernel]) -> Kernel:
    """The kernel that is started. ``builds`` has the kernels of the chain by release; a new release is ``second``."""
    release = table.get("kernel", str) or running.release
    if release not in builds:
        base = second or running
        try:
            builds[release] = built(release, base.arch, base.page_size, base.config, whole=True)
        except MachineError as error:
            table.problem("kernel", str(error))
            return running
    return builds[release]


def _setup_data(table: Table) -> tuple[PhysRange, ...]:
    found = []
    for index, item in enumerate(table.get("setup_data", list) or []):
        try:
            first, last = item
            found.append(PhysRange.from_resource(int(first, 0), int(last, 0)))
        except (TypeError, ValueError):
            table.problem_in("setup_data", index, f'wanted ["0xFIRST", "0xLAST"], not {shown(item)}')
    return tuple(found)
