"""``softreserve report`` of a folder of machines: a page for each, and an index that leads to them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from softreserve import __version__
from softreserve.cli.progress import progress
from softreserve.cli.terminal import tell
from softreserve.config import NoMachineError
from softreserve.config.fleet import is_directory_of_machine
from softreserve.live.whole import whole_directory
from softreserve.model.errors import ConfigError, InputError, MachineError, SoftReserveError, shown
from softreserve.views.page.index import INDEX, Listed, Unread, index, listed, page_names
from softreserve.views.page.page import is_page, page

if TYPE_CHECKING:
    from pathlib import Path

    from softreserve.views.page.page import Dead, Shown

__all__ = ["Boot", "Reports", "report_folder"]

#: Boots what a path names; the list gets kernels that do not come up.
Boot = Callable[[str, "list[Dead]"], "Sequence[Shown]"]


def report_folder(folder: str, names: Sequence[str], output: str, boot: Boot, *, replace: bool) -> Reports:
    """Write a directory with the pages of all machines in a folder, and the index.

    What is wrong with a machine is told, and is its row in the index; the others are shown all the same.

    :param names: of what lies in the folder.
    :param boot: boots a machine with each of the kernels that are asked for; a list gets those that do not come up.
    :param replace: take the place of a directory in which there are reports and nothing else.
    :raises InputError: there is no machine, or the directory holds something that must stay, or cannot be written.
    """
    if output == "-" or output.endswith((".html", ".htm")):
        raise InputError(f"a folder of machines becomes several pages: name a directory, not {output}", path=folder)
    hint = "" if replace else "; --replace takes the place of an earlier report"
    with whole_directory(output, replaces=_stays if replace else None, hint=hint) as new:
        reports = Reports(folder, new, boot)
        with progress("reporting", len(names)) as step:
            for place, name in page_names(names).items():
                if not _is_same(os.path.join(folder, place), output):
                    reports.add(place, name)
                step(1)
        if not (reports.rows or reports.failed):
            raise InputError("no machine in it", path=folder)
        title = os.path.basename(os.path.realpath(folder)) or folder
        text = index(title, reports.rows, reports.failed, reports.passed_over, __version__)
        _write(new / INDEX, text)
    tell(f"{output}: an index and {len({row.page for row in reports.rows})} pages")
    return reports


class Reports:
    """Pages of a folder's machines, and what becomes of each; ``status`` is the exit code."""

    def __init__(self, folder: str, target: Path, boot: Boot) -> None:
        self._folder = folder
        self._target = target
        self._boot = boot
        self.rows: list[Listed] = []
        self.failed: list[Unread] = []
        self.passed_over: list[Unread] = []
        self.status = 0

    def add(self, place: str, name: str) -> None:
        """Write the page of one, if it is a machine."""
        path = os.path.join(self._folder, place)
        try:
            why = _no_machine(path)
            if why:
                self.passed_over.append(Unread(place, (why,)))
                return
            dead: list[Dead] = []
            systems = self._boot(path, dead)
            if not systems:
                raise MachineError(dead[0].why)
            text = page(systems, __version__, dead)
        except NoMachineError as error:
            self.passed_over.append(Unread(place, (str(error).removeprefix(f"{path}: "),)))
            return
        except SoftReserveError as error:
            problems = error.problems if isinstance(error, ConfigError) else (str(error),)
            for problem in problems:
                tell(problem if path in problem else f"{path}: {problem}")
            self.failed.append(Unread(place, tuple(problem.removeprefix(f"{path}: ") for problem in problems)))
            self.status = max(self.status, error.exit_code)
            return
        _write(self._target / name, text)
        self.rows += listed(place, name, systems)
        self.failed += [Unread(place, (f"{one.title}: {one.why}",)) for one in dead]


def _no_machine(path: str) -> str:
    """Why something cannot be a machine, by what it is alone; empty: it may be one."""
    if os.path.isdir(path):
        return "" if is_directory_of_machine(path) else "a directory without the files of a machine"
    if not os.path.isfile(path):
        return "" if os.path.islink(path) else "no file"
    return "a report" if is_page(_beginning(path)) else ""


def _is_same(one: str, other: str) -> bool:
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "backslashreplace"))


def _stays(directory: str) -> str | None:
    """Why a directory is not just what such a report made."""
    if not os.path.lexists(os.path.join(directory, INDEX)):
        return f"is no report: it has no {INDEX}"
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        if not stat.S_ISREG(os.lstat(path).st_mode) or not is_page(_beginning(path)):
            return f"holds {shown(name)}, which no report made"
    return None


def _beginning(path: str) -> bytes:
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        return file.read(1024)
