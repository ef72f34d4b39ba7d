"""Print which specific purpose memory this machine has, and who has it, as JSON."""

import json
import re
import sys
from pathlib import Path


def soft_reserved(iomem: str) -> int:
    """Bytes that ``/proc/iomem`` calls soft reserved, whoever has them; newer kernels call none so."""
    ranges = re.findall(r"^ *([0-9a-f]+)-([0-9a-f]+) : Soft Reserved$", iomem, re.MULTILINE)
    return sum(int(end, 16) + 1 - int(start, 16) for start, end in ranges)


def devices(sys_bus_dax: Path) -> dict[str, dict[str, object]]:
    """The dax devices by name: size in bytes, node, driver."""
    found = {}
    for device in sorted((sys_bus_dax / "devices").glob("dax*")):
        driver = device / "driver"
        found[device.name] = {
            "size": int((device / "size").read_text()),
            "node": int((device / "target_node").read_text()),
            "driver": driver.resolve().name if driver.exists() else None,
        }
    return found


def main() -> None:
    """Look, and tell; end with 1 where there is none."""
    reserved, found = soft_reserved(Path("/proc/iomem").read_text()), devices(Path("/sys/bus/dax"))
    print(json.dumps({"soft_reserved": reserved, "devices": found}))
    sys.exit(0 if reserved or found else 1)


if __name__ == "__main__":
    main()
