"""softreserve plugin: kexec."""
