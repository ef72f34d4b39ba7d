"""Promises of every plugin."""

from __future__ import annotations

import pytest

from softreserve.testing.bases import BasePlugin


class TestPlugin(BasePlugin):
    """Every plugin that is installed, or was named."""

    @pytest.fixture
    def plugin_name(self, softreserve_plugin: str) -> str:
        """Given by the kit."""
        return softreserve_plugin
