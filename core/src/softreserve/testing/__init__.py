"""For authors of plugins: base classes, a contract that every plugin keeps, strategies. Needs the extra ``testing``.

Run the contract on an installed plugin::

    pytest -p softreserve.testing.plugin --pyargs softreserve.testing.contract --softreserve-plugin NAME

or subclass the ``Base...`` classes of :mod:`softreserve.testing.bases` with machines of your own; boot a machine with a
plugin by :func:`boot_with`; ask :func:`first_problem` where there is no pytest.
"""

from softreserve.testing.booting import boot_with
from softreserve.testing.kit import first_problem

__all__ = ["boot_with", "first_problem"]
