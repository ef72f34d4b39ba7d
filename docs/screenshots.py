"""Pictures of reports for the documentation: ``python docs/screenshots.py`` writes them anew, light and dark.

Needs what the report and its tests need: ``pip install 'softreserve[report]' playwright``, ``apt install chromium``.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final, Literal, NamedTuple

from playwright.sync_api import Browser, sync_playwright
from softreserve.cli import main as softreserve

PICTURES: Final = Path(__file__).parent / "pictures"
#: Milliseconds until the picture has scrolled to an address.
_SETTLED: Final = 800
_SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")


class Shot(NamedTuple):
    """A report, the address that is looked at in it, how much of it is seen (pixels), and whether from the top."""

    name: str
    arguments: tuple[str, ...]
    address: str
    width: int
    height: int
    from_top: bool


SHOTS: Final = (
    Shot("report", ("example:xeon-max",), "0x20080000000", 1280, 1280, from_top=True),
    Shot("compared", ("example:unaligned", "--kernel", "6.1,7.3"), "0x1000ff000", 1600, 1000, from_top=False),
)


def take(browser: Browser, shot: Shot, page: Path) -> None:
    """Write the pictures of one report."""
    for scheme in _SCHEMES:
        seen = browser.new_page(viewport={"width": shot.width, "height": shot.height}, color_scheme=scheme)
        seen.goto(page.as_uri())
        seen.get_by_role("searchbox", name="address").fill(shot.address)
        seen.get_by_role("button", name="find").click()
        seen.wait_for_timeout(_SETTLED)
        if shot.from_top:
            seen.evaluate("scrollTo(0, 0)")
        seen.screenshot(path=PICTURES / f"{shot.name}-{scheme}.png")
        seen.close()


def main() -> str | None:
    """Write all pictures; returns what is missing, in words."""
    program = shutil.which("chromium")
    if program is None:
        return "needs chromium: apt install chromium"
    PICTURES.mkdir(exist_ok=True)
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        for shot in SHOTS:
            page = Path(scratch) / f"{shot.name}.html"
            if softreserve(["report", *shot.arguments, "-o", str(page)]):
                return f"no report of {' '.join(shot.arguments)}"
            take(browser, shot, page)
        browser.close()
    return None


if __name__ == "__main__":
    sys.exit(main())
