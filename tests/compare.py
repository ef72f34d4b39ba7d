"""Compare what ``softreserve observe`` wrote with what a real kernel showed.

usage: compare.py EXPECTED_DIR ACTUAL_DIR [--only GLOB]... [--skip GLOB]... [--lines N]

Every file of EXPECTED_DIR is one observation, named by its path. Both sides are masked first, so that only what follows
from a case's input is compared; what is masked, and why, stands at each mask below. Lines that only one side has after
that are differences; files that only ACTUAL_DIR has are not looked at. Exit status: 0 equal, 1 not, 2 usage.
"""

from __future__ import annotations

import argparse
import difflib
import fnmatch
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Observation:
    """One file: ``"ok"``, ``"differs"`` or ``"missing"``, and how it differs (``-`` expected, ``+`` actual)."""

    name: str
    result: str
    diff: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join([f"{self.result} {self.name}", *(f"    {line}" for line in self.diff)])


def natural(text: str) -> list[tuple[int, str]]:
    """Sort key in which ``dax2`` comes before ``dax10``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text) if part]


def plain(text: str) -> list[str]:
    """Lines without trailing blanks; empty ones are dropped."""
    return [line.rstrip() for line in text.splitlines() if line.strip()]


# ------------------------------------------------------------------------------------------------------- /proc/iomem

# Devices, PCI windows, ROMs, HPET ... come from ACPI and PCI, which a case does not describe.
_RESOURCES = re.compile(
    r"(System RAM.*|Soft Reserved|Reserved|reserved|ACPI Tables|ACPI Non-volatile Storage|Unusable memory"
    r"|Persistent Memory.*|hmem(\.\d+)?|dax\d.*|Kernel (code|rodata|data|bss)|Crash kernel|RAM buffer|Unknown E820 type"
    r"|CXL Window.*|region\d+|namespace\d.*)$"
)
_RESOURCE_LINE = re.compile(r"( *)([0-9a-fA-F]+)-([0-9a-fA-F]+) : (.*?)\s*$")


@dataclass
class _Resource:
    depth: int
    start: int
    end: int
    name: str

    def __str__(self) -> str:
        return f"{'  ' * self.depth}{self.start:08x}-{self.end:08x} : {self.name}"


def iomem(text: str) -> list[str]:
    """The lines that follow from the input; a line's depth counts kept lines only.

    ``reserved`` inside System RAM is an allocation of the early boot; one outside is not (arm64: memory that is not
    mapped).
    """
    path: list[tuple[str, bool]] = []
    kept: list[_Resource] = []
    for found in filter(None, map(_RESOURCE_LINE.match, text.splitlines())):
        del path[len(found[1]) // 2 :]
        in_ram = any(name.startswith("System RAM") for name, _ in path)
        keep = bool(_RESOURCES.match(found[4])) and not (found[4] == "reserved" and in_ram)
        if keep:
            depth = sum(was_kept for _, was_kept in path)
            kept.append(_Resource(depth, int(found[2], 16), int(found[3], 16), found[4]))
        path.append((found[4], keep))
    return [str(resource) for resource in _joined(kept)]


def _joined(resources: Iterable[_Resource]) -> list[_Resource]:
    """Join System RAM of the top level that touches: the boot loader's setup_data splits it where the loader likes."""
    out: list[_Resource] = []
    top: _Resource | None = None
    for resource in resources:
        if resource.depth == 0:
            if top and top.name == resource.name == "System RAM" and top.end + 1 == resource.start:
                top.end = resource.end
                continue
            top = resource
        out.append(resource)
    return out


# --------------------------------------------------------------------------------------------------------------- sysfs

_DAX = [
    r"/sys/bus/dax/devices/dax\d+\.\d+ -> ",
    r"/sys/bus/dax/drivers/\w+/$",
    r"/sys/bus/dax/drivers/\w+/dax\d+\.\d+ -> ",
    r"/sys/devices/\S*/hmem(_platform)?\.\d+/($|(driver -> |numa_node = ))",
    r"/sys/devices/\S*/dax_region/(align|available_size|create|id|seed|size)( = | ! )",
    r"/sys/devices/\S*/dax\d+\.\d+/($|(align|driver|memmap_on_memory)( = | -> | ! ))",
    r"/sys/devices/\S*/dax\d+\.\d+/(numa_node|resource|size|state|target_node)( = | -> | ! )",
    r"/sys/devices/\S*/dax\d+\.\d+/mapping\d+/($|(start|end|page_offset)( = | ! ))",
]
_BLOCKS = [
    r"/sys/devices/system/memory/(block_size_bytes|auto_online_blocks) = ",
    r"/sys/devices/system/memory/memory\d+/($|node\d+ -> |(phys_index|removable|state|valid_zones)( = | ! ))",
]
# Not nodeN/meminfo and the like: free memory and counters depend on every allocation.
_NODES = [
    r"/sys/devices/system/node/(possible|online|has_\w+) = ",
    r"/sys/devices/system/node/node\d+/($|(cpulist|distance) = |memory\d+ -> |(access\d+|memory_side_cache)/)",
]
_TIERS = [r"/sys/"]
# The same everywhere.
_NOISE = re.compile(r"/(power|uevent|subsystem)\b")


def _keeping(patterns: Sequence[str]) -> Callable[[str], list[str]]:
    compiled = [re.compile(pattern) for pattern in patterns]

    def keep(text: str) -> list[str]:
        lines = (line for line in text.splitlines() if any(p.match(line) for p in compiled))
        found = {line.rstrip() for line in lines if not _NOISE.search(line)}
        return sorted(found, key=natural)

    return keep


# ----------------------------------------------------------------------------------------------------------------- log

#: Beginnings of the log lines that follow from a case's input.
_LOG = [
    # e820
    r"BIOS-provided physical RAM map:",
    r"BIOS-e820: ",
    r"user-defined physical RAM map:",
    r"user: \[(mem|gap) ",
    r"extended: \[(mem|gap) ",
    r"modified physical RAM map:",
    r"modified: \[(mem|gap) ",
    r"e820: ",
    r"last_pfn = ",
    r"\[(mem|gap) 0x[0-9a-f]+-0x[0-9a-f]+\] available for PCI devices",
    r"Malformed early option ",
    r"Memory limited to ",
    r"Memory Limit: ",
    # EFI
    r"efi_fake_mem: ",
    r"efi: Failed to fake",
    r"efi: (Remove|Not removing) mem\d+: MMIO",
    r"efi: \[Firmware Bug\]",
    r"efi: Removing \d+ invalid",
    r"efi: mem\d+: ",
    # NUMA
    r"(ACPI: )?SRAT: ",
    r"ACPI: NUMA: ",
    r"NUMA: (?!NODE_DATA)",
    r"ACPI: SLIT table",
    r"No NUMA configuration found",
    r"Faking a node at ",
    r"Fake node size ",
    r"Faking node \d+ at ",
    r"NUMA turned off",
    r"Zone ranges:",
    r"  (DMA|DMA32|Normal|Movable|Device) +(\[mem|empty)",
    r"Movable zone start for each node",
    r"  Node \d+: 0x",
    r"Early memory node ranges",
    r"  node +\d+: \[mem ",
    r"Initmem setup node \d+ ",
    r"Initializing node \d+ as memoryless",
    r"Could not find start_pfn",
    r"Fallback order for Node ",
    r"Built \d+ zonelists",
    r"Policy zone: ",
    r"x86/mm: Memory block size: ",
    r"smp: Brought up ",
    r"Demotion targets for Node ",
    r"memory_tier",
    r"Unknown (target|online) node for memory",
    # HMAT
    r"acpi/hmat: ",
    r"ACPI: \[HMAT:",
    r"\[HMAT:",
    r"HMAT:",
    # dax, kmem, hotplug, kexec
    r"(kmem|device_dax|dax|hmem|dax_hmem|hmem_platform|nd_\w+|dev_dax)\b.*: ",
    r"dax_region ",
    r"Block size \[",
    r"removing memory fails",
    r"Offlined Pages ",
    r"System RAM resource .* cannot be added",
    r"Built-in zone",
    r"Online pages ",
    r"online_pages \[mem",
    r"memory memory\d+: ",
    r"kmem_cache_hotplug",
    r"Auto-onlining",
    r"kexec_file: ",
    r"kexec: ",
]
_LOG_LINE = re.compile("|".join(f"(?:{pattern})" for pattern in _LOG))
# Node data, setup_data of the loader: allocations. Times.
_LOG_NEVER = re.compile(r"NODE_DATA|e820: update \[mem \S+\] usable ==> usable|dax: \d+ usec")
_STAMP = re.compile(r"^\[ *\d+\.\d+\] ")
_EFI_ENTRY = re.compile(r"efi: mem(\d+): ")


def log(text: str, *, second: bool = False) -> list[str]:
    """Lines that follow from the input, in their order.

    The first listing of the EFI map is the input itself; the one of the runtime map depends on allocations; both are
    dropped. Numbers that count allocations are masked. ``second``: of a kernel started by kexec, whose RAM buffer lines
    depend on where the loader put its setup_data.
    """
    out: list[str] = []
    listings, runtime = 0, False
    for line in (_STAMP.sub("", raw).rstrip() for raw in text.splitlines()):
        entry = _EFI_ENTRY.match(line)
        if entry:
            listings += entry[1].strip("0") == "" and not runtime
            if runtime or listings < 2:
                continue
        elif "EFI runtime memory map:" in line:
            runtime = True
        elif line.startswith("efi: ") and "mem" not in line:
            runtime = False
        if not _LOG_LINE.match(line) or _LOG_NEVER.search(line):
            continue
        if second and line.startswith("e820: reserve RAM buffer "):
            continue
        line = re.sub(r"(efi: (?:Remove|Not removing) mem)\d+", r"\1NN", line)
        out.append(re.sub(r"(Built \d+ zonelists, mobility grouping \w+)\..*", r"\1.", line))
    return out


# ------------------------------------------------------------------------------------------------------ output of kexec

_LISTS = ("MEMORY RANGES", "E820 memmap:")
_LIST_ENTRY = re.compile(r"[0-9a-f]{16}-[0-9a-f]{16} \(\d+\)$")
_RANGE = re.compile(r"get_memory_ranges:\+\[\d+\] (.*)")
_COMPLAINT = re.compile(
    r"(Unknown type|Cannot|Could not|kexec_(file_)?load failed|.*failed:|Overflow|Invalid)", re.IGNORECASE
)


def kexec_output(text: str) -> list[str]:
    """Memory ranges and complaints of ``kexec -d``; segments depend on the sizes of files."""
    out: list[str] = []
    inside = False
    for line in map(str.rstrip, text.splitlines()):
        if line in _LISTS or (inside and _LIST_ENTRY.match(line)):
            inside = True
            out.append(line)
            continue
        inside = False
        found = _RANGE.match(line)
        if found:
            out.append(f"get_memory_ranges:+ {found[1]}")
        elif _COMPLAINT.match(line):
            out.append(line)
    return out


# ----------------------------------------------------------------------------------------------------------- comparing

_MASKS: dict[str, Callable[[str], list[str]]] = {
    "iomem.txt": iomem,
    "dax.txt": _keeping(_DAX),
    "memory-blocks.txt": _keeping(_BLOCKS),
    "nodes.txt": _keeping(_NODES),
    "memory-tiers.txt": _keeping(_TIERS),
    "firmware-memmap.txt": lambda text: sorted(plain(text), key=natural),
}


def masked(name: str, text: str) -> list[str]:
    """The lines of an observation that are compared."""
    base = name.rsplit("/", 1)[-1]
    if base == "log.txt":
        return log(text, second=name.startswith("kexec/"))
    if name.endswith("load/output.txt"):
        return kexec_output(text)
    return _MASKS.get(base, plain)(text)


def records(lines: Sequence[str]) -> list[list[str]]:
    """A trace's lines, split at each ``# NUMBER``."""
    out: list[list[str]] = []
    for line in lines:
        if line.startswith("# ") or not out:
            out.append([])
        out[-1].append(line)
    return out


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def compare(
    expected: Path, actual: Path, *, only: Sequence[str] = (), skip: Sequence[str] = (), lines: int = 20
) -> list[Observation]:
    """Compare two directories, file by file; ``lines`` limits each difference."""
    out = []
    for path in sorted((p for p in expected.rglob("*") if p.is_file()), key=lambda p: natural(str(p))):
        name = path.relative_to(expected).as_posix()
        if (only and not _matches(name, only)) or _matches(name, skip):
            continue
        other = actual / name
        if not other.is_file():
            out.append(Observation(name, "missing"))
            continue
        want = masked(name, path.read_text(errors="replace"))
        have = masked(name, other.read_text(errors="replace"))
        if want == have:
            out.append(Observation(name, "ok"))
        else:
            out.append(Observation(name, "differs", _difference(name, want, have, lines)))
    return out


def _difference(name: str, want: list[str], have: list[str], limit: int) -> list[str]:
    diff = list(difflib.unified_diff(want, have, n=1, lineterm=""))[2:]
    shown = diff[:limit] + ([f"... {len(diff) - limit} more lines"] if len(diff) > limit else [])
    if name.endswith("trace.txt"):
        pairs = list(zip(records(want), records(have), strict=False))
        first = next((i for i, (a, b) in enumerate(pairs) if a != b), len(pairs))
        shown.insert(0, f"{sum(a == b for a, b in pairs)} of {len(records(want))} records equal, first other: {first}")
    return shown


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("expected", type=Path)
    parser.add_argument("actual", type=Path)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--skip", action="append", default=[])
    parser.add_argument("--lines", type=int, default=20)
    options = parser.parse_args()
    for directory in (options.expected, options.actual):
        if not directory.is_dir():
            parser.error(f"{directory} is not a directory")
    found = compare(options.expected, options.actual, only=options.only, skip=options.skip, lines=options.lines)
    for observation in found:
        print(observation)
    bad = sum(observation.result != "ok" for observation in found)
    print(f"{len(found) - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
