"""The pytest plugin of the contract kit: says which plugins the contract is for, and of which kinds they are."""

from __future__ import annotations

import pytest

from softreserve.plugins.code import is_code, is_module
from softreserve.plugins.selection import Selection
from softreserve.testing.apart import LIMIT, BrokenError, DiedError, HungError, apart
from softreserve.testing.subject import Subject

__all__: list[str] = []

_KINDS = pytest.StashKey[dict[str, tuple[str, ...]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--softreserve-plugin`` and its relatives."""
    group = parser.getgroup("softreserve")
    group.addoption(
        "--softreserve-plugin",
        action="append",
        default=[],
        metavar="NAME",
        help="run the contract on this plugin, or this code, as -p takes it (may be repeated; default: all installed)",
    )
    group.addoption(
        "--softreserve-limit",
        type=float,
        default=LIMIT,
        metavar="SECONDS",
        help=f"how long one call of a plugin may take (default: {LIMIT:g})",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Find the plugins and what they are: none at all is an error, not an empty run."""
    installed = sorted(Selection().installed)
    names: list[str] = config.getoption("--softreserve-plugin") or installed
    if not names:
        raise pytest.UsageError("no softreserve plugin is installed: there is nothing to run the contract on")
    missing = [name for name in names if name not in installed and not is_code(name) and not is_module(name)]
    if missing:
        have = ", ".join(installed) or "none"
        raise pytest.UsageError(f"no softreserve plugin {', '.join(missing)} is installed; installed: {have}")
    limit = config.getoption("--softreserve-limit")
    config.stash[_KINDS] = {name: _kinds(name, limit) for name in names}


def _kinds(name: str, limit: float) -> tuple[str, ...]:
    """What a plugin is; nothing where it cannot be loaded, which the promises of every plugin tell."""
    try:
        return apart(lambda board: Subject(name).kinds, limit=limit)
    except (BrokenError, DiedError, HungError):
        return ()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each plugin of its kind, or once for each architecture of a plugin."""
    if "softreserve_plugin" not in metafunc.fixturenames:
        return
    kinds = metafunc.config.stash[_KINDS]
    kind = getattr(metafunc.cls, "kind", None)
    names = [name for name in kinds if kind is None or kind in kinds[name]]
    if "softreserve_arch" in metafunc.fixturenames:
        metafunc.parametrize(("softreserve_plugin", "softreserve_arch"), _arches(names))
    else:
        metafunc.parametrize("softreserve_plugin", names)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave tests out whose kind no plugin is of: there is nothing to skip."""
    left_out = [item for item in items if _is_of_no_plugin(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _is_of_no_plugin(item: pytest.Item) -> bool:
    given = getattr(getattr(item, "callspec", None), "params", {})
    return "softreserve_plugin" in given and not isinstance(given["softreserve_plugin"], str)


def _arches(names: list[str]) -> list[object]:
    arches = Selection().declared
    found: list[object] = []
    for name in names:
        own: list[str | None] = [arch for arch, plugins in sorted(arches.items()) if name in plugins]
        found += [pytest.param(name, arch, id=f"{name}-{arch}" if arch else name) for arch in own or [None]]
    return found
