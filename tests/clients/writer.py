"""A client that writes at random to what it finds below /sys: ``writer.py SEED SECONDS LOG``.

Run inside an emulated machine. Each write() that was answered is a line of LOG: path, value, result, as JSON.
"""

from __future__ import annotations

import errno
import glob
import json
import os
import random
import sys
import time

BUS = "/sys/bus/dax"
DRIVERS = ("device_dax", "kmem")
MIB = 1 << 20
#: What the kernel says instead of a server that was killed: no answer of the machine.
_GONE = (errno.ECONNABORTED, errno.ENOTCONN)


def devices() -> list[str]:
    """Names of the dax devices that are there now, and one that may not be."""
    try:
        return [*os.listdir(f"{BUS}/devices"), "dax0.9"]
    except OSError:
        return ["dax0.0"]


def write(path: str, value: str) -> tuple[str, int] | None:
    """One open() and one write(): the file's own path and the result; ``None`` where it could not be opened."""
    try:
        file = os.open(path, os.O_WRONLY)
    except OSError:
        return None
    # Links were followed by the kernel before the machine was asked; so is the path in the record.
    own = os.readlink(f"/proc/self/fd/{file}").removesuffix(" (deleted)")
    try:
        taken = os.write(file, value.encode())
        return own, 0 if taken == len(value) else taken
    except OSError as error:
        if error.errno in _GONE:
            return None
        return own, -(error.errno or 0)
    finally:
        os.close(file)


def choose(rng: random.Random) -> tuple[str, str]:
    """A path and a value that has a chance to be taken."""
    region = "/sys/devices/platform/hmem.0/dax_region"
    device = rng.choice(devices())
    driver = rng.choice(DRIVERS)
    start = (4 << 30) + rng.randrange(0, 1024) * 2 * MIB
    blocks = glob.glob("/sys/devices/system/node/node1/memory[0-9]*") or ["/sys/devices/system/memory/memory0"]
    return rng.choice(
        [
            (f"{region}/create", "1"),
            (f"{region}/delete", device),
            (f"{BUS}/devices/{device}/size", str(rng.randrange(0, 512) * 2 * MIB)),
            (f"{BUS}/devices/{device}/size", rng.choice(["0", "x", "12345"])),
            (f"{BUS}/devices/{device}/align", rng.choice(["0x200000", "4096", "1073741824", "3"])),
            (f"{BUS}/devices/{device}/mapping", f"{start:#x}-{start + rng.randrange(1, 64) * 2 * MIB - 1:#x}"),
            (f"{BUS}/drivers/{driver}/bind", device),
            (f"{BUS}/drivers/{driver}/unbind", device),
            (f"{BUS}/drivers/{driver}/new_id", device),
            (f"{BUS}/drivers/{driver}/remove_id", device),
            (f"{rng.choice(blocks)}/state", rng.choice(["online", "online_movable", "offline", "nonsense"])),
            (
                "/sys/devices/system/memory/auto_online_blocks",
                rng.choice(["offline", "online", "online_movable", "x"]),
            ),
        ]
    )


def main(seed: str, seconds: str, log: str) -> None:
    """Write until the time is over or the machine is gone."""
    rng, end = random.Random(int(seed)), time.monotonic() + float(seconds)
    with open(log, "w", encoding="utf-8", buffering=1) as answers:
        while time.monotonic() < end:
            path, value = choose(rng)
            answer = write(path, value)
            if answer is not None:
                print(json.dumps([answer[0], value, answer[1]]), file=answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
