"""Files that somebody packed, unpacked while they are read. By what follows from the first bytes, not from a name."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import subprocess

__all__ = ["Unpacked", "packer"]

_MISSING: Final = (
    "packed by zstd, which nothing here unpacks: install the program zstd, or pip install 'softreserve[zstd]'"
)


def packer(beginning: bytes) -> str | None:
    """By what a file was packed that begins so; ``None``: by nothing that can be read here."""
    if beginning.startswith(b"\x1f\x8b"):
        return "gzip"
    if beginning.startswith(b"\xfd7zXZ\0") or (
        beginning.startswith(b"\x5d\0\0") and beginning[12:13] in (b"\0", b"\xff")
    ):
        return "xz"
    if re.match(rb"BZh[1-9]1AY&SY", beginning):
        return "bzip2"
    if beginning.startswith(b"\x28\xb5\x2f\xfd") or re.match(rb"[\x50-\x5f]\x2a\x4d\x18", beginning):
        return "zstd"
    return None


class Unpacked:
    """What a packed file holds, piece by piece: no more is in memory than is asked for.

    :raises ModuleNotFoundError: nothing here unpacks it; the message says what to install.
    """

    def __init__(self, name: str, file: IO[bytes]) -> None:
        self._program: subprocess.Popen[bytes] | None = None
        self._errors: tuple[type[Exception], ...] = (EOFError, OSError)
        self._file: Any = getattr(self, f"_{name}")(file)

    def read(self, size: int) -> bytes:
        """The next bytes; fewer where it ends.

        :raises ValueError: what is packed is broken, or ends too early.
        """
        pieces: list[bytes] = []
        try:
            while size > 0 and (piece := self._file.read(size)):
                pieces.append(piece)
                size -= len(piece)
        except self._errors as error:
            raise ValueError(str(error) or "they end too early") from None
        if size and self._program is not None and self._program.wait():
            raise ValueError("the program zstd does not read them")
        return b"".join(pieces)

    def close(self) -> None:
        """End the program that unpacks, if there is one."""
        if self._program is not None:
            self._program.kill()
            self._program.communicate()

    def _gzip(self, file: IO[bytes]) -> Any:
        import gzip
        import zlib

        self._errors += (zlib.error,)
        return gzip.GzipFile(fileobj=file)

    def _bzip2(self, file: IO[bytes]) -> Any:
        import bz2

        return bz2.BZ2File(file)

    def _xz(self, file: IO[bytes]) -> Any:
        import lzma

        self._errors += (lzma.LZMAError, MemoryError)
        return lzma.LZMAFile(file)

    def _zstd(self, file: IO[bytes]) -> Any:
        """By whichever of Python's modules is there; the standard library has one from 3.14 on. Else by the program."""
        import importlib

        for name in ("compression.zstd", "backports.zstd"):
            with suppress(ImportError):
                module = importlib.import_module(name)
                self._errors += (module.ZstdError,)
                return module.ZstdFile(file)
        with suppress(ImportError):
            module = importlib.import_module("zstandard")
            self._errors += (module.ZstdError,)
            return module.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        return self._zstd_program(file)

    def _zstd_program(self, file: IO[bytes]) -> Any:
        import io
        import shutil
        import subprocess
        import tempfile

        with tempfile.TemporaryFile() as copied:
            try:
                os.lseek(file.fileno(), file.tell(), os.SEEK_SET)  # what was read ahead is read again
                packed: IO[bytes] = file
            except (OSError, io.UnsupportedOperation):  # no file of the system's
                packed = copied
                shutil.copyfileobj(file, packed)
                packed.seek(0)
            words = ["zstd", "-dcq"]
            try:
                self._program = subprocess.Popen(words, stdin=packed, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            except OSError:
                raise ModuleNotFoundError(_MISSING) from None
        return self._program.stdout
