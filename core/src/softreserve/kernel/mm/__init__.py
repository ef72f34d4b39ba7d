"""Physical memory: memblock, zones, memory blocks, hot add and remove (Linux: ``mm/``, ``drivers/base/memory.c``)."""
