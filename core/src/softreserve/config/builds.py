"""How Debian builds its kernels: the ``CONFIG_`` options that matter here, for machines that do not say their own."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from softreserve.model.kernel import Kernel
from softreserve.model.release import Release

__all__ = ["default_config", "page_sizes", "rebuilt"]


@cache
def _builds() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("builds.toml").read_text())


def default_config(arch: str, release: str, page_size: int = 4096) -> dict[str, str | int]:
    """The options of Debian's build; of the last known one before for releases that Debian did not build.

    :raises MachineError: ``release`` does not begin with a version.
    """
    builds = _builds()
    at = Release.parse(release)[:2]
    config: dict[str, str | int] = dict(builds["common"])
    for name, table in builds.get(arch, {}).items():
        if name == "all" or Release.parse(name)[:2] <= at:
            config |= table
    return config | _page_size_options(arch, page_size)


def rebuilt(
    kernel: Kernel, *, release: str | None = None, arch: str | None = None, page_size: int | None = None
) -> Kernel:
    """A kernel of another release, architecture or page size.

    Where release and architecture stay, so do the options; else they are those of Debian's build.

    :raises MachineError: ``release`` does not begin with a version.
    """
    arch = arch or kernel.arch
    page_size = page_size or (kernel.page_size if arch == kernel.arch else 4096)
    release = release or kernel.release
    if (arch, Release.parse(release).line) == (kernel.arch, kernel.base):
        return Kernel(release, arch, page_size, {**kernel.config, **_page_size_options(arch, page_size)})
    return Kernel(release, arch, page_size, default_config(arch, release, page_size))


def page_sizes(arch: str) -> tuple[int, ...]:
    """The page sizes that kernels of an architecture can be built with, in bytes, ascending."""
    return tuple(sorted(_builds()["page_size"].get(arch, {}).values())) or (4096,)


def _page_size_options(arch: str, page_size: int) -> dict[str, str | int]:
    sizes = _builds()["page_size"].get(arch, {})
    return {option: "y" if size == page_size else "n" for option, size in sizes.items()}
