"""Promises of plugins that boot an architecture."""

from __future__ import annotations

import pytest

from softreserve.testing.bases import BaseArch


class TestArch(BaseArch):
    """Every architecture of every plugin that is installed, or was named."""

    kind = "arch"

    @pytest.fixture
    def plugin_name(self, softreserve_plugin: str) -> str:
        """Given by the kit."""
        return softreserve_plugin

    @pytest.fixture
    def arch(self, softreserve_arch: str | None) -> str | None:
        """Given by the kit; ``None`` where the plugin declares none."""
        return softreserve_arch
