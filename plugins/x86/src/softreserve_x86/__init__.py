"""softreserve plugin: x86."""

__version__ = "0.1.0"
