"""softreserve plugin: CXL windows, memory devices and regions."""
