"""softreserve plugin: hmem."""
