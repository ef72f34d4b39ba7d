"""Behaviours of x86; see :mod:`softreserve.model.release`."""

from __future__ import annotations

from typing import Final

from softreserve.model.release import Behaviour, Boundary

EFI_FAKE_MEM: Final = Behaviour(
    "efi-fake-mem",
    "efi_fake_mem= marks ranges in the EFI map (x86, CONFIG_EFI_FAKE_MEMMAP)",
    until=Boundary(
        "6.11",
        "x86/efi: Drop support for fake EFI memory maps",
        "captured x86-6.1-fake-one; vectors kaslr-x86 6.1; source read 6.8.1",
        "vectors kaslr-x86 6.12",
    ),
)

EFI_FAKE_MEM_ADDS_UP: Final = Behaviour(
    "efi-fake-mem-adds-up",
    "several efi_fake_mem= ranges all end up in the EFI map; before, each replaced the ones inserted before it",
    since=Boundary(
        "5.6", "efi: Fix handling of multiple efi_fake_mem= entries", "from history", "vectors efi-fake-mem 6.1"
    ),
)

EFI_FAKE_MEM_ENTRY_PER_INSTANCE: Final = Behaviour(
    "efi-fake-mem-entry-per-instance",
    "each efi_fake_mem= range makes an e820 entry of its own",
    since=Boundary(
        "5.10",
        "efi/fake_mem: arrange for a resource entry per efi_fake_mem instance",
        "from history",
        "captured x86-6.1-fake-one; vectors efi-fake-mem 6.1",
    ),
)

EFI_REMOVE_E820_MMIO: Final = Behaviour(
    "efi-remove-e820-mmio",
    "large MMIO descriptors are removed from e820",
    since=Boundary(
        "6.2",
        "efi/x86: Remove EfiMemoryMappedIO from E820 map",
        "captured x86-6.1-trace-2; vectors x86-boot 6.1; source read 6.0",
        "captured x86-6.12-trace-1; vectors x86-boot 6.12; source read 6.4",
    ),
)

E820_SOFT_RESERVED_NEVER_MERGES: Final = Behaviour(
    "e820-soft-reserved-never-merges",
    "every soft reserved e820 entry stays an entry of its own",
    since=Boundary(
        "5.10",
        "ACPI: HMAT: attach a device for each soft-reserved range",
        "source read 5.4.1",
        "captured x86-6.1-many-small; vectors e820-edit 6.1; source read 5.10.7",
    ),
)

E820_END_PFN_COUNTS_ACPI: Final = Behaviour(
    "e820-end-pfn-counts-acpi",
    "max_pfn counts ACPI entries like RAM",
    since=Boundary(
        "6.12",
        "x86/e820: Permit making ACPI tables usable RAM (stable)",
        "vectors memory-block-size 6.1; source read 6.8.1",
        "vectors memory-block-size 6.12",
        after="6.8",
    ),
)

SETUP_DATA_KEPT_FOR_KEXEC: Final = Behaviour(
    "setup-data-kept-for-kexec",
    "setup_data nodes of a boot loader are marked in the e820 table for kexec",
    until=Boundary(
        "6.10",
        "x86/kexec: Do not update E820 kexec table for setup_data",
        "source read 6.1.192; source read 6.8.1",
        "source read 6.12.117",
    ),
)

X86_BARE_METAL_MAX_MEMORY_BLOCK: Final = Behaviour(
    "x86-bare-metal-max-memory-block",
    "without a hypervisor, memory blocks are as large as possible (2 GiB) from 64 GiB of RAM on",
    since=Boundary(
        "5.8",
        "x86/mm: use max memory block size on bare metal",
        "source read 5.4.1",
        "vectors memory-block-size 6.1; source read 5.10.7",
    ),
)

EFI_STUB_DECOMPRESSES: Final = Behaviour(
    "efi-stub-decompresses",
    "the x86 EFI stub places and decompresses the kernel itself; before, the decompressor ran after it",
    since=Boundary(
        "6.6",
        "x86/efistub: Avoid legacy decompressor when doing EFI boot",
        "source read 6.4",
        "source read 6.1.192",
    ),
    backported=("6.1.84",),
)

SRAT_CPU_LINES_AT_DEBUG_LEVEL: Final = Behaviour(
    "srat-cpu-lines-at-debug-level",
    "x86 prints `SRAT: PXM .. -> APIC ..` at debug level only",
    since=Boundary(
        "6.12",
        "",
        "captured x86-6.1-trace-2; source read 6.8.1",
        "captured x86-6.12-trace-1",
        after="6.8",
    ),
)

KEXEC_FILE_ABOVE_PREF_ADDRESS: Final = Behaviour(
    "kexec-file-above-pref-address",
    "kexec_file_load puts an x86 kernel no lower than its preferred address",
    since=Boundary(
        "6.12",
        "",
        "source read 6.1.192; source read 6.8.1",
        "source read 6.12.117",
        after="6.8",
    ),
)

CLEARS_RNG_SEED: Final = Behaviour(
    "clears-rng-seed",
    "random numbers that a loader hands over in setup_data are used, and their node shrinks to its header",
    since=Boundary(
        "6.0",
        "x86/setup: Use rng seeds from setup_data",
        "source read 5.15.100",
        "source read 6.1.192; source read 6.0",
    ),
)

SETUP_DATA_SPLITS_RAM: Final = Behaviour(
    "setup-data-splits-ram",
    "setup_data nodes of a boot loader are RAM of a type of their own (128), which cuts System RAM in /proc/iomem; "
    "later nobody knows that type",
    until=Boundary(
        "6.15",
        "x86/e820: Drop obsolete E820_TYPE_RESERVED_KERN and related code",
        "vectors e820-resources 6.12; source read 6.14",
        "vectors e820-resources 7.3; source read 6.19",
    ),
)

E820_REWORKED: Final = Behaviour(
    "e820-reworked",
    "the log says `System RAM` and `device reserved`, and shows gaps; of equal gaps the highest is for PCI; a boot "
    "table of one entry is taken",
    since=Boundary(
        "7.0",
        "x86/boot/e820: Improve e820_print_type() messages",
        "captured x86-6.18-two-node-hmat; source read 6.19",
        "captured x86-7.3-two-node-hmat",
    ),
)

KASLR_HUGEPAGES_STRICT: Final = Behaviour(
    "kaslr-hugepages-strict",
    "the choice of the kernel's place reads hugepages= as a whole number; before, what stands in front counted",
    since=Boundary("7.2", "", "source read 6.12.117", "source read 7.2.13"),
)

X86_FIVE_LEVELS_ALWAYS: Final = Behaviour(
    "x86-five-levels-always",
    "five-level page tables are always built in",
    since=Boundary(
        "6.17",
        "x86/mm/64: Make 5-level paging support unconditional",
        "source read 6.12.117; source read 6.14",
        "captured x86-7.3-la57; source read 6.19",
        after="6.14",
    ),
)

PM_SAYS_HIBERNATION: Final = Behaviour(
    "pm-says-hibernation",
    "lines about memory that hibernation leaves out begin with `PM: hibernation:`; before, with `PM:`",
    since=Boundary("5.6", "", "source read 5.4.18", "source read 5.10.13", after="5.4"),
)

NOSAVE_BETWEEN_RAM: Final = Behaviour(
    "nosave-between-ram",
    "what lies between RAM is left out of hibernation in one piece; before, each gap and each entry was one, and parts "
    "of pages were neither",
    since=Boundary(
        "6.15",
        "x86/e820: Fix handling of subpage regions when calculating nosave ranges in e820__register_nosave_regions()",
        "source read 5.15.100",
        "source read 7.2.13",
        after="6.14",
    ),
    # of the older series most builds that tell no level were made long before that level
    backported=(
        "5.4.29[3-9]*",
        "5.4.3??*",
        "5.10.23[7-9]*",
        "5.10.2[4-9]?*",
        "5.15.18[1-9]*",
        "5.15.19?*",
        "5.15.2??*",
        "6.1.135",
        "6.6.88",
        "6.12.24",
        "6.14.3",
    ),
)

X86_KVM_GUEST_LOOKS_AT_RAM: Final = Behaviour(
    "x86-kvm-guest-looks-at-ram",
    "guests of KVM look for the end of RAM below 4 GiB before anything else is done to the e820 table",
    since=Boundary(
        "6.18",
        "x86/kvm: Force legacy PCI hole to UC when overriding MTRRs for TDX/SNP",
        "source read 6.1.192",
        "source read 7.2.13",
    ),
    backported=("6.12.54", "6.17.4"),
)

FIRST_MIB_RESERVED: Final = Behaviour(
    "first-mib-reserved",
    "nothing below 1 MiB is free memory once processors can be started; before, only where they start was taken",
    since=Boundary(
        "5.13", "x86/setup: Always reserve the first 1M of RAM", "source read 5.10.13", "source read 5.15.100"
    ),
)

CRASH_KERNEL_TAKES_FIRST_MIB: Final = Behaviour(
    "crash-kernel-takes-first-mib",
    "with crashkernel= nothing below 1 MiB is free memory",
    since=Boundary(
        "5.5",
        "x86/kdump: Always reserve the low 1M when the crashkernel option is specified",
        "source read 5.4.18",
        "source read 5.10.13",
    ),
    until=Boundary(
        "5.13", "x86/setup: Always reserve the first 1M of RAM", "source read 5.10.13", "source read 5.15.100"
    ),
)

E820_LINES_PREFIXED: Final = Behaviour(
    "e820-lines-prefixed",
    "lines about the e820 table that have no other beginning begin with `e820: `",
    until=Boundary("4.18", "", "from history", "source read 5.4.18", after="4.15"),
)

GRAPHICS_MEMORY_AS_NUMBERS: Final = Behaviour(
    "graphics-memory-as-numbers",
    "memory of Intel's graphics is printed as two numbers; later as a resource",
    until=Boundary(
        "4.16", "x86/early-quirks: replace the magical increment start values", "from history", "source read 5.4.18"
    ),
)

MEMORY_BLOCK_SIZE_PRINTED: Final = Behaviour(
    "memory-block-size-printed",
    "the size of memory blocks is printed on small machines too",
    since=Boundary("4.8", "", "from history", "source read 5.4.18", after="4.4"),
)
