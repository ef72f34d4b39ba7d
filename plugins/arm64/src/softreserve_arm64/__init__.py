"""softreserve plugin: arm64."""
