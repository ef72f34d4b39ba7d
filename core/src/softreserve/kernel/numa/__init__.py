"""Nodes: what firmware says of them, memory ranges, sysfs (Linux: ``drivers/acpi/numa/``, ``mm/numa*.c``)."""
