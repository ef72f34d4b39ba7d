"""Writes the tables in ``releases.md``: ``python docs/releases.py``, with all wheels installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from softreserve.config.distributions import distributions
from softreserve.model.profile import Profile
from softreserve.model.release import RELEASES, Behaviour, Release
from softreserve.plugins.behaviours import behaviours

PAGE = Path(__file__).with_name("releases.md")
#: What stands above it is written by hand.
MARK = "<!-- what follows is written by docs/releases.py -->\n"

TITLES = {
    "softreserve": "The core",
    "x86": "x86",
    "arm64": "arm64",
    "hmem": "HMAT, hmem devices, the dax bus, kmem, memory tiers",
    "cxl": "CXL",
}


def page() -> str:
    """The whole page as it should be."""
    head, mark, _ = PAGE.read_text().partition(MARK)
    assert mark, "the mark is gone"
    return head + mark + "".join(f"{line}\n" for line in sections())


def sections() -> Iterator[str]:
    """A section for each wheel of this repository."""
    found = behaviours()
    for name, title in TITLES.items():
        yield from ("", f"## {title}", "")
        yield from table(("behaviour", *RELEASES, "what it is"), map(_where, found[name]))
        yield ""
        yield from table(
            ("boundary", "release", "before it", "from it on", "change"),
            (row for behaviour in found[name] for row in _boundaries(behaviour)),
        )
    yield from ("", "## Distributions", "")
    yield from table(("profile", "from build", "read from", "has, or lacks"), map(_profile, distributions()))
    yield ""
    yield from table(("profile", "options unlike those of Debian's build"), map(_options, distributions()))


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    """A table whose columns stand one below the other, but for the last one."""
    cells = [head, *rows]
    widths = [max(len(row[at]) for row in cells) for at in range(len(head) - 1)]
    cells.insert(1, (*("-" * width for width in widths), "-" * len(head[-1])))
    for *row, last in cells:
        yield f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} | {last} |"


def _where(behaviour: Behaviour) -> tuple[str, ...]:
    applies = ("yes" if behaviour.applies_to(Release.parse(release)) else "-" for release in RELEASES)
    limits = [f"CONFIG_{option}" for option in behaviour.options] + list(behaviour.arches)
    words = f"{behaviour.words} ({', '.join(limits)})" if limits else behaviour.words
    return (behaviour.name, *applies, words.replace("|", "\\|"))


def _profile(profile: Profile) -> tuple[str, ...]:
    unlike = [*sorted(profile.has), *(f"not {name}" for name in sorted(profile.lacks))]
    return profile.name, str(profile.build or "-"), profile.evidence, ", ".join(unlike) or "-"


def _options(profile: Profile) -> tuple[str, ...]:
    said = (
        f"{arch or 'all'}: {', '.join(f'{name}={value}' for name, value in sorted(options.items()))}"
        for arch, options in (profile.options or {}).items()
    )
    return profile.name, "; ".join(said) or "-"


def _boundaries(behaviour: Behaviour) -> Iterator[tuple[str, ...]]:
    for word, boundary in (("since", behaviour.since), ("until", behaviour.until)):
        if boundary is None:
            continue
        release = boundary.release if boundary.after is None else f"{boundary.after} .. {boundary.release}"
        for more, lines in (("also", behaviour.backported), ("not", behaviour.dropped)):
            if lines:
                release += f", {more} in {', '.join(lines)}"
        yield f"{behaviour.name}, {word}", release, boundary.older, boundary.newer, boundary.change


if __name__ == "__main__":
    PAGE.write_text(page())
