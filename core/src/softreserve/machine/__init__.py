"""A machine's life: booting, steps, modules, what it shows, and crossing into the next kernel."""
