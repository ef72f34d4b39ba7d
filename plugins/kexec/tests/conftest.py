"""Machines to kexec from. An architecture that is not installed here skips, and says so."""

import pytest
from softreserve.config.builds import default_config
from softreserve.kernel.system import System
from softreserve.machine.boot import boot
from softreserve.model.acpi.srat import MemoryAffinity, Srat
from softreserve.model.cmdline import CommandLine
from softreserve.model.efi import EfiAttribute, EfiDescriptor, EfiMemoryMap, EfiType
from softreserve.model.kernel import Kernel
from softreserve.model.machine import E820Entry, KernelImage, Machine
from softreserve.model.ranges import PhysRange
from softreserve.plugins.hooks import Hooks, installed, load

G = 1 << 30
M = 1 << 20
CACHEABLE = int(EfiAttribute.WB | EfiAttribute.WT | EfiAttribute.WC | EfiAttribute.UC)
SP = int(EfiAttribute.SP)
SOFT = 0xEFFFFFFF


def need(*names: str) -> None:
    missing = [name for name in names if name not in installed()]
    if missing:
        pytest.skip(f"not installed here: {', '.join('softreserve-' + name for name in missing)}")


def conventional(start: int, end: int, attribute: int = CACHEABLE) -> EfiDescriptor:
    return EfiDescriptor(int(EfiType.CONVENTIONAL), start, (end - start) >> 12, attribute)


def srat(*ranges: tuple[int, int, int]) -> bytes:
    """Memory of domain 0, 1 ...: a (start, end) in bytes each."""
    return Srat(
        [MemoryAffinity(proximity_domain=pxm, base=start, size_bytes=end - start) for pxm, start, end in ranges]
    ).sealed()


class Lab:
    """Boots the example machine of the kexec dossier: SP of 8 GiB at 9 GiB, RAM around it."""

    sp = PhysRange(0x240000000, 0x440000000)

    def efi_map(self, sp_attribute: int = CACHEABLE | SP) -> EfiMemoryMap:
        return EfiMemoryMap(
            (
                conventional(0, 0x9F000),
                EfiDescriptor(int(EfiType.RESERVED), 0x9F000, 0x61, CACHEABLE),
                conventional(0x100000, 0xBFF00000),
                EfiDescriptor(
                    int(EfiType.RUNTIME_SERVICES_DATA), 0xBFF00000, 0x100, CACHEABLE | int(EfiAttribute.RUNTIME)
                ),
                conventional(4 * G, 9 * G),
                conventional(9 * G, 17 * G, sp_attribute),
                conventional(17 * G, 20 * G),
            )
        )

    def x86(
        self, flavour: str = "S", *, release: str = "6.12", cmdline: str = "", e820: tuple[E820Entry, ...] | None = None
    ) -> Machine:
        """A machine of a flavour: ``S`` by the stub; ``L1`` loader's e820, EFI map with SP; ``L3`` memmap=."""
        need("x86")
        entries: tuple[E820Entry, ...] | None = None
        efi_map: EfiMemoryMap | None = self.efi_map()
        boot_way = "stub"
        if flavour != "S":
            entries, boot_way = e820 or self.firmware_table(1), "loader"
            if flavour == "L3":
                efi_map, cmdline = self.efi_map(CACHEABLE), f"{cmdline} memmap=8G%9G+0xefffffff".strip()
        if e820 is not None:
            entries, efi_map, boot_way = e820, None, "loader"
        return Machine(
            name="x86",
            kernel=Kernel(release, "x86_64", config=default_config("x86_64", release)),
            cmdline=CommandLine(cmdline),
            efi_map=efi_map,
            e820=entries,
            boot=boot_way,
            acpi={"SRAT": srat((0, 0, 9 * G), (1, 9 * G, 17 * G), (0, 17 * G, 20 * G))},
            image=KernelImage(code=PhysRange(16 * M, 64 * M)),
        )

    def firmware_table(self, sp_type: int) -> tuple[E820Entry, ...]:
        """The firmware table of the worked examples; ``sp_type`` is the e820 type of the SP range."""
        rows = [
            (0, 0x9FC00, 1),
            (0x9FC00, 0x100000, 2),
            (0x100000, 0xC0000000, 1),
            (4 * G, 9 * G, 1),
            (9 * G, 17 * G, sp_type),
            (17 * G, 20 * G, 1),
        ]
        return tuple(E820Entry(start, end - start, kind) for start, end, kind in rows)

    def arm64(self, *, release: str = "6.12", cmdline: str = "") -> Machine:
        need("arm64")
        efi_map = EfiMemoryMap((conventional(1 * G, 5 * G), conventional(34 * G, 50 * G, CACHEABLE | SP)))
        return Machine(
            name="arm64",
            # Debian's 6.1 makes no hmem devices on arm64; one that does exists (64K build). No kernel of Debian's
            # for arm64 has kexec_file_load
            kernel=Kernel(
                release,
                "arm64",
                config={**default_config("arm64", release), "DAX": "y", "ZONE_DEVICE": "y", "KEXEC_FILE": "y"},
            ),
            cmdline=CommandLine(cmdline),
            efi_map=efi_map,
            acpi={"SRAT": srat((0, 1 * G, 5 * G), (1, 34 * G, 50 * G))},
            image=KernelImage(code=PhysRange(G + 2 * M, G + 32 * M), data=PhysRange(G + 37 * M, G + 41 * M)),
        )

    def hooks(self, machine: Machine) -> Hooks:
        arch = {"x86_64": "x86", "arm64": "arm64"}[machine.arch]
        return load([arch, *(name for name in ("hmem", "kexec") if name in installed())])

    def boot(self, machine: Machine) -> System:
        return boot(machine, self.hooks(machine), recording=False)


@pytest.fixture
def lab() -> Lab:
    return Lab()
