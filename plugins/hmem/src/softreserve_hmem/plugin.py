"""Hooks of the hmem plugin."""
