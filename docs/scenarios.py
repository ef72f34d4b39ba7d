"""Writes the table in ``scenarios.md``: ``python docs/scenarios.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from softreserve.config.scenario_file import find_scenario, library_names
from softreserve.model.trouble import TOLD, Trouble

PAGE = Path(__file__).with_name("scenarios.md")
#: What stands above it is written by hand.
MARK = "<!-- what follows is written by docs/scenarios.py -->\n"


def page() -> str:
    """The whole page as it should be."""
    head, mark, _ = PAGE.read_text().partition(MARK)
    assert mark, "the mark is gone"
    return head + mark + "".join(f"{line}\n" for line in table())


def table() -> Iterator[str]:
    """A row for each scenario of the library."""
    yield from ("", "| name | what it shows | where | met |", "| --- | --- | --- | --- |")
    for name in library_names():
        trouble = find_scenario(name).trouble
        links = ", ".join(f"[{number}]({link})" for number, link in enumerate(trouble.links, 1))
        title = trouble.title if not trouble.outside else f"{trouble.title}. Not here: {trouble.outside}"
        yield f"| {name} | {title} | {_where(trouble)} | {links} |"


def _where(trouble: Trouble) -> str:
    """The runs by what they are to the trouble; kernels that several have, once."""
    found = []
    for told, words in TOLD.items():
        kernels = dict.fromkeys(course.on for course in trouble.courses if course.told == told)
        found += [f"{words}: {', '.join(kernels)}"] if kernels else []
    return "; ".join(found) or "-"


if __name__ == "__main__":
    PAGE.write_text(page())
