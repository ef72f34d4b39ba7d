"""Puts manual pages into the wheel, made of the texts of the commands."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManualPages(BuildHookInterface):  # type: ignore[type-arg]
    """``share/man/man1``."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the pages, for wheels that are installed as they are."""
        if version == "editable":
            return
        sys.path.insert(0, str(Path(self.root) / "src"))
        from softreserve.cli.manual import manual_page, page_names

        self._pages = Path(tempfile.mkdtemp())
        for name in page_names():
            page = self._pages / f"{name}.1"
            page.write_text(manual_page(name), "utf-8")
            build_data["shared_data"][str(page)] = f"share/man/man1/{page.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Take away what is in the wheel now."""
        if version != "editable":
            shutil.rmtree(self._pages)
