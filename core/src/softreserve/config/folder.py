"""The files of a capture's ``input/``, wherever they are: in a directory, or at hand."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

from softreserve.config.account import told
from softreserve.config.acpi_files import read_acpi, table_of
from softreserve.config.reader import Document, Problems, StrPath, read_bytes
from softreserve.model.errors import InputError

__all__ = ["Collected", "Folder"]


class Folder:
    """The files of ``input/`` in a directory."""

    def __init__(self, directory: str, inside: StrPath) -> None:
        self.directory = directory
        self._inside = inside

    def path(self, name: str) -> str:
        """What messages call a file."""
        return os.path.join(self.directory, name)

    def has(self, name: str) -> bool:
        """Whether there is anything of that name."""
        return os.path.lexists(self.path(name))

    def read(self, name: str) -> bytes:
        """Bytes of a file; an ``InputError`` where it cannot be read."""
        return read_bytes(self.path(name), self._inside)

    def document(self, name: str, problems: Problems, *, may_be_blank: bool = False) -> Document:
        """A TOML file, for its problems to be collected."""
        return Document(self.path(name), problems, inside=self._inside, may_be_blank=may_be_blank)

    def acpi(self) -> dict[str, bytes]:
        """All ACPI tables, by signature; an ``InputError`` for one that is none."""
        return read_acpi(self.path("acpi"), self._inside)


class Collected(Folder):
    """The files of ``input/`` as somebody has them at hand, by name (``input/log.txt``)."""

    def __init__(self, files: Mapping[str, bytes], called: StrPath) -> None:
        super().__init__(os.path.join(called, "input"), called)
        self._files = files

    def has(self, name: str) -> bool:
        """See :meth:`Folder.has`."""
        return os.path.normpath(f"input/{name}") in self._files

    def read(self, name: str) -> bytes:
        """See :meth:`Folder.read`."""
        data = self._files.get(f"input/{name}")
        if data is None:
            raise InputError(os.strerror(errno.ENOENT), path=self.path(name))
        if (account := told()) is not None:
            account.files[self.path(name)] = None
        return data

    def document(self, name: str, problems: Problems, *, may_be_blank: bool = False) -> Document:
        """See :meth:`Folder.document`."""
        data = self._files.get(f"input/{name}")
        if data is not None and (account := told()) is not None:
            account.files[self.path(name)] = None
        return Document(self.path(name), problems, data, may_be_blank=may_be_blank)

    def acpi(self) -> dict[str, bytes]:
        """See :meth:`Folder.acpi`."""
        start = "input/acpi/"
        names = sorted(name for name in self._files if name.startswith(start))
        if (account := told()) is not None:
            account.files.update((self.path(name.removeprefix("input/")), None) for name in names)
        return dict(table_of(self._files[name], self.path(name.removeprefix("input/"))) for name in names)
