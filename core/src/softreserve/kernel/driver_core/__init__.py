"""Devices, drivers, buses and their numbers, as far as no subsystem has its own. Linux: ``drivers/base``."""
