"""What ``kernel.toml`` says of a running Linux: release, options, processors, where the image is, what is loaded."""

from __future__ import annotations

import io
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from softreserve.config.host.privacy import kept
from softreserve.config.host.tree import LARGEST_FILE, Tree
from softreserve.config.kernel_toml import PAGE_SIZES
from softreserve.config.packed import Unpacked
from softreserve.config.toml_text import toml_string

__all__ = ["architecture", "kernel_toml", "options", "release"]

_VERSION: Final = re.compile(r"Linux version (\S+)")
_OPTION: Final = re.compile(r"(?:CONFIG_(\w+)=(y|m|n|-?\d+|0x[0-9a-fA-F]+)|# CONFIG_(\w+) is not set)$")
#: Modules whose presence decides who drives specific purpose memory.
_MODULES: Final = re.compile(r"(?:dax|device_dax|kmem|cxl|nd_|nfit|libnvdimm|einj|hmem)\w*")
_IMAGE: Final = {"Kernel code": "code", "Kernel rodata": "rodata", "Kernel data": "data", "Kernel bss": "bss"}
_RESOURCE: Final = re.compile(r" +([0-9a-f]{1,16})-([0-9a-f]{1,16}) : (.*)")
_RAMDISK: Final = re.compile(r"(?:^|\] )RAMDISK: \[mem (0x[0-9a-f]{1,16})-(0x[0-9a-f]{1,16})\]", re.MULTILINE)
_PHYS_BITS: Final = re.compile(r"^address sizes\s*: (\d{1,3}) bits physical", re.MULTILINE)
_HUGE_PAGE: Final = re.compile(r"^Hugepagesize:\s+(\d{1,9}) kB$", re.MULTILINE)
#: ``uname -a``: the release, and all that follows it.
_UNAME: Final = re.compile(r"Linux \S+ (\S+) (.*)")


def release(tree: Tree) -> str | None:
    """What ``uname -r`` says; ``None`` where nothing tells."""
    said = tree.text("/proc/sys/kernel/osrelease")
    if said:
        return said
    found = _VERSION.match(tree.text("/proc/version") or "") or _UNAME.match(_uname(tree))
    return found[1] if found else None


def architecture(tree: Tree) -> str | None:
    """The architecture as it is called here; ``None`` where nothing tells."""
    known = _known()
    uname = _UNAME.match(_uname(tree))
    words = [
        tree.machine,
        tree.text("/proc/sys/kernel/arch"),
        tree.text("/uname-m"),
        *reversed(uname[2].split() if uname else ()),
    ]
    said = next((known["uname"][word] for word in words if word in known["uname"]), None)
    cpuinfo = tree.text("/proc/cpuinfo") or ""
    marks = known["cpuinfo"].items()
    return said or next((arch for arch, mark in marks if re.search(mark, cpuinfo, re.MULTILINE)), None)


def _known() -> dict[str, dict[str, Any]]:
    return tomllib.loads(Path(__file__).with_name("architectures.toml").read_text())


def _uname(tree: Tree) -> str:
    return tree.text("/uname") or tree.text("/sos_commands/kernel/uname_-a") or ""


def page_size(tree: Tree, config: dict[str, str]) -> int | None:
    """Bytes of a page; ``None`` where nothing tells. A huge page is a page full of 8-byte entries, each for a page."""
    if tree.page_size is not None:
        return tree.page_size
    said = tree.text("/pagesize") or ""
    if said.isdecimal():
        return int(said)
    for option, size in _known()["page_size"].items():
        if config.get(option) == "y":
            return int(size)
    huge = tree.text("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size") or ""
    if not huge.isdecimal() and "default_hugepagesz" not in (tree.text("/proc/cmdline") or ""):
        found = _HUGE_PAGE.search(tree.text("/proc/meminfo") or "")
        huge = str(int(found[1]) << 10) if found else ""
    return next((size for size in PAGE_SIZES if huge == str(size * size // 8)), None)


def options(tree: Tree, of: str | None) -> dict[str, str] | None:
    """The options that matter, without ``CONFIG_``, of the kernel of that release; ``None`` where there is no file."""
    text = _config_text(tree, of)
    if text is None:
        return None
    found = {}
    for line in text.splitlines():
        option = _OPTION.fullmatch(line)
        if option is not None and kept("options").match(option[1] or option[3]):
            found[option[1] or option[3]] = option[2] or "n"
    return found


def _config_text(tree: Tree, of: str | None) -> str | None:
    packed = tree.read("/proc/config.gz")
    if isinstance(packed, bytes):
        text = _unpacked(packed)
        if text is not None:
            return text
    if of is None or "/" in of:
        return None
    names = (f"/boot/config-{of}", f"/lib/modules/{of}/config", f"/usr/lib/modules/{of}/config")
    return next((text for name in names if (text := tree.text(name)) is not None), None)


def _unpacked(data: bytes) -> str | None:
    """The text that was packed; ``None`` where it is broken or ends too early: of a part, options would seem off."""
    try:
        return Unpacked("gzip", io.BytesIO(data)).read(LARGEST_FILE).decode("utf-8", "replace")
    except ValueError:
        return None


def kernel_toml(tree: Tree, log: str, iomem: bytes | None, tables: list[str] | None) -> str | None:
    """The text of ``kernel.toml``; ``None`` where not even release and architecture are known.

    :param iomem: ``/proc/iomem`` with its addresses.
    :param tables: signatures of the ACPI tables that there are, at hand or not.
    """
    said = _VERSION.search(log)
    is_release, arch = release(tree) or (said[1] if said else None), architecture(tree)
    if is_release is None or arch is None:
        return None
    config = options(tree, is_release)
    size = page_size(tree, config or {})
    lines = [f"release = {toml_string(is_release)}", f"arch = {toml_string(arch)}"]
    if size is not None:
        lines.append(f"page_size = {size}")
    if tables is not None:
        lines.append(f"acpi = [{', '.join(map(toml_string, tables))}]")
    firmware = tree.names("/sys/firmware")
    if "efi" in firmware or "memmap" in firmware:  # containers hide all of it, and reports have parts of it
        lines.append(f"efi = {str('efi' in firmware).lower()}")
    modules = _modules(tree)
    if modules is not None:
        lines.append(f"modules = [{', '.join(map(toml_string, modules))}]")
    for heading, table in (("cpus", _cpus(tree)), ("image", dict(_image(iomem, log)))):
        if table:
            lines += ["", f"[{heading}]", *(f"{name} = {value}" for name, value in table.items())]
    if config is not None:
        lines += ["", "[config]", *(f"CONFIG_{name} = {_option(value)}" for name, value in config.items())]
    return "\n".join([*lines, ""])


def _option(value: str) -> str:
    return value if value.isdecimal() and (value == "0" or value[0] != "0") else toml_string(value)


def _modules(tree: Tree) -> list[str] | None:
    """Loaded modules of those that matter; ``None`` where nothing tells."""
    text = tree.text("/proc/modules")
    return (
        None
        if text is None
        else sorted(filter(_MODULES.fullmatch, (line.partition(" ")[0] for line in text.splitlines())))
    )


def _cpus(tree: Tree) -> dict[str, str]:
    text = tree.text("/proc/cpuinfo") or ""
    count = len(re.findall(r"^processor\s*:", text, re.MULTILINE)) or _counted(
        tree.text("/sys/devices/system/cpu/online")
    )
    if not count:
        return {}
    said = {"count": str(count)}
    vendor = re.search(r"^vendor_id\s*: (\w+)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*: (.*)$", text, re.MULTILINE)
    bits = _PHYS_BITS.search(text)
    if vendor:
        said["vendor"] = toml_string(vendor[1])
    if flags:
        words = flags[1].split()
        said["hypervisor"] = str("hypervisor" in words).lower()
        said["la57"] = str("la57" in words).lower()
    if bits:
        said["phys_bits"] = bits[1]
    return said


def _counted(text: str | None) -> int:
    """How many numbers a list as ``0-3,8`` has."""
    found = re.findall(r"(\d{1,9})(?:-(\d{1,9}))?", text or "")
    return sum(int(last or first) - int(first) + 1 for first, last in found)


def _image(iomem: bytes | None, log: str) -> Iterator[tuple[str, str]]:
    """Where the parts of the kernel's image are, and the initrd."""
    for line in (iomem or b"").decode("utf-8", "replace").splitlines():
        found = _RESOURCE.fullmatch(line)
        if found and found[3] in _IMAGE and int(found[1], 16) <= int(found[2], 16):
            yield _IMAGE[found[3]], _span(int(found[1], 16), int(found[2], 16))
    ramdisk = _RAMDISK.search(log)
    if ramdisk and int(ramdisk[1], 16) <= int(ramdisk[2], 16):
        yield "initrd", _span(int(ramdisk[1], 16), int(ramdisk[2], 16))


def _span(start: int, last: int) -> str:
    return f"{{ start = {start:#x}, size = {last - start + 1:#x} }}"
