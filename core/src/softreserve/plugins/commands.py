"""What a plugin adds its commands to."""

from __future__ import annotations

import click

__all__ = ["Collected"]


class Collected(click.Group):
    """An empty group. click itself lets the second command of a name replace the first."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command.

        :raises ValueError: it is none, has no name, or the name is taken.
        """
        if not isinstance(cmd, click.Command):
            raise ValueError(f"wanted a click command, not {type(cmd).__name__}")
        name = name or cmd.name
        if not name or name.startswith("-") or not name.isprintable() or " " in name:
            raise ValueError(f"a command that nobody can type: {name!r}")
        if name in self.commands:
            raise ValueError(f"command {name!r} is added twice")
        super().add_command(cmd, name)
