"""Debian's chromium, offline, on pages that lie in files; whatever goes wrong in a page is noted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser, or skip the test that wants one and say what to install."""
    program = shutil.which("chromium") or pytest.skip("needs chromium: apt install chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    # as root, which continuous integration is, chromium has no sandbox; the pages are our own
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        browser: Browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class Browsing:
    """Opens pages and notes in ``wrong`` what a reader's browser would complain of, or fetch from elsewhere."""

    def __init__(self, browser: Browser, scratch: Path) -> None:
        self._browser = browser
        self._scratch = scratch
        self._contexts = ExitStack()
        #: one line for each error or warning on the console, exception, request that is no file of ours
        self.wrong: list[str] = []

    def __call__(self, source: Path | str, **options: Any) -> Page:
        """Open a file, or HTML text; options are those of a browser context (``viewport``, ``color_scheme`` ...)."""
        if isinstance(source, str):
            text, source = source, self._scratch / "page.html"
            source.write_text(text, encoding="utf-8")
        options = {"viewport": {"width": 1280, "height": 800}, "offline": True, **options}
        context = self._contexts.enter_context(self._browser.new_context(**options))
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.wrong.append(f"exception: {error}"))
        page.on("request", self._request)
        page.on("requestfailed", lambda request: self.wrong.append(f"not there: {request.url}"))
        page.goto(source.absolute().as_uri())
        return page

    def close(self) -> None:
        """Close all pages."""
        self._contexts.close()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            self.wrong.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.wrong.append(f"from elsewhere: {request.url}")
