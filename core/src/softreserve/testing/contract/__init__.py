"""The contract, run on installed plugins."""
