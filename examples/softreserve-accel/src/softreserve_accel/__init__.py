"""Coherent memory of an accelerator: a node and a dax device that no firmware table knows, and a driver for it."""
