"""Wrong plugins: whatever is wrong with one, a command says so in a line; right ones of every kind are left alone."""

from __future__ import annotations

import pytest
from softreserve.testing import boot_with
from softreserve.testing.machines import sample_machine
from softreserve.testing.toy import TOY
from wrong import Row, plugin_of, toy
from wrong.corpus import ROWS


@pytest.mark.parametrize("row", [row for row in ROWS.values() if not row.how], ids=lambda row: row.name)
def test_a_right_plugin_boots(row: Row) -> None:
    boot_with(plugin_of(row), sample_machine(toy.ARCH if row.kind == "arch" else TOY))
