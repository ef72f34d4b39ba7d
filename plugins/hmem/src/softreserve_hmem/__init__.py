"""softreserve plugin: hmem."""

__version__ = "0.1.0"
