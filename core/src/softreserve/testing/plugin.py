"""The pytest plugin of the contract kit: says which installed plugins the contract is for."""

from __future__ import annotations

import pytest

from softreserve.plugins.selection import Selection

__all__: list[str] = []

_NAMES = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--softreserve-plugin``."""
    parser.getgroup("softreserve").addoption(
        "--softreserve-plugin",
        action="append",
        default=[],
        metavar="NAME",
        help="run the contract on this plugin (may be repeated; default: all that are installed)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Find the plugins: none at all is an error, not an empty run."""
    installed = sorted(Selection().installed)
    names: list[str] = config.getoption("--softreserve-plugin") or installed
    if not names:
        raise pytest.UsageError("no softreserve plugin is installed: there is nothing to run the contract on")
    missing = [name for name in names if name not in installed]
    if missing:
        have = ", ".join(installed) or "none"
        raise pytest.UsageError(f"no softreserve plugin {', '.join(missing)} is installed; installed: {have}")
    config.stash[_NAMES] = names


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once per plugin, or once per architecture of a plugin."""
    names = metafunc.config.stash[_NAMES]
    if "softreserve_arch" in metafunc.fixturenames:
        metafunc.parametrize(("softreserve_plugin", "softreserve_arch"), _arches(names))
    elif "softreserve_plugin" in metafunc.fixturenames:
        metafunc.parametrize("softreserve_plugin", names)


def _arches(names: list[str]) -> list[object]:
    arches = Selection().arches
    found: list[object] = []
    for name in names:
        own = [arch for arch, plugins in arches.items() if name in plugins]
        found += [pytest.param(name, arch, id=f"{name}-{arch}") for arch in own]
        if not own:
            skip = pytest.mark.skip(reason=f"plugin {name} declares no architecture")
            found.append(pytest.param(name, "", id=name, marks=skip))
    return found
