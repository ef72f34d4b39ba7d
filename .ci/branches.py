"""Fail where tests leave out too many branches of what models the kernel: ``branches.py coverage.json [WORDS ...]``.

What coverage counts by itself is lines and branches together. WORDS are what pytest was given beside the whole suite:
with any, part of the tests ran, and nothing is looked at.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

#: The kernel's part of the core, and the plugins; protocols are for type checkers only.
MISSION = re.compile(r"/softreserve/kernel/|/softreserve_\w+/")
LEAST = 95.0


def main(path: str, *asked: str) -> str | None:
    """What is wrong, in words, or ``None``."""
    if asked:
        print("branches: part of the tests ran, so they are not counted")
        return None
    files = json.loads(Path(path).read_text())["files"]
    mission = {name: f for name, f in files.items() if MISSION.search(name) and not name.endswith("/protocols.py")}
    taken, there = (sum(f["summary"][key] for f in mission.values()) for key in ("covered_branches", "num_branches"))
    share = 100 * taken / there
    print(f"branches: {taken} of {there} ({share:.1f} %) in {len(mission)} files")
    if share >= LEAST:
        return None
    worst = sorted(mission, key=lambda name: len(mission[name]["missing_branches"]), reverse=True)[:20]
    told = [f"  {name}: {' '.join(f'{a}->{b}' for a, b in mission[name]['missing_branches'])}" for name in worst]
    return "\n".join([f"branches: wanted are {LEAST} %; missing, from line to line:", *told])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
