"""Install wheels of this repository into the interpreter that runs this: ``install.py core[testing] plugins/x86 ...``.

Each wheel is built once for a state of its sources, whichever environment asks first. Needs ``uv`` beside it.

``--lowest``: the lowest versions of everything that the metadata allows, whatever ``UV_CONSTRAINT`` says.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WHEELS = ROOT / ".tox" / "wheels"
#: Plugins take their version from the core.
VERSION = ROOT / "core" / "src" / "softreserve" / "__init__.py"


def wheel(folder: Path) -> Path:
    """The wheel of a folder, built if no one did for its sources as they are."""
    digest = hashlib.sha256(VERSION.read_bytes())
    for path in sorted((folder / "src").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(os.fsencode(path.relative_to(folder)) + b"\0" + path.read_bytes())
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        digest.update((folder / name).read_bytes())
    place = WHEELS / f"{folder.name}-{digest.hexdigest()[:16]}"
    place.mkdir(parents=True, exist_ok=True)
    with open(place / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        built = sorted(place.glob("*.whl"))
        if not built:
            subprocess.run(["uv", "build", "-q", "--wheel", "-o", str(place), str(folder)], check=True)
            built = sorted(place.glob("*.whl"))
    return built[0]


def main(arguments: list[str]) -> None:
    """Build what is missing and install what is named."""
    command = ["uv", "pip", "install", "-q", "--python", sys.executable]
    if "--lowest" in arguments:
        arguments.remove("--lowest")
        command += ["--resolution", "lowest-direct"]
        os.environ.pop("UV_CONSTRAINT", None)
    for argument in arguments:
        folder, bracket, extras = argument.partition("[")
        command.append(f"{wheel(ROOT / folder)}{bracket}{extras}")
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
