"""ACPI tables: reading, writing, and what the kernel makes of them at boot."""
