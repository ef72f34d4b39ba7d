"""An example of a softreserve plugin: a small architecture."""

__version__ = "0.1.0"
