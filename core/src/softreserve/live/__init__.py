"""A running machine for real programs: files, mounts, namespaces and records."""
