"""Hooks of the kexec plugin."""
