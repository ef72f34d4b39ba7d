"""The text of a kernel log, of the bytes in which somebody keeps it: packed, in any encoding, as mail, as a web page.

What a file is follows from what stands in it, never from its name.
"""

from __future__ import annotations

import contextlib
import io
import re
from typing import TYPE_CHECKING, Final

from softreserve.config.packed import Unpacked, packer
from softreserve.config.reader import LARGEST, path_words
from softreserve.model.errors import InputError

if TYPE_CHECKING:
    from softreserve.config.reader import StrPath

__all__ = ["log_text"]

#: How often a file may be packed in another.
_LAYERS: Final = 4
#: What cannot be read, by its first bytes: what it is, and what makes a log of it.
_REFUSED: Final = {
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"7z\xbc\xaf": "a 7-Zip archive: unpack it first",
    b"\x04\x22\x4d\x18": "packed by lz4: unpack it first (lz4 -d)",
    b"LPKSHHRH": "a journal of systemd: journalctl --file FILE -k -o short-monotonic makes a log of it",
    b"KDUMP   ": "a dump of memory: vmcore-dmesg makes a log of it",
}
#: How much of a file tells its encoding, and how many of its characters have a zero byte if they have two.
_PROBE: Final = 4096
_MOST: Final = 0.6
#: Longer byte order marks first.
_MARKS: Final = (
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def log_text(data: bytes, path: StrPath | None = None) -> str:
    """The text of a log, which need not be clean.

    :raises InputError: it is packed by what cannot be read here, is broken, unpacks to more than an input can be, or
        is something else by its first bytes.
    """
    return _plain(_decoded(_unpacked(data, path)))


# ------------------------------------------------------------------------------------------------------------ unpacking


def _unpacked(data: bytes, path: StrPath | None) -> bytes:
    """What was packed, however often."""
    place = path_words(path) if path is not None else None
    for _ in range(_LAYERS):
        for first, what in _REFUSED.items():
            if data.startswith(first):
                raise InputError(what, path=place)
        name = packer(data)
        if name is None:
            return data
        try:
            packed = Unpacked(name, io.BytesIO(data))
            with contextlib.closing(packed):
                data = packed.read(LARGEST + 1)
        except ModuleNotFoundError as error:
            raise InputError(str(error), path=place) from None
        except ValueError as error:
            raise InputError(f"broken {name} data: {error}", path=place) from None
        if len(data) > LARGEST:
            raise InputError(f"it unpacks to more than {LARGEST >> 20} MiB, the most that is read", path=place)
    raise InputError(f"packed more than {_LAYERS - 1} times", path=place)


# ------------------------------------------------------------------------------------------------------------- decoding


def _decoded(data: bytes) -> str:
    """Windows' own programs write UTF-16, with a mark or without; a log may have bytes of other encodings in it."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    probe = data[:_PROBE]
    pairs = max(len(probe) // 2, 1)
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if probe[offset::2].count(0) > _MOST * pairs > probe[1 - offset :: 2].count(0):
            return data.decode(encoding, "replace")
    text = data.decode("utf-8-sig", "replace")
    return text if "\n" in text else text.replace("\r", "\n")


# --------------------------------------------------------------------------------------------------------- wrapped text

_MAIL: Final = re.compile(r"^Content-Transfer-Encoding: *(?:quoted-printable|base64)\s*$", re.IGNORECASE | re.MULTILINE)
#: What a line of mail ends with that goes on, and how a character is spelled out.
_QUOTED_PRINTABLE: Final = re.compile(r"=(?:[ \t]*\r?\n|([0-9A-Fa-f]{2}))")
#: A line that mailers end so, as long as they make it.
_SOFT_END: Final = re.compile(r"^(?=.{70,76}$).*=$", re.MULTILINE)
_ENTITY: Final = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#\d{1,7}|#x[0-9A-Fa-f]{1,6});")
#: Where a page has one of these, its marks are taken off.
_PAGE: Final = re.compile(r"</?(?:html|body|pre|code|span|div|p|td|br ?/?)\b[^<>]*>", re.IGNORECASE)
_TAG: Final = re.compile(r"<(?:!--.*?--|/?[A-Za-z][^<>\n]*)>")
_BREAK: Final = re.compile(r"<(?:br ?/?|/p|/div|/tr|/li)>(?!\s*\n)", re.IGNORECASE)
_FORUM: Final = re.compile(r"\[/?(?:CODE|COLOR|FONT|SIZE|QUOTE|B|I|PRE|SPOILER|HTML)(?:=[^\]\n]*)?\]", re.IGNORECASE)
_FORUM_ENDS: Final = re.compile(r"\[/(?:CODE|COLOR|FONT|SIZE|QUOTE|PRE|SPOILER)\]", re.IGNORECASE)


def _plain(text: str) -> str:
    """A text as it was before a mailer, a web page or a forum wrapped it."""
    if "ransfer-" in text and _MAIL.search(text):
        text = _of_mail(text)
    elif "=3D" in text and _SOFT_END.search(text):
        text = _of_quoted_printable(text)
    if "</" in text and _PAGE.search(text):
        text = _TAG.sub("", _BREAK.sub("\n", text))
    if "&" in text and _ENTITY.search(text):
        import html

        text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    if "[/" in text and _FORUM_ENDS.search(text):
        text = _FORUM.sub("", text)
    return text


def _of_mail(text: str) -> str:
    """The texts of a mail with everything attached to it; the mail itself where there is no text in it."""
    import email
    import email.policy

    message = email.message_from_string(text.lstrip(), policy=email.policy.compat32)
    texts = []
    for part in message.walk():
        body = part.get_payload(decode=True) if not part.is_multipart() else None
        if isinstance(body, bytes):
            texts.append(_decoded(body))
    found = "\n".join(texts)
    if found.strip() and (message.is_multipart() or message.get("Content-Transfer-Encoding")):
        return found
    return _of_quoted_printable(text)  # only a part of a mail


def _of_quoted_printable(text: str) -> str:
    return _QUOTED_PRINTABLE.sub(lambda code: chr(int(code[1], 16)) if code[1] else "", text)
