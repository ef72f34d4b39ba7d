"""A host that runs Linux, as a case: what a boot of it needs, and what it shows of its memory.

From the running system itself, or from copies of its files (:mod:`softreserve.config.host.tree`). The files are those
of a capture directory, see ``docs/captures.md``.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from softreserve.config.host.facts import kernel_toml
from softreserve.config.host.messages import kernel_log
from softreserve.config.host.observed import ONLY_FOR_ROOT, firmware_memmap, iomem, partly_there, sysfs_files
from softreserve.config.host.privacy import private_cmdline, private_log
from softreserve.config.host.tree import Tree
from softreserve.config.log import parse_log
from softreserve.model.efi import EfiDescriptor
from softreserve.model.efi_text import native_line, numbered_line
from softreserve.model.errors import InputError
from softreserve.model.kernel import Kernel
from softreserve.model.sysfs_text import natural

__all__ = ["TABLES", "Case", "collect"]

#: ACPI tables that decide what becomes of memory.
TABLES: Final = ("APIC", "CEDT", "HMAT", "SLIT", "SRAT")
_TABLES_AT: Final = "/sys/firmware/acpi/tables"
#: Where the script keeps which of them there are: that everybody is shown.
_LISTED: Final = "/acpi-tables"
_ROOT_ONLY: Final = "only root may read it"
_NOT_EVEN_ROOT: Final = "root is not shown it either: it is a container's, or lacks capabilities"
_NOT_COPIED: Final = "who copied it was not allowed to read it"
_EFI_LINE: Final = re.compile(r"efi: +(?:(mem)\d+: |0x[0-9a-f]+-0x)")


class Case(NamedTuple):
    """A capture: content of its files by name (``input/log.txt``).

    :param hidden: what of the host is not known, and why.
    :param for_root: whether root would be shown more.
    """

    files: dict[str, bytes]
    hidden: dict[str, str]
    for_root: bool


def collect(tree: Tree, *, full_log: bool = False) -> Case:
    """Take a case from a host. What cannot be read is left out and named.

    :param full_log: keep every line of the log, and the whole command line.
    :raises InputError: what is there is too little to say anything of a host.
    """
    return _Collector(tree, full_log).case()


class _Collector:
    def __init__(self, tree: Tree, full_log: bool) -> None:
        self.tree = tree
        self.full_log = full_log
        self.files: dict[str, bytes] = {}
        self.hidden: dict[str, str] = {}
        self.for_root = False

    def case(self) -> Case:
        """All of it."""
        log = self._log()
        resources = self._iomem()
        self._firmware_memmap()
        for name, text, only_for_root in sysfs_files(self.tree):
            self._put(f"expected/{name}", text)
            if only_for_root:
                self._only_for_root(name, f"{only_for_root} of its values are shown to root only")
        self.hidden.update((name, "the copy has only parts of it") for name in partly_there(self.tree))
        tables = self._tables()
        cmdline = self.tree.text("/proc/cmdline")
        if cmdline is not None:
            self._put("input/cmdline.txt", f"{cmdline if self.full_log else private_cmdline(cmdline)}\n")
        self._efi()
        kernel = kernel_toml(self.tree, log, resources, tables)
        if kernel is not None:
            self._put("input/kernel.toml", kernel)
        if not {"input/log.txt", "input/kernel.toml"} & self.files.keys():
            raise InputError("no files of a running Linux: neither a kernel log nor /proc/version", path=self.tree.name)
        self._put("capture.toml", self._about())
        return Case(self.files, self.hidden, self.for_root)

    def _put(self, name: str, text: str) -> None:
        if text:
            self.files[name] = text.encode()

    def _only_for_root(self, name: str, why: str = "") -> None:
        if self.tree.live and os.geteuid() == 0:
            why = _NOT_EVEN_ROOT
        self.hidden[name] = why or (_ROOT_ONLY if self.tree.live else _NOT_COPIED)
        self.for_root = True

    def _answered(self, name: str, value: bytes | str | int, why: str = "") -> bool:
        """Whether there is content; what there is not is noted where somebody else would be shown it."""
        if not isinstance(value, int):
            return True
        if value in ONLY_FOR_ROOT:
            self._only_for_root(name, why)
        elif value != -errno.ENOENT:
            self.hidden[name] = f"it cannot be read: {os.strerror(-value)}"
        return False

    def _log(self) -> str:
        text, hidden = kernel_log(self.tree)
        if hidden == _ROOT_ONLY:
            self._only_for_root("log.txt")
        elif hidden:
            self.hidden["log.txt"] = hidden
        said = text if self.full_log else private_log(text)
        for name in ("input/log.txt", "expected/log.txt"):
            self._put(name, said)
        self._put("input/efi-memmap.txt", _efi_map(said))
        return said

    def _iomem(self) -> bytes | None:
        data = iomem(self.tree)
        if not self._answered("iomem.txt", data, "its addresses are zero for all but root"):
            return None
        assert isinstance(data, bytes)
        self.files["expected/iomem.txt"] = data
        return data

    def _firmware_memmap(self) -> None:
        """What the firmware, or a loader, said: an observation, and the map where the log has none."""
        text = firmware_memmap(self.tree)
        if self._answered("firmware-memmap.txt", text):
            assert isinstance(text, str)
            self._put("expected/firmware-memmap.txt", text)
            self._put("input/memmap.txt", text)

    def _tables(self) -> list[str] | None:
        """Signatures of all ACPI tables, those that decide something kept; ``None`` where nothing tells."""
        listed = {*self.tree.names(_TABLES_AT), *(self.tree.text(_LISTED) or "").split()}
        names = sorted(name for name in listed if len(name) == 4 and name.isupper() and name.isalnum())
        if not names:  # containers hide all that firmware says; who sees its memmap sees that there are none
            return [] if "memmap" in self.tree.names("/sys/firmware") else None
        for name in TABLES:
            if name in names:
                data = self.tree.read(f"{_TABLES_AT}/{name}")
                if self._answered(f"acpi/{name}", -errno.EACCES if data == -errno.ENOENT else data):
                    assert isinstance(data, bytes)
                    self.files[f"input/acpi/{name}.bin"] = data
        return names

    def _efi(self) -> None:
        """The firmware's own say: the runtime map that the kernel kept, and where its tables are."""
        lines = [*_efi_lines(self.tree)]
        if any(value in ONLY_FOR_ROOT for _, value in lines):
            self._only_for_root("efi.txt")
        self._put("input/efi.txt", "".join(f"{path} = {value}\n" for path, value in lines if isinstance(value, str)))

    def _about(self) -> str:
        rows = [f'"{name}" = "{why}"' for name, why in self.hidden.items()]
        return "\n".join(["# What of this host is not known, and why.", "[hidden]", *rows, ""])


def _efi_map(log: str) -> str:
    """The firmware's map out of a log (``efi=debug``); nothing where it is not there whole."""
    found = _EFI_LINE.search(log)
    if found is None:
        return ""
    try:
        machine = parse_log(log).machine
    except InputError:
        return ""
    line = numbered_line if found[1] else _native_line
    return "".join(f"{line(number, entry, machine.kernel)}\n" for number, entry in enumerate(machine.efi_map or ()))


def _native_line(_: int, descriptor: EfiDescriptor, kernel: Kernel) -> str:
    return native_line(descriptor, kernel)


def _efi_lines(tree: Tree) -> Iterator[tuple[str, str | int]]:
    root = "/sys/firmware/efi"
    names = [f"{root}/{name}" for name in ("fw_platform_size", "systab", "config_table", "runtime", "fw_vendor")]
    for number in sorted(tree.names(f"{root}/runtime-map"), key=natural):
        fields = ("type", "phys_addr", "virt_addr", "num_pages", "attribute")
        names += [f"{root}/runtime-map/{number}/{field}" for field in fields]
    for path in names:
        value = tree.read(path)
        if isinstance(value, bytes):
            yield path, value.decode("utf-8", "replace").strip().replace("\n", "\\n")
        elif value != -errno.ENOENT:
            yield path, value
