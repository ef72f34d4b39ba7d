"""Hooks of the arm64 plugin."""
