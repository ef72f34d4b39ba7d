"""softreserve: what Linux makes of EFI specific purpose memory, without a kernel, root or hardware."""

__version__ = "0.1.0"
