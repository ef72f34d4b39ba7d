"""For authors of plugins: base classes, a contract that every plugin keeps, strategies. Needs the extra ``testing``.

Run the contract on an installed plugin::

    pytest -p softreserve.testing.plugin --pyargs softreserve.testing.contract --softreserve-plugin NAME

or subclass the ``Base...`` classes of :mod:`softreserve.testing.bases` with machines of your own.
"""

import pytest

pytest.register_assert_rewrite("softreserve.testing.bases")

from softreserve.testing.booting import boot_with  # noqa: E402 - the line above must come first

__all__ = ["boot_with"]
