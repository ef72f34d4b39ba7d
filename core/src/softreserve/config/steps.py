"""Steps and kexec, as ``steps.toml`` and machine files say them. The format is described in ``docs/captures.md``."""

from __future__ import annotations

from softreserve.config.capture import image_parts
from softreserve.config.reader import Document, Problems, StrPath, Table
from softreserve.errors import MachineError
from softreserve.model.cmdline import CommandLine
from softreserve.model.kernel import Kernel
from softreserve.model.machine import KernelImage
from softreserve.model.ranges import PhysRange
from softreserve.model.steps import KexecScenario, Step

__all__ = ["read_steps", "scenario_steps"]

_SYSCALLS = ("kexec_load", "kexec_file_load")


def read_steps(path: StrPath, kernel: Kernel) -> tuple[tuple[Step, ...], KexecScenario | None]:
    """Read a file of steps for a machine with that kernel.

    :raises ConfigError: everything that is wrong with it.
    """
    problems = Problems()
    found = scenario_steps(Document(path, problems).read(), kernel, None)
    problems.check()
    return found


def scenario_steps(top: Table, kernel: Kernel, second: Kernel | None) -> tuple[tuple[Step, ...], KexecScenario | None]:
    """``[[step]]``, and ``[kexec]`` after them. ``second``: the other kernel's build, if there is another."""
    table = top.table("kexec")
    return _steps(top), _kexec(table, kernel, second, {kernel.release: kernel}) if table is not None else None


def _steps(table: Table) -> tuple[Step, ...]:
    return tuple(_step(item, index) for index, item in enumerate(table.tables("step"), 1))


def _step(table: Table, number: int) -> Step:
    name = table.get("name", str) or f"{number:02d}"
    run = table.get("run", str)
    items = table.get("writes", list)
    if (run is None) == (items is None):
        table.problem("name" if "name" in table else "run", "a step has either run or writes")
    if items is None:
        return Step(name, run=run or "")
    latin1 = table.get("encoding", str) == "latin-1"
    writes = []
    for index, item in enumerate(items):
        if isinstance(item, list) and [type(part) for part in item] in ([str, str], [str, int]):
            writes.append((item[0], _as_written(str(item[1]), latin1)))
        else:
            table.problem("writes", f"write {index + 1}: wanted [path, value], not {item!r}")
    return Step(name, writes=tuple(writes))


def _as_written(value: str, latin1: bool) -> str:
    """The value as UTF-8 can hold it; a record writes bytes that are no text as Latin-1."""
    if not latin1:
        return value
    return value.encode("latin-1", "replace").decode("utf-8", "surrogateescape")


def _kexec(table: Table, running: Kernel, second: Kernel | None, builds: dict[str, Kernel]) -> KexecScenario:
    syscall = table.get("syscall", str, "kexec_load") or "kexec_load"
    if syscall not in _SYSCALLS:
        table.problem("syscall", f"unknown system call {syscall!r}; known: {', '.join(_SYSCALLS)}")
    kernel = _next_kernel(table, running, second, builds)
    text = table.get("command_line", str)
    image_table = table.table("image")
    next_table = table.table("kexec")
    return KexecScenario(
        syscall=syscall,
        kernel=kernel,
        cmdline=None if text is None else CommandLine(text),
        load=table.get("load", str, "") or "",
        reuse_cmdline=bool(table.get("reuse_cmdline", bool, True)),
        append=table.get("append", str, "") or "",
        image=image_parts(image_table) if image_table is not None else KernelImage(),
        setup_data=_setup_data(table),
        steps=_steps(table),
        kexec=_kexec(next_table, kernel, second, builds) if next_table is not None else None,
    )


def _next_kernel(table: Table, running: Kernel, second: Kernel | None, builds: dict[str, Kernel]) -> Kernel:
    """The kernel that is started. ``builds`` has the kernels of the chain by release; a new release is ``second``."""
    release = table.get("kernel", str) or running.release
    if release not in builds:
        built = second or running
        try:
            builds[release] = Kernel(release, built.arch, built.page_size, built.config)
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
            table.problem("setup_data", f'range {index + 1}: wanted ["0xFIRST", "0xLAST"], not {item!r}')
    return tuple(found)
