"""The index of a folder of machines: a row for each, which leads to its page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import attrs

from softreserve.model.findings import SEVERITIES
from softreserve.views.page.page import environment

if TYPE_CHECKING:
    from softreserve.views.page.page import Shown
    from softreserve.views.report import Verdict

__all__ = ["INDEX", "Listed", "Unread", "index", "listed", "page_names"]

#: The name of the index's own file.
INDEX: Final = "index.html"
#: Characters of a page's name that are kept as they are, and how many there are at the most.
_KEPT: Final = re.compile(r"[^A-Za-z0-9._+-]+")
_LONGEST: Final = 100


@attrs.frozen
class Listed:
    """A booted machine: ``place`` is what the folder calls it, ``page`` the name of its page's file.

    ``kernel`` is its release and what else tells it from other kernels of the machine; ``counts`` are findings by
    severity; ``partial`` says that its description lacked something.
    """

    place: str
    page: str
    name: str
    release: str
    kernel: str
    arch: str
    verdict: Verdict
    counts: dict[str, int]
    partial: bool

    @property
    def findings(self) -> tuple[tuple[int, str], ...]:
        """How many of each severity that there are, the worst first."""
        return tuple((self.counts[severity], severity) for severity in SEVERITIES if self.counts.get(severity))

    @property
    def rank(self) -> tuple[int, ...]:
        """What sorts by findings: the worst count first."""
        return tuple(self.counts.get(severity, 0) for severity in SEVERITIES)


@attrs.frozen
class Unread:
    """Something in the folder that is no machine, or one that cannot be shown: why, a sentence each."""

    place: str
    why: tuple[str, ...]


def listed(place: str, page: str, systems: Iterable[Shown]) -> list[Listed]:
    """The rows of a machine: one for each of its kernels."""
    return [
        Listed(
            place,
            page,
            one.summary.machine,
            one.summary.release,
            one.title.removeprefix(one.summary.machine).lstrip(":, ").removeprefix("Linux "),
            one.summary.arch,
            one.summary.verdict,
            one.summary.findings,
            bool(one.gaps),
        )
        for one in systems
    ]


def page_names(places: Iterable[str]) -> dict[str, str]:
    """A file name for the page of each machine: like its own, safe in links and on every file system, used once."""
    taken = {INDEX}
    found = {}
    for place in places:
        stem = _KEPT.sub("_", place.removesuffix(".toml"))[:_LONGEST].strip(".") or "machine"
        name, number = f"{stem}.html", 2
        while name.lower() in taken:
            name, number = f"{stem}-{number}.html", number + 1
        taken.add(name.lower())
        found[place] = name
    return found


def index(
    folder: str, rows: Sequence[Listed], failed: Sequence[Unread], passed_over: Sequence[Unread], version: str
) -> str:
    """The index as one HTML file.

    :param folder: what people call the folder.
    :param failed: machines that could not be shown.
    :param passed_over: what is no machine.
    :param version: of softreserve.
    :raises InputError: jinja2 is not installed.
    """
    machines = len({row.page for row in rows})
    return (
        environment()
        .get_template("index.html")
        .render(
            title=folder,
            version=version,
            rows=rows,
            machines=machines,
            lost=[row for row in rows if row.verdict.lost],
            failed=failed,
            passed_over=passed_over,
        )
    )
