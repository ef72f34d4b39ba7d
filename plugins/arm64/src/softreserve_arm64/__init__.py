"""softreserve plugin: arm64."""

__version__ = "0.1.0"
