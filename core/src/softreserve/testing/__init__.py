"""For authors of plugins: base classes, a contract that every plugin keeps, strategies. Needs the extra ``testing``.

Run the contract on an installed plugin::

    pytest -p softreserve.testing.plugin --pyargs softreserve.testing.contract --softreserve-plugin NAME

or subclass the ``Base...`` classes of :mod:`softreserve.testing.bases` with machines of your own; boot a machine with a
plugin by :func:`boot_with`; ask :func:`first_problem` where there is no pytest.

For authors of tools: :mod:`softreserve.testing.pytest` gives tests machines to run programs on. pytest may load it for
every project, so what is not used is not imported.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from softreserve.testing.booting import boot_with
    from softreserve.testing.kit import first_problem

__all__ = ["boot_with", "first_problem"]


def __getattr__(name: str) -> Any:
    """Import a public name."""
    if name == "boot_with":
        from softreserve.testing.booting import boot_with

        return boot_with
    if name == "first_problem":
        from softreserve.testing.kit import first_problem

        return first_problem
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
