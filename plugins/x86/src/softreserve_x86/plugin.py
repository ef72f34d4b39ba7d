"""Hooks of the x86 plugin."""
