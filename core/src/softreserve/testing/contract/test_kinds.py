"""Promises of plugins of other kinds."""

from __future__ import annotations

import pytest

from softreserve.testing.bases import (
    BaseCli,
    BaseDax,
    BaseEmitter,
    BaseImporter,
    BaseKexec,
    BaseLint,
    BaseModule,
    BaseNuma,
    BasePolicy,
)


class _Given:
    """Every plugin of the kind that is installed, or was named."""

    @pytest.fixture
    def plugin_name(self, softreserve_plugin: str) -> str:
        """Given by the kit."""
        return softreserve_plugin


class TestNuma(_Given, BaseNuma):
    """Nodes."""

    kind = "numa"


class TestDax(_Given, BaseDax):
    """Ranges and drivers of the dax bus."""

    kind = "dax"


class TestPolicy(_Given, BasePolicy):
    """What becomes of added memory."""

    kind = "policy"


class TestKexec(_Given, BaseKexec):
    """Loaders and policies."""

    kind = "kexec"


class TestLint(_Given, BaseLint):
    """Findings."""

    kind = "lint"


class TestCli(_Given, BaseCli):
    """Commands."""

    kind = "cli"


class TestImporter(_Given, BaseImporter):
    """Importers and sections."""

    kind = "importer"


class TestEmitter(_Given, BaseEmitter):
    """Emitters and lanes."""

    kind = "emitter"


class TestModule(_Given, BaseModule):
    """Modules."""

    kind = "module"
