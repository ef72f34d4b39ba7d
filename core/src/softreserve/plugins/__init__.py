"""Plugins: the hooks, what is installed, and the choice for a machine."""
