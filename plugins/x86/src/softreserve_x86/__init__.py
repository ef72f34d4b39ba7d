"""softreserve plugin: x86."""
